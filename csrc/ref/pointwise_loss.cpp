#include "ref/pointwise_loss.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

double at_least(double x, double least) { return x < least ? least : x; }  // a NaN stays

double value(PointwiseLoss op, double x, double t, const double* p) {
  const double d = x - t;
  switch (op) {
    case PointwiseLoss::kSquare: return d * d;
    case PointwiseLoss::kAbsolute: return std::fabs(d);
    case PointwiseLoss::kHuber: {
      const double size = std::fabs(d), near = p[0] < size ? p[0] : size;
      return near * (size - 0.5 * near) / p[1];
    }
    case PointwiseLoss::kBce:
      return -(t * at_least(std::log(x), -100) + (1 - t) * at_least(std::log1p(-x), -100));
    case PointwiseLoss::kBceLogits:
      return (1 - t) * x + std::max(-x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
    case PointwiseLoss::kCount: break;
  }
  return 0;
}

double slope(PointwiseLoss op, double x, double t, const double* p) {
  const double d = x - t;
  switch (op) {
    case PointwiseLoss::kSquare: return 2 * d;
    case PointwiseLoss::kAbsolute: return d > 0 ? 1 : d < 0 ? -1 : d;
    case PointwiseLoss::kHuber: return (d > p[0] ? p[0] : d < -p[0] ? -p[0] : d) / p[1];
    case PointwiseLoss::kBce: return d / at_least(x * (1 - x), 1e-12);
    case PointwiseLoss::kBceLogits: return 1 / (1 + std::exp(-x)) - t;
    case PointwiseLoss::kCount: break;
  }
  return 0;
}

// Calls f with the offsets of one element in x, t and y, for each element in C order.
template <class F>
void each_element(const View& x, const View& t, const View& y, F&& f) {
  const int64_t count = x.count();
  for (int64_t i = 0; i < count; ++i) {
    if (i % 65536 == 0) poll_interrupt();
    int64_t rest = i, at_x = 0, at_t = 0, at_y = 0;
    for (int a = x.rank() - 1; a >= 0; --a) {
      const int64_t at = rest % x.shape[a];
      rest /= x.shape[a];
      at_x += at * x.strides[a];
      at_t += at * t.strides[a];
      at_y += at * y.strides[a];
    }
    f(at_x, at_t, at_y);
  }
}

}  // namespace

void pointwise_loss_forward(PointwiseLoss op, const View& x, const View& t, const View& y,
                            const double* param) {
  each_element(x, t, y, [&](int64_t i, int64_t j, int64_t k) {
    y.as<double>()[k] = value(op, x.as<double>()[i], t.as<double>()[j], param);
  });
}

double pointwise_loss_sum(PointwiseLoss op, const View& x, const View& t, const double* param) {
  double sum = 0;
  each_element(x, t, t, [&](int64_t i, int64_t j, int64_t) {
    sum += value(op, x.as<double>()[i], t.as<double>()[j], param);
  });
  return sum;
}

void pointwise_loss_backward(PointwiseLoss op, const View* gy, double scale, const View& x, const View& t,
                             const View& gx, const double* param) {
  if (gy) {
    each_element(*gy, *gy, gx,
                 [&](int64_t i, int64_t, int64_t k) { gx.as<double>()[k] = gy->as<double>()[i]; });
  }
  each_element(x, t, gx, [&](int64_t i, int64_t j, int64_t k) {
    const double g = gy ? gx.as<double>()[k] : scale;
    gx.as<double>()[k] = g * slope(op, x.as<double>()[i], t.as<double>()[j], param);
  });
}

}  // namespace pyconv::ref
