// Arguments and table of the resampling kernels. Plain structs: every instruction set includes this file.
//
// Data are channels-last: a pixel's `channels` floats are contiguous, the next pixel lies `pitch` floats on.
// The taps of pixel p are the entries [begin[p], begin[p + 1]) of `position` (a pixel's number) and `weight`.
#pragma once

#include <stdint.h>

namespace pyconv {

struct WeightedRow {
  const float* const* rows;  // the inputs that the positions count in
  const float* row_weights;
  int64_t row_count;
  const int64_t* begin;
  const int64_t* position;
  const float* weight;
  int64_t pixels, channels, pitch;
  float* y;
};

struct PixelScatter {
  const float* gy;
  const int64_t* begin;
  const int64_t* position;
  const float* weight;
  int64_t pixels, channels, pitch;
  float* gx;
};

struct PixelDots {
  const float* gy;
  const float* x;
  const int64_t* begin;
  const int64_t* position;
  int64_t pixels, channels, pitch;
  float* dots;  // one per entry, from entry begin[0] on
};

struct ResampleKernels {
  // y[p] = sum over r of row_weights[r] * (sum over t of weight[t] * rows[r][position[t]])
  void (*weighted_row)(const WeightedRow*);
  // gx[position[t]] += weight[t] * gy[p], pixel after pixel
  void (*scatter)(const PixelScatter*);
  // dots[t] = sum over channels of gy[p] * x[position[t]]
  void (*dots)(const PixelDots*);
};

}  // namespace pyconv
