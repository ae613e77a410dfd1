// The readable specification of the matrix product, and the float64 path.
#pragma once

#include "core/view.h"

namespace pyconv::ref {

// c[i][j] = bias[j] + sum over l of a[i][l] * b[l][j], in double; bias may be null.
void gemm(const View& a, const View& b, const double* bias, double* c);

}  // namespace pyconv::ref
