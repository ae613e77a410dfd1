// Arguments and table of the reduction kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Folds `terms` floats into each of `outputs` totals: element t of output o is x[t * term_stride + o *
// output_stride]. Floats are gathered over at most 32 (rows) or 64 (columns) terms per lane, then merged
// into the doubles.
struct ReduceArgs {
  const float* x;
  int64_t terms, term_stride;
  int64_t outputs, output_stride;
  const float* shift;  // per output; kSquares only
  double* total;       // per output: the sum (kSquares: of x - shift), or the extreme
  double* squares;     // per output: the sum of (x - shift)^2; kSquares only
};

enum class Fold : int { kSum, kSquares, kMax, kMin, kCount };  // a NaN wins every kMax and kMin

// index[o] = base + the first t where x equals value[o] (or is NaN, as value[o] is), unless index[o] is
// already set (not negative).
struct FindArgs {
  const float* x;
  int64_t terms, term_stride;
  int64_t outputs, output_stride;
  const double* value;
  int64_t base;
  int64_t* index;
};

struct ReduceKernels {
  void (*rows[static_cast<int>(Fold::kCount)])(const ReduceArgs*);     // term_stride is 1
  void (*columns[static_cast<int>(Fold::kCount)])(const ReduceArgs*);  // output_stride is 1
  void (*find)(const FindArgs*);
};

}  // namespace pyconv
