// The two ways to multiply matrices that ops/gemm/gemm.cpp chooses from. Sizes are at least 1.
#pragma once

#include "core/view.h"

namespace pyconv {

// c[i][j] = sum over l of a[i][l] b[j][l] (+ bias[j]): dot products of contiguous rows, nothing is packed.
// Either side should have few rows: the other one is read from memory once.
void gemm_dots(const View& a, const View& b, const float* bias, float* c);

// c = a b (+ bias) for any strides: B in packed panels, rows of A by pointer.
void gemm_packed(const View& a, const View& b, const float* bias, float* c);

}  // namespace pyconv
