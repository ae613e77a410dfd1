// Resampling to another size, and sampling at the points of a grid.
#include "ops/resample.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "ops/grid_sample.h"

namespace pyconv {
namespace {

View checked(py::array& array, const Dims& shape, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

View checked(py::array& array, const Dims& shape, DType dtype, const char* op, const char* argument) {
  const View v = checked(array, shape, op, argument);
  if (v.dtype != dtype)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), " but the input has ", name(dtype)));
  return v;
}

py::array resample(const std::string& op, const ResampleShape& s, py::array x, bool channels_last) {
  const View from = checked(x, s.input_shape(), op.c_str(), "input");
  py::array out = new_array(from.dtype, s.output_shape(), channels_last);
  const View to = writable(out);
  const py::gil_scoped_release release;
  resample_forward(s, from, to);
  return out;
}

py::array resample_gradient(const std::string& op, const ResampleShape& s, py::array gy, bool channels_last) {
  const View from = checked(gy, s.output_shape(), op.c_str(), "gradient");
  py::array out = new_array(from.dtype, s.input_shape(), channels_last);
  const View to = writable(out);
  const py::gil_scoped_release release;
  resample_grad_input(s, from, to);
  return out;
}

py::array sample(const GridShape& s, py::array x, py::array grid, bool channels_last) {
  const View vx = checked(x, s.input_shape(), "grid_sample", "input");
  const View vg = checked(grid, s.grid_shape(), vx.dtype, "grid_sample", "grid");
  py::array out = new_array(vx.dtype, s.output_shape(), channels_last);
  const View to = writable(out);
  const py::gil_scoped_release release;
  grid_sample_forward(s, vx, vg, to);
  return out;
}

py::array sample_grad_input(const GridShape& s, py::array gy, py::array grid) {
  const View vg = checked(grid, s.grid_shape(), "grid_sample", "grid");
  const View vy = checked(gy, s.output_shape(), vg.dtype, "grid_sample", "gradient");
  py::array out = new_array(vy.dtype, s.input_shape(), true);
  const View to = writable(out);
  const py::gil_scoped_release release;
  grid_sample_grad_input(s, vy, vg, to);
  return out;
}

py::array sample_grad_grid(const GridShape& s, py::array gy, py::array x, py::array grid) {
  const View vx = checked(x, s.input_shape(), "grid_sample", "input");
  const View vg = checked(grid, s.grid_shape(), vx.dtype, "grid_sample", "grid");
  const View vy = checked(gy, s.output_shape(), vx.dtype, "grid_sample", "gradient");
  py::array out = new_array(vy.dtype, s.grid_shape(), false);
  const View to = writable(out);
  const py::gil_scoped_release release;
  grid_sample_grad_grid(s, vy, vx, vg, to);
  return out;
}

}  // namespace

void bind_resample(py::module_& m) {
  using namespace py::literals;
  py::class_<ResampleShape>(m, "ResampleShape")
      .def_property_readonly("input_shape", [](const ResampleShape& s) { return tuple(s.input_shape()); })
      .def_property_readonly("output_shape", [](const ResampleShape& s) { return tuple(s.output_shape()); });
  m.def(
      "resample_shape",
      [](const std::string& op, const py::object& x, const py::object& output, const std::string& mode,
         bool align_corners, bool antialias, const std::vector<double>& factors) {
        const char* o = op.c_str();
        const Dims in = dims(x, o, "input"), out = dims(output, o, "size");
        return make_resample_shape(o, in, out, mode, align_corners, antialias, factors);
      },
      "op"_a, "x"_a, "output"_a, "mode"_a, "align_corners"_a, "antialias"_a, "factors"_a);
  m.def("resample_forward", &resample, "op"_a, "shape"_a, "x"_a, "channels_last"_a);
  m.def("resample_backward", &resample_gradient, "op"_a, "shape"_a, "gy"_a, "channels_last"_a);
  py::class_<GridShape>(m, "GridShape")
      .def_property_readonly("input_shape", [](const GridShape& s) { return tuple(s.input_shape()); })
      .def_property_readonly("output_shape", [](const GridShape& s) { return tuple(s.output_shape()); });
  m.def(
      "grid_shape",
      [](const py::object& x, const py::object& grid, const std::string& mode, const std::string& padding,
         bool align_corners) {
        const Dims in = dims(x, "grid_sample", "input"), points = dims(grid, "grid_sample", "grid");
        return make_grid_shape("grid_sample", in, points, mode, padding, align_corners);
      },
      "x"_a, "grid"_a, "mode"_a, "padding"_a, "align_corners"_a);
  m.def("grid_sample_forward", &sample, "shape"_a, "x"_a, "grid"_a, "channels_last"_a);
  m.def("grid_sample_grad_input", &sample_grad_input, "shape"_a, "gy"_a, "grid"_a);
  m.def("grid_sample_grad_grid", &sample_grad_grid, "shape"_a, "gy"_a, "x"_a, "grid"_a);
}

}  // namespace pyconv
