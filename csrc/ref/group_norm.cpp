#include "ref/group_norm.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// Element i of the view in C order.
double& element(const View& view, int64_t i) {
  int64_t offset = 0;
  for (int a = view.rank() - 1; a >= 0; --a) {
    offset += i % view.shape[a] * view.strides[a];
    i /= view.shape[a];
  }
  return view.as<double>()[offset];
}

int64_t weight_of(const GroupNormShape& s, int64_t i) { return i / s.repeat % s.weights; }

}  // namespace

void group_norm_forward(const GroupNormShape& s, const View& x, double eps, bool centered,
                        const double* weight, const double* bias, double* mean, double* variance,
                        double* invstd, const View& y) {
  const double n = static_cast<double>(s.length);
  for (int64_t r = 0; r < s.rows; ++r) {
    poll_interrupt();
    const int64_t begin = r * s.length, end = begin + s.length;
    double sum = 0, squares = 0;
    if (centered)
      for (int64_t i = begin; i < end; ++i) sum += element(x, i);
    mean[r] = sum / n;
    for (int64_t i = begin; i < end; ++i) {
      const double d = element(x, i) - mean[r];
      squares += d * d;
    }
    variance[r] = squares / n;
    invstd[r] = 1 / std::sqrt(variance[r] + eps);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t w = weight_of(s, i);
      element(y, i) = (element(x, i) - mean[r]) * invstd[r] * weight[w] + bias[w];
    }
  }
}

void group_norm_backward(const GroupNormShape& s, const View& x, const View& gy, bool centered,
                         const double* mean, const double* invstd, const double* weight, double* gw,
                         double* gb, const View* gx) {
  const double n = static_cast<double>(s.length);
  std::fill_n(gw, s.weights, 0.0);
  std::fill_n(gb, s.weights, 0.0);
  for (int64_t r = 0; r < s.rows; ++r) {
    poll_interrupt();
    const int64_t begin = r * s.length, end = begin + s.length;
    double first = 0, second = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t w = weight_of(s, i);
      const double g = element(gy, i), xhat = (element(x, i) - mean[r]) * invstd[r];
      gb[w] += g;
      gw[w] += g * xhat;
      first += g * weight[w];
      second += g * weight[w] * xhat;
    }
    if (!gx) continue;
    if (!centered) first = 0;
    for (int64_t i = begin; i < end; ++i) {
      const double xhat = (element(x, i) - mean[r]) * invstd[r];
      element(*gx, i) =
          invstd[r] * (element(gy, i) * weight[weight_of(s, i)] - first / n - xhat * second / n);
    }
  }
}

}  // namespace pyconv::ref
