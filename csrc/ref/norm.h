// Batch normalisation as written in its definition: float64 in and out, any strides.
#pragma once

#include "core/norm_shape.h"
#include "core/view.h"

namespace pyconv::ref {

// variance: the mean of the squared deviations.
void batch_norm_statistics(const NormShape& shape, const View& x, double* mean, double* variance);
// y = (x - mean) * invstd * weight + bias
void batch_norm_apply(const NormShape& shape, const View& x, const double* mean, const double* invstd,
                      const double* weight, const double* bias, const View& y);
// gb = sum gy, gw = sum gy * xhat
void batch_norm_grad_affine(const NormShape& shape, const View& x, const View& gy, const double* mean,
                            const double* invstd, double* gw, double* gb);
// gx = weight * invstd * (gy - gb / rows - xhat * gw / rows) when training, weight * invstd * gy else.
void batch_norm_grad_input(const NormShape& shape, const View& x, const View& gy, const double* mean,
                           const double* invstd, const double* weight, const double* gw, const double* gb,
                           bool training, const View& gx);

}  // namespace pyconv::ref
