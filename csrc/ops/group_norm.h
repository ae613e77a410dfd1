// Group, instance, layer and RMS norm with their gradients. Views in float32 (any strides) or float64, which
// runs through ref/. Statistics, weights and biases are double; see ref/group_norm.h for the formulas.
#pragma once

#include "core/group_norm_shape.h"
#include "core/view.h"

namespace pyconv {

void group_norm_forward(const GroupNormShape& shape, const View& x, double eps, bool centered,
                        const double* weight, const double* bias, double* mean, double* variance,
                        double* invstd, const View& y);

// gx may be null.
void group_norm_backward(const GroupNormShape& shape, const View& x, const View& gy, bool centered,
                         const double* mean, const double* invstd, const double* weight, double* gw,
                         double* gb, const View* gx);

// The two float32 drivers: rows of neighbours, every value with a weight of its own; and channels-last
// pixels, whose groups are stretches of each pixel.
struct GroupNormForward {
  double eps;
  bool centered;
  const double *weight, *bias;
  double *mean, *variance, *invstd;  // per row

  // The row's statistics from its mean and its sum of squared deviations.
  void finish(int64_t row, int64_t length, double mean_of_row, double deviations) const;
};
struct GroupNormBackward {
  bool centered;
  const double *weight, *mean, *invstd;
  double *gw, *gb;

  // gx = gain gy w + scale (x - center) + offset, from first = sum gy w and second = sum gy w (x - center).
  struct Factors {
    float center, gain, scale, offset;
  };
  float center(int64_t row) const { return static_cast<float>(mean[row]); }
  Factors factors(int64_t row, int64_t length, double first, double second) const;
};
void row_norm_forward(const GroupNormShape& shape, const GroupNormForward& call, const View& x,
                      const View& y);
void row_norm_backward(const GroupNormShape& shape, const GroupNormBackward& call, const View& x,
                       const View& gy, const View* gx);
void pixel_norm_forward(const GroupNormShape& shape, const GroupNormForward& call, const View& x,
                        const View& y);
void pixel_norm_backward(const GroupNormShape& shape, const GroupNormBackward& call, const View& x,
                         const View& gy, const View* gx);

}  // namespace pyconv
