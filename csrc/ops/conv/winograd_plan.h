// What Winograd tiles would cost, and the blocks of tiles to work on; plan.cpp decides.
#pragma once

#include <string>

#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Source channels (with z taps) in a piece of a transformed filter that is made where it is used, and in a
// piece of the sums of a weight gradient.
constexpr int64_t kFilterPieceDepth = 128, kSumsPieceDepth = 96;

// Outputs per axis of the tiles that suit the problem's filter; 0 when it has no such tiles: when it is not
// in steps of one, not 2 to 5 taps wide, or neither square nor one row high.
int winograd_tile(const RowProblem& problem);

// How many times fewer vector operations than the direct way takes, transforms included.
double winograd_gain(const RowProblem& problem);
double winograd_weight_gain(const RowProblem& problem);

ConvPlan plan_winograd(const RowProblem& problem);
ConvPlan plan_winograd_weight(const RowProblem& problem);

}  // namespace pyconv
