// Unshared convolution, y[n,k,o] = bias[k,o] + sum over c, r of x[n, c, o * stride - pad + r] *
// weight[o,k,c,r], and its gradients. x, y and their gradients are dense channels-last, weights dense as
// LocalShape says.
//
// Each position is a product of a small matrix (one patch per image) with a filter bank that is used nowhere
// else: the time is that in which the weights arrive from memory, so each pass reads them once.
#pragma once

#include "core/local_shape.h"

namespace pyconv {

void local_conv_forward(const LocalShape& shape, const float* x, const float* weight, const float* bias,
                        float* y);
void local_conv_grad_input(const LocalShape& shape, const float* gy, const float* weight, float* gx);
void local_conv_grad_weight(const LocalShape& shape, const float* gy, const float* x, float* gw);

}  // namespace pyconv
