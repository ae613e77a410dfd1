// Arguments and table of the kernels for depthwise and small-group convolution. Plain structs: every
// instruction set includes this file.
//
// A vector ("block of lanes") holds the channels of as many whole groups as fit: the 16 channels of a
// depthwise layer, or 4 groups of 4. Data are channels-last.
#pragma once

#include <stdint.h>

namespace pyconv {

// One row of outputs: out[o][k] = sum over rows r, taps t, channels i of the group of
//   rows[r][low + o * src_step + t * tap_step][channel i of k's group] * filters[r][t][i][k]
// where columns outside the row count as zero; then + bias + residual, max(., 0) if relu, and the sums of
// (out - shift) and (out - shift)^2 per channel. Null leaves a step out.
struct GroupedRow {
  const float* const* rows;     // at column 0 and the first channel of the call
  const float* const* filters;  // per row: [tap][i][lane] of the first block
  int64_t row_count;
  int64_t taps, tap_step;      // per row; from one to the next, in columns
  int64_t low, src_step;       // source column of output 0, tap 0; from one output to the next
  int64_t columns, src_pixel;  // of a source row; floats from one to the next
  int64_t filter_block;        // floats from one block's filter to the next
  int64_t depth;               // source channels per group
  const int32_t* lanes;  // [depth][lane]: where in the source vector channel i of the lane's group stands;
                         // null: every lane reads its own (depth 1)
  float* out;
  int64_t out_pixel, outputs;
  int64_t blocks;
  int src_width, out_width;  // channels of a block
  int src_last, out_last;    // of the last one
  const float* bias;
  const float* residual;  // laid out as out
  int relu;
  const float* shift;
  float* sum;
  float* sum_squares;
};

struct GroupedKernels {
  void (*row)(const GroupedRow*);
};

}  // namespace pyconv
