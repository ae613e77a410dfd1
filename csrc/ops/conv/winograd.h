// Winograd convolution: tiles of outputs by fewer products. The transforms are in kernels/winograd.inl.h.
#pragma once

#include "ops/conv/conv.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_gemm.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Forward pass or (a phase of) the input gradient.
void winograd(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out);

// The same of few channels per group: plan.algorithm kWinogradFew.
void winograd_few(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter,
                  const float* src, const float* weight, const ConvEpilogue& epilogue, float* out);

// gw (k, c/groups, filter...) of the forward problem.
void winograd_grad_weight(const RowProblem& problem, const ConvPlan& plan, const float* src, const float* gy,
                          float* gw);
void winograd_few_grad_weight(const RowProblem& problem, const ConvPlan& plan, const float* src,
                              const float* gy, float* gw);

}  // namespace pyconv
