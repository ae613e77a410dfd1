#include "ops/conv/winograd_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "ops/conv/planes.h"
#include "ops/conv/tiles.h"

namespace pyconv {
namespace {

// A block's transformed tiles and products, in floats: with the filter's panel they stay in a megabyte of
// second-level cache. 100 to 240 thousand made no difference on 64 channels, 400 lost a tenth.
constexpr int64_t kBlockFloats = 160 << 10;
// Fewer tiles make the filter stream past too often, more are no gain.
constexpr int64_t kMinTiles = 24, kMaxTiles = 48;
constexpr int64_t kRowTile = 6;  // rows that the matrix kernel takes at a time
// A larger transformed filter does not stay in a third-level cache while the blocks pass by. It is made piece
// by piece, for blocks of many tiles: 512 x 512 channels on 7 x 7 pixels went from 136 to 235 GFLOP/s.
constexpr int64_t kFilterBytes = 12 << 20;
constexpr int64_t kPanelTiles = 128;
// Weight gradient: tiles whose transforms stay in a shared cache, but at least so many that loading and
// storing the sums costs little.
constexpr int64_t kSumsFloats = 1000000, kMinSumsTiles = 128;
constexpr int64_t kTasks = 16;  // for the threads to share

// Vector operations per vector of a plane's values, a term of the product of two planes counting 1: the way
// in, the way back with the product's own start and end, and the filter's. Fitted to Zen 4, where the
// estimates of 3x3 filters from 8 to 512 channels are within a fifth of what was measured (8: 1.1 for 1.0,
// 16: 1.7 for 1.4, 64: 3.0 for 3.0, 128: 3.4 for 3.4).
constexpr double kLiftCost = 10, kLowerCost = 12, kFilterCost = 5;
constexpr double kDirectFilterCost = 2;  // packing it
constexpr int64_t kVector = 16;          // whatever the instruction set

// The problem's sizes in whole vectors.
struct Sizes {
  double pixels, tiles, planes, taps, source, out, products;

  Sizes(const RowProblem& p, const TileGrid& grid)
      : pixels(static_cast<double>(p.rows() * p.axis[2].count)),
        tiles(static_cast<double>(grid.tiles())),
        planes(static_cast<double>(grid.planes())),
        taps(static_cast<double>(p.axis[1].taps * p.axis[2].taps)),
        source(static_cast<double>(p.axis[0].taps * round_up(p.src_channels, kVector))),
        out(static_cast<double>(round_up(p.out_channels, kVector))),
        products(static_cast<double>(grid.depth()) * out) {}

  // `transforms` is their cost per tile and plane.
  double gain(double transforms) const {
    const double direct = taps * products * (pixels + kDirectFilterCost);
    return direct / (planes * (tiles * (products + transforms) + kFilterCost * products));
  }
};

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
  if (p.axis[0].taps > 1) why += ", summed over depth directly";
  return why;
}

}  // namespace

int winograd_tile(const RowProblem& p) {
  const RowAxis &y = p.axis[1], &x = p.axis[2];
  const int64_t taps = x.taps;
  if (x.src_step != 1 || taps < 2 || taps > 5) return 0;
  // The taps are picked from a filter of at most this many.
  if (y.taps * taps * std::abs(y.filter_step * x.filter_step) > kMaxFilterTaps) return 0;
  const bool row = y.taps == 1, square = y.taps == taps && y.src_step == 1;
  return row || square ? static_cast<int>(kWinogradPoints + 1 - taps) : 0;
}

double winograd_gain(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0) return 0;
  const Sizes s(p, TileGrid(p, tile));
  return s.gain(kLiftCost * s.source + kLowerCost * s.out);
}

double winograd_weight_gain(const RowProblem& p) {
  const int tile = winograd_tile(p);
  if (tile == 0) return 0;
  const Sizes s(p, TileGrid(p, tile));
  return s.gain(kLiftCost * (s.source + s.out));
}

ConvPlan plan_winograd(const RowProblem& p) {
  ConvPlan plan;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  const FilterPlanes filter{PanelLayout(grid.depth(), p.out_channels), grid.planes()};
  plan.why = describe(p, grid, plan.tile, p.axis[2].taps, winograd_gain(p));
  if (filter.floats() * 4 > kFilterBytes) {
    plan.algorithm = ConvAlgorithm::kWinogradPanels;
    plan.tiles_per_block = std::min(kPanelTiles, grid.tiles());
    plan.workspace_bytes = Planes::floats(grid.planes(), plan.tiles_per_block, grid.depth()) * 4;
    return plan;
  }
  plan.algorithm = ConvAlgorithm::kWinograd;
  const int64_t width = std::min(filter.layout.width, p.out_channels);
  const int64_t fitting = kBlockFloats / (grid.planes() * (grid.depth() + width));
  // A small problem is cut finer, so that the threads have something to share.
  const int64_t shared = std::max(2 * kRowTile, grid.tiles() / (kTasks / 2));
  plan.tiles_per_block = std::min(std::clamp(fitting, kMinTiles, kMaxTiles), shared) / kRowTile * kRowTile;
  const int64_t blocks = ceil_div(grid.tiles(), plan.tiles_per_block);
  plan.parts = std::clamp<int64_t>(ceil_div(kTasks / 2, blocks), 1, filter.layout.panels());
  plan.workspace_bytes = filter.floats() * 4;
  return plan;
}

ConvPlan plan_winograd_weight(const RowProblem& p) {
  ConvPlan plan;
  plan.algorithm = ConvAlgorithm::kWinograd;
  plan.tile = winograd_tile(p);
  const TileGrid grid(p, plan.tile);
  plan.why = describe(p, grid, p.axis[2].taps, plan.tile, winograd_weight_gain(p));
  const int64_t channels = grid.depth() + p.out_channels;
  plan.tiles_per_block =
      std::min(grid.tiles(), std::max(kMinSumsTiles, kSumsFloats / (grid.planes() * channels)));
  const PanelLayout layout(grid.depth(), p.out_channels);
  const int64_t pieces = layout.panels() * ceil_div(grid.depth(), kSumsPieceDepth);
  plan.parts = std::clamp<int64_t>(ceil_div(kTasks, pieces), 1, grid.planes());
  plan.workspace_bytes = (Planes::floats(grid.planes(), plan.tiles_per_block, channels) +
                          FilterPlanes{layout, grid.planes()}.floats()) *
                         4;
  return plan;
}

}  // namespace pyconv
