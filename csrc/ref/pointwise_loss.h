// The readable specification of the losses of an input and a target of one shape, and their path for float64.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv::ref {

// y = loss(x, t), element by element.
void pointwise_loss_forward(PointwiseLoss op, const View& x, const View& t, const View& y,
                            const double* param);
// The sum over all elements.
double pointwise_loss_sum(PointwiseLoss op, const View& x, const View& t, const double* param);
// gx = gy d loss / dx; without gy its elements are all `scale`.
void pointwise_loss_backward(PointwiseLoss op, const View* gy, double scale, const View& x, const View& t,
                             const View& gx, const double* param);

}  // namespace pyconv::ref
