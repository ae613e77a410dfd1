#include "ops/unfold.h"

#include <string>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"

namespace pyconv {
namespace {

struct UnfoldShape {
  ConvShape windows;

  Dims columns() const { return {windows.n, windows.c * windows.taps(), windows.out_pixels()}; }
};

View checked(py::array& array, const Dims& shape, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

UnfoldShape record(const std::string& op_name, const py::object& x, const py::object& kernel,
                   const py::object& stride, const py::object& padding, const py::object& dilation) {
  const char* const op = op_name.c_str();
  const Dims in = dims(x, op, "input"), window = dims(kernel, op, "kernel_size"),
             step = dims(stride, op, "stride"), pad = dims(padding, op, "padding"),
             spread = dims(dilation, op, "dilation");
  if (in.rank != 4)
    throw ShapeError(cat("[", op, "] input has shape ", text(in), " (", in.rank, " axes), expected 4"));
  check_axes(op, "kernel_size", window, 2, 1);
  check_axes(op, "padding", pad, 2, 0);
  if (in[1] < 1)
    throw ShapeError(cat("[", op, "] input has shape ", text(in), ", expected at least one channel"));
  UnfoldShape s;
  s.windows = make_conv_shape(op, in, {1, in[1], window[0], window[1]}, step, Padding::kExplicit,
                              {pad[0], pad[0], pad[1], pad[1]}, spread, 1);
  const Dims columns{s.windows.n, checked_mul(s.windows.c, s.windows.taps(), op), s.windows.out_pixels()};
  element_count(columns, op);
  return s;
}

py::array unfold_array(const std::string& op, const UnfoldShape& s, py::array x) {
  const View from = checked(x, s.windows.input_shape(), op.c_str(), "input");
  py::array out = new_array(from.dtype, s.columns(), false);
  const View to = writable(out);
  const py::gil_scoped_release release;
  unfold(s.windows, from, to);
  return out;
}

py::array fold_array(const std::string& op, const UnfoldShape& s, py::array columns, bool channels_last) {
  const View from = checked(columns, s.columns(), op.c_str(), "input");
  py::array out = new_array(from.dtype, s.windows.input_shape(), channels_last);
  const View to = writable(out);
  const py::gil_scoped_release release;
  fold(s.windows, from, to);
  return out;
}

}  // namespace

void bind_unfold(py::module_& m) {
  using namespace py::literals;
  py::class_<UnfoldShape>(m, "UnfoldShape")
      .def_property_readonly("input_shape",
                             [](const UnfoldShape& s) { return tuple(s.windows.input_shape()); })
      .def_property_readonly("output_shape", [](const UnfoldShape& s) { return tuple(s.columns()); });
  m.def("unfold_shape", &record, "op"_a, "x"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a);
  m.def("unfold", &unfold_array, "op"_a, "shape"_a, "x"_a);
  m.def("fold", &fold_array, "op"_a, "shape"_a, "columns"_a, "channels_last"_a);
}

}  // namespace pyconv
