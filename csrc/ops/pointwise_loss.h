// Losses of an input and a target of one shape, and their gradients. float32, or float64 through ref/.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// y = loss(x, t), element by element.
void pointwise_loss_forward(PointwiseLoss op, const View& x, const View& t, const View& y,
                            const double* param);
// The sum over all elements, in one pass over x and t: no array of losses is written.
double pointwise_loss_sum(PointwiseLoss op, const View& x, const View& t, const double* param);
// gx = gy d loss / dx; without gy its elements are all `scale`.
void pointwise_loss_backward(PointwiseLoss op, const View* gy, double scale, const View& x, const View& t,
                             const View& gx, const double* param);

}  // namespace pyconv
