// Normalisation of groups of neighbours as the loops of its formula, float64.
#pragma once

#include "core/group_norm_shape.h"
#include "core/view.h"

namespace pyconv::ref {

// Per row: mean (0 unless centered), variance around it, invstd = 1 / sqrt(variance + eps), and
// y = (x - mean) * invstd * weight + bias.
void group_norm_forward(const GroupNormShape& shape, const View& x, double eps, bool centered,
                        const double* weight, const double* bias, double* mean, double* variance,
                        double* invstd, const View& y);

// gb = sum gy, gw = sum gy xhat with xhat = (x - mean) * invstd, and per row, unless gx is null,
// gx = invstd * (gy w - mean(gy w) - xhat * mean(gy w xhat)), the first mean only if centered.
void group_norm_backward(const GroupNormShape& shape, const View& x, const View& gy, bool centered,
                         const double* mean, const double* invstd, const double* weight, double* gw,
                         double* gb, const View* gx);

}  // namespace pyconv::ref
