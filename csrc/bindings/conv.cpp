// Convolution: the shape record, its plan, and the passes.
#include "ops/conv/conv.h"

#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "core/shape.h"
#include "ops/conv/kept_filter.h"
#include "ops/conv/plan.h"
#include "ops/dense.h"
#include "ref/conv.h"

namespace pyconv {
namespace {

ConvShape record(const std::string& op, const py::object& x, const py::object& weight,
                 const py::object& stride, const py::object& padding, const py::object& dilation,
                 int64_t groups) {
  const char* name = op.c_str();
  Padding mode = Padding::kExplicit;
  Dims pads;
  if (py::isinstance<py::str>(padding)) {
    const std::string word = padding.cast<std::string>();
    if (word == "same") mode = Padding::kSame;
    else if (word == "valid") mode = Padding::kValid;
    else
      throw ValueError(cat("[", op, "] padding is '", word, "', expected 'same', 'valid' or whole numbers"));
  } else {
    pads = dims(padding, name, "padding");
  }
  return make_conv_shape(name, dims(x, name, "x"), dims(weight, name, "weight"), dims(stride, name, "stride"),
                         mode, pads, dims(dilation, name, "dilation"), groups);
}

ConvShape transpose_record(const std::string& op, const py::object& x, const py::object& weight,
                           const py::object& stride, const py::object& padding,
                           const py::object& output_padding, const py::object& dilation, int64_t groups) {
  const char* name = op.c_str();
  return make_conv_transpose_shape(name, dims(x, name, "x"), dims(weight, name, "weight"),
                                   dims(stride, name, "stride"), dims(padding, name, "padding"),
                                   dims(output_padding, name, "output_padding"),
                                   dims(dilation, name, "dilation"), groups);
}

// Float data as the record describes it: right shape, right dtype.
View checked_view(py::array& array, const Dims& shape, DType dtype, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != dtype)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), " but the input has ", name(dtype)));
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

DType float_dtype(const py::array& array, const char* op, const char* argument) {
  const DType dtype = dtype_of(array, op, argument);
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(dtype), ", expected float32 or float64"));
  return dtype;
}

// Activations of one spatial axis are made as (n, c, 1, w), whose channels-last order is defined.
py::array new_activation(DType dtype, const Dims& shape) {
  const Dims spread = shape.rank == 3 ? Dims{shape[0], shape[1], 1, shape[2]} : shape;
  py::array out = new_array(dtype, spread, true);
  return shape.rank == 3 ? py::array(out.attr("squeeze")(2)) : out;
}

std::unique_ptr<KeptFilter> keep_filter(Array weight) {
  const View w = view(weight, DType::kFloat32, "prepack", "weight");
  const DenseInput dense(w, false);
  return std::make_unique<KeptFilter>(dense.as<float>(), w.shape);
}

// The copy that a kept filter owns, read-only.
py::array kept_weight(const py::object& filter) {
  const KeptFilter& kept = *filter.cast<const KeptFilter*>();
  py::array out(numpy_dtype(DType::kFloat32), std::vector<int64_t>(kept.shape().begin(), kept.shape().end()),
                kept.weight(), filter);
  out.attr("flags").attr("writeable") = false;
  return out;
}

// The weight that a call is given: an array, or a filter kept for inference.
struct Weight {
  Array array;
  KeptFilter* kept = nullptr;
  View view;

  Weight(const py::object& given, const Dims& shape, DType dtype, const char* op) {
    if (py::isinstance<KeptFilter>(given)) {
      kept = given.cast<KeptFilter*>();
      array = kept_weight(given);
    } else {
      array = given.cast<Array>();
    }
    view = checked_view(array, shape, dtype, op, "weight");
  }
};

// What is done with an output of the given shape, besides storing it. Holds the memory that it points to.
class Finishing {
 public:
  Finishing(const char* op, DType dtype, const Dims& shape, OptionalArray& bias, OptionalArray& residual,
            OptionalArray& mask, bool relu) {
    if (dtype == DType::kFloat64 && (residual || mask || relu))
      throw DTypeError(
          cat("[", op, "] residual, mask and relu are for float32 alone, the input has dtype float64"));
    if (bias) bias_ = checked_view(*bias, {shape[1]}, dtype, op, "bias");
    if (residual) residual_ = checked_view(*residual, shape, dtype, op, "residual");
    if (mask) mask_ = checked_view(*mask, shape, dtype, op, "mask");
    relu_ = relu;
  }
  // Without the lock: calls `run` with the epilogue.
  template <class Run>
  void with(Run&& run) const {
    const DenseInput bias(bias_, false), residual(residual_, true), mask(mask_, true);
    ConvEpilogue e;
    e.bias = bias_.data ? bias.as<float>() : nullptr;
    e.residual = residual_.data ? residual.as<float>() : nullptr;
    e.mask = mask_.data ? mask.as<float>() : nullptr;
    e.relu = relu_;
    run(e);
  }
  const double* bias(const DenseInput& dense) const { return bias_.data ? dense.as<double>() : nullptr; }
  const View& bias_view() const { return bias_; }

