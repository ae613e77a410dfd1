#include "ops/conv/winograd_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "kernels/select.h"
#include "kernels/winograd_few.h"
#include "ops/conv/planes.h"

namespace pyconv {
namespace {

// A block's transformed tiles and products, in floats: with the filter's panel they stay in a megabyte of
// second-level cache. 100 to 240 thousand made no difference on 64 channels, 400 lost a tenth.
constexpr int64_t kBlockFloats = 160 << 10;
// Fewer tiles make the filter stream past too often, more are no gain: 256 channels took the same time with
// 24 and with 60, 512 channels (beyond kLargeFilterBytes) a twentieth less with 48.
constexpr int64_t kMinTiles = 24, kMaxTiles = 48;
constexpr int64_t kGroupTiles = 32;  // at least, of several groups
constexpr int64_t kRowTile = 6;      // rows that the matrix kernel takes at a time
// A larger transformed filter does not stay in a third-level cache while the blocks pass by. It is made piece
// by piece, for blocks of many tiles: 512 x 512 channels on 7 x 7 pixels went from 136 to 235 GFLOP/s. With
// enough tiles one of 512 x 512 is better made at once, as long as products fetch what they need next:
// on 8 x 28 x 28 pixels 27 instead of 30 ms (Xeon, two threads).
constexpr int64_t kLargeFilterBytes = 12 << 20, kFilterBytes = 40 << 20;
// So is one that leaves the second-level cache when there are few tiles to pass by: 256 x 256 channels on 14
// x 14 pixels, batch 8, where the third level is slow (Xeon, two threads): from 400 to 520 GFLOP/s, batch 1
// from 160 to 270. With thousands of tiles it is a loss, 590 to 480.
constexpr int64_t kFewTilesFilterBytes = 2 << 20, kManyTiles = 256;
// 256 x 256 channels, 196 tiles: 4.2 ms in blocks of at most 128, 3.8 in one.
constexpr int64_t kPanelTiles = 256;
// Weight gradient: a block's transformed tiles, in floats, and at least so many tiles that loading and
// storing the sums costs little. With 320 thousand floats 32 and 64 channels took a twentieth longer.
constexpr int64_t kSumsFloats = 200 << 10, kMinSumsTiles = 48;
// It is split into chunks of at least this many tiles whose sums are all kept, up to so many floats.
constexpr int64_t kChunkTiles = 96, kKeptFloats = 5 << 20;
constexpr int64_t kMostPartChannels = 192, kMostPartColumns = 128;
// Where the tiles are too few for two chunks, smaller parts are what the threads share, though each
// transforms its own tiles: 128 x 128 channels on 28 x 28 pixels is four parts instead of one.
constexpr int64_t kFewPartChannels = 128, kFewPartColumns = 64;
// Few channels: groups that take turns, so that whole neighbourhoods of memory are read, and tiles of a task.
constexpr int64_t kFewGroups = 4, kFewChunk = 64;
constexpr const char* kFewWhy = ", few channels in the first-level cache";
constexpr int64_t kTasks = 16;  // for the threads to share

// Vector operations per vector of a plane's values, a term of the product of two planes counting 1: the way
// in, the way back with the product's own start and end, and the filter's. Fitted to Zen 4, where the
// estimates of 3x3 filters from 8 to 512 channels are within a fifth of what was measured (8: 1.1 for 1.0,
// 16: 1.7 for 1.4, 64: 3.0 for 3.0, 128: 3.4 for 3.4).
constexpr double kLiftCost = 10, kLowerCost = 12, kFilterCost = 5;
constexpr double kDirectFilterCost = 2;  // packing it
constexpr int64_t kVector = 16;          // whatever the instruction set

double whole_vectors(int64_t channels) { return static_cast<double>(round_up(channels, kVector)); }

double tile_cost(const TileGrid& grid, double products, double transforms) {
  return static_cast<double>(grid.planes()) *
         (static_cast<double>(grid.tiles()) * (products + transforms) + kFilterCost * products);
}

// The size of parts into which `size` is cut evenly, none larger than `most`: whole vectors.
int64_t even_parts(int64_t size, int64_t most) {
  return std::min(size, round_up(ceil_div(size, ceil_div(size, most)), kVector));
}

bool few_chunks(const TileGrid& grid) { return grid.tiles() < 2 * kChunkTiles; }

// Source channels of one group in whole vectors; those of pixels folded along y are transformed apart, those
// of all groups together.
double source_vectors(const RowProblem& p, const TileGrid& grid) {
  return static_cast<double>(p.axis[0].taps * p.axis[1].src_fold) * whole_vectors(grid.source_row()) /
         static_cast<double>(p.groups);
}

std::string describe(const RowProblem& p, const TileGrid& grid, int64_t outputs, int64_t taps, double gain) {
  char text[160];
  const long long m = outputs, r = taps, saved = m * r * (grid.both() ? m * r : 1);
  if (grid.both()) std::snprintf(text, sizeof text, "Winograd F(%lldx%lld, %lldx%lld): ", m, m, r, r);
  else std::snprintf(text, sizeof text, "Winograd F(%lld, %lld): ", m, r);
  std::string why = text;
  std::snprintf(text, sizeof text,
                "%lld products per tile instead of %lld; with transforms %.1f times less work",
                static_cast<long long>(grid.planes()), saved, gain);
  why += text;
  if (p.axis[1].src_fold * p.axis[2].src_fold > 1) why += ", the pixels of a stride as channels of one";
  if (p.axis[1].out_fold * p.axis[2].out_fold > 1) why += ", the outputs of a stride as channels of one";
  if (p.axis[0].taps > 1) why += ", summed over depth directly";
  return why;
}

}  // namespace

int winograd_tile(const RowProblem& p) {
  const RowAxis &y = p.axis[1], &x = p.axis[2];
  const int64_t taps = x.taps;
  const auto in_steps = [](const RowAxis& a) { return a.src_step == a.src_fold; };
  if (!in_steps(x) || taps < 2 || taps > 5) return 0;
  // The taps are picked from a filter of at most this many.
  if (y.taps * taps * std::abs(y.filter_step * x.filter_step) > kMaxFilterTaps) return 0;
  const bool row = y.taps == 1, square = y.taps == taps && in_steps(y);
  return row || square ? static_cast<int>(kWinogradPoints + 1 - taps) : 0;
}

double direct_cost(const RowProblem& p) {
  const double positions = static_cast<double>(p.rows() * p.axis[2].count);
  return static_cast<double>(p.axis[0].taps * p.plain_taps() * p.src_channels) *
         whole_vectors(p.out_channels) * (positions + kDirectFilterCost);
}

double winograd_cost(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0) return std::numeric_limits<double>::infinity();
  const TileGrid grid(p, tile);
  const double out = static_cast<double>(p.axis[1].out_fold) * whole_vectors(grid.out_floats());
  return tile_cost(grid, static_cast<double>(grid.depth()) * whole_vectors(grid.columns()),
                   kLiftCost * source_vectors(p, grid) + kLowerCost * out);
}

