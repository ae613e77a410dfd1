// The weight gradient by Winograd tiles: source and output gradient are transformed, their products summed
// over all tiles plane by plane, and one inverse transform at the end gives the filter.
#include <algorithm>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/planes.h"
#include "ops/conv/tiles.h"
#include "ops/conv/winograd.h"
#include "ops/conv/winograd_plan.h"
#include "ops/gemm/panels.h"

namespace pyconv {
namespace {

class WinogradWeight {
 public:
  WinogradWeight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy, float* gw)
      : p_(p),
        plan_(plan),
        grid_(p, plan.tile),
        planes_(grid_.planes()),
        layout_(grid_.depth(), p.out_channels),
        src_(src),
        gy_(gy),
        gw_(gw) {}

  // Block by block of tiles: transform them, then add their products to the sums, a task per piece of the
  // filter (some source channels, one panel, some planes). A piece's sums go back to a filter at the end.
  void run(int64_t group) {
    const int64_t depth = layout_.k, pieces = layout_.panels() * ceil_div(depth, kSumsPieceDepth);
    const int64_t step = plan_.tiles_per_block, tiles_in_all = grid_.tiles();
    const int64_t piece_floats = planes_ * odd_lines(kSumsPieceDepth * layout_.width);
    // All tiles in one block: a task has all it needs for its part of the filter, and its sums stay with it.
    const bool once = tiles_in_all <= step && plan_.parts == 1;
    Scratch<float> kept(once ? 0 : pieces * piece_floats);
    for (int64_t begin = 0; begin < tiles_in_all; begin += step) {
      const int64_t tiles = std::min(step, tiles_in_all - begin);
      Planes v(planes_, tiles, depth), w(planes_, tiles, p_.out_channels);
      parallel_ranges(tiles, kLiftTiles, [&](int64_t first, int64_t last) {
        lift(group, grid_.runs(begin + first, begin + last), v, w, first);
      });
      parallel_for(pieces * plan_.parts, [&](int64_t task) {
        const int64_t index = task / plan_.parts, part = task % plan_.parts;
        const Piece piece = at(index);
        Scratch<float> own(once ? piece_floats : 0);
        float* sums = once ? own.data() : kept.data() + index * piece_floats;
        for (int64_t plane = planes_ * part / plan_.parts; plane < planes_ * (part + 1) / plan_.parts;
             ++plane)
          accumulate(v, w, tiles, piece, plane, begin == 0, sums);
        if (once) lower(group, piece, sums);
      });
    }
    if (!once)
      parallel_for(pieces,
                   [&](int64_t index) { lower(group, at(index), kept.data() + index * piece_floats); });
  }

 private:
  static constexpr int64_t kLiftTiles = 8;

  void lift(int64_t group, const std::vector<TileRun>& runs, Planes& v, Planes& w, int64_t first) const {
    const WinogradKernels& kernel = kernels().winograd;
    for (const TileRun& run : runs) {
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz) {
        TileRow row = grid_.source(run, tz, src_ + group * p_.src_channels);
        kernel.source[grid_.both()][plan_.tile](&v.into(row, first, tz * p_.src_channels));
      }
      TileRow row = grid_.output_gradient(run, gy_ + group * p_.out_channels);
      kernel.output_gradient[grid_.both()][plan_.tile](&w.into(row, first));
      first += run.count;
    }
  }

  // Source channels (counted with z taps) [d0, d1) and one panel of columns.
  struct Piece {
    int64_t panel, d0, d1, plane_pitch;
  };
  Piece at(int64_t index) const {
    const int64_t per_panel = ceil_div(layout_.k, kSumsPieceDepth), panel = index / per_panel;
    const int64_t d0 = index % per_panel * kSumsPieceDepth;
    return {panel, d0, std::min(layout_.k, d0 + kSumsPieceDepth),
            odd_lines(kSumsPieceDepth * layout_.ld(panel))};
  }

  // sums[plane][d - d0][column] (+)= sum over tiles of v[plane][tile][d] * w[plane][tile][column]
  void accumulate(Planes& v, Planes& w, int64_t tiles, const Piece& piece, int64_t plane, bool first,
                  float* sums) const {
    poll_interrupt();
    OuterGemmArgs g{};
    g.a = v.tile(plane, 0, piece.d0);
    g.a_inner = v.tile_pitch();
    g.b = w.tile(plane, 0, piece.panel * layout_.width);
    g.b_inner = w.tile_pitch();
    g.outer = 1;
    g.inner = tiles;
    g.c = sums + plane * piece.plane_pitch;
    g.ldc = layout_.ld(piece.panel);
    g.rows = piece.d1 - piece.d0;
    g.columns = static_cast<int>(layout_.columns(piece.panel));
    g.first = first;
    kernels().gemm.outer_gemm(&g);
  }

  void lower(int64_t group, const Piece& piece, const float* sums) const {
    const int64_t plane_taps = p_.axis[1].taps * p_.axis[2].taps, taps = p_.axis[0].taps * plane_taps;
    FilterGradient f{};
    f.ld = layout_.ld(piece.panel);
    f.plane_pitch = piece.plane_pitch;
    f.columns = static_cast<int>(layout_.columns(piece.panel));
    f.column_stride = p_.src_channels * taps;
    f.source_stride = taps;
    const int64_t column = group * p_.out_channels + piece.panel * layout_.width;
    for (int64_t d = piece.d0; d < piece.d1; d += f.sources) {
      const int64_t tz = d / p_.src_channels, c = d % p_.src_channels;
      f.sources = std::min(p_.src_channels - c, piece.d1 - d);
      f.m = sums + (d - piece.d0) * f.ld;
      f.gw = gw_ + column * f.column_stride + c * taps + tz * plane_taps;
      kernels().winograd.filter_gradient[grid_.both()][plan_.tile](&f);
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  TileGrid grid_;
  int64_t planes_;
  PanelLayout layout_;
  const float *src_, *gy_;
  float* gw_;
};

}  // namespace

void winograd_grad_weight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy,
                          float* gw) {
  WinogradWeight w(p, plan, src, gy, gw);
  for (int64_t group = 0; group < p.groups; ++group) w.run(group);
}

}  // namespace pyconv
