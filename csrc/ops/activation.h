// Activations and their gradients. Views of one shape in float32, or float64, which runs through ref/.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// y = f(x); y may be the memory of x, element by element.
void activation_forward(Activation op, const View& x, const View& y, const double* param);
// gx = gy f'(x), with x or y in `saved` as the activation wants it.
void activation_backward(Activation op, const View& gy, const View& saved, const View& gx,
                         const double* param);

// With `channels` numbers w: one for all, or one per channel of (n, channels, ...).
void parametric_forward(Parametric op, const View& x, const double* w, int64_t channels, const View& y);
// gx = gy dy/dx unless null, and gw[c] = sum gy dy/dw over what w[c] belongs to. One pass over x and gy.
void parametric_backward(Parametric op, const View& x, const View& gy, const double* w, int64_t channels,
                         const View* gx, double* gw);

}  // namespace pyconv
