// The windows of a convolution written out, and their sum put back: each is the other's gradient.
#pragma once

#include "core/shape.h"
#include "core/view.h"

namespace pyconv {

// columns[n, (c * R + r) * S + s, oh * OW + ow] = x[n, c, oh * stride - pad + r * dilation, ...], 0 outside
// x. `shape` is a convolution's record of two axes of which only the windows matter. float32 or float64.
void unfold(const ConvShape& shape, const View& x, const View& columns);

// x = the sum of all places that `unfold` copies an element of x to.
void fold(const ConvShape& shape, const View& columns, const View& x);

}  // namespace pyconv
