// Matrix product: c = a b, float32.
#pragma once

#include "core/view.h"

namespace pyconv {

// (m, k) times (k, n) into dense c (m, n); a and b have any strides (a transposition is a view). `bias`
// (n floats) or null is added to every row.
void gemm(const View& a, const View& b, const float* bias, float* c);

// Does `steps` rounds of multiply-adds in registers on every thread and returns how many that were: measured,
// it is the limit of every product.
int64_t multiply_adds(int64_t steps);

}  // namespace pyconv