 private:
  View bias_, residual_, mask_;
  bool relu_;
};

py::array forward(const std::string& op_name, const ConvShape& s, Array x, const py::object& weight,
                  OptionalArray bias, OptionalArray residual, bool relu, OptionalArray mask) {
  const char* const op = op_name.c_str();
  const DType dtype = float_dtype(x, op, "input");
  const View vx = checked_view(x, s.input_shape(), dtype, op, "input");
  const Weight w(weight, s.weight_shape(), dtype, op);
  const Finishing finishing(op, dtype, s.output_shape(), bias, residual, mask, relu);
  py::array out = new_activation(dtype, s.output_shape());
  const View vy = writable(out);
  const py::gil_scoped_release release;
  const DenseInput ox(vx, true), ow(w.view, false);
  if (dtype == DType::kFloat32) {
    finishing.with([&](const ConvEpilogue& e) {
      conv_forward(s, ox.as<float>(), ow.as<float>(), e, vy.as<float>(), w.kept);
    });
  } else {
    const DenseInput ob(finishing.bias_view(), false);
    ref::conv_forward(s, ox.as<double>(), ow.as<double>(), finishing.bias(ob), vy.as<double>());
  }
  return out;
}

// The output together with its per-channel sums of (y - shift) and (y - shift)^2.
py::tuple forward_statistics(const ConvShape& s, Array x, Array weight, Array shift) {
  const char* const op = "conv";
  const View vx = checked_view(x, s.input_shape(), DType::kFloat32, op, "x");
  const View vw = checked_view(weight, s.weight_shape(), DType::kFloat32, op, "weight");
  const View vs = checked_view(shift, {s.k}, DType::kFloat32, op, "shift");
  py::array out = new_activation(DType::kFloat32, s.output_shape());
  py::array sum = new_array(DType::kFloat64, {s.k}, false),
            squares = new_array(DType::kFloat64, {s.k}, false);
  const View vy = writable(out), vsum = writable(sum), vsquares = writable(squares);
  {
    const py::gil_scoped_release release;
    const DenseInput ox(vx, true), ow(vw, false), os(vs, false);
    ConvEpilogue e;
    e.shift = os.as<float>();
    e.sum = vsum.as<double>();
    e.sum_squares = vsquares.as<double>();
    conv_forward(s, ox.as<float>(), ow.as<float>(), e, vy.as<float>());
  }
  return py::make_tuple(out, sum, squares);
}

// gx, the record's input; with names of its own it is the transposed convolution of `gy`.
py::array input_of(const char* op, const char* argument, const ConvShape& s, Array& gy,
                   const py::object& weight, OptionalArray& bias, OptionalArray& residual,
                   OptionalArray& mask) {
  const DType dtype = float_dtype(gy, op, argument);
  const View vg = checked_view(gy, s.output_shape(), dtype, op, argument);
  const Weight w(weight, s.weight_shape(), dtype, op);
  const Finishing finishing(op, dtype, s.input_shape(), bias, residual, mask, false);
  py::array out = new_activation(dtype, s.input_shape());
  const View vx = writable(out);
  const py::gil_scoped_release release;
  const DenseInput og(vg, true), ow(w.view, false);
  if (dtype == DType::kFloat32) {
    finishing.with([&](const ConvEpilogue& e) {
      conv_grad_input(s, og.as<float>(), ow.as<float>(), e, vx.as<float>(), w.kept);
    });
  } else {
    const DenseInput ob(finishing.bias_view(), false);
    ref::conv_grad_input(s, og.as<double>(), ow.as<double>(), finishing.bias(ob), vx.as<double>());
  }
  return out;
}

py::array grad_input(const ConvShape& s, Array gy, const py::object& weight, OptionalArray residual,
                     OptionalArray mask) {
  OptionalArray bias;
  return input_of("conv_grad_input", "gy", s, gy, weight, bias, residual, mask);
}

py::array transpose_forward(const std::string& op, const ConvShape& s, Array x, const py::object& weight,
                            OptionalArray bias) {
  OptionalArray none;
  return input_of(op.c_str(), "input", s, x, weight, bias, none, none);
}

py::array grad_weight(const ConvShape& s, Array gy, Array x) {
  const char* const op = "conv_grad_weight";
  const DType dtype = float_dtype(gy, op, "gy");
  const View vg = checked_view(gy, s.output_shape(), dtype, op, "gy");
  const View vx = checked_view(x, s.input_shape(), dtype, op, "x");
  py::array out = new_array(dtype, s.weight_shape(), false);
  const View vw = writable(out);
  const py::gil_scoped_release release;
  const DenseInput og(vg, true), ox(vx, true);
  if (dtype == DType::kFloat32) conv_grad_weight(s, og.as<float>(), ox.as<float>(), vw.as<float>());
  else ref::conv_grad_weight(s, og.as<double>(), ox.as<double>(), vw.as<double>());
  return out;
}

