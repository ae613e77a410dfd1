#include "ops/local_conv.h"

#include <pybind11/stl.h>

#include <string>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "ops/dense.h"
#include "ref/local_conv.h"

namespace pyconv {
namespace {

View checked(py::array& array, const Dims& shape, DType dtype, const char* argument) {
  const View v = view(array, "locally_connected", argument);
  if (v.dtype != dtype)
    throw DTypeError(cat("[locally_connected] ", argument, " has dtype ", name(v.dtype),
                         " but the input has ", name(dtype)));
  if (v.shape != shape)
    throw ShapeError(
        cat("[locally_connected] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

DType float_dtype(const py::array& array, const char* argument) {
  const DType dtype = dtype_of(array, "locally_connected", argument);
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64)
    throw DTypeError(
        cat("[locally_connected] ", argument, " has dtype ", name(dtype), ", expected float32 or float64"));
  return dtype;
}

// One spatial axis is made as (n, c, 1, w), whose channels-last order is defined.
py::array new_activation(DType dtype, const Dims& shape) {
  const Dims spread = shape.rank == 3 ? Dims{shape[0], shape[1], 1, shape[2]} : shape;
  py::array out = new_array(dtype, spread, true);
  return shape.rank == 3 ? py::array(out.attr("squeeze")(2)) : out;
}

py::array forward(const LocalShape& s, py::array x, py::array weight, OptionalArray bias) {
  const DType dtype = float_dtype(x, "input");
  const View vx = checked(x, s.conv.input_shape(), dtype, "input");
  const View vw = checked(weight, s.weight_shape(), dtype, "weight");
  View vb;
  if (bias) vb = checked(*bias, s.bias_shape(), dtype, "bias");
  py::array out = new_activation(dtype, s.conv.output_shape());
  const View vy = writable(out);
  const py::gil_scoped_release release;
  const DenseInput ox(vx, true), ow(vw, false), ob(vb, false);
  if (dtype == DType::kFloat32)
    local_conv_forward(s, ox.as<float>(), ow.as<float>(), bias ? ob.as<float>() : nullptr, vy.as<float>());
  else
    ref::local_conv_forward(s, ox.as<double>(), ow.as<double>(), bias ? ob.as<double>() : nullptr,
                            vy.as<double>());
  return out;
}

py::array grad_input(const LocalShape& s, py::array gy, py::array weight) {
  const DType dtype = float_dtype(gy, "gradient");
  const View vg = checked(gy, s.conv.output_shape(), dtype, "gradient");
  const View vw = checked(weight, s.weight_shape(), dtype, "weight");
  py::array out = new_activation(dtype, s.conv.input_shape());
  const View vx = writable(out);
  const py::gil_scoped_release release;
  const DenseInput og(vg, true), ow(vw, false);
  if (dtype == DType::kFloat32) local_conv_grad_input(s, og.as<float>(), ow.as<float>(), vx.as<float>());
  else ref::local_conv_grad_input(s, og.as<double>(), ow.as<double>(), vx.as<double>());
  return out;
}

py::array grad_weight(const LocalShape& s, py::array gy, py::array x) {
  const DType dtype = float_dtype(gy, "gradient");
  const View vg = checked(gy, s.conv.output_shape(), dtype, "gradient");
  const View vx = checked(x, s.conv.input_shape(), dtype, "input");
  py::array out = new_array(dtype, s.weight_shape(), false);
  const View vw = writable(out);
  const py::gil_scoped_release release;
  const DenseInput og(vg, true), ox(vx, true);
  if (dtype == DType::kFloat32) local_conv_grad_weight(s, og.as<float>(), ox.as<float>(), vw.as<float>());
  else ref::local_conv_grad_weight(s, og.as<double>(), ox.as<double>(), vw.as<double>());
  return out;
}

}  // namespace

void bind_local_conv(py::module_& m) {
  using namespace py::literals;
  py::class_<LocalShape>(m, "LocalShape")
      .def_property_readonly("input_shape", [](const LocalShape& s) { return tuple(s.conv.input_shape()); })
      .def_property_readonly("weight_shape", [](const LocalShape& s) { return tuple(s.weight_shape()); })
      .def_property_readonly("bias_shape", [](const LocalShape& s) { return tuple(s.bias_shape()); })
      .def_property_readonly("output_shape", [](const LocalShape& s) { return tuple(s.conv.output_shape()); })
      .def_property_readonly("macs", [](const LocalShape& s) { return s.conv.macs(); });
  m.def(
      "local_shape",
      [](const std::string& op, const py::object& x, const py::object& weight, const py::object& stride,
         const py::object& padding) {
        const char* o = op.c_str();
        const Dims in = dims(x, o, "input"), bank = dims(weight, o, "weight"),
                   step = dims(stride, o, "stride"), pad = dims(padding, o, "padding");
        return make_local_shape(o, in, bank, step, pad);
      },
      "op"_a, "x"_a, "weight"_a, "stride"_a, "padding"_a);
  m.def("local_conv_forward", &forward, "shape"_a, "x"_a, "weight"_a, "bias"_a = py::none());
  m.def("local_conv_grad_input", &grad_input, "shape"_a, "gy"_a, "weight"_a);
  m.def("local_conv_grad_weight", &grad_weight, "shape"_a, "gy"_a, "x"_a);
}

}  // namespace pyconv
