// Arguments and table of the kernels that normalise rows of neighbours in memory. Plain structs: every
// instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// A stretch of a row; w and b are its weights. With v = (x - center) * scale + offset:
// map: y = v w + b.  grad_map: y = gain gy w + v.  affine: gw += gy v, gb += gy.
struct RowNorm {
  const float* x;
  const float* gy;
  const float* w;
  const float* b;
  float* y;
  int64_t count;
  float center, scale, offset, gain;
};

struct LayerNormKernels {
  // first = sum of x - shift, second = sum of its square
  void (*sums)(const float* x, int64_t n, float shift, double* first, double* second);
  void (*map)(const RowNorm*);
  // first = sum of gy w, second = sum of gy w (x - center)
  void (*grad_sums)(const RowNorm*, double* first, double* second);
  void (*grad_map)(const RowNorm*);
  void (*affine)(const RowNorm*, float* gw, float* gb);
};

}  // namespace pyconv
