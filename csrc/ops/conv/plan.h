// The plan of a convolution: which algorithm, cut into which blocks, and why. A value, a function of the
// shape, the instruction set's class and the mode alone: never of thread count, cache sizes or load, so
// that the bits of a result depend on nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.h"

namespace pyconv {

enum class Pass { kForward, kGradInput, kGradWeight };
// kTrain: weights change with every step. kCached: what is made of them is kept (see kept_filter.h). The mode
// decides about blocks, not about the algorithm: both have the same bits.
enum class PlanMode { kTrain, kCached };
// kProduct: one matrix product over all pixels. kWinogradPanels: for filters so large that they are
// transformed piece by piece, where they are used. kWinogradFew: few channels, in the first-level cache.
enum class ConvAlgorithm {
  kRowGemm,
  kProduct,
  kDepthwise,
  kGrouped,
  kWinograd,
  kWinogradPanels,
  kWinogradFew,
  kReference
};

struct ConvPlan {
  ConvAlgorithm algorithm = ConvAlgorithm::kRowGemm;
  int64_t rows_per_block = 1;   // output rows (n, z, y) that a block works on
  int64_t x_tile = 1;           // output columns that a block works on
  int tile = 0;                 // outputs per axis of a Winograd tile
  int64_t tiles_per_block = 1;  // Winograd tiles that a block works on
  int64_t parts = 1;            // into which the panels of all groups are split
  int64_t fold = 1;             // neighbouring outputs that are one row of A; x_tile counts such rows
  int64_t copied_rows = 0;      // output rows that share a copy of their source (lanes); 0: read in place
  int64_t chunks = 1;           // partial sums of a weight gradient, merged in order
  int64_t workspace_bytes = 0;  // packed weights, or partial sums
  std::string why;
};

// Whether the algorithm puts several groups into a vector: see grouped.h.
inline bool in_lanes(const ConvPlan& plan) {
  return plan.algorithm == ConvAlgorithm::kDepthwise || plan.algorithm == ConvAlgorithm::kGrouped;
}

// Whether the algorithm works on tiles: see winograd.h.
inline bool in_tiles(const ConvPlan& plan) {
  return plan.algorithm == ConvAlgorithm::kWinograd || plan.algorithm == ConvAlgorithm::kWinogradPanels;
}

const char* name(ConvAlgorithm algorithm);

// The plan of a whole pass; an input gradient with strides shows that of its first phase.
ConvPlan plan(const ConvShape& shape, Pass pass, PlanMode mode);

struct RowProblem;

// Whether a pass is one matrix product over all pixels: see product.h.
bool one_product(const ConvShape& shape, Pass pass);

// The problems that make up a pass: folded where that pays. The weight gradient has those of the forward
// pass. `complete`: they write all of the output (of an input gradient).
std::vector<RowProblem> plan_problems(const ConvShape& shape, Pass pass, bool* complete);
ConvPlan plan_rows(const RowProblem& problem, PlanMode mode);
ConvPlan plan_weight_gradient(const RowProblem& problem);

}  // namespace pyconv