double winograd_weight_cost(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0) return std::numeric_limits<double>::infinity();
  const TileGrid grid(p, tile);
  const double out = whole_vectors(p.out_channels);
  return tile_cost(grid, static_cast<double>(grid.depth()) * out,
                   kLiftCost * (source_vectors(p, grid) + out));
}

int64_t transformed_filter_bytes(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0) return 0;
  const TileGrid grid(p, tile);
  return 4 * p.groups * FilterPlanes{PanelLayout(grid.depth(), grid.columns()), grid.planes()}.floats();
}

int64_t weight_part_channels(const TileGrid& grid) {
  return even_parts(grid.channels(), few_chunks(grid) ? kFewPartChannels : kMostPartChannels);
}
int64_t weight_part_columns(const TileGrid& grid) {
  return even_parts(grid.columns(), few_chunks(grid) ? kFewPartColumns : kMostPartColumns);
}

ConvPlan plan_winograd(const RowProblem& p, PlanMode mode) {
  ConvPlan plan;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  const FilterPlanes filter{PanelLayout(grid.depth(), grid.columns()), grid.planes()};
  plan.why = describe(p, grid, plan.tile, p.axis[2].taps, direct_cost(p) / winograd_cost(p));
  // A filter that is kept is transformed once: 256 x 256 channels on 14 x 14 pixels, 0.73 -> 0.55 ms.
  if (mode == PlanMode::kTrain &&
      filter.floats() * 4 > (grid.tiles() <= kManyTiles ? kFewTilesFilterBytes : kFilterBytes)) {
    plan.algorithm = ConvAlgorithm::kWinogradPanels;
    plan.tiles_per_block = ceil_div(grid.tiles(), ceil_div(grid.tiles(), kPanelTiles));
    plan.workspace_bytes = Planes::floats(grid.planes(), plan.tiles_per_block, p.groups * grid.depth()) * 4;
    return plan;
  }
  plan.algorithm = ConvAlgorithm::kWinograd;
  const int64_t width = std::min(filter.layout.width, filter.layout.n);
  const auto tiles = [&](int64_t groups) {
    return kBlockFloats / (grid.planes() * groups * (grid.depth() + width));
  };
  // A small problem is cut finer, so that the threads have something to share: one with a large filter into
  // parts of that.
  const int64_t bytes = filter.floats() * 4, least = bytes > kLargeFilterBytes ? kMaxTiles : kMinTiles;
  const int64_t shared =
      std::max(bytes > kFewTilesFilterBytes ? kMaxTiles : 2 * kRowTile, grid.tiles() / (kTasks / 2));
  if (p.groups > 1) {
    // A block works on as many groups as leave room for many tiles: each product is small.
    int64_t groups = 1;
    while (groups < p.groups && tiles(groups + 1) >= kGroupTiles) ++groups;
    plan.parts = ceil_div(p.groups, groups);
    plan.tiles_per_block = std::min(std::clamp(tiles(groups), kMinTiles, 2 * kMaxTiles), grid.tiles());
  } else {
    const int64_t most = std::min(std::clamp(tiles(1), least, kMaxTiles), shared) / kRowTile * kRowTile;
    const int64_t blocks = ceil_div(grid.tiles(), most);
    plan.tiles_per_block = round_up(ceil_div(grid.tiles(), blocks), kRowTile);
    plan.parts = std::clamp<int64_t>(ceil_div(kTasks / 2, blocks), 1, filter.layout.panels());
  }
  plan.workspace_bytes = p.groups * filter.floats() * 4;
  return plan;
}

