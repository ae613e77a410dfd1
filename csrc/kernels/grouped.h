// Arguments and table of the kernels for depthwise and small-group convolution. Plain structs: every
// instruction set includes this file.
//
// A vector ("block of lanes") holds the channels of as many whole groups as fit: the 16 channels of a
// depthwise layer, or 4 groups of 4. Data are channels-last.
#pragma once

#include <stdint.h>

namespace pyconv {

enum { kGroupedOutRows = 2 };

// One or two rows of outputs: out[r][o][k] = sum over source rows s, taps t, channels i of the group of
//   rows[s][low + o * src_step + t * tap_step][channel i of k's group] * filters[s][r][t][i][k]
// where columns outside the row count as zero; then + bias + residual, 0 where mask <= 0, max(., 0) if relu,
// and the sums of
// (out - shift) and (out - shift)^2 per channel. Null leaves a step out.
struct GroupedRow {
  const float* const* rows;     // at column 0 and the first channel of the call
  const float* const* filters;  // [source row][kGroupedOutRows]: [tap][i][lane] of the first block; null:
                                // the row of outputs does not see this one
  int64_t row_count;
  int64_t taps, tap_step;      // per row; from one to the next, in columns
  int64_t low, src_step;       // source column of output 0, tap 0; from one output to the next
  int64_t columns, src_pixel;  // of a source row; floats from one to the next
  int64_t filter_block;        // floats from one block's filter to the next
  int64_t depth;               // source channels per group
  const int32_t* lanes;  // [depth][lane]: where in the source vector channel i of the lane's group stands;
                         // null: every lane reads its own (depth 1)
  float* out;
  int64_t out_row, out_pixel;  // floats from one to the next
  int64_t out_rows, outputs;   // 1 ... kGroupedOutRows; per row
  int64_t blocks;
  int src_width, out_width;  // channels of a block
  int src_last, out_last;    // of the last one
  const float* bias;
  const float *residual, *mask;  // laid out as out
  int relu;
  const float* shift;
  float* sum;
  float* sum_squares;
  bool streaming;  // past the caches: full blocks are aligned vectors
  bool one_group;  // per block, whose lanes all read channel i: `lanes` is not used
};

// A stretch of outputs of one row: gradient and source column of output 0, tap 0.
struct GroupedLine {
  const float* gy;
  int64_t low, outputs;
};

// The weight gradient of one block of lanes: for r < row_count, j < depth (output channels of the group),
// taps t
//   sums[r][j][t][lane] += sum over lines l, outputs o of
//     gy[o][channel j of the lane's group] * rows[l][r][low + o * src_step + t * tap_step][lane]
// where columns outside the row are left out.
struct GroupedGrad {
  const GroupedLine* lines;
  const float* const* rows;  // [line][kGroupedRows], at column 0
  int64_t line_count;
  int row_count;  // 1 ... kGroupedRows
  int64_t taps, tap_step, src_step;
  int64_t columns, src_pixel, gy_pixel;
  int64_t src_channel, gy_channel;  // of the block: floats after the pointers above
  int64_t depth;
  const int32_t* lanes;  // [depth][lane]: where in the gradient's vector channel j of the lane's group stands
  int src_width, gy_width;
  float* const* sums;  // per row
};
enum { kGroupedRows = 3 };

struct GroupedKernels {
  void (*row)(const GroupedRow*);
  void (*grad)(const GroupedGrad*);
  // to[c][lane < width] = from[low + c][lane] for c < columns, zero outside the row's `size` columns and from
  // lane `width` on.
  void (*copy)(const float* from, int64_t pixel, int width, int64_t size, int64_t low, int64_t columns,
               float* to);
};

}  // namespace pyconv
