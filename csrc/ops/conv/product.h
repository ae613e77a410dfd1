// Convolution as one matrix product over all pixels, for few pixels and many channels: there the time goes to
// reading the weight, and a product reads it once, where it lies. The pixels under each output are written
// out, c-major as the weight is (im2col): with few pixels that is little.
#pragma once

#include "ops/conv/conv.h"

namespace pyconv {

void product_forward(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y);
void product_grad_input(const ConvShape& shape, const float* gy, const float* w, const float* bias,
                        float* gx);
void product_grad_weight(const ConvShape& shape, const float* gy, const float* x, float* gw);

// Whether every output sees one pixel, and all of them in order: then x is what would be written out.
bool pixel_to_pixel(const ConvShape& shape);

}  // namespace pyconv
