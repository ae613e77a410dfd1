#include "ref/softmax.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// The largest x of a row, and sum exp(x - m).
struct RowSum {
  double m, s;
};
RowSum row_sum(const double* x, int64_t n, int64_t step) {
  RowSum r{-INFINITY, 0};
  for (int64_t i = 0; i < n; ++i) r.m = std::max(r.m, x[i * step]);
  for (int64_t i = 0; i < n; ++i) r.s += std::exp(x[i * step] - r.m);
  return r;
}

}  // namespace

void softmax_forward(const View& x, int axis, bool logarithm, const View& y) {
  const Dims order = logical_order(x.rank());
  const Rows xs = rows_of(x, axis, order), ys = rows_of(y, axis, order);
  for (int64_t r = 0; r < ys.count; ++r) {
    poll_interrupt();
    const double* const in = xs.row<double>(r);
    double* const out = ys.row<double>(r);
    const RowSum sum = row_sum(in, xs.length, xs.step);
    for (int64_t i = 0; i < xs.length; ++i) {
      const double d = in[i * xs.step] - sum.m;
      out[i * ys.step] = logarithm ? d - std::log(sum.s) : std::exp(d) / sum.s;
    }
  }
}

void softmax_backward(const View& y, const View& gy, int axis, bool logarithm, const View& gx) {
  const Dims order = logical_order(y.rank());
  const Rows ys = rows_of(y, axis, order), gs = rows_of(gy, axis, order), xs = rows_of(gx, axis, order);
  for (int64_t r = 0; r < ys.count; ++r) {
    poll_interrupt();
    const double *const v = ys.row<double>(r), *const g = gs.row<double>(r);
    double* const out = xs.row<double>(r);
    double sum = 0;
    for (int64_t i = 0; i < ys.length; ++i) sum += g[i * gs.step] * (logarithm ? 1 : v[i * ys.step]);
    for (int64_t i = 0; i < ys.length; ++i)
      out[i * xs.step] = logarithm ? g[i * gs.step] - std::exp(v[i * ys.step]) * sum
                                   : v[i * ys.step] * (g[i * gs.step] - sum);
  }
}

ClassLossSum cross_entropy_forward(const ClassLoss& loss, double* losses, double* slopes) {
  const int64_t n = loss.x.length, step = loss.x.step;
  const double* const weight = static_cast<const double*>(loss.weight);
  const double keep = 1 - loss.smoothing, share = loss.smoothing / static_cast<double>(n);
  ClassLossSum sum;
  for (int64_t r = 0; r < loss.x.count; ++r) {
    poll_interrupt();
    double* const slope = slopes ? slopes + r * n : nullptr;
    const int64_t label = loss.labels ? loss.labels[r] : 0;
    if (loss.labels && label == kIgnored) {
      if (slope) std::fill_n(slope, n, 0.0);
      if (losses) losses[r] = 0;
      continue;
    }
    const double* const x = loss.x.row<double>(r);
    const double* const q = loss.labels ? nullptr : loss.soft.row<double>(r);
    const auto w = [&](int64_t c) { return weight ? weight[c] : 1.0; };
    // The coefficient of -log p[c].
    const auto a = [&](int64_t c) {
      return loss.labels ? (c == label ? keep * w(label) : 0.0) + share * w(c)
                         : w(c) * (keep * q[c * loss.soft.step] + share);
    };
    const RowSum e = row_sum(x, n, step);
    double value = 0, mass = 0;
    for (int64_t c = 0; c < n; ++c) {
      mass += a(c);
      // A class that a label leaves out may have the logit -inf: 0 * inf would be NaN.
      if (!loss.labels || a(c) != 0) value += a(c) * (std::log(e.s) - (x[c * step] - e.m));
    }
    if (slope)
      for (int64_t c = 0; c < n; ++c) slope[c] = mass * std::exp(x[c * step] - e.m) / e.s - a(c);
    sum.loss += value;
    sum.weight += loss.labels ? w(label) : 1;
    if (losses) losses[r] = value;
  }
  return sum;
}

void cross_entropy_backward(const double* slopes, const double* gy, double scale, const Rows& gx) {
  for (int64_t r = 0; r < gx.count; ++r) {
    poll_interrupt();
    for (int64_t c = 0; c < gx.length; ++c)
      gx.row<double>(r)[c * gx.step] = slopes[r * gx.length + c] * (scale * (gy ? gy[r] : 1));
  }
}

template <class T>
ClassLossSum nll_forward(const ClassLoss& loss, T* losses) {
  const T* const weight = static_cast<const T*>(loss.weight);
  ClassLossSum sum;
  for (int64_t r = 0; r < loss.x.count; ++r) {
    poll_interrupt();
    const int64_t label = loss.labels[r];
    double value = 0;
    if (label != kIgnored) {
      const double w = weight ? static_cast<double>(weight[label]) : 1;
      value = -w * static_cast<double>(loss.x.row<T>(r)[label * loss.x.step]);
      sum.loss += value;
      sum.weight += w;
    }
    if (losses) losses[r] = static_cast<T>(value);
  }
  return sum;
}

template <class T>
void nll_backward(const ClassLoss& loss, const T* gy, double scale, const Rows& gx) {
  const T* const weight = static_cast<const T*>(loss.weight);
  for (int64_t r = 0; r < gx.count; ++r) {
    poll_interrupt();
    T* const out = gx.row<T>(r);
    for (int64_t c = 0; c < gx.length; ++c) out[c * gx.step] = 0;
    const int64_t label = loss.labels[r];
    if (label == kIgnored) continue;
    const double w = weight ? static_cast<double>(weight[label]) : 1;
    out[label * gx.step] = static_cast<T>(-w * scale * (gy ? static_cast<double>(gy[r]) : 1));
  }
}

template ClassLossSum nll_forward<float>(const ClassLoss&, float*);
template ClassLossSum nll_forward<double>(const ClassLoss&, double*);
template void nll_backward<float>(const ClassLoss&, const float*, double, const Rows&);
template void nll_backward<double>(const ClassLoss&, const double*, double, const Rows&);

}  // namespace pyconv::ref
