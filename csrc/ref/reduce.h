// The readable specification of the reductions, and their path for every type but float32.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// y = op of x over the axes on which y has size 1 and `reduced` is set; y has x's rank. Sums in double
// (floats) or 64 bits; argmax and argmin give the index in C order of the reduced axes, the first one at a
// tie; a NaN is the largest and the smallest. var divides by count - correction, which must be a number.
void ref_reduce(Reduction op, const View& x, const bool* reduced, double correction, const View& y);

}  // namespace pyconv
