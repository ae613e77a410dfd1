// Softmax and the losses over classes. Losses come back in C order; the callers convert.
#include "ops/softmax.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/arena.h"
#include "core/error.h"
#include "ref/softmax.h"

namespace pyconv {
namespace {

View float_view(py::array& array, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  return v;
}

// A scalar seen as one row of one element.
View with_axis(View v) {
  if (v.rank() == 0) {
    v.shape.push(1);
    v.strides.push(1);
  }
  return v;
}

py::array softmax_forward_array(py::array x, int64_t dim, bool logarithm, bool channels_last) {
  const char* const op = logarithm ? "log_softmax" : "softmax";
  const View in = float_view(x, op, "input");
  const int axis = softmax_axis(op, in.shape, dim);
  py::array y = new_array(in.dtype, in.shape, channels_last);
  const View xv = with_axis(in), yv = with_axis(writable(y));
  const py::gil_scoped_release release;
  (in.dtype == DType::kFloat32 ? softmax_forward : ref::softmax_forward)(xv, axis, logarithm, yv);
  return y;
}

py::array softmax_backward_array(py::array y, py::array gy, int64_t dim, bool logarithm, bool channels_last) {
  const char* const op = logarithm ? "log_softmax" : "softmax";
  const View out = float_view(y, op, "output"), g = view(gy, out.dtype, op, "gradient");
  const int axis = softmax_axis(op, out.shape, dim);
  if (g.shape != out.shape)
    throw ShapeError(cat("[", op, "] gradient has shape ", text(g.shape), ", expected ", text(out.shape)));
  py::array gx = new_array(out.dtype, out.shape, channels_last);
  const View yv = with_axis(out), gv = with_axis(g), xv = with_axis(writable(gx));
  const py::gil_scoped_release release;
  (out.dtype == DType::kFloat32 ? softmax_backward : ref::softmax_backward)(yv, gv, axis, logarithm, xv);
  return gx;
}

enum class Reduction { kNone, kMean, kSum };

Reduction reduction_of(const char* op, const std::string& text) {
  if (text == "none") return Reduction::kNone;
  if (text == "mean") return Reduction::kMean;
  if (text == "sum") return Reduction::kSum;
  throw ValueError(cat("[", op, "] reduction is '", text, "', expected 'none', 'mean' or 'sum'"));
}

// The validated arguments of a loss over classes; owns what its ClassLoss points to.
struct ClassLossCall {
  ClassLoss loss;
  Dims shape;  // of the losses
  DType dtype;
  py::array weight;
  std::vector<int64_t> labels;

