// Depthwise and small-group convolution: runs one RowProblem with several groups per vector.
#pragma once

#include <vector>

#include "ops/conv/conv.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_gemm.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// How the channels of a problem fall into vectors: as many whole groups per vector ("block") as fit on both
// sides.
struct LaneBlocks {
  int64_t lanes, groups_per_block, blocks;
  int64_t src_width, out_width;  // channels of a block
  int64_t src_last, out_last;    // of the last one

  explicit LaneBlocks(const RowProblem& problem);
  // Whether a group fits into a vector at all.
  static bool fit(const RowProblem& problem);
};

void grouped(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter, const float* src,
             const float* weight, const ConvEpilogue& epilogue, float* out);

// [channel of the group][lane]: where in a vector of groups with `inner` channels each that channel of the
// lane's group stands, for lanes of groups with `outer` channels. Lanes from `width` on are not in use: 0.
std::vector<int32_t> group_lanes(int64_t outer, int64_t inner, int64_t width, int64_t lanes);

// gw for the given plan; `problem` is the forward one.
void grouped_grad_weight(const RowProblem& problem, const ConvPlan& plan, const float* gy, const float* x,
                         float* gw);

}  // namespace pyconv
