// Arguments and table of the pool kernels. Plain structs: every instruction set includes this file.
//
// Data are channels-last: a pixel's channels are contiguous and pixels of a row follow each other every
// `pitch` elements. A call handles one row of outputs (or of inputs, for the gradients); which rows are read
// through the other axes is the caller's list.
#pragma once

#include <stdint.h>

namespace pyconv {

// Windows along the row; the tables of core/windows.h.
struct PoolAxis {
  const int64_t* origin;
  const int64_t* begin;
  const int64_t* end;
  const int64_t* first;
  const int64_t* last;
  int64_t step;
};

struct PoolRow {
  const float* const* rows;  // input rows under the windows, in the order of their taps
  int64_t row_count;
  const int64_t* numbers;  // max: per row, the number of its first tap
  float divisor;           // average: divided by divisor * divisors[output]
  const float* divisors;
  PoolAxis axis;
  int64_t pixels;  // outputs in the row
  int64_t channels, pitch;
  float* y;
  void* taps;  // max: the winning tap's number per output, uint8 or int32; null: not kept
  int tap_bytes;
};

struct PoolGradRow {
  const float* const* rows;  // rows of the output's gradient whose windows span this input row
  int64_t row_count;
  const void* const* taps;  // max: the winning taps of these rows
  const int64_t* numbers;   // max: the number of the first tap with which they read this input row
  int tap_bytes;
  const float* divisor;  // average: per row
  const float* divisors;
  PoolAxis axis;
  int64_t pixels;  // inputs in the row
  int64_t channels, pitch;
  float* gx;
  int streaming;  // gx past the caches: whole aligned cache lines
};

struct PoolKernels {
  void (*max_row)(const PoolRow*);
  void (*average_row)(const PoolRow*);
  void (*max_grad_row)(const PoolGradRow*);
  void (*average_grad_row)(const PoolGradRow*);
};

}  // namespace pyconv
