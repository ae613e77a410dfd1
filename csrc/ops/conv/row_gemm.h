// Row GEMM: runs one RowProblem.
#pragma once

#include "ops/conv/conv.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Where the filter's element (group, source channel, output channel, tap) stands in the weight.
struct FilterStrides {
  int64_t group, src, out, tap[3];
};

void row_gemm(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out);

}  // namespace pyconv
