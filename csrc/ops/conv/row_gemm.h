// Row GEMM: runs one RowProblem.
#pragma once

#include "ops/conv/conv.h"
#include "ops/conv/kept_filter.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Where the filter's element (group, source channel, output channel, tap) stands in the weight.
struct FilterStrides {
  int64_t group, src, out, tap[3];
  KeptFilter* kept = nullptr;  // where what is made of the weight stays; null: it is made for this call

  int64_t at(const RowProblem& p, int64_t tz, int64_t ty, int64_t tx) const {
    const RowAxis &z = p.axis[0], &y = p.axis[1], &x = p.axis[2];
    return (z.filter_first + tz * z.filter_step) * tap[0] + (y.filter_first + ty * y.filter_step) * tap[1] +
           (x.filter_first + tx * x.filter_step) * tap[2];
  }
};

void row_gemm(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out);

}  // namespace pyconv
