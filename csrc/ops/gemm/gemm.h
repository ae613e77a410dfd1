// Matrix product: c = a b, float32.
#pragma once

#include "core/view.h"

namespace pyconv {

// (m, k) times (k, n) into dense c (m, n); a and b have any strides (a transposition is a view). `bias`
// (n floats) or null is added to every row.
void gemm(const View& a, const View& b, const float* bias, float* c);

}  // namespace pyconv
