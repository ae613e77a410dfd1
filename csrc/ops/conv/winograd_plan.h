// What Winograd tiles would cost, and the blocks of tiles to work on; plan.cpp decides.
#pragma once

#include <string>

#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/tiles.h"

namespace pyconv {

// Source channels (with z taps) in a piece of a transformed filter; and where it is made to be used by so
// many tiles: each piece passes by the sums of all tiles, which cost more than the filter's own way the more
// there are. 256 channels on 16 tiles: 0.50 ms in pieces of 128, 0.44 of 64; on 128 tiles 2.7 and 2.8.
constexpr int64_t kFilterPieceDepth = 128;
constexpr int64_t filter_piece_depth(int64_t tiles) { return tiles <= 32 ? 64 : kFilterPieceDepth; }
// Source and output channels in a part of the weight gradient that a task sums up: parts of about equal size.
int64_t weight_part_channels(const TileGrid& grid);
int64_t weight_part_columns(const TileGrid& grid);

// Outputs per axis of the tiles that suit the problem's filter; 0 when it has no such tiles: when it is not
// in steps of one, not 2 to 5 taps wide, or neither square nor one row high.
int winograd_tile(const RowProblem& problem);

// Estimated vector operations: of the row GEMM (before folding), and of the tiles with their transforms,
// infinite where there are none.
double direct_cost(const RowProblem& problem);
double winograd_cost(const RowProblem& problem);
double winograd_weight_cost(const RowProblem& problem);

// Tiles that pass through the first-level cache together, their floats per tile and plane, and whether a
// problem's channels are few enough for it.
constexpr int64_t kFewTiles = 8, kFewWeightTiles = 16;
int64_t few_pitch(const TileGrid& grid);
bool few_channels(const RowProblem& problem);
// The sums of a group's weight gradient: (plane, source channel with z taps, column).
struct FewSums {
  int64_t planes, ld, plane_pitch;
  explicit FewSums(const TileGrid& grid);
  int64_t floats() const { return planes * plane_pitch; }
};

// Of the transformed filters of all groups; 0 without tiles.
int64_t transformed_filter_bytes(const RowProblem& problem);

ConvPlan plan_winograd(const RowProblem& problem, PlanMode mode);
ConvPlan plan_winograd_few(const RowProblem& problem);
ConvPlan plan_winograd_few_weight(const RowProblem& problem);
ConvPlan plan_winograd_weight(const RowProblem& problem);

}  // namespace pyconv
