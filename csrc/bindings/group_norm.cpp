// Group, instance, layer and RMS norm.
#include "ops/group_norm.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/chunks.h"
#include "core/error.h"

namespace pyconv {
namespace {

std::optional<Dims> optional_dims(const py::object& o, const std::string& op, const char* argument) {
  if (o.is_none()) return std::nullopt;
  return dims(o, op.c_str(), argument);
}
const Dims* pointer(const std::optional<Dims>& d) { return d ? &*d : nullptr; }

View checked(py::array& array, const std::string& op, const char* argument, const Dims& shape, DType dtype) {
  const View v = view(array, op.c_str(), argument);
  if (v.dtype != dtype)
    throw DTypeError(cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected ", name(dtype),
                         ", the dtype of input"));
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}
View input_view(py::array& x, const std::string& op, const GroupNormShape& s) {
  const View v = view(x, op.c_str(), "input");
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(cat("[", op, "] input has dtype ", name(v.dtype), ", expected float32 or float64"));
  if (v.shape != s.x)
    throw ShapeError(cat("[", op, "] input has shape ", text(v.shape), ", expected ", text(s.x)));
  return v;
}

// In C order, in double; `absent` when the vector is not given.
std::vector<double> values(OptionalArray& array, const std::string& op, const char* argument,
                           const GroupNormShape& s, DType dtype, double absent) {
  std::vector<double> out(static_cast<size_t>(s.weights), absent);
  if (!array) return out;
  const View v = checked(*array, op, argument, s.weight, dtype);
  for_offsets(v, 0, s.weights, [&](int64_t i, int64_t at) {
    out[i] = dtype == DType::kFloat64 ? v.as<double>()[at] : static_cast<double>(v.as<float>()[at]);
  });
  return out;
}
py::array array_of(const std::vector<double>& numbers, DType dtype, const Dims& shape) {
  py::array array = new_array(dtype, shape, false);
  const View v = writable(array);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (dtype == DType::kFloat64) v.as<double>()[i] = numbers[i];
    else v.as<float>()[i] = static_cast<float>(numbers[i]);
  }
  return array;
}

// (y, statistics): statistics are (3, rows) in float64, mean, 1 / sqrt(variance + eps) and variance.
py::tuple forward(const std::string& op, const GroupNormShape& s, py::array x, OptionalArray weight,
                  OptionalArray bias, double eps, bool centered, bool channels_last) {
  const View in = input_view(x, op, s);
  const std::vector<double> w = values(weight, op, "weight", s, in.dtype, 1.0),
                            b = values(bias, op, "bias", s, in.dtype, 0.0);
  py::array y = new_array(in.dtype, s.x, channels_last);
  py::array statistics = new_array(DType::kFloat64, Dims{3, s.rows}, false);
  const View out = writable(y);
  double* const mean = writable(statistics).as<double>();
  {
    const py::gil_scoped_release release;
    std::fill_n(mean, 3 * s.rows, 0.0);
    group_norm_forward(s, in, eps, centered, w.data(), b.data(), mean, mean + 2 * s.rows, mean + s.rows, out);
  }
  return py::make_tuple(y, statistics);
}

// (gx or None, gw, gb)
py::tuple backward(const std::string& op, const GroupNormShape& s, py::array x, py::array gy,
                   py::array statistics, OptionalArray weight, bool centered, bool want_gx,
                   bool channels_last) {
  const View in = input_view(x, op, s), g = checked(gy, op, "gradient", s.x, in.dtype);
  const View saved = checked(statistics, op, "statistics", Dims{3, s.rows}, DType::kFloat64);
  if (!is_dense(saved, false)) throw ValueError(cat("[", op, "] statistics is not contiguous"));
  const std::vector<double> w = values(weight, op, "weight", s, in.dtype, 1.0);
  std::vector<double> gw(w.size()), gb(w.size());
  py::object gx = py::none();
  View out;
  if (want_gx) {
    py::array made = new_array(in.dtype, s.x, channels_last);
    out = writable(made);
    gx = made;
  }
  {
    const py::gil_scoped_release release;
    const double* const mean = saved.as<double>();
    group_norm_backward(s, in, g, centered, mean, mean + s.rows, w.data(), gw.data(), gb.data(),
                        want_gx ? &out : nullptr);
  }
  return py::make_tuple(gx, array_of(gw, in.dtype, s.weight), array_of(gb, in.dtype, s.weight));
}

}  // namespace

void bind_group_norm(py::module_& m) {
  using namespace py::literals;
  py::class_<GroupNormShape>(m, "GroupNormShape")
      .def_property_readonly("input_shape", [](const GroupNormShape& s) { return tuple(s.x); })
      .def_property_readonly("rows", [](const GroupNormShape& s) { return s.rows; })
      .def_property_readonly("length", [](const GroupNormShape& s) { return s.length; });
  m.def(
      "group_norm_shape",
      [](const std::string& op, const py::object& x, int64_t groups, const py::object& weight,
         const py::object& bias) {
        const auto w = optional_dims(weight, op, "weight"), b = optional_dims(bias, op, "bias");
        return make_group_norm_shape(op.c_str(), dims(x, op.c_str(), "input"), groups, pointer(w),
                                     pointer(b));
      },
      "op"_a, "x"_a, "groups"_a, "weight"_a, "bias"_a);
  m.def(
      "instance_norm_shape",
      [](const std::string& op, const py::object& x, const py::object& weight, const py::object& bias) {
        const auto w = optional_dims(weight, op, "weight"), b = optional_dims(bias, op, "bias");
        return make_instance_norm_shape(op.c_str(), dims(x, op.c_str(), "input"), pointer(w), pointer(b));
      },
      "op"_a, "x"_a, "weight"_a, "bias"_a);
  m.def(
      "layer_norm_shape",
      [](const std::string& op, const py::object& x, const py::object& normalized, const py::object& weight,
         const py::object& bias) {
        const auto w = optional_dims(weight, op, "weight"), b = optional_dims(bias, op, "bias");
        return make_layer_norm_shape(op.c_str(), dims(x, op.c_str(), "input"),
                                     dims(normalized, op.c_str(), "normalized_shape"), pointer(w),
                                     pointer(b));
      },
      "op"_a, "x"_a, "normalized"_a, "weight"_a, "bias"_a);
  m.def("group_norm_forward", &forward, "op"_a, "shape"_a, "x"_a, "weight"_a, "bias"_a, "eps"_a, "centered"_a,
        "channels_last"_a);
  m.def("group_norm_backward", &backward, "op"_a, "shape"_a, "x"_a, "gy"_a, "statistics"_a, "weight"_a,
        "centered"_a, "want_gx"_a, "channels_last"_a);
}

}  // namespace pyconv
