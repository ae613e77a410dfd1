// Losses of an input and a target of one shape, by name.
#include "ops/pointwise_loss.h"

#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"

namespace pyconv {
namespace {

PointwiseLoss find(const std::string& wanted) {
  std::string known;
  for (int i = 0; i < static_cast<int>(PointwiseLoss::kCount); ++i) {
    if (wanted == kPointwiseLossNames[i]) return static_cast<PointwiseLoss>(i);
    known += (i ? ", " : "") + std::string(kPointwiseLossNames[i]);
  }
  throw ValueError(cat("[pointwise_loss] name is '", wanted, "', expected one of ", known));
}

using Params = std::vector<double>;
Params checked(Params params) {
  if (params.size() > 2)
    throw ValueError(cat("[pointwise_loss] params has ", params.size(), " numbers, expected at most 2"));
  params.resize(2, 1.0);
  return params;
}

// x and t of one shape and floating dtype.
struct Operands {
  View x, t;

  Operands(const std::string& op, py::array& input, py::array& target) {
    x = view(input, op.c_str(), "input");
    if (x.dtype != DType::kFloat32 && x.dtype != DType::kFloat64)
      throw DTypeError(cat("[", op, "] input has dtype ", name(x.dtype), ", expected float32 or float64"));
    t = view(target, x.dtype, op.c_str(), "target");
    if (t.shape != x.shape)
      throw ShapeError(
          cat("[", op, "] target has shape ", text(t.shape), ", expected the input's, ", text(x.shape)));
  }
};

py::array forward(const std::string& name, py::array input, py::array target, const Params& params,
                  bool channels_last) {
  const PointwiseLoss op = find(name);
  const Params p = checked(params);
  const Operands in(name, input, target);
  py::array y = new_array(in.x.dtype, in.x.shape, channels_last);
  const View to = writable(y);
  const py::gil_scoped_release release;
  pointwise_loss_forward(op, in.x, in.t, to, p.data());
  return y;
}

double sum(const std::string& name, py::array input, py::array target, const Params& params) {
  const PointwiseLoss op = find(name);
  const Params p = checked(params);
  const Operands in(name, input, target);
  const py::gil_scoped_release release;
  return pointwise_loss_sum(op, in.x, in.t, p.data());
}

py::array backward(const std::string& name, OptionalArray gradient, double scale, py::array input,
                   py::array target, const Params& params) {
  const PointwiseLoss op = find(name);
  const Params p = checked(params);
  const Operands in(name, input, target);
  View gy;
  if (gradient) {
    gy = view(*gradient, in.x.dtype, name.c_str(), "gradient");
    if (gy.shape != in.x.shape)
      throw ShapeError(
          cat("[", name, "] gradient has shape ", text(gy.shape), ", expected ", text(in.x.shape)));
  }
  py::array gx = new_array(in.x.dtype, in.x.shape, true);
  const View to = writable(gx);
  const py::gil_scoped_release release;
  pointwise_loss_backward(op, gradient ? &gy : nullptr, scale, in.x, in.t, to, p.data());
  return gx;
}

}  // namespace

void bind_pointwise_loss(py::module_& m) {
  m.def("pointwise_loss_forward", &forward, py::arg("name"), py::arg("input"), py::arg("target"),
        py::arg("params"), py::arg("channels_last"));
  m.def("pointwise_loss_sum", &sum, py::arg("name"), py::arg("input"), py::arg("target"), py::arg("params"));
  m.def("pointwise_loss_backward", &backward, py::arg("name"), py::arg("gradient").none(true),
        py::arg("scale"), py::arg("input"), py::arg("target"), py::arg("params"));
}

}  // namespace pyconv
