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
#include "ops/streaming.h"

namespace pyconv {
namespace {

// A task's share of the filter: source channels [c0, c1) of one group under one z tap, columns [k0, k1).
struct Part {
  int64_t group, tz, c0, c1, k0, k1;
};

class WinogradWeight {
 public:
  WinogradWeight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy, float* gw)
      : p_(p),
        plan_(plan),
        grid_(p, plan.tile),
        planes_(grid_.planes()),
        part_channels_(weight_part_channels(grid_)),
        part_columns_(weight_part_columns(grid_)),
        width_(PanelLayout(1, p.out_channels).width),
        src_(src),
        gy_(gy),
        gw_(gw) {
    split();
  }

  // A task transforms what its part of the filter needs of its chunk of the tiles, block by block, and adds
  // the products to its sums. It shares no memory with other tasks: two threads that took turns in
  // transforming and multiplying the same tiles were no faster than one.
  void run() {
    const int64_t parts = static_cast<int64_t>(parts_.size()), chunks = plan_.chunks;
    Scratch<float> kept(chunks > 1 ? chunks * parts * part_floats() : 0);
    parallel_for(chunks * parts, [&](int64_t task) {
      const Part& part = parts_[static_cast<size_t>(task % parts)];
      const int64_t chunk = task / parts;
      Scratch<float> own(chunks > 1 ? 0 : part_floats());
      float* sums = chunks > 1 ? kept.data() + task * part_floats() : own.data();
      sum_tiles(part, grid_.tiles() * chunk / chunks, grid_.tiles() * (chunk + 1) / chunks, sums);
      if (chunks == 1) lower(part, part.c0, part.c1, sums);
    });
    if (chunks == 1) return;
    parallel_ranges(parts * part_floats(), kMergeFloats, [&](int64_t first, int64_t last) {
      for (int64_t chunk = 1; chunk < chunks; ++chunk) {
        const float* other = kept.data() + chunk * parts * part_floats();
        for (int64_t i = first; i < last; ++i) kept[i] += other[i];
      }
    });
    const int64_t slices = ceil_div(part_channels_, kSlice);
    parallel_for(parts * slices, [&](int64_t task) {
      const Part& part = parts_[static_cast<size_t>(task / slices)];
      const int64_t c0 = part.c0 + task % slices * kSlice;
      lower(part, c0, std::min(part.c1, c0 + kSlice), kept.data() + task / slices * part_floats());
    });
  }

 private:
  static constexpr int64_t kMergeFloats = 1 << 14, kSlice = 16;

  void split() {
    for (int64_t group = 0; group < p_.groups; ++group)
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz)
        for (int64_t c = 0; c < grid_.channels(); c += part_channels_)
          for (int64_t k = 0; k < p_.out_channels; k += part_columns_)
            parts_.push_back({group, tz, c, std::min(grid_.channels(), c + part_channels_), k,
                              std::min(p_.out_channels, k + part_columns_)});
  }

  // Sums of a part: (panel, plane, source channel, column).
  int64_t plane_pitch(const Part& part) const { return odd_lines((part.c1 - part.c0) * width_); }
  int64_t part_floats() const {
    const int64_t rows = std::min(grid_.channels(), part_channels_);
    const int64_t columns = round_up(std::min(p_.out_channels, part_columns_), width_);
    return planes_ * odd_lines(rows * width_) * (columns / width_);
  }

  void sum_tiles(const Part& part, int64_t begin, int64_t end, float* sums) const {
    const int64_t step = std::min(plan_.tiles_per_block, end - begin);
    Planes v(planes_, step, part.c1 - part.c0), w(planes_, step, part.k1 - part.k0);
    for (bool first = true; begin < end; begin += step, first = false) {
      const int64_t tiles = std::min(step, end - begin);
      lift(part, grid_.runs(begin, begin + tiles), v, w);
      for (int64_t k = part.k0; k < part.k1; k += width_)
        for (int64_t plane = 0; plane < planes_; ++plane)
          accumulate(part, k, plane, tiles, first, v, w, sums);
    }
  }

  void lift(const Part& part, const std::vector<TileRun>& runs, Planes& v, Planes& w) const {
    const WinogradKernels& kernel = kernels().winograd;
    const int64_t floats = grid_.src_floats();
    int64_t first = 0;
    for (const TileRun& run : runs) {
      for (int64_t c = part.c0; c < part.c1;) {  // row by row of folded pixels
        const int64_t fold = c / floats, count = std::min(part.c1, (fold + 1) * floats) - c;
        TileRow row = grid_.source(run, part.tz, fold, part.group * floats + c % floats, src_);
        row.channels = count;
        kernel.source[grid_.both()][plan_.tile](&v.into(row, first, c - part.c0));
        c += count;
      }
      TileRow row = grid_.output_gradient(run, part.group * p_.out_channels + part.k0, gy_);
      row.channels = part.k1 - part.k0;
      kernel.output_gradient[grid_.both()][plan_.tile](&w.into(row, first));
      first += run.count;
    }
  }

  // sums[plane][c][column] (+)= sum over tiles of v[plane][tile][c] * w[plane][tile][k + column]
  void accumulate(const Part& part, int64_t k, int64_t plane, int64_t tiles, bool first, Planes& v, Planes& w,
                  float* sums) const {
    poll_interrupt();
    const int64_t next = plane + 1 < planes_ ? plane + 1 : 0, panel = (k - part.k0) / width_;
    PlaneSums g{};
    g.a = v.tile(plane, 0);
    g.a_next = v.tile(next, 0);
    g.a_pitch = v.tile_pitch();
    g.b = w.tile(plane, 0, k - part.k0);
    g.b_next = w.tile(next, 0, k - part.k0);
    g.b_pitch = w.tile_pitch();
    g.tiles = tiles;
    g.c = sums + (panel * planes_ + plane) * plane_pitch(part);
    g.c_next = sums + (panel * planes_ + next) * plane_pitch(part);
    g.ldc = width_;
    g.rows = part.c1 - part.c0;
    g.columns = static_cast<int>(std::min(width_, part.k1 - k));
    g.next_lines = g.rows * width_ / kLineFloats;
    g.first = first;
    kernels().winograd.sums(&g);
  }

  void lower(const Part& part, int64_t c0, int64_t c1, const float* sums) const {
    const int64_t plane_taps = p_.axis[1].taps * p_.axis[2].taps, taps = p_.axis[0].taps * plane_taps;
    FilterGradient f{};
    f.ld = width_;
    f.plane_pitch = plane_pitch(part);
    f.sources = c1 - c0;
    f.column_stride = grid_.channels() * taps;
    f.source_stride = taps;
    for (int64_t k = part.k0; k < part.k1; k += width_) {
      f.m = sums + (k - part.k0) / width_ * planes_ * f.plane_pitch + (c0 - part.c0) * width_;
      f.columns = static_cast<int>(std::min(width_, part.k1 - k));
      f.gw = gw_ + (part.group * p_.out_channels + k) * f.column_stride + c0 * taps + part.tz * plane_taps;
      kernels().winograd.filter_gradient[grid_.both()][plan_.tile](&f);
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  TileGrid grid_;
  int64_t planes_, part_channels_, part_columns_, width_;
  std::vector<Part> parts_;
  const float *src_, *gy_;
  float* gw_;
};

}  // namespace

void winograd_grad_weight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy,
                          float* gw) {
  WinogradWeight(p, plan, src, gy, gw).run();
}

}  // namespace pyconv
