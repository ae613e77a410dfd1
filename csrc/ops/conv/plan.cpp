// The only place where the algorithm of a convolution and the size of its blocks are chosen.
#include "ops/conv/plan.h"

#include <algorithm>

#include "core/algorithm.h"
#include "kernels/grouped.h"
#include "kernels/select.h"
#include "ops/conv/fold.h"
#include "ops/conv/grouped.h"
#include "ops/conv/pixel_block.h"
#include "ops/conv/product.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"
#include "ops/conv/winograd_plan.h"
#include "ops/gemm/panels.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// Pixels per block: enough that streaming the packed filter past them costs little (each float of it is
// used this many times), few enough that their rows stay in the second-level cache.
constexpr int64_t kBlockPixels = 192;
constexpr int64_t kWidestRow = 512;  // a longer output row is cut into tiles
constexpr int64_t kTasks = 64;       // for the threads to share, where the problem allows
constexpr int64_t kFewTasks = 24;
constexpr int64_t kStripFloats = int64_t{1} << 24;
constexpr int64_t kPartialFloats = int64_t{1} << 23;  // 32 MiB of partial weight gradients
constexpr int64_t kLanesWork = 1 << 16;               // vector multiply-adds per block: some 20 us
constexpr int64_t kCopiedWidth = 64, kCopiedFloats = 6144;
constexpr int64_t kSumPixels = 1024;  // summed up in float, for an epilogue's statistics
constexpr int64_t kMaxChunks = 16, kFewChunks = 12, kChunkPixels = 512;

void block_size(const RowProblem& p, ConvPlan& plan) {
  const int64_t width = std::max<int64_t>(p.axis[2].count, 1);
  plan.x_tile = width <= kWidestRow ? width : ceil_div(width, ceil_div(width, kWidestRow / 2));
  plan.rows_per_block = std::clamp<int64_t>(kBlockPixels / plan.x_tile, 1, std::max<int64_t>(p.rows(), 1));
}

// Strides or dilations so large that the rows between the taps outweigh those in use.
bool strip_too_large(const RowProblem& p, const ConvPlan& plan) {
  return Strip::floats(p, plan.rows_per_block, plan.x_tile) > kStripFloats;
}

// Several groups per vector, where a group fits into one.
bool lanes_fit(const RowProblem& p) { return p.groups > 1 && LaneBlocks::fit(p); }
// Whether groups do share vectors: then Winograd tiles, a small product per group and plane, are slower.
// Forward pass, one thread, GFLOP/s in lanes and in tiles: 8 channels per group 70 and 45, 12 channels 50
// and 93.
bool lanes_shared(const RowProblem& p) { return lanes_fit(p) && LaneBlocks(p).groups_per_block > 1; }
ConvPlan plan_lanes(const RowProblem& p) {
  const LaneBlocks lanes(p);
  ConvPlan plan;
  plan.algorithm =
      p.src_channels == 1 && p.out_channels == 1 ? ConvAlgorithm::kDepthwise : ConvAlgorithm::kGrouped;
  block_size(p, plan);
  if (p.src_channels > 1 && p.taps() > 1) {
    // Shorter rows, so that several of them fit into the first-level cache.
    if (plan.x_tile > kCopiedWidth) plan.x_tile = ceil_div(plan.x_tile, ceil_div(plan.x_tile, kCopiedWidth));
    const int64_t row = p.axis[2].extent(plan.x_tile), above = p.axis[0].taps * p.axis[1].taps;
    if (row <= kCopiedFloats / lanes.lanes / above)
      plan.copied_rows = (kCopiedFloats / lanes.lanes / row - above) / p.axis[0].taps + 1;
  }
  const int64_t row_work = plan.x_tile * std::max<int64_t>(1, p.depth()) * lanes.blocks;
  const int64_t rows = std::max<int64_t>(p.rows(), 1);
  plan.rows_per_block = std::clamp<int64_t>(std::min(kLanesWork / row_work, rows / kTasks), 1,
                                            std::max<int64_t>(1, kSumPixels / plan.x_tile));
  if (p.axis[1].count > 1) plan.rows_per_block += plan.rows_per_block % kGroupedOutRows;
  if (plan.copied_rows > 0) {
    const int64_t height = std::max<int64_t>(p.axis[1].count, 1);
    plan.copied_rows = plan.rows_per_block = ceil_div(height, ceil_div(height, plan.copied_rows));
  }
  const int64_t blocks = ceil_div(rows, plan.rows_per_block) * ceil_div(p.axis[2].count, plan.x_tile);
  plan.parts = std::clamp<int64_t>(ceil_div(kTasks, std::max<int64_t>(1, blocks)), 1, lanes.blocks);
  plan.workspace_bytes = lanes.blocks * lanes.lanes * p.depth() * 4;
  plan.why = lanes.groups_per_block == 1 ? "a group per vector"
                                         : std::to_string(lanes.groups_per_block) + " groups per vector";
  return plan;
}

