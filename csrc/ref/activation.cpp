#include "ref/activation.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440, kDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kSqrt2OverPi = 0.79788456080286535588, kCubic = 0.044715;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double phi(double x) { return 0.5 * (1 + std::erf(x * kSqrtHalf)); }
double tanh_of_gelu(double x) { return std::tanh(kSqrt2OverPi * (x + kCubic * x * x * x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
double clamped(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }  // a NaN stays

double value(Activation op, double x, const double* p) {
  switch (op) {
    case Activation::kLeakyRelu: return x > 0 ? x : p[0] * x;
    case Activation::kElu:
    case Activation::kEluOfInput: return x > 0 ? p[1] * x : p[0] * p[1] * std::expm1(p[2] * x);
    case Activation::kGelu: return x * phi(x);
    case Activation::kGeluTanh: return 0.5 * x * (1 + tanh_of_gelu(x));
    case Activation::kSilu: return x * sigmoid(p[0] * x);
    case Activation::kHardswish: return x * clamped(x + 3, 0, 6) / 6;
    case Activation::kHardsigmoid: return clamped(x + 3, 0, 6) / 6;
    case Activation::kHardtanh: return clamped(x, p[0], p[1]);
    case Activation::kSoftplus: return p[0] * x > p[1] ? x : std::log1p(std::exp(p[0] * x)) / p[0];
    case Activation::kSoftsign: return x / (1 + std::fabs(x));
    case Activation::kLogSigmoid: return -softplus(-x);
    case Activation::kMish: return x * std::tanh(softplus(x));
    case Activation::kThreshold: return x <= p[0] ? p[1] : x;
    case Activation::kTanhshrink: return x - std::tanh(x);
    case Activation::kHardshrink: return x >= -p[0] && x <= p[0] ? 0 : x;
    case Activation::kSoftshrink: return x >= -p[0] && x <= p[0] ? 0 : x > 0 ? x - p[0] : x + p[0];
    case Activation::kCount: break;
  }
  return 0;
}

// dy/dx; s is x, or y where the list of activations says so.
double slope(Activation op, double s, const double* p) {
  switch (op) {
    case Activation::kLeakyRelu: return s > 0 ? 1 : p[0];
    case Activation::kElu: return s > 0 ? p[1] : p[2] * (s + p[0] * p[1]);
    case Activation::kEluOfInput: return s > 0 ? p[1] : p[0] * p[1] * p[2] * std::exp(p[2] * s);
    case Activation::kGelu: return phi(s) + s * kDensity * std::exp(-0.5 * s * s);
    case Activation::kGeluTanh: {
      const double t = tanh_of_gelu(s);
      return 0.5 * (1 + t) + 0.5 * s * (1 - t * t) * kSqrt2OverPi * (1 + 3 * kCubic * s * s);
    }
    case Activation::kSilu: {
      const double g = sigmoid(p[0] * s);
      return g + p[0] * s * g * (1 - g);
    }
    case Activation::kHardswish: return s <= -3 ? 0 : s < 3 ? s / 3 + 0.5 : 1;
    case Activation::kHardsigmoid: return s > -3 && s < 3 ? 1.0 / 6 : 0;
    case Activation::kHardtanh: return s <= p[0] || s >= p[1] ? 0 : 1;
    case Activation::kSoftplus: return p[0] * s > p[1] ? 1 : sigmoid(p[0] * s);
    case Activation::kSoftsign: return 1 / ((1 + std::fabs(s)) * (1 + std::fabs(s)));
    case Activation::kLogSigmoid: return sigmoid(-s);
    case Activation::kMish: {
      const double t = std::tanh(softplus(s));
      return t + s * (1 - t * t) * sigmoid(s);
    }
    case Activation::kThreshold: return s <= p[0] ? 0 : 1;
    case Activation::kTanhshrink: return std::tanh(s) * std::tanh(s);
    case Activation::kHardshrink:
    case Activation::kSoftshrink: return s >= -p[0] && s <= p[0] ? 0 : 1;
    case Activation::kCount: break;
  }
  return 0;
}

double parametric_value(Parametric op, double x, double w) {
  if (op == Parametric::kPrelu) return x > 0 ? x : w * x;
  return x * sigmoid(w * x);
}
double parametric_slope(Parametric op, double x, double w) {
  if (op == Parametric::kPrelu) return x > 0 ? 1 : w;
  const double s = sigmoid(w * x);
  return s + w * x * s * (1 - s);
}
double parametric_slope_of_w(Parametric op, double x, double w) {
  if (op == Parametric::kPrelu) return x > 0 ? 0 : x;
  const double s = sigmoid(w * x);
  return x * x * s * (1 - s);
}

// f(offsets of the views' element, its channel) for every element in C order.
template <class F>
void each_element(std::initializer_list<const View*> views, int64_t channels, F&& f) {
  const View& first = **views.begin();
  const int64_t count = first.count();
  int64_t offset[3];
  for (int64_t i = 0; i < count; ++i) {
    if (i % 65536 == 0) poll_interrupt();
    int64_t channel = 0, rest = i;
    for (int64_t& o : offset) o = 0;
    for (int a = first.rank() - 1; a >= 0; --a) {
      const int64_t at = rest % first.shape[a];
      rest /= first.shape[a];
      if (a == 1 && channels > 1) channel = at;
      int k = 0;
      for (const View* v : views) offset[k++] += at * v->strides[a];
    }
    f(static_cast<const int64_t*>(offset), channel);
  }
}

}  // namespace

void activation_forward(Activation op, const View& x, const View& y, const double* param) {
  each_element({&x, &y}, 1, [&](const int64_t* at, int64_t) {
    y.as<double>()[at[1]] = value(op, x.as<double>()[at[0]], param);
  });
}

void activation_backward(Activation op, const View& gy, const View& saved, const View& gx,
                         const double* param) {
  each_element({&gy, &saved, &gx}, 1, [&](const int64_t* at, int64_t) {
    // Where the slope is 0 the gradient is 0, whatever gy: 0 times infinity would be NaN.
    const double s = slope(op, saved.as<double>()[at[1]], param);
    gx.as<double>()[at[2]] = s == 0 ? 0 : gy.as<double>()[at[0]] * s;
  });
}

void parametric_forward(Parametric op, const View& x, const double* w, int64_t channels, const View& y) {
  each_element({&x, &y}, channels, [&](const int64_t* at, int64_t c) {
    y.as<double>()[at[1]] = parametric_value(op, x.as<double>()[at[0]], w[c]);
  });
}

void parametric_backward(Parametric op, const View& x, const View& gy, const double* w, int64_t channels,
                         const View* gx, double* gw) {
  if (gw) std::fill_n(gw, channels, 0.0);
  each_element({&x, &gy, gx ? gx : &x}, channels, [&](const int64_t* at, int64_t c) {
    const double v = x.as<double>()[at[0]], g = gy.as<double>()[at[1]];
    if (gx) gx->as<double>()[at[2]] = g * parametric_slope(op, v, w[c]);
    if (gw) gw[c] += g * parametric_slope_of_w(op, v, w[c]);
  });
}

}  // namespace pyconv::ref