  ClassLossCall(const char* op, const Dims& x_shape, DType x_dtype, py::array& target,
                const OptionalArray& weights, int64_t ignore_index, bool may_be_soft)
      : dtype(x_dtype) {
    const View t = view(target, op, "target");
    const bool soft = may_be_soft && (t.dtype == DType::kFloat32 || t.dtype == DType::kFloat64);
    Dims weight_shape;
    if (weights) {
      weight = *weights;
      const View w = view(weight, dtype, op, "weight");
      weight_shape = w.shape;
      if (!is_dense(w, false)) weight = py::array(weight.attr("copy")());
      loss.weight = weight.data();
    }
    shape = class_loss_shape(op, x_shape, t.shape, weights ? &weight_shape : nullptr, soft);
    const int axis = class_axis(x_shape);
    if (soft) {
      if (t.dtype != dtype)
        throw DTypeError(
            cat("[", op, "] target has dtype ", name(t.dtype), ", expected the input's, ", name(dtype)));
      loss.soft = rows_of(t, axis, logical_order(t.rank()));
    } else {
      labels.resize(static_cast<size_t>(t.count()) + 1);  // never empty: null would mean soft targets
      read_labels(op, t, x_shape[axis], ignore_index, labels.data());
      loss.labels = labels.data();
    }
  }
};

// The losses as they are, their sum, or their mean, as an array.
py::array reduced(Reduction reduction, const ClassLossSum& sum, const ClassLossCall& call, py::array losses) {
  if (reduction == Reduction::kNone) return losses;
  const double value = reduction == Reduction::kMean ? sum.loss / sum.weight : sum.loss;
  py::array out = new_array(call.dtype, Dims{}, false);
  if (call.dtype == DType::kFloat32) *static_cast<float*>(out.mutable_data()) = static_cast<float>(value);
  else *static_cast<double*>(out.mutable_data()) = value;
  return out;
}

py::tuple cross_entropy_forward_array(py::array x, py::array target, const OptionalArray& weight,
                                      int64_t ignore_index, double label_smoothing,
                                      const std::string& reduction, bool want_slopes) {
  const char* const op = "cross_entropy";
  const View in = float_view(x, op, "input");
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    throw ValueError(cat("[", op, "] label_smoothing is ", label_smoothing, ", expected 0 to 1"));
  const Reduction mode = reduction_of(op, reduction);
  ClassLossCall call(op, in.shape, in.dtype, target, weight, ignore_index, true);
  if (!call.loss.labels && ignore_index >= 0)
    throw ValueError(cat("[", op, "] ignore_index is ", ignore_index,
                         ", which has no meaning for a target of probabilities"));
  const int axis = class_axis(in.shape);
  call.loss.x = rows_of(in, axis, logical_order(in.rank()));
  call.loss.smoothing = label_smoothing;
  py::array losses = new_array(in.dtype, mode == Reduction::kNone ? call.shape : Dims{}, false);
  py::array slopes =
      new_array(in.dtype, want_slopes ? Dims{call.loss.x.count, in.shape[axis]} : Dims{0}, false);
  void* const loss_data = mode == Reduction::kNone ? losses.mutable_data() : nullptr;
  void* const slope_data = want_slopes ? slopes.mutable_data() : nullptr;
  ClassLossSum sum;
  {
    const py::gil_scoped_release release;
    sum = in.dtype == DType::kFloat32 ? cross_entropy_forward(call.loss, static_cast<float*>(loss_data),
                                                              static_cast<float*>(slope_data))
                                      : ref::cross_entropy_forward(call.loss, static_cast<double*>(loss_data),
                                                                   static_cast<double*>(slope_data));
  }
  return py::make_tuple(reduced(mode, sum, call, losses), want_slopes ? py::object(slopes) : py::none(),
                        sum.weight);
}

// gy: one number (then `scale` holds what the reduction divides by), or one per row in C order.
const void* row_gradients(py::array& gy, DType dtype, int64_t rows, const char* op, double* scale) {
  const View g = view(gy, dtype, op, "gradient");
  if (g.rank() == 0) {
    *scale *= dtype == DType::kFloat32 ? static_cast<double>(*g.as<float>()) : *g.as<double>();
    return nullptr;
  }
  if (g.count() != rows || !is_dense(g, false))
    throw ShapeError(
        cat("[", op, "] gradient has shape ", text(g.shape), ", expected ", rows, " numbers in C order"));
  return g.data;
}

py::array cross_entropy_backward_array(py::array slopes, py::array gy, double scale, const py::object& shape,
                                       bool channels_last) {
  const char* const op = "cross_entropy";
  const View s = float_view(slopes, op, "slopes");
  py::array gx = new_array(s.dtype, dims(shape, op, "shape"), channels_last);
  const View out = writable(gx);
  const Rows rows = rows_of(out, class_axis(out.shape), logical_order(out.rank()));
  if (s.count() != out.count() || !is_dense(s, false))
    throw ShapeError(cat("[", op, "] slopes do not fit ", text(out.shape)));
  const void* const g = row_gradients(gy, s.dtype, rows.count, op, &scale);
  const py::gil_scoped_release release;
  if (s.dtype == DType::kFloat32)
    cross_entropy_backward(s.as<float>(), static_cast<const float*>(g), scale, rows);
  else ref::cross_entropy_backward(s.as<double>(), static_cast<const double*>(g), scale, rows);
  return gx;
}

py::tuple nll_forward_array(py::array x, py::array target, const OptionalArray& weight, int64_t ignore_index,
                            const std::string& reduction) {
  const char* const op = "nll_loss";
  const View in = float_view(x, op, "input");
  const Reduction mode = reduction_of(op, reduction);
  ClassLossCall call(op, in.shape, in.dtype, target, weight, ignore_index, false);
  call.loss.x = rows_of(in, class_axis(in.shape), logical_order(in.rank()));
  py::array losses = new_array(in.dtype, mode == Reduction::kNone ? call.shape : Dims{}, false);
  void* const data = mode == Reduction::kNone ? losses.mutable_data() : nullptr;
  ClassLossSum sum;
  {
    const py::gil_scoped_release release;
    sum = in.dtype == DType::kFloat32 ? ref::nll_forward(call.loss, static_cast<float*>(data))
                                      : ref::nll_forward(call.loss, static_cast<double*>(data));
  }
  return py::make_tuple(reduced(mode, sum, call, losses), sum.weight);
}

py::array nll_backward_array(py::array target, const OptionalArray& weight, py::array gy,
                             int64_t ignore_index, double scale, const py::object& shape,
                             bool channels_last) {
  const char* const op = "nll_loss";
  const DType dtype = float_view(gy, op, "gradient").dtype;
  py::array gx = new_array(dtype, dims(shape, op, "shape"), channels_last);
  const View out = writable(gx);
  const ClassLossCall call(op, out.shape, dtype, target, weight, ignore_index, false);
  const Rows rows = rows_of(out, class_axis(out.shape), logical_order(out.rank()));
  const void* const g = row_gradients(gy, dtype, rows.count, op, &scale);
  const py::gil_scoped_release release;
  if (dtype == DType::kFloat32) ref::nll_backward(call.loss, static_cast<const float*>(g), scale, rows);
  else ref::nll_backward(call.loss, static_cast<const double*>(g), scale, rows);
  return gx;
}

}  // namespace

void bind_softmax(py::module_& m) {
  m.def(
      "softmax_axis",
      [](const std::string& op, const py::object& shape, int64_t dim) {
        return softmax_axis(op.c_str(), dims(shape, op.c_str(), "shape"), dim);
      },
      py::arg("op"), py::arg("shape"), py::arg("dim"));
  m.def("softmax_forward", &softmax_forward_array, py::arg("x"), py::arg("dim"), py::arg("logarithm"),
        py::arg("channels_last"));
  m.def("softmax_backward", &softmax_backward_array, py::arg("y"), py::arg("gy"), py::arg("dim"),
        py::arg("logarithm"), py::arg("channels_last"));
  m.def(
      "class_loss_shape",
      [](const std::string& op, const py::object& x, const py::object& target, const py::object& weight,
         bool soft) {
        Dims w;
        if (!weight.is_none()) w = dims(weight, op.c_str(), "weight");
        return tuple(class_loss_shape(op.c_str(), dims(x, op.c_str(), "input"),
                                      dims(target, op.c_str(), "target"), weight.is_none() ? nullptr : &w,
                                      soft));
      },
      py::arg("op"), py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("soft"));
  m.def("cross_entropy_forward", &cross_entropy_forward_array, py::arg("x"), py::arg("target"),
        py::arg("weight"), py::arg("ignore_index"), py::arg("label_smoothing"), py::arg("reduction"),
        py::arg("want_slopes"));
  m.def("cross_entropy_backward", &cross_entropy_backward_array, py::arg("slopes"), py::arg("gy"),
        py::arg("scale"), py::arg("shape"), py::arg("channels_last"));
  m.def("nll_forward", &nll_forward_array, py::arg("x"), py::arg("target"), py::arg("weight"),
        py::arg("ignore_index"), py::arg("reduction"));
  m.def("nll_backward", &nll_backward_array, py::arg("target"), py::arg("weight"), py::arg("gy"),
        py::arg("ignore_index"), py::arg("scale"), py::arg("shape"), py::arg("channels_last"));
}

}  // namespace pyconv
