// The readable specification of convolution: the loops of the formula, a double accumulator. It is the
// oracle of the tests, the float64 path, and the float32 path of shapes that no fast algorithm fits.
// Activations are dense channels-last, weights dense (k, c/groups, filter...).
#pragma once

#include "core/shape.h"

namespace pyconv::ref {

template <class T>
void conv_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y);
template <class T>
void conv_grad_input(const ConvShape& shape, const T* gy, const T* w, const T* bias, T* gx);
template <class T>
void conv_grad_weight(const ConvShape& shape, const T* gy, const T* x, T* gw);
template <class T>
void conv_grad_bias(const ConvShape& shape, const T* gy, T* gb);

}  // namespace pyconv::ref
