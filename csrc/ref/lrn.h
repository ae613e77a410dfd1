// Local response normalisation as the loops of its formula, float64.
#pragma once

#include "core/lrn_shape.h"
#include "core/view.h"

namespace pyconv::ref {

// y = x d^-beta with d[c] = k + scale sum x[j]^2 over the window of channel c.
void lrn_forward(const LrnShape& shape, const View& x, double scale, double beta, double k, const View& y);

// gx[c] = gy[c] d[c]^-beta - 2 scale beta x[c] sum gy[i] x[i] d[i]^(-beta - 1) over the i whose window has c.
void lrn_backward(const LrnShape& shape, const View& x, const View& gy, double scale, double beta, double k,
                  const View& gx);

}  // namespace pyconv::ref
