// Strides as channels. A convolution with stride s reads s x s blocks of pixels: call such a block one pixel
// of s s c channels, and the stride is 1, with ceil(r / s) taps per axis (some of them zero). In
// channels-last memory the s pixels of a row of the block are contiguous, so nothing is copied. The input
// gradient of the same convolution writes such blocks. What has stride 1 can run on Winograd tiles: 11 x 11
// taps on three channels with stride 4 become 3 x 3 taps on 48, at less than half the work.
#pragma once

#include "core/arena.h"
#include "ops/conv/row_gemm.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Whether a shape has strides that can be folded: one group, no dilation, along y or x.
bool foldable(const ConvShape& shape);

RowProblem folded_forward_problem(const ConvShape& shape);
RowProblem folded_grad_input_problem(const ConvShape& shape);

// The weight as the folded problem sees it: (output, source, z, taps y, taps x), where output or source count
// (y, x, channel) of a block.
class FoldedFilter {
 public:
  FoldedFilter(const ConvShape& shape, const RowProblem& problem);
  FilterStrides strides() const;
  float* data() { return memory_; }

  void fold(const float* weight);       // from (k, c, filter...)
  void unfold(float* weight_gradient);  // to it; of a forward problem

 private:
  template <class Move>
  void each(int64_t k, Move&& move);

  const ConvShape& shape_;
  bool transposed_;
  int64_t step_y_, step_x_, taps_y_, taps_x_, taps_z_, sources_, outputs_;
  Scratch<float> memory_;
};

}  // namespace pyconv
