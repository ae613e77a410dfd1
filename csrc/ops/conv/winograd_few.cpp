// Winograd tiles of few channels: a handful of tiles is transformed, multiplied in place and transformed back
// within the first-level cache, one group after the other.
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/block_sums.h"
#include "ops/conv/kept_filter.h"
#include "ops/conv/planes.h"
#include "ops/conv/tile_filter.h"
#include "ops/conv/tiles.h"
#include "ops/conv/winograd.h"
#include "ops/conv/winograd_plan.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// However many vectors there are.
PanelLayout one_panel(int64_t k, int64_t n) {
  PanelLayout layout(k, n);
  layout.width = round_up(n, layout.lanes);
  return layout;
}

class WinogradFew {
 public:
  WinogradFew(const RowProblem& p, const ConvPlan& plan, const FilterStrides& strides,
              const ConvEpilogue& epilogue, const float* src, const float* weight, float* out)
      : p_(p),
        plan_(plan),
        strides_(strides),
        grid_(p, plan.tile),
        layout_(one_panel(grid_.depth(), p.out_channels)),
        chunks_(ceil_div(grid_.tiles(), plan.tiles_per_block)),
        filter_{layout_, grid_.planes()},
        epilogue_(epilogue),
        sums_(epilogue, chunks_, p.groups * p.out_channels),
        src_(src),
        weight_(weight),
        out_(out),
        streaming_(streams(out, p.out_pixels(), p.groups * p.out_channels)) {}

  void run() {
    const FilterForm u(strides_.kept, filter_form(p_, plan_), p_.groups * filter_.floats(), [&](float* to) {
      parallel_for(p_.groups, [&](int64_t group) {
        TileFilter(p_, grid_, strides_, weight_ + group * strides_.group)
            .transform(layout_, 0, 0, layout_.k, to + group * filter_.floats(), filter_.plane_pitch(0));
      });
    });
    // Tasks that follow each other read the same filters.
    parallel_for(plan_.parts * chunks_, [&](int64_t task) {
      const int64_t part = task / chunks_, chunk = task % chunks_;
      chunk_of_tiles(chunk, p_.groups * part / plan_.parts, p_.groups * (part + 1) / plan_.parts, u.data());
    });
    sums_.finish();
  }

 private:
  static constexpr int64_t kLine = 16;  // floats

  // Groups [first, last), whose channels are neighbours in memory, take turns on a few tiles.
  void chunk_of_tiles(int64_t chunk, int64_t first, int64_t last, const float* u) {
    const int64_t begin = chunk * plan_.tiles_per_block,
                  end = std::min(grid_.tiles(), begin + plan_.tiles_per_block);
    const int64_t tile_pitch = few_pitch(grid_), plane_pitch = odd_lines(kFewTiles * tile_pitch);
    Scratch<float> memory(grid_.planes() * plane_pitch);
    FewProduct f{};
    f.tiles = memory;
    f.tile_pitch = tile_pitch;
    f.plane_pitch = plane_pitch;
    f.u_pitch = filter_.plane_pitch(0);
    f.planes = grid_.planes();
    f.depth = grid_.depth();
    f.vectors = static_cast<int>(layout_.ld(0) / kernels().lanes);
    std::vector<FewStretches> ahead;
    std::vector<TileRun> runs = grid_.runs(begin, std::min(end, begin + kFewTiles)), next;
    for (int64_t tile = begin; tile < end; tile += kFewTiles, runs = next) {
      poll_interrupt();
      f.count = std::min(kFewTiles, end - tile);
      next = tile + kFewTiles < end ? grid_.runs(tile + kFewTiles, std::min(end, tile + 2 * kFewTiles))
                                    : std::vector<TileRun>();
      for (int64_t group = first; group < last; ++group) {
        lift(runs, group, f);
        f.u = u + group * filter_.floats();
        ahead.clear();
        if (group + 1 < last) look_ahead(runs, group + 1, ahead);
        else look_ahead(next, first, ahead);
        f.ahead = ahead.data();
        f.ahead_count = static_cast<int>(ahead.size());
        kernels().winograd_few.product(&f);
        lower(runs, group, chunk, f);
      }
    }
  }

