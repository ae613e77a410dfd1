// Forward pass and input gradient by Winograd tiles. A block of tiles is transformed, multiplied with the
// transformed filter, plane by plane and 64 output channels at a time, and transformed back, all within the
// second-level cache.
#include "ops/conv/winograd.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/block_sums.h"
#include "ops/conv/planes.h"
#include "ops/conv/tile_filter.h"
#include "ops/conv/tiles.h"
#include "ops/conv/winograd_plan.h"
#include "ops/gemm/panels.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

class Winograd {
 public:
  Winograd(const RowProblem& p, const ConvPlan& plan, const FilterStrides& strides,
           const ConvEpilogue& epilogue, const float* src, const float* weight, float* out)
      : p_(p),
        plan_(plan),
        strides_(strides),
        grid_(p, plan.tile),
        layout_(grid_.depth(), grid_.columns()),
        epilogue_(epilogue),
        sums_(epilogue, ceil_div(grid_.tiles(), plan.tiles_per_block), p.groups * p.out_channels),
        src_(src),
        weight_(weight),
        out_(out),
        streaming_(streams(out, p.out_pixels(), p.groups * p.out_channels)),
        source_(kernels().winograd.source[grid_.both()][plan.tile]),
        output_(kernels().winograd.output[grid_.both()][plan.tile]) {}

