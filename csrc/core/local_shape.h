// Unshared convolution (a locally connected layer): every output position has a filter bank of its own.
#pragma once

#include "core/shape.h"

namespace pyconv {

struct LocalShape {
  ConvShape conv;  // of the convolution with the same windows

  int64_t columns() const { return conv.c * conv.taps(); }  // weights behind one output
  Dims weight_shape() const;                                // (out..., k, c, filter...)
  Dims bias_shape() const;                                  // (k, out...)
};

// `x` is (n, c, spatial...) and `weight` (out..., k, c, filter...) with one or two spatial axes; stride and
// padding (zeros on both sides) have one entry per axis.
LocalShape make_local_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride,
                            const Dims& padding);

}  // namespace pyconv