  void lift(const std::vector<TileRun>& runs, int64_t group, const FewProduct& f) const {
    float* to = f.tiles;
    for (const TileRun& run : runs) {
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz) {
        TileRow row = grid_.source(run, tz, 0, group * p_.src_channels, src_);
        row.channels = p_.src_channels;
        row.planes = to + tz * p_.src_channels;
        row.tile_pitch = f.tile_pitch;
        row.plane_pitch = f.plane_pitch;
        kernels().winograd.source[grid_.both()][plan_.tile](&row);
      }
      to += run.count * f.tile_pitch;
    }
  }

  // What lift() will read, apart from the rows that it has read for the tiles above.
  void look_ahead(const std::vector<TileRun>& runs, int64_t group, std::vector<FewStretches>& ahead) const {
    const int64_t channels = p_.src_channels;
    for (const TileRun& run : runs) {
      const TileRow row = grid_.source(run, 0, 0, group * channels, src_);
      const int64_t above = grid_.both() && run.y_tile > 0 ? kWinogradPoints - grid_.m() : 0;
      const int64_t first = std::max(row.row_begin, above);
      const int64_t rows = std::min<int64_t>(row.row_end, grid_.both() ? kWinogradPoints : 1);
      // The columns that lie inside.
      const int64_t low = std::max<int64_t>(0, ceil_div(row.begin, row.column_pitch)),
                    high = std::min((run.count - 1) * grid_.m() + kWinogradPoints,
                                    ceil_div(row.end, row.column_pitch));
      if (high <= low) continue;
      const float* from = row.image + row.origin + low * row.column_pitch;
      for (int64_t i = first; i < rows; ++i)
        if (row.column_pitch == channels)
          ahead.push_back({from + i * row.row_pitch, ceil_div((high - low) * channels, kLine), 1, 0});
        else
          ahead.push_back(
              {from + i * row.row_pitch, ceil_div(channels, kLine), high - low, row.column_pitch});
    }
  }

  void lower(const std::vector<TileRun>& runs, int64_t group, int64_t chunk, const FewProduct& f) {
    const int64_t channel = group * p_.out_channels;
    const auto at = [&](auto* p) { return p ? p + channel : p; };
    Epilogue e{};
    e.bias = at(epilogue_.bias);
    e.relu = epilogue_.relu;
    e.shift = at(epilogue_.shift);
    e.sum = at(sums_.sum(chunk));
    e.sum_squares = at(sums_.sum_squares(chunk));
    const float* from = f.tiles;
    for (const TileRun& run : runs) {
      TileOutput o = grid_.output(run, 0, channel, out_, epilogue_.residual, epilogue_.mask);
      o.planes = from;
      o.tile_pitch = f.tile_pitch;
      o.plane_pitch = f.plane_pitch;
      o.channels = static_cast<int>(p_.out_channels);
      o.epilogue = &e;
      o.streaming = streaming_;
      kernels().winograd.output[grid_.both()][plan_.tile](&o);
      from += run.count * f.tile_pitch;
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  const FilterStrides& strides_;
  TileGrid grid_;
  PanelLayout layout_;  // of one group: a single panel
  int64_t chunks_;
  FilterPlanes filter_;
  const ConvEpilogue& epilogue_;
  BlockSums sums_;
  const float *src_, *weight_;
  float* out_;
  bool streaming_;
};

}  // namespace

void winograd_few(const RowProblem& p, const ConvPlan& plan, const FilterStrides& filter, const float* src,
                  const float* weight, const ConvEpilogue& epilogue, float* out) {
  WinogradFew(p, plan, filter, epilogue, src, weight, out).run();
}

}  // namespace pyconv
