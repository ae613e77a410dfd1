// Arguments and table of the losses of an input and a target of one shape. Plain structs: every instruction
// set includes this file.
#pragma once

#include <stdint.h>

#include "core/op_codes.h"

namespace pyconv {

// y = loss(x, t), or y = gy d loss / dx. Consecutive floats; y is none of the others.
struct PointwiseLossArgs {
  const float* x;
  const float* t;
  const float* gy;  // gradients only; null where all elements have the gradient `scale`
  float scale;
  float* y;
  int64_t count;
  const double* param;
};

struct PointwiseLossKernels {
  void (*forward[static_cast<int>(PointwiseLoss::kCount)])(const PointwiseLossArgs*);
  void (*grad[static_cast<int>(PointwiseLoss::kCount)])(const PointwiseLossArgs*);
};

}  // namespace pyconv
