// The readable specification of the activations, and their path for float64.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv::ref {

// y = f(x), and gx = gy f'(x) with x or y in `saved` as the activation wants it. float64.
void activation_forward(Activation op, const View& x, const View& y, const double* param);
void activation_backward(Activation op, const View& gy, const View& saved, const View& gx,
                         const double* param);

// With one number w for all or one per channel (axis 1). gw (as many numbers) and gx may be null.
void parametric_forward(Parametric op, const View& x, const double* w, int64_t channels, const View& y);
void parametric_backward(Parametric op, const View& x, const View& gy, const double* w, int64_t channels,
                         const View* gx, double* gw);

}  // namespace pyconv::ref