ConvPlan plan_lanes_gradient(const RowProblem& p) {
  ConvPlan plan = plan_lanes(p);
  const LaneBlocks lanes(p);
  const int64_t units = p.rows() * ceil_div(p.axis[2].count, plan.x_tile);
  const int64_t floats = lanes.blocks * lanes.lanes * p.taps() * p.out_channels;
  const int64_t worthwhile = std::min(kMaxChunks, p.rows() * p.axis[2].count / kChunkPixels);
  const int64_t affordable = std::min(worthwhile, kPartialFloats / std::max<int64_t>(floats, 1));
  plan.chunks = std::clamp<int64_t>(affordable, 1, std::max<int64_t>(units, 1));
  plan.parts = std::clamp<int64_t>(ceil_div(kTasks, plan.chunks), 1, lanes.blocks);
  plan.workspace_bytes = plan.chunks * floats * 4;
  return plan;
}

// Multiply-adds of one vector for an output row, when `fold` outputs share a vector; kRowCost is what a row
// of A costs besides (5x5 on one channel: 46 cycles for 25 multiply-adds).
double folded_cost(const RowProblem& problem, int64_t fold) {
  constexpr int64_t kRowCost = 16;
  const RowProblem p = folded(problem, fold);
  return static_cast<double>(p.axis[2].count * (p.depth() + kRowCost));
}

// How many neighbouring outputs should share a vector that few channels leave empty. A NaN in the source
// reaches all of them, so that it has to be worth it.
int64_t best_fold(const RowProblem& p) {
  constexpr double kFoldGain = 1.2;
  if (p.groups > 1 || p.axis[2].out_step > 1 || algorithm_choice() != AlgorithmChoice::kAuto) return 1;
  int64_t best = 1;
  const int64_t most = std::min(kernels().lanes / p.out_channels, p.axis[2].count);
  for (int64_t fold = 2; fold <= most; ++fold)
    if (folded_cost(p, fold) < folded_cost(p, best)) best = fold;
  return folded_cost(p, 1) >= kFoldGain * folded_cost(p, best) ? best : 1;
}

// The estimate has to promise this much before its error and the larger rounding error are worth it.
constexpr double kWinogradGain = 1.1;

bool worthwhile(double gain) { return gain >= kWinogradGain && algorithm_choice() == AlgorithmChoice::kAuto; }

double row_gemm_cost(const RowProblem& p) {
  return direct_cost(p) * folded_cost(p, best_fold(p)) / folded_cost(p, 1);
}

bool folding_pays(const std::vector<RowProblem>& plain, const RowProblem& strides_folded, Pass pass) {
  // A stride in the hundreds makes so many channels of a block that a few transformed tiles fill the memory.
  constexpr int64_t kMostChannels = 8192;
  // A transformed filter that leaves the second-level cache costs more than its arithmetic. 3x3 / 2 on 128
  // channels, an estimated gain of 1.2: 57 GFLOP/s as tiles and 83 as row GEMM on a Xeon whose other
  // processor was busy; 7x7 / 2 on 3 channels, the same estimate: 105 and 89.
  constexpr int64_t kCachedBytes = 1 << 20;
  constexpr double kGainBeyond = 1.3;
  const RowAxis &y = strides_folded.axis[1], &x = strides_folded.axis[2];
  if (y.src_fold * x.src_fold > kMostChannels / strides_folded.src_channels ||
      y.out_fold * x.out_fold > kMostChannels / strides_folded.out_channels)
    return false;
  const bool weight = pass == Pass::kGradWeight;
  const auto tiles = weight ? winograd_weight_cost : winograd_cost;
  double cost = 0;
  for (const RowProblem& p : plain) cost += std::min(row_gemm_cost(p), tiles(p));
  const bool cached = transformed_filter_bytes(strides_folded) <= kCachedBytes;
  return worthwhile(cost / tiles(strides_folded) / (cached ? 1 : kGainBeyond / kWinogradGain));
}

