// Arguments and table of local response normalisation. Plain structs: every instruction set includes this
// file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Rows of one value per channel. With d[c] = k + scale sum x[j]^2 over j = c - before ... c + after:
// y = x d^-beta, or with gy: y = gy d^-beta - 2 scale beta x[c] sum gy[i] x[i] d[i]^(-beta - 1) over the i
// whose sum has c in it.
struct LrnArgs {
  const float* x;
  const float* gy;
  float* y;
  int64_t rows, channels, before, after;
  float scale, k, beta;
  float* scratch;  // 2 * (before + channels + after + kLrnSpare)
};
constexpr int64_t kLrnSpare = 16;  // a vector may begin at the last of the floats

struct LrnKernels {
  void (*run)(const LrnArgs*);
};

}  // namespace pyconv