  // Blocks of tiles are independent; all of them read the filter, which has been transformed before.
  void tile_blocks() {
    const int64_t planes = grid_.planes(), depth = layout_.k, panels = p_.groups * layout_.panels();
    const FilterPlanes at{layout_, planes};
    const auto offset = [&](int64_t panel) {
      return panel / layout_.panels() * at.floats() + at.offset(panel % layout_.panels());
    };
    const int64_t pieces = ceil_div(depth, kFilterPieceDepth);
    const auto transform = [&](float* to) {
      parallel_for(panels * pieces, [&](int64_t task) {
        const int64_t panel = task / pieces, d0 = task % pieces * kFilterPieceDepth,
                      local = panel % layout_.panels();
        filter(panel).transform(layout_, local, d0, std::min(depth, d0 + kFilterPieceDepth),
                                to + offset(panel) + d0 * layout_.ld(local), at.plane_pitch(local));
      });
    };
    const FilterForm u(strides_.kept, filter_form(p_, plan_), p_.groups * at.floats(), transform);
    const int64_t blocks = ceil_div(grid_.tiles(), plan_.tiles_per_block);
    parallel_for(blocks * plan_.parts, [&](int64_t task) {
      const int64_t block = task / plan_.parts, part = task % plan_.parts;
      const int64_t begin = block * plan_.tiles_per_block;
      const int64_t end = std::min(grid_.tiles(), begin + plan_.tiles_per_block);
      const std::vector<TileRun> runs = grid_.runs(begin, end);
      const int64_t first = panels * part / plan_.parts, last = panels * (part + 1) / plan_.parts;
      const Groups groups{first / layout_.panels(), ceil_div(last, layout_.panels())};
      // Groups of one panel each are transformed back together: neighbouring channels, whole lines of memory.
      const bool together = p_.groups > 1 && layout_.panels() == 1;
      const int64_t columns = std::min(layout_.width, layout_.n);
      Planes v(planes, end - begin, source_floats(groups)),
          m(planes, end - begin, together ? groups.count() * columns : columns);
      lift(runs, groups, v, 0);
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t column = together ? (panel - first) * columns : 0;
        const int64_t next = panel + 1 < last ? panel + 1 : first;
        const FilterPanel filter{u.data() + offset(panel), at.plane_pitch(panel % layout_.panels()),
                                 u.data() + offset(next)};
        multiply(v, groups, end - begin, 0, depth, panel, filter, m, column);
        if (!together) lower(panel, block, runs, m);
      }
      if (together)
        lower_channels(first * columns, groups.count() * columns, 0, first * columns, 0, block, runs, m);
    });
  }

  // Few tiles, a large filter: each panel of it is transformed piece by piece where it is used, and all
  // tiles of a block pass by. It never exists as a whole.
  void filter_panels() {
    const int64_t planes = grid_.planes(), depth = layout_.k;
    const int64_t step = plan_.tiles_per_block;
    const Groups all{0, p_.groups};
    for (int64_t begin = 0; begin < grid_.tiles(); begin += step) {
      const int64_t tiles = std::min(step, grid_.tiles() - begin);
      Planes v(planes, tiles, source_floats(all));
      parallel_ranges(tiles, kLiftTiles, [&](int64_t first, int64_t last) {
        lift(grid_.runs(begin + first, begin + last), all, v, first);
      });
      const std::vector<TileRun> runs = grid_.runs(begin, begin + tiles);
      const int64_t piece = filter_piece_depth(tiles);
      parallel_for(p_.groups * layout_.panels(), [&](int64_t panel) {
        const int64_t local = panel % layout_.panels(), pitch = odd_lines(piece * layout_.ld(local));
        Planes m(planes, tiles, std::min(layout_.width, layout_.n));
        Scratch<float> u(planes * pitch);
        for (int64_t d0 = 0; d0 < depth; d0 += piece) {
          const int64_t d1 = std::min(depth, d0 + piece);
          filter(panel).transform(layout_, local, d0, d1, u, pitch);
          multiply(v, all, tiles, d0, d1, panel, {u, pitch, u}, m);
        }
        lower(panel, begin / step, runs, m);
      });
    }
  }

  void finish() { sums_.finish(); }

 private:
  static constexpr int64_t kLiftTiles = 8;

  // Panels are counted through all groups.
  TileFilter filter(int64_t panel) const {
    return TileFilter(p_, grid_, strides_, weight_ + panel / layout_.panels() * strides_.group);
  }

  // The groups whose source channels a block transforms.
  struct Groups {
    int64_t begin, end;
    int64_t count() const { return end - begin; }
  };
  int64_t source_floats(const Groups& groups) const { return groups.count() * grid_.depth(); }

  void lift(const std::vector<TileRun>& runs, const Groups& groups, Planes& v, int64_t first) const {
    const int64_t floats = groups.count() * grid_.src_floats();
    for (const TileRun& run : runs) {
      int64_t channel = 0;
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz)
        for (int64_t fold = 0; fold < p_.axis[1].src_fold; ++fold, channel += floats) {
          TileRow row = grid_.source(run, tz, fold, groups.begin * grid_.src_floats(), src_);
          row.channels = floats;
          source_(&v.into(row, first, channel));
        }
      first += run.count;
    }
  }

  // Where depth row d of a group stands among the transformed channels.
  int64_t v_channel(const Groups& groups, int64_t group, int64_t d) const {
    if (p_.groups == 1) return d;
    return (d / p_.src_channels * groups.count() + group - groups.begin) * p_.src_channels +
           d % p_.src_channels;
  }
  // The end of the stretch from d on that is contiguous among them, not beyond d1 and kChunk.
  int64_t stretch(int64_t d, int64_t d1) const {
    const int64_t end = p_.groups == 1 ? d1 : std::min(d1, (d / p_.src_channels + 1) * p_.src_channels);
    return std::min(end, d + RunChunks::kChunk);
  }

  // A panel of the transformed filter, from some depth row on, and where the one begins that comes next.
  struct FilterPanel {
    const float* u;
    int64_t plane_pitch;
    const float* next;
  };

  // m[plane][tile][column] (+)= sum over d in [d0, d1) of v[plane][tile][d] * u[plane][d - d0][column]
  void multiply(Planes& v, const Groups& groups, int64_t tiles, int64_t d0, int64_t d1, int64_t panel,
                const FilterPanel& filter, Planes& m, int64_t column = 0) const {
    const int64_t group = panel / layout_.panels(), local = panel % layout_.panels();
    PlaneProduct g{};
    g.v_pitch = v.tile_pitch();
    g.m_pitch = m.tile_pitch();
    g.tiles = tiles;
    g.columns = static_cast<int>(layout_.columns(local));
    g.ld = layout_.ld(local);
    for (int64_t plane = 0; plane < grid_.planes(); ++plane) {
      poll_interrupt();
      const float* const u = filter.u + plane * filter.plane_pitch;
      const float* const next = plane + 1 < grid_.planes() ? u + filter.plane_pitch : filter.next;
      g.m = m.tile(plane, 0, column);
      for (int64_t d = d0; d < d1; d += g.depth) {
        g.depth = stretch(d, d1) - d;
        g.v = v.tile(plane, 0, v_channel(groups, group, d));
        g.v_next = v.tile((plane + 1) % grid_.planes(), 0, v_channel(groups, group, d));
        g.u = u + (d - d0) * g.ld;
        g.first = d == 0;
        g.next = next + (d - d0) * g.ld;
        g.next_lines = g.depth * g.ld / kLineFloats;
        kernels().winograd.product(&g);
      }
    }
  }

  void lower(int64_t panel, int64_t block, const std::vector<TileRun>& runs, Planes& m) {
    const int64_t group = panel / layout_.panels(), local = panel % layout_.panels();
    // The panel's columns, row by row of folded output pixels.
    const int64_t begin = local * layout_.width, end = begin + layout_.columns(local),
                  floats = grid_.out_floats();
    for (int64_t column = begin; column < end;) {
      const int64_t count = std::min(floats - column % floats, end - column);
      lower_channels(group * p_.out_channels + column, count, column / floats,
                     group * floats + column % floats, column - begin, block, runs, m);
      column += count;
    }
  }

  // Columns [m_column, m_column + count) of m become the channels from `channel` on of the output's row
  // `fold`; `parameter` is the first one's place among bias and sums.
  void lower_channels(int64_t parameter, int64_t count, int64_t fold, int64_t channel, int64_t m_column,
                      int64_t block, const std::vector<TileRun>& runs, Planes& m) {
    const auto at = [&](auto* p) { return p ? p + parameter : p; };
    Epilogue e{};
    e.bias = at(epilogue_.bias);
    e.relu = epilogue_.relu;
    e.shift = at(epilogue_.shift);
    e.sum = at(sums_.sum(block));
    e.sum_squares = at(sums_.sum_squares(block));
    int64_t first = 0;
    for (const TileRun& run : runs) {
      TileOutput o = grid_.output(run, fold, channel, out_, epilogue_.residual, epilogue_.mask);
      o.planes = m.tile(0, first, m_column);
      o.tile_pitch = m.tile_pitch();
      o.plane_pitch = m.plane_pitch();
      o.channels = static_cast<int>(count);
      o.epilogue = &e;
      o.streaming = streaming_;
      output_(&o);
      first += run.count;
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  const FilterStrides& strides_;
  TileGrid grid_;
  PanelLayout layout_;  // of one group
  const ConvEpilogue& epilogue_;
  BlockSums sums_;
  const float *src_, *weight_;
  float* out_;
  bool streaming_;
  void (*source_)(const TileRow*);
  void (*output_)(const TileOutput*);
};

}  // namespace

void winograd(const RowProblem& p, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out) {
  // Folded output pixels: every one has the bias.
  ConvEpilogue e = epilogue;
  std::vector<float> bias;
  const int64_t folds = p.axis[1].out_fold * p.axis[2].out_fold;
  if (e.bias && folds > 1) {
    for (int64_t i = 0; i < folds; ++i) bias.insert(bias.end(), e.bias, e.bias + p.out_channels);
    e.bias = bias.data();
  }
  Winograd w(p, plan, filter, e, src, weight, out);
  if (plan.algorithm == ConvAlgorithm::kWinogradPanels) w.filter_panels();
  else w.tile_blocks();
  w.finish();
}

}  // namespace pyconv
