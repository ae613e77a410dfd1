#include "ops/norm.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"

namespace pyconv {
namespace {

constexpr const char* kOp = "batch_norm";

View float_view(py::array& array, const char* argument) {
  const View v = view(array, kOp, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", kOp, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  return v;
}

View same_dtype(py::array& array, DType dtype, const char* argument) {
  const View v = view(array, kOp, argument);
  if (v.dtype != dtype)
    throw DTypeError(cat("[", kOp, "] ", argument, " has dtype ", name(v.dtype), ", expected ", name(dtype),
                         ", the dtype of x"));
  return v;
}

double get(const View& v, int64_t i) {
  return v.dtype == DType::kFloat64 ? v.as<double>()[i * v.strides[0]]
                                    : static_cast<double>(v.as<float>()[i * v.strides[0]]);
}
void set(const View& v, int64_t i, double value) {
  if (v.dtype == DType::kFloat64) v.as<double>()[i * v.strides[0]] = value;
  else v.as<float>()[i * v.strides[0]] = static_cast<float>(value);
}

// One value per channel in double; `absent` when the vector is not given.
std::vector<double> channel_values(OptionalArray& array, int64_t c, DType dtype, const char* argument,
                                   double absent) {
  std::vector<double> out(static_cast<size_t>(c), absent);
  if (!array) return out;
  const View v = same_dtype(*array, dtype, argument);
  if (v.shape != Dims{c})
    throw ShapeError(cat("[", kOp, "] ", argument, " has shape ", text(v.shape), ", expected ", c));
  for (int64_t i = 0; i < c; ++i) out[i] = get(v, i);
  return out;
}

std::optional<Dims> optional_dims(const py::object& o, const char* argument) {
  if (o.is_none()) return std::nullopt;
  return dims(o, kOp, argument);
}
const Dims* pointer(const std::optional<Dims>& d) { return d ? &*d : nullptr; }

NormShape shape_record(const py::object& x, const py::object& running_mean, const py::object& running_var,
                       const py::object& weight, const py::object& bias, bool training) {
  const auto rm = optional_dims(running_mean, "running_mean"), rv = optional_dims(running_var, "running_var");
  const auto w = optional_dims(weight, "weight"), b = optional_dims(bias, "bias");
  return make_batch_norm_shape(kOp, dims(x, kOp, "x"), pointer(rm), pointer(rv), pointer(w), pointer(b),
                               training);
}

// Where a strided vector begins and ends in memory.
std::pair<const char*, const char*> extent(const View& v) {
  const int64_t item = item_size(v.dtype), reach = (v.shape[0] - 1) * v.strides[0] * item;
  const char* first = v.as<const char>();
  return {first + std::min<int64_t>(0, reach), first + std::max<int64_t>(0, reach) + item};
}

// A vector that is updated in place.
View running_view(py::array& array, const NormShape& s, DType dtype, const char* argument) {
  if (dtype_of(array, kOp, argument) != dtype) same_dtype(array, dtype, argument);  // throws, saying why
  const View v = output_view(array, dtype, Dims{s.c}, kOp, argument);
  if (s.c > 1 && v.strides[0] == 0)
    throw ValueError(
        cat("[", kOp, "] ", argument, " has stride 0: its elements share memory and cannot be updated"));
  return v;
}

struct Running {
  View mean, var;

  Running(py::array& m, py::array& v, const NormShape& s, DType dtype)
      : mean(running_view(m, s, dtype, "running_mean")), var(running_view(v, s, dtype, "running_var")) {
    const auto a = extent(mean), b = extent(var);
    if (a.first < b.second && b.first < a.second)
      throw ValueError(cat("[", kOp, "] running_mean and running_var overlap in memory"));
  }

  // running = (1 - momentum) * running + momentum * statistic, with the unbiased variance
  void update(const NormShape& s, double momentum, const double* batch_mean,
              const double* batch_variance) const {
    const double unbiased = static_cast<double>(s.rows) / static_cast<double>(s.rows - 1);
    for (int64_t i = 0; i < s.c; ++i) {
      set(mean, i, (1.0 - momentum) * get(mean, i) + momentum * batch_mean[i]);
      set(var, i, (1.0 - momentum) * get(var, i) + momentum * batch_variance[i] * unbiased);
    }
  }
};

void expect_shape(const View& v, const Dims& shape, const char* argument) {
  if (v.shape != shape)
    throw ShapeError(cat("[", kOp, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
}

// What a forward pass reads per channel, and its statistics: rows of `saved`, (2, c) in float64, mean and
// 1 / sqrt(variance + eps).
struct Vectors {
  std::vector<double> weight, bias, variance;
  std::optional<Running> running;
  py::array saved;
  double *mean, *invstd;

  Vectors(const NormShape& s, DType dtype, OptionalArray& running_mean, OptionalArray& running_var,
          OptionalArray& weight_, OptionalArray& bias_, bool training)
      : weight(channel_values(weight_, s.c, dtype, "weight", 1.0)),
        bias(channel_values(bias_, s.c, dtype, "bias", 0.0)),
        variance(static_cast<size_t>(s.c), 1.0),
        saved(new_array(DType::kFloat64, Dims{2, s.c}, false)),
        mean(writable(saved).as<double>()),
        invstd(mean + s.c) {
    if (training && running_mean && running_var) running.emplace(*running_mean, *running_var, s, dtype);
    std::fill(mean, mean + s.c, 0.0);
    if (training) return;
    const std::vector<double> m = channel_values(running_mean, s.c, dtype, "running_mean", 0.0);
    variance = channel_values(running_var, s.c, dtype, "running_var", 1.0);
    std::copy(m.begin(), m.end(), mean);
  }

  void update(const NormShape& s, double momentum) const {
    if (running && s.rows > 0) running->update(s, momentum, mean, variance.data());
  }
};

// (y, saved)
py::tuple forward(const NormShape& s, py::array x, OptionalArray running_mean, OptionalArray running_var,
                  OptionalArray weight, OptionalArray bias, bool training, double momentum, double eps,
                  bool channels_last) {
  const View vx = float_view(x, "x");
  expect_shape(vx, s.x, "x");
  Vectors v(s, vx.dtype, running_mean, running_var, weight, bias, training);
  py::array y = new_array(vx.dtype, s.x, channels_last);
  const View vy = writable(y);
  {
    const py::gil_scoped_release release;
    if (training && s.rows > 0) {
      batch_norm_train(s, vx, eps, v.weight.data(), v.bias.data(), v.mean, v.variance.data(), v.invstd, vy);
    } else {
      for (int64_t i = 0; i < s.c; ++i) v.invstd[i] = 1.0 / std::sqrt(v.variance[i] + eps);
      batch_norm_apply(s, vx, v.mean, v.invstd, v.weight.data(), v.bias.data(), vy);
    }
  }
  v.update(s, momentum);
  return py::make_tuple(y, v.saved);
}

// (factors, saved) for a float32 x that is not empty: all but writing y.
py::tuple factors(const NormShape& s, py::array x, OptionalArray running_mean, OptionalArray running_var,
                  OptionalArray weight, OptionalArray bias, bool training, double momentum, double eps) {
  const View vx = view(x, DType::kFloat32, kOp, "x");
  expect_shape(vx, s.x, "x");
  if (s.rows == 0) throw ValueError(cat("[", kOp, "] x is empty"));
  Vectors v(s, vx.dtype, running_mean, running_var, weight, bias, training);
  py::array out = new_array(DType::kFloat32, Dims{3, s.c}, false);
  float* const values = writable(out).as<float>();
  {
    const py::gil_scoped_release release;
    batch_norm_factors(s, vx, eps, v.weight.data(), v.bias.data(), training, v.mean, v.variance.data(),
                       v.invstd, values);
  }
  v.update(s, momentum);
  return py::make_tuple(out, v.saved);
}

View factors_view(py::array& array, const NormShape& s) {
  const View v = view(array, DType::kFloat32, kOp, "factors");
  expect_shape(v, Dims{3, s.c}, "factors");
  if (!is_dense(v, false)) throw ValueError(cat("[", kOp, "] factors is not contiguous"));
  return v;
}

// y from factors: max(0, ...) with relu; plus residual.
py::array map(const NormShape& s, py::array x, py::array factors, OptionalArray residual, bool relu) {
  const View vx = view(x, DType::kFloat32, kOp, "x");
  expect_shape(vx, s.x, "x");
  const View vf = factors_view(factors, s);
  View vr;
  if (residual) {
    vr = same_dtype(*residual, DType::kFloat32, "residual");
    expect_shape(vr, s.x, "residual");
  }
  py::array y = new_array(DType::kFloat32, s.x, true);
  const View vy = writable(y);
  const py::gil_scoped_release release;
  batch_norm_map(s, vx, vf.as<float>(), residual ? &vr : nullptr, relu, vy);
  return y;
}

// (gx or None, gw, gb); gx is added to `prior`.
py::tuple backward(const NormShape& s, py::array x, py::array gy, py::array saved, OptionalArray weight,
                   OptionalArray relu, bool training, bool want_gx, bool channels_last, OptionalArray prior) {
  const View vx = float_view(x, "x");
  const View vg = same_dtype(gy, vx.dtype, "gradient");
  const View vs = view(saved, DType::kFloat64, kOp, "saved");
  expect_shape(vx, s.x, "x");
  expect_shape(vg, s.x, "gradient");
  expect_shape(vs, Dims{2, s.c}, "saved");
  if (!is_dense(vs, false)) throw ValueError(cat("[", kOp, "] saved is not contiguous"));
  const double* const mean = vs.as<double>();
  if (relu && vx.dtype != DType::kFloat32)
    throw DTypeError(cat("[", kOp, "] relu is for float32 alone, x has dtype ", name(vx.dtype)));
  const float* const mask = relu ? factors_view(*relu, s).as<float>() : nullptr;
  View vp;
  if (prior) {
    if (vx.dtype != DType::kFloat32)
      throw DTypeError(cat("[", kOp, "] prior is for float32 alone, x has dtype ", name(vx.dtype)));
    vp = same_dtype(*prior, vx.dtype, "prior");
    expect_shape(vp, s.x, "prior");
  }
  const std::vector<double> w = channel_values(weight, s.c, vx.dtype, "weight", 1.0);
  std::vector<double> gw(static_cast<size_t>(s.c)), gb(static_cast<size_t>(s.c));
  py::object gx = py::none();
  View vgx;
  if (want_gx) {
    py::array made = new_array(vx.dtype, s.x, channels_last);
    vgx = writable(made);
    gx = made;
  }
  {
    const py::gil_scoped_release release;
    batch_norm_backward(s, vx, vg, mean, mean + s.c, w.data(), mask, training, gw.data(), gb.data(),
                        prior ? &vp : nullptr, want_gx ? &vgx : nullptr);
  }
  py::array out_w = new_array(vx.dtype, Dims{s.c}, false), out_b = new_array(vx.dtype, Dims{s.c}, false);
  const View view_w = writable(out_w), view_b = writable(out_b);
  for (int64_t i = 0; i < s.c; ++i) {
    set(view_w, i, gw[i]);
    set(view_b, i, gb[i]);
  }
  return py::make_tuple(gx, out_w, out_b);
}

}  // namespace

void bind_norm(py::module_& m) {
  using namespace py::literals;
  py::class_<NormShape>(m, "NormShape")
      .def_property_readonly("input_shape", [](const NormShape& s) { return tuple(s.x); })
      .def_property_readonly("rows", [](const NormShape& s) { return s.rows; });
  m.def("batch_norm_shape", &shape_record, "x"_a, "running_mean"_a, "running_var"_a, "weight"_a, "bias"_a,
        "training"_a);
  m.def("batch_norm_forward", &forward, "shape"_a, "x"_a, "running_mean"_a, "running_var"_a, "weight"_a,
        "bias"_a, "training"_a, "momentum"_a, "eps"_a, "channels_last"_a);
  m.def("batch_norm_backward", &backward, "shape"_a, "x"_a, "gy"_a, "saved"_a, "weight"_a, "relu"_a,
        "training"_a, "want_gx"_a, "channels_last"_a, "prior"_a = py::none());
  m.def("batch_norm_factors", &factors, "shape"_a, "x"_a, "running_mean"_a, "running_var"_a, "weight"_a,
        "bias"_a, "training"_a, "momentum"_a, "eps"_a);
  m.def("batch_norm_map", &map, "shape"_a, "x"_a, "factors"_a, "residual"_a, "relu"_a);
}

}  // namespace pyconv
