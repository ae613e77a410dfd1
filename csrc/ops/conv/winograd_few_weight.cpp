// The weight gradient of few channels by Winograd tiles: a handful of tiles of source and gradient is
// transformed, and their products added to the sums of all planes at once.
#include <algorithm>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/planes.h"
#include "ops/conv/tiles.h"
#include "ops/conv/winograd.h"
#include "ops/conv/winograd_plan.h"

namespace pyconv {
namespace {

class WinogradFewWeight {
 public:
  WinogradFewWeight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy, float* gw)
      : p_(p),
        plan_(plan),
        grid_(p, plan.tile),
        sums_(grid_),
        tile_pitch_(few_pitch(grid_)),
        plane_pitch_(odd_lines(kFewWeightTiles * tile_pitch_)),
        src_(src),
        gy_(gy),
        gw_(gw) {}

  // A task sums up a chunk of the tiles for a few groups.
  void run() {
    const int64_t floats = sums_.floats(), chunk_floats = p_.groups * floats;
    Scratch<float> kept(plan_.chunks * chunk_floats);
    parallel_for(plan_.chunks * plan_.parts, [&](int64_t task) {
      const int64_t chunk = task / plan_.parts, part = task % plan_.parts;
      const int64_t first = p_.groups * part / plan_.parts, last = p_.groups * (part + 1) / plan_.parts;
      float* sums = kept.data() + chunk * chunk_floats;
      std::fill(sums + first * floats, sums + last * floats, 0.0f);
      sum_tiles(grid_.tiles() * chunk / plan_.chunks, grid_.tiles() * (chunk + 1) / plan_.chunks, first, last,
                sums);
    });
    const int64_t rows = grid_.depth();
    parallel_for(p_.groups * ceil_div(rows, kMergedRows), [&](int64_t task) {
      const int64_t group = task / ceil_div(rows, kMergedRows),
                    r0 = task % ceil_div(rows, kMergedRows) * kMergedRows;
      merge(kept.data() + group * floats, chunk_floats, r0, std::min(rows, r0 + kMergedRows));
      lower(group, kept.data() + group * floats, r0, std::min(rows, r0 + kMergedRows));
    });
  }

 private:
  static constexpr int64_t kMergedRows = 4;

  void sum_tiles(int64_t begin, int64_t end, int64_t first, int64_t last, float* sums) const {
    const int64_t planes = grid_.planes();
    Scratch<float> source(planes * plane_pitch_), gradient(planes * plane_pitch_);
    FewOuter f{};
    f.a = source;
    f.b = gradient;
    f.tile_pitch = tile_pitch_;
    f.plane_pitch = plane_pitch_;
    f.sums_pitch = sums_.plane_pitch;
    f.planes = planes;
    f.rows = grid_.depth();
    f.columns = static_cast<int>(grid_.columns());
    for (; begin < end; begin += kFewWeightTiles) {
      poll_interrupt();
      f.count = std::min(kFewWeightTiles, end - begin);
      const std::vector<TileRun> runs = grid_.runs(begin, begin + f.count);
      for (int64_t group = first; group < last; ++group) {
        lift(runs, group, source, gradient);
        f.sums = sums + group * sums_.floats();
        kernels().winograd_few.outer(&f);
      }
    }
  }

  void lift(const std::vector<TileRun>& runs, int64_t group, float* source, float* gradient) const {
    const WinogradKernels& kernel = kernels().winograd;
    const auto into = [&](TileRow row, float* planes, int64_t channels) {
      row.planes = planes;
      row.channels = channels;
      row.tile_pitch = tile_pitch_;
      row.plane_pitch = plane_pitch_;
      return row;
    };
    int64_t tile = 0;
    for (const TileRun& run : runs) {
      for (int64_t tz = 0; tz < p_.axis[0].taps; ++tz) {
        const TileRow row = into(grid_.source(run, tz, 0, group * p_.src_channels, src_),
                                 source + tile + tz * p_.src_channels, p_.src_channels);
        kernel.source[grid_.both()][plan_.tile](&row);
      }
      const TileRow row =
          into(grid_.output_gradient(run, group * p_.out_channels, gy_), gradient + tile, p_.out_channels);
      kernel.output_gradient[grid_.both()][plan_.tile](&row);
      tile += run.count * tile_pitch_;
    }
  }

  // Adds the sums of the other chunks to those of the first, for rows [r0, r1).
  void merge(float* sums, int64_t chunk_floats, int64_t r0, int64_t r1) const {
    for (int64_t chunk = 1; chunk < plan_.chunks; ++chunk)
      for (int64_t plane = 0; plane < grid_.planes(); ++plane) {
        float* to = sums + plane * sums_.plane_pitch;
        const float* from = to + chunk * chunk_floats;
        for (int64_t i = r0 * sums_.ld; i < r1 * sums_.ld; ++i) to[i] += from[i];
      }
  }

  // The filter gradient of rows [r0, r1), which count (z tap, channel).
  void lower(int64_t group, const float* sums, int64_t r0, int64_t r1) const {
    const int64_t plane_taps = p_.axis[1].taps * p_.axis[2].taps, taps = p_.axis[0].taps * plane_taps;
    FilterGradient f{};
    f.ld = sums_.ld;
    f.plane_pitch = sums_.plane_pitch;
    f.column_stride = p_.src_channels * taps;
    f.source_stride = taps;
    f.columns = static_cast<int>(p_.out_channels);
    for (int64_t r = r0; r < r1; r += f.sources) {
      const int64_t tz = r / p_.src_channels, c = r % p_.src_channels;
      f.sources = std::min(p_.src_channels - c, r1 - r);
      f.m = sums + r * f.ld;
      f.gw = gw_ + group * p_.out_channels * f.column_stride + c * taps + tz * plane_taps;
      kernels().winograd.filter_gradient[grid_.both()][plan_.tile](&f);
    }
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  TileGrid grid_;
  FewSums sums_;
  int64_t tile_pitch_, plane_pitch_;
  const float *src_, *gy_;
  float* gw_;
};

}  // namespace

void winograd_few_grad_weight(const RowProblem& p, const ConvPlan& plan, const float* src, const float* gy,
                              float* gw) {
  WinogradFewWeight(p, plan, src, gy, gw).run();
}

}  // namespace pyconv