ConvPlan reference(const char* why) {
  ConvPlan plan;
  plan.algorithm = ConvAlgorithm::kReference;
  plan.why = why;
  return plan;
}

}  // namespace

const char* name(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::kRowGemm: return "row_gemm";
    case ConvAlgorithm::kProduct: return "product";
    case ConvAlgorithm::kDepthwise: return "depthwise";
    case ConvAlgorithm::kGrouped: return "grouped";
    case ConvAlgorithm::kWinograd: return "winograd";
    case ConvAlgorithm::kWinogradPanels: return "winograd_panels";
    case ConvAlgorithm::kWinogradFew: return "winograd_few";
    case ConvAlgorithm::kReference: return "reference";
  }
  return "?";
}

std::vector<RowProblem> plan_problems(const ConvShape& shape, Pass pass, bool* complete) {
  *complete = true;
  const bool backward = pass == Pass::kGradInput;
  std::vector<RowProblem> plain =
      backward ? grad_input_problems(shape, complete) : std::vector{forward_problem(shape)};
  if (!foldable(shape)) return plain;
  const RowProblem one = backward ? folded_grad_input_problem(shape) : folded_forward_problem(shape);
  if (!folding_pays(plain, one, pass)) return plain;
  *complete = true;
  return {one};
}

ConvPlan plan_rows(const RowProblem& problem, PlanMode mode) {
  if (lanes_shared(problem)) return plan_lanes(problem);
  const bool tiles = worthwhile(row_gemm_cost(problem) / winograd_cost(problem));
  // Channels of groups that do not fill vectors are transformed faster together: 12 channels per group on
  // 28x28 maps 1.28 ms, and 1.40 one group after the other.
  const bool vectors = problem.src_channels % kLineFloats == 0 && problem.out_channels % kLineFloats == 0;
  if (few_channels(problem) && tiles && (problem.groups == 1 || vectors)) return plan_winograd_few(problem);
  if (problem.strides_folded() || tiles) return plan_winograd(problem, mode);
  if (lanes_fit(problem)) return plan_lanes(problem);
  const int64_t fold = best_fold(problem);
  const RowProblem p = folded(problem, fold);
  ConvPlan plan;
  plan.fold = fold;
  block_size(p, plan);
  if (strip_too_large(p, plan)) return reference("stride or dilation leave most of a padded row unused");
  const PanelLayout layout(p.depth(), p.out_channels);
  const int64_t blocks =
      std::max<int64_t>(1, ceil_div(p.rows(), plan.rows_per_block) * ceil_div(p.axis[2].count, plan.x_tile));
  // Each part reads the rows of A again.
  plan.parts = blocks >= kFewTasks ? 1
                                   : std::clamp<int64_t>(ceil_div(kTasks, blocks), 1,
                                                         p.groups * std::max<int64_t>(1, layout.panels()));
  plan.workspace_bytes = p.groups * layout.floats() * 4;
  plan.why = p.groups > 1 ? "grouped: a row GEMM per group" : "dense: row GEMM";
  if (fold > 1) plan.why += ", " + std::to_string(fold) + " outputs per vector";
  return plan;
}

