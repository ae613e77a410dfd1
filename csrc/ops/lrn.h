// Local response normalisation (Krizhevsky et al. 2012) and its gradient. Views in float32 (any strides) or
// float64, which runs through ref/; see ref/lrn.h for the formulas.
#pragma once

#include "core/lrn_shape.h"
#include "core/view.h"

namespace pyconv {

void lrn_forward(const LrnShape& shape, const View& x, double scale, double beta, double k, const View& y);
void lrn_backward(const LrnShape& shape, const View& x, const View& gy, double scale, double beta, double k,
                  const View& gx);

}  // namespace pyconv
