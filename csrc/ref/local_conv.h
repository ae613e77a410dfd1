// Unshared convolution as written in its definition: float64. x, y and their gradients are dense
// channels-last, weights dense as in LocalShape::weight_shape().
#pragma once

#include "core/local_shape.h"

namespace pyconv::ref {

void local_conv_forward(const LocalShape& shape, const double* x, const double* weight, const double* bias,
                        double* y);
void local_conv_grad_input(const LocalShape& shape, const double* gy, const double* weight, double* gx);
void local_conv_grad_weight(const LocalShape& shape, const double* gy, const double* x, double* gw);

}  // namespace pyconv::ref
