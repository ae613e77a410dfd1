// Arguments and table of the activations. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

#include "core/op_codes.h"

namespace pyconv {

// y = f(x), or y = gy f'(x) with x or f(x) in `x` as the activation wants it. Consecutive floats; y may be
// x or gy.
struct ActivationArgs {
  const float* x;
  const float* gy;  // gradients only
  float* y;
  int64_t count;
  const double* param;
  int streaming;  // y past the caches; it begins on a cache line
};

// The same with numbers w, one per channel: rows of one value per channel follow each other. Gradients:
// y = gy df/dx unless null, gw[c] += sum over the rows of gy df/dw.
struct ParametricArgs {
  const float* x;
  const float* gy;
  const float* w;
  float* y;
  int64_t rows, channels;
  float* partial;  // gradients only, scratch: channels
  double* gw;
  int streaming;  // as above, and a row is a whole number of cache lines
};

struct ActivationKernels {
  void (*forward[static_cast<int>(Activation::kCount)])(const ActivationArgs*);
  void (*grad[static_cast<int>(Activation::kCount)])(const ActivationArgs*);
  void (*parametric[static_cast<int>(Parametric::kCount)])(const ParametricArgs*);
  void (*parametric_grad[static_cast<int>(Parametric::kCount)])(const ParametricArgs*);
};

}  // namespace pyconv
