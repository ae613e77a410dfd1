// Forward pass and input gradient by Winograd tiles. A block of tiles is transformed, multiplied with the
// transformed filter, plane by plane and 64 output channels at a time, and transformed back, all within the
// second-level cache.
#include "ops/conv/winograd.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/block_sums.h"
#include "ops/conv/planes.h"
#include "ops/conv/tiles.h"
#include "ops/conv/winograd_plan.h"
#include "ops/gemm/panels.h"

namespace pyconv {
namespace {

// The filter of one group of a problem, ready for the kernel that transforms it.
class TileFilter {
 public:
  TileFilter(const RowProblem& p, const TileGrid& grid, const FilterStrides& w, const float* weight)
      : problem_(p), strides_(w), weight_(weight), kernel_(kernels().winograd.filter[grid.both()][grid.m()]) {
    const RowAxis &y = p.axis[1], &x = p.axis[2];
    lowest_ = std::min(corner(y, 1, 0), corner(y, 1, y.taps - 1)) +
              std::min(corner(x, 2, 0), corner(x, 2, x.taps - 1));
    for (int64_t i = 0; i < y.taps; ++i)
      for (int64_t j = 0; j < x.taps; ++j)
        taps_.push_back(static_cast<int>(corner(y, 1, i) + corner(x, 2, j) - lowest_));
    span_ = *std::max_element(taps_.begin(), taps_.end()) + 1;
  }

  // Transforms depth rows [d0, d1) of panel `panel`; depth counts (z tap, source channel).
  void transform(const PanelLayout& layout, int64_t panel, int64_t d0, int64_t d1, float* u,
                 int64_t plane_pitch) const {
    FilterTransform f{};
    f.column_stride = strides_.out;
    f.source_stride = strides_.src;
    f.filter_taps = span_;
    f.taps = taps_.data();
    f.columns = static_cast<int>(layout.columns(panel));
    f.ld = layout.ld(panel);
    f.plane_pitch = plane_pitch;
    const RowAxis& z = problem_.axis[0];
    for (int64_t d = d0; d < d1;) {
      const int64_t tz = d / problem_.src_channels, c = d % problem_.src_channels;
      f.sources = std::min(problem_.src_channels - c, d1 - d);
      f.w = weight_ + lowest_ + corner(z, 0, tz) + c * strides_.src + panel * layout.width * strides_.out;
      f.u = u + (d - d0) * f.ld;
      kernel_(&f);
      d += f.sources;
    }
  }

 private:
  int64_t corner(const RowAxis& axis, int index, int64_t tap) const {
    return (axis.filter_first + tap * axis.filter_step) * strides_.tap[index];
  }

  const RowProblem& problem_;
  const FilterStrides& strides_;
  const float* weight_;
  void (*kernel_)(const FilterTransform*);
  int64_t lowest_;
  int span_;
  std::vector<int> taps_;
};

class Winograd {
 public:
  Winograd(const RowProblem& p, const ConvPlan& plan, const ConvEpilogue& epilogue, const float* src,
           float* out)
      : p_(p),
        plan_(plan),
        grid_(p, plan.tile),
        layout_(grid_.depth(), p.out_channels),
        epilogue_(epilogue),
        sums_(epilogue, ceil_div(grid_.tiles(), plan.tiles_per_block), p.groups * p.out_channels),
        src_(src),
        out_(out),
        source_(kernels().winograd.source[grid_.both()][plan.tile]),
        output_(kernels().winograd.output[grid_.both()][plan.tile]) {}

  // Blocks of tiles are independent; all of them read the filter, which has been transformed before.
  void tile_blocks(int64_t group, const TileFilter& filter) {
    const int64_t planes = grid_.planes(), panels = layout_.panels(), depth = layout_.k;
    const FilterPlanes at{layout_, planes};
    Scratch<float> u(at.floats());
    const int64_t pieces = ceil_div(depth, kFilterPieceDepth);
    parallel_for(panels * pieces, [&](int64_t task) {
      const int64_t panel = task / pieces, d0 = task % pieces * kFilterPieceDepth;
      filter.transform(layout_, panel, d0, std::min(depth, d0 + kFilterPieceDepth),
                       u.data() + at.offset(panel) + d0 * layout_.ld(panel), at.plane_pitch(panel));
    });
    const int64_t blocks = ceil_div(grid_.tiles(), plan_.tiles_per_block);
    parallel_for(blocks * plan_.parts, [&](int64_t task) {
      const int64_t block = task / plan_.parts, part = task % plan_.parts;
      const int64_t begin = block * plan_.tiles_per_block;
      const int64_t end = std::min(grid_.tiles(), begin + plan_.tiles_per_block);
      const std::vector<TileRun> runs = grid_.runs(begin, end);
      Planes v(planes, end - begin, depth), m(planes, end - begin, std::min(layout_.width, p_.out_channels));
      lift(group, runs, v, 0);
      for (int64_t panel = panels * part / plan_.parts; panel < panels * (part + 1) / plan_.parts; ++panel) {
        multiply(v, end - begin, 0, depth, panel, u.data() + at.offset(panel), at.plane_pitch(panel), m);
        lower(group, panel, block, runs, m);
      }
    });
  }