py::array grad_bias(const ConvShape& s, Array gy) {
  const char* const op = "conv_grad_bias";
  const DType dtype = float_dtype(gy, op, "gy");
  const View vg = checked_view(gy, s.output_shape(), dtype, op, "gy");
  py::array out = new_array(dtype, {s.k}, false);
  const View vb = writable(out);
  const py::gil_scoped_release release;
  const DenseInput og(vg, true);
  if (dtype == DType::kFloat32) conv_grad_bias(s, og.as<float>(), vb.as<float>());
  else ref::conv_grad_bias(s, og.as<double>(), vb.as<double>());
  return out;
}

py::dict plan_dict(const ConvShape& s, const std::string& pass, const std::string& mode) {
  Pass p;
  if (pass == "forward") p = Pass::kForward;
  else if (pass == "grad_input") p = Pass::kGradInput;
  else if (pass == "grad_weight") p = Pass::kGradWeight;
  else
    throw ValueError(cat("[plan] pass is '", pass, "', expected 'forward', 'grad_input' or 'grad_weight'"));
  if (mode != "train" && mode != "cached")
    throw ValueError(cat("[plan] mode is '", mode, "', expected 'train' or 'cached'"));
  const ConvPlan plan_ = plan(s, p, mode == "train" ? PlanMode::kTrain : PlanMode::kCached);
  py::dict out;
  out["algorithm"] = name(plan_.algorithm);
  out["rows_per_block"] = plan_.rows_per_block;
  out["x_tile"] = plan_.x_tile;
  out["tile"] = plan_.tile;
  out["tiles_per_block"] = plan_.tiles_per_block;
  out["parts"] = plan_.parts;
  out["chunks"] = plan_.chunks;
  out["workspace_bytes"] = plan_.workspace_bytes;
  out["why"] = plan_.why;
  return out;
}

py::tuple axes(const int64_t* values, int count) {
  Dims d;
  for (int i = 0; i < count; ++i) d.push(values[i]);
  return tuple(d);
}

}  // namespace

void bind_conv(py::module_& m) {
  py::class_<ConvShape>(m, "ConvShape")
      .def_property_readonly("input_shape", [](const ConvShape& s) { return tuple(s.input_shape()); })
      .def_property_readonly("weight_shape", [](const ConvShape& s) { return tuple(s.weight_shape()); })
      .def_property_readonly("output_shape", [](const ConvShape& s) { return tuple(s.output_shape()); })
      .def_property_readonly("stride", [](const ConvShape& s) { return axes(s.stride, s.spatial); })
      .def_property_readonly("dilation", [](const ConvShape& s) { return axes(s.dilation, s.spatial); })
      .def_property_readonly("pad_lo", [](const ConvShape& s) { return axes(s.pad_lo, s.spatial); })
      .def_property_readonly("pad_hi", [](const ConvShape& s) { return axes(s.pad_hi, s.spatial); })
      .def_readonly("groups", &ConvShape::groups)
      .def_property_readonly("macs", &ConvShape::macs)
      .def("plan", &plan_dict, py::arg("pass_") = "forward", py::arg("mode") = "train");
  py::class_<KeptFilter>(m, "KeptFilter")
      .def(py::init(&keep_filter), py::arg("weight"))
      .def_property_readonly("weight", &kept_weight)
      .def_property_readonly("bytes", &KeptFilter::bytes)
      .def("__deepcopy__", [](const py::object& self, const py::dict&) { return self; }, py::arg("memo"));
  m.def("conv_shape", &record, py::arg("op"), py::arg("x"), py::arg("weight"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"));
  m.def("conv_transpose_shape", &transpose_record, py::arg("op"), py::arg("x"), py::arg("weight"),
        py::arg("stride"), py::arg("padding"), py::arg("output_padding"), py::arg("dilation"),
        py::arg("groups"));
  m.def("conv_forward", &forward, py::arg("op"), py::arg("shape"), py::arg("x"), py::arg("weight"),
        py::arg("bias") = py::none(), py::arg("residual") = py::none(), py::arg("relu") = false,
        py::arg("mask") = py::none());
  m.def("conv_forward_statistics", &forward_statistics, py::arg("shape"), py::arg("x"), py::arg("weight"),
        py::arg("shift"));
  m.def("conv_grad_input", &grad_input, py::arg("shape"), py::arg("gy"), py::arg("weight"),
        py::arg("residual") = py::none(), py::arg("mask") = py::none());
  m.def("conv_transpose_forward", &transpose_forward, py::arg("op"), py::arg("shape"), py::arg("x"),
        py::arg("weight"), py::arg("bias") = py::none());
  m.def("conv_grad_weight", &grad_weight, py::arg("shape"), py::arg("gy"), py::arg("x"));
  m.def("conv_grad_bias", &grad_bias, py::arg("shape"), py::arg("gy"));
}

}  // namespace pyconv