int64_t few_pitch(const TileGrid& grid) {
  return std::max(grid.depth(), grid.columns()) <= kVector ? kVector : kFewChannels;
}

bool few_channels(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0 || p.strides_folded()) return false;
  const TileGrid grid(p, tile);
  return std::max(grid.depth(), grid.columns()) <= kFewChannels;
}

ConvPlan plan_winograd_few(const RowProblem& p) {
  ConvPlan plan;
  plan.algorithm = ConvAlgorithm::kWinogradFew;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  plan.why = describe(p, grid, plan.tile, p.axis[2].taps, direct_cost(p) / winograd_cost(p)) + kFewWhy;
  plan.parts = ceil_div(p.groups, kFewGroups);
  plan.tiles_per_block = std::clamp(grid.tiles() * plan.parts / kTasks, int64_t{1}, kFewChunk);
  plan.tiles_per_block = round_up(plan.tiles_per_block, kFewTiles);
  plan.workspace_bytes = transformed_filter_bytes(p);
  return plan;
}

FewSums::FewSums(const TileGrid& grid)
    : planes(grid.planes()),
      ld(round_up(grid.columns(), kernels().lanes)),
      plane_pitch(odd_lines(grid.depth() * ld)) {}

ConvPlan plan_winograd_few_weight(const RowProblem& p) {
  ConvPlan plan;
  plan.algorithm = ConvAlgorithm::kWinogradFew;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  plan.why = describe(p, grid, p.axis[2].taps, plan.tile, direct_cost(p) / winograd_weight_cost(p)) + kFewWhy;
  plan.parts = ceil_div(p.groups, kFewGroups);
  const int64_t sums = p.groups * FewSums(grid).floats();
  const int64_t most =
      std::min({ceil_div(kTasks / 2, plan.parts), grid.tiles() / kChunkTiles, kKeptFloats / sums});
  while (plan.chunks * 2 <= most) plan.chunks *= 2;
  plan.tiles_per_block = ceil_div(grid.tiles(), plan.chunks);
  plan.workspace_bytes = plan.chunks * sums * 4;
  return plan;
}

ConvPlan plan_winograd_weight(const RowProblem& p) {
  ConvPlan plan;
  plan.algorithm = ConvAlgorithm::kWinograd;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  plan.why = describe(p, grid, p.axis[2].taps, plan.tile, direct_cost(p) / winograd_weight_cost(p));
  const int64_t c = weight_part_channels(grid), k = weight_part_columns(grid);
  plan.parts = p.groups * p.axis[0].taps * ceil_div(grid.channels(), c) * ceil_div(p.out_channels, k);
  const int64_t sums = plan.parts * grid.planes() * c * k;
  const int64_t most =
      std::min({ceil_div(kTasks, plan.parts), grid.tiles() / kChunkTiles, kKeptFloats / sums});
  while (plan.chunks * 2 <= most) plan.chunks *= 2;
  plan.tiles_per_block = std::min(ceil_div(grid.tiles(), plan.chunks),
                                  std::max(kMinSumsTiles, kSumsFloats / (grid.planes() * (c + k))));
  plan.workspace_bytes =
      (plan.chunks * sums + Planes::floats(grid.planes(), plan.tiles_per_block, c + k)) * 4;
  return plan;
}

}  // namespace pyconv