ConvPlan plan_weight_gradient(const RowProblem& problem) {
  if (lanes_shared(problem)) return plan_lanes_gradient(problem);
  const bool tiles = worthwhile(row_gemm_cost(problem) / winograd_weight_cost(problem));
  // With 8 lanes, 32 channels on 16x16 maps: 1.78 ms, and 1.65 in blocks; groups of 16 channels 1.24
  // and 1.40.
  const bool faster = problem.groups > 1 || kernels().lanes >= kLineFloats;
  if (few_channels(problem) && tiles && faster) return plan_winograd_few_weight(problem);
  if (problem.strides_folded() || tiles) return plan_winograd_weight(problem);
  if (lanes_fit(problem)) return plan_lanes_gradient(problem);
  ConvPlan plan;
  plan.fold = best_fold(problem);
  const RowProblem p = folded(problem, plan.fold);
  block_size(p, plan);
  if (strip_too_large(p, plan)) return reference("stride or dilation leave most of a padded row unused");
  const int64_t blocks = ceil_div(p.rows(), plan.rows_per_block) * ceil_div(p.axis[2].count, plan.x_tile);
  const int64_t floats = p.groups * p.out_channels * p.depth();
  // Each chunk writes and reads all of the gradient once: that pays when it sums over many pixels.
  const int64_t worthwhile = std::min(kMaxChunks, p.rows() * p.axis[2].count / kChunkPixels);
  const int64_t affordable = std::min(worthwhile, kPartialFloats / std::max<int64_t>(floats, 1));
  plan.chunks = std::clamp<int64_t>(affordable, 1, std::max<int64_t>(blocks, 1));
  // Where the pieces of rows suffice, no two parts copy the same one.
  const int64_t pieces = p.groups * ceil_div(p.depth(), PixelBlock::kPieceRows);
  const int64_t panels = PanelLayout(p.depth(), p.out_channels).panels();
  const int64_t units = plan.chunks * pieces >= kFewTasks ? pieces : pieces * panels;
  // One task that reads all of its pixels, and asks for the next ones while it works. On two threads of a
  // Xeon, in ms, with four parts, and as one: 1x1 from 64 to 256 channels on 56x56 3.2 and 2.7, 3x3 / 2 with
  // 128 channels on 28x28 (six parts) 8.1 and 7.0.
  plan.parts = plan.chunks >= kFewChunks ? 1 : std::clamp<int64_t>(ceil_div(kTasks, plan.chunks), 1, units);
  plan.workspace_bytes = plan.chunks * floats * 4;
  plan.why = "row GEMM over pixels, K-major";
  if (plan.fold > 1) plan.why += ", " + std::to_string(plan.fold) + " outputs per vector";
  return plan;
}

// Few pixels and a large weight: two threads of a Xeon, weights from memory, milliseconds before and after.
// 3x3, 512 channels on 7x7: 1.70 and 1.23, gradients 1.68 and 1.23, 1.93 and 1.14; to 512 channels on 14x14
// at stride 2: 2.54 and 1.18; the same on 2 images 1.91 and 1.96, 256 channels on 14x14 0.87 and 1.15. 1x1,
// 2048 to 512 channels on 7x7: 0.63 and 0.56, on 8 images 3.04 and 2.82.
bool one_product(const ConvShape& s, Pass pass) {
  constexpr int64_t kPixels = 64, kWeights = 1 << 19;
  constexpr int64_t kPlainPixels = 512, kPlainWeights = 1 << 18;
  // A weight gradient of 1x1 whose sum need not be split, of PyTorch on one thread: 2048 -> 512 on 8x7x7 0.6
  // -> 0.9, 1024 -> 256 on 8x14x14 0.85 -> 1.07.
  constexpr int64_t kMostPixels = 4096, kLeastChannels = 128;
  const int64_t pixels = s.n * s.out_pixels(), weights = s.k * s.c * s.taps();
  if (s.groups > 1 || pixels == 0 || weights == 0) return false;
  if (!pixel_to_pixel(s)) {
    // An input gradient visits all inputs, of which a large stride leaves many that no output sees.
    const bool inputs = pass != Pass::kGradInput || s.n * s.in_pixels() <= kMostPixels;
    return pixels <= kPixels && weights >= kWeights && inputs;
  }
  if (pass == Pass::kGradWeight && std::min(s.c, s.k) >= kLeastChannels) return pixels <= kMostPixels;
  return pixels <= kPlainPixels && weights >= kPlainWeights;
}

ConvPlan plan(const ConvShape& shape, Pass pass, PlanMode mode) {
  if (one_product(shape, pass)) {
    const int64_t pixels = shape.n * shape.out_pixels();
    ConvPlan product;
    product.algorithm = ConvAlgorithm::kProduct;
    product.workspace_bytes = pixel_to_pixel(shape) ? 0 : pixels * shape.c * shape.taps() * 4;
    product.why = "few pixels, many channels: one matrix product";
    return product;
  }
  bool complete;
  const std::vector<RowProblem> problems = plan_problems(shape, pass, &complete);
  if (pass == Pass::kForward) return plan_rows(problems.front(), mode);
  if (pass == Pass::kGradWeight) return plan_weight_gradient(problems.front());
  if (problems.empty()) return reference("no input is reached by the filter");
  ConvPlan first = plan_rows(problems.front(), mode);
  for (const RowProblem& p : problems)
    if (plan_rows(p, mode).algorithm == ConvAlgorithm::kReference) return plan_rows(p, mode);
  if (problems.size() > 1) first.why += ", " + std::to_string(problems.size()) + " phases";
  return first;
}

}  // namespace pyconv
