#include "ops/group_norm.h"

#include <algorithm>
#include <cmath>

#include "ref/group_norm.h"

namespace pyconv {

void GroupNormForward::finish(int64_t row, int64_t length, double mean_of_row, double deviations) const {
  // Not below zero by rounding, but a NaN stays one.
  mean[row] = mean_of_row;
  variance[row] = (deviations < 0.0 ? 0.0 : deviations) / static_cast<double>(length);
  invstd[row] = 1.0 / std::sqrt(variance[row] + eps);
}

GroupNormBackward::Factors GroupNormBackward::factors(int64_t row, int64_t length, double first,
                                                      double second) const {
  const double c = static_cast<double>(center(row)), beyond = mean[row] - c, s = invstd[row],
               n = static_cast<double>(length);
  // Around the mean itself instead of its float.
  const double slope = -s * s * s * (second - beyond * first) / n;
  const double offset = (centered ? -s * first / n : 0.0) - slope * beyond;
  return {center(row), static_cast<float>(s), static_cast<float>(slope), static_cast<float>(offset)};
}

void group_norm_forward(const GroupNormShape& shape, const View& x, double eps, bool centered,
                        const double* weight, const double* bias, double* mean, double* variance,
                        double* invstd, const View& y) {
  if (x.count() == 0) return;
  if (x.dtype == DType::kFloat64)
    return ref::group_norm_forward(shape, x, eps, centered, weight, bias, mean, variance, invstd, y);
  const GroupNormForward call{eps, centered, weight, bias, mean, variance, invstd};
  (shape.repeat == 1 ? row_norm_forward : pixel_norm_forward)(shape, call, x, y);
}

void group_norm_backward(const GroupNormShape& shape, const View& x, const View& gy, bool centered,
                         const double* mean, const double* invstd, const double* weight, double* gw,
                         double* gb, const View* gx) {
  std::fill_n(gw, shape.weights, 0.0);
  std::fill_n(gb, shape.weights, 0.0);
  if (x.count() == 0) return;
  if (x.dtype == DType::kFloat64)
    return ref::group_norm_backward(shape, x, gy, centered, mean, invstd, weight, gw, gb, gx);
  const GroupNormBackward call{centered, weight, mean, invstd, gw, gb};
  (shape.repeat == 1 ? row_norm_backward : pixel_norm_backward)(shape, call, x, gy, gx);
}

}  // namespace pyconv
