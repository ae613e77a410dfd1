// Softmax, its logarithm and the losses over classes, float32.
#pragma once

#include "core/class_loss.h"

namespace pyconv {

// y = softmax(x) along `axis`, or its logarithm. y is dense; x and y have one shape.
void softmax_forward(const View& x, int axis, bool logarithm, const View& y);
// gx from y (what forward gave) and gy.
void softmax_backward(const View& y, const View& gy, int axis, bool logarithm, const View& gx);

// Per row: loss = sum_c a_c (log sum exp x - x_c), where a is the target's distribution, smoothed and
// weighted. `losses` (one per row) and `slopes` (dloss/dx, rows x classes, dense) may be null.
ClassLossSum cross_entropy_forward(const ClassLoss& loss, float* losses, float* slopes);
// gx = slopes * scale * gy[row] (gy null: 1).
void cross_entropy_backward(const float* slopes, const float* gy, double scale, const Rows& gx);

}  // namespace pyconv