  // Few tiles, a large filter: each panel of it is transformed piece by piece where it is used, and all
  // tiles of a block pass by. It never exists as a whole.
  void filter_panels(int64_t group, const TileFilter& filter) {
    const int64_t planes = grid_.planes(), panels = layout_.panels(), depth = layout_.k;
    const int64_t step = plan_.tiles_per_block;
    for (int64_t begin = 0; begin < grid_.tiles(); begin += step) {
      const int64_t tiles = std::min(step, grid_.tiles() - begin);
      Planes v(planes, tiles, depth);
      parallel_ranges(tiles, kLiftTiles, [&](int64_t first, int64_t last) {
        lift(group, grid_.runs(begin + first, begin + last), v, first);
      });
      const std::vector<TileRun> runs = grid_.runs(begin, begin + tiles);
      parallel_for(panels, [&](int64_t panel) {
        const int64_t pitch = odd_lines(kFilterPieceDepth * layout_.ld(panel));
        Planes m(planes, tiles, std::min(layout_.width, p_.out_channels));
        Scratch<float> u(planes * pitch);
        for (int64_t d0 = 0; d0 < depth; d0 += kFilterPieceDepth) {
          const int64_t d1 = std::min(depth, d0 + kFilterPieceDepth);
          filter.transform(layout_, panel, d0, d1, u, pitch);
          multiply(v, tiles, d0, d1, panel, u, pitch, m);
        }
        lower(group, panel, begin / step, runs, m);
      });
    }
  }

  void finish() { sums_.finish(); }

 private:
  static constexpr int64_t kLiftTiles = 8;

  void lift(int64_t group, const std::vector<TileRun>& runs, Planes& v, int64_t first) const {
    for (const TileRun& run : runs) {
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz) {
        TileRow row = grid_.source(run, tz, src_ + group * p_.src_channels);
        source_(&v.into(row, first, tz * p_.src_channels));
      }
      first += run.count;
    }
  }

  // m[plane][tile][column] (+)= sum over d in [d0, d1) of v[plane][tile][d] * u[plane][d - d0][column]
  void multiply(Planes& v, int64_t tiles, int64_t d0, int64_t d1, int64_t panel, const float* u,
                int64_t u_plane_pitch, Planes& m) const {
    Scratch<const float*> a(tiles);
    Scratch<float*> c(tiles);
    RowGemmArgs g{};
    g.a = a;
    g.c = c;
    g.run_count = 1;
    g.rows = tiles;
    g.columns = static_cast<int>(layout_.columns(panel));
    g.ldb = layout_.ld(panel);
    for (int64_t plane = 0; plane < grid_.planes(); ++plane) {
      poll_interrupt();
      for (int64_t t = 0; t < tiles; ++t) {
        a[t] = v.tile(plane, t);
        c[t] = m.tile(plane, t);
      }
      for (int64_t d = d0; d < d1; d += RunChunks::kChunk) {
        const Run run{d, std::min(RunChunks::kChunk, d1 - d)};
        g.runs = &run;
        g.b = u + plane * u_plane_pitch + (d - d0) * g.ldb;
        g.first = d == 0;
        kernels().gemm.row_gemm(&g);
      }
    }
  }

  void lower(int64_t group, int64_t panel, int64_t block, const std::vector<TileRun>& runs, Planes& m) {
    const int64_t channel = group * p_.out_channels + panel * layout_.width;
    const auto at = [channel](auto* p) { return p ? p + channel : p; };
    Epilogue e{};
    e.bias = at(epilogue_.bias);
    e.relu = epilogue_.relu;
    e.shift = at(epilogue_.shift);
    e.sum = at(sums_.sum(block));
    e.sum_squares = at(sums_.sum_squares(block));
    int64_t first = 0;
    for (const TileRun& run : runs) {
      TileOutput o = grid_.output(run, out_ + channel, at(epilogue_.residual));
      o.planes = m.tile(0, first);
      o.tile_pitch = m.tile_pitch();
      o.plane_pitch = m.plane_pitch();
      o.channels = static_cast<int>(layout_.columns(panel));
      o.epilogue = &e;
      output_(&o);
      first += run.count;
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  TileGrid grid_;
  PanelLayout layout_;
  const ConvEpilogue& epilogue_;
  BlockSums sums_;
  const float* src_;
  float* out_;
  void (*source_)(const TileRow*);
  void (*output_)(const TileOutput*);
};

}  // namespace

void winograd(const RowProblem& p, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out) {
  Winograd w(p, plan, epilogue, src, out);
  const TileGrid grid(p, plan.tile);
  for (int64_t group = 0; group < p.groups; ++group) {
    const TileFilter tile_filter(p, grid, filter, weight + group * filter.group);
    if (plan.algorithm == ConvAlgorithm::kWinogradPanels) w.filter_panels(group, tile_filter);
    else w.tile_blocks(group, tile_filter);
  }
  w.finish();
}

}  // namespace pyconv
