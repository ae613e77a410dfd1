// Weight gradient of depthwise and small-group convolution. The outputs are cut into chunks whose sums are
// merged in order; within a chunk, a few rows of outputs at a time pass through all blocks of lanes.
#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/grouped.h"
#include "ops/conv/lane_strip.h"

namespace pyconv {
namespace {

// Floats of gradient and source that pass through a block at a time: they stay in the first-level cache.
constexpr int64_t kTogether = 7168;

// A few lines of outputs, and under each the source row of every (z, y) tap; null: outside.
class Lines {
 public:
  Lines(const RowProblem& p, const ConvPlan& plan, const float* gy, const float* x)
      : p_(p), plan_(plan), gy_(gy), x_(x), taps_(p.axis[0].taps * p.axis[1].taps) {}

  // Line `unit` counts tiles of x within rows (n, z, y).
  void add(int64_t unit) {
    const RowAxis &z = p_.axis[0], &y = p_.axis[1], &x = p_.axis[2];
    const int64_t tiles = ceil_div(x.count, plan_.x_tile), row = unit / tiles;
    const int64_t x0 = unit % tiles * plan_.x_tile, x1 = std::min(x.count, x0 + plan_.x_tile);
    lines_.push_back({gy_ + (row * x.count + x0) * p_.groups * p_.out_channels, x.low(x0), x1 - x0});
    const int64_t n = row / y.count / z.count;
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const int64_t iz = z.low(row / y.count % z.count) + tap / y.taps * z.tap_step;
      const int64_t iy = y.low(row % y.count) + tap % y.taps * y.tap_step;
      const bool inside = iz >= 0 && iz < z.src_size && iy >= 0 && iy < y.src_size;
      const int64_t at = ((n * z.src_size + iz) * y.src_size + iy) * x.src_size;
      rows_.push_back(inside ? x_ + at * p_.groups * p_.src_channels : nullptr);
    }
  }
  void clear() {
    lines_.clear();
    rows_.clear();
  }
  bool empty() const { return lines_.empty(); }

  // Calls f(first tap, taps, lines, their rows) for stretches of lines under which the same up to
  // kGroupedRows taps lie inside. `copy` may replace a line and its rows.
  template <class Copy, class F>
  void each(Copy&& copy, F&& f) {
    for (int64_t tap = 0; tap < taps_; tap += kGroupedRows) {
      const int64_t stop = std::min(taps_, tap + kGroupedRows);
      for (size_t begin = 0, end; begin < lines_.size(); begin = end) {
        for (end = begin + 1; end < lines_.size() && same(begin, end, tap, stop);) ++end;
        for (int64_t first = tap, last; first < stop; first = last) {
          last = first + 1;
          if (!row(begin, first)) continue;
          while (last < stop && row(begin, last)) ++last;
          under_.assign((end - begin) * kGroupedRows, nullptr);
          list_.assign(lines_.begin() + begin, lines_.begin() + end);
          for (size_t l = begin; l < end; ++l) {
            const float** under = under_.data() + (l - begin) * kGroupedRows;
            for (int64_t t = first; t < last; ++t) under[t - first] = row(l, t);
            copy(list_[l - begin], under, static_cast<int>(last - first));
          }
          f(first, static_cast<int>(last - first), list_, under_.data());
        }
      }
    }
  }

 private:
  const float* row(size_t line, int64_t tap) const { return rows_[line * static_cast<size_t>(taps_) + tap]; }
  bool same(size_t a, size_t b, int64_t tap, int64_t stop) const {
    for (; tap < stop; ++tap)
      if (!row(a, tap) != !row(b, tap)) return false;
    return true;
  }

  const RowProblem& p_;
  const ConvPlan& plan_;
  const float *gy_, *x_;
  int64_t taps_;
  std::vector<GroupedLine> lines_, list_;
  std::vector<const float*> rows_, under_;
};

}  // namespace

void grouped_grad_weight(const RowProblem& p, const ConvPlan& plan, const float* gy, const float* x,
                         float* gw) {
  const LaneBlocks lanes(p);
  const RowAxis& ax = p.axis[2];
  const std::vector<int32_t> index =
      group_lanes(p.src_channels, p.out_channels, lanes.src_width, lanes.lanes);
  // Partial sums: [chunk][block][z, y tap][channel of the gradient's group][x tap][lane].
  const int64_t row_taps = p.axis[0].taps * p.axis[1].taps;
  const int64_t row_floats = p.out_channels * ax.taps * lanes.lanes;
  const int64_t block_floats = row_taps * row_floats, chunk_floats = lanes.blocks * block_floats;
  const int64_t units = p.rows() * ceil_div(ax.count, plan.x_tile);
  // Where every source vector is used for several output channels, it is read from a copy.
  const bool copied = plan.copied_rows > 0 && p.out_channels > 1;
  const int64_t columns = ax.extent(plan.x_tile), src_pixel = p.groups * p.src_channels,
                gy_pixel = p.groups * p.out_channels;
  const int64_t line_floats = (plan.x_tile + p.axis[1].src_step * columns) * lanes.lanes;
  const int64_t together = std::clamp<int64_t>(kTogether / line_floats, 1, std::max<int64_t>(1, units));
  Scratch<float> partials(plan.chunks * chunk_floats);
  parallel_for(plan.chunks * plan.parts, [&](int64_t task) {
    const int64_t chunk = task / plan.parts, part = task % plan.parts;
    const int64_t block0 = lanes.blocks * part / plan.parts, block1 = lanes.blocks * (part + 1) / plan.parts;
    float* partial = partials.data() + chunk * chunk_floats;
    std::fill(partial + block0 * block_floats, partial + block1 * block_floats, 0.0f);
    Lines lines(p, plan, gy, x);
    LaneStrip sources(copied ? together * row_taps : 0, columns),
        gradients(copied ? together : 0, plan.x_tile);
    GroupedGrad g{};
    g.taps = ax.taps;
    g.tap_step = ax.tap_step;
    g.src_step = ax.src_step;
    g.columns = copied ? columns : ax.src_size;
    g.src_pixel = copied ? lanes.lanes : src_pixel;
    g.gy_pixel = copied ? lanes.lanes : gy_pixel;
    g.depth = p.out_channels;
    g.lanes = index.data();
    const int64_t end = units * (chunk + 1) / plan.chunks;
    for (int64_t unit = units * chunk / plan.chunks; unit < end; unit += together) {
      poll_interrupt();
      lines.clear();
      for (int64_t u = unit; u < std::min(end, unit + together); ++u) lines.add(u);
      for (int64_t block = block0; block < block1; ++block) {
        const bool last = block + 1 == lanes.blocks;
        const int64_t src_channel = block * lanes.src_width, gy_channel = block * lanes.out_width;
        const int src_width = static_cast<int>(last ? lanes.src_last : lanes.src_width);
        const int gy_width = static_cast<int>(last ? lanes.out_last : lanes.out_width);
        g.src_channel = copied ? 0 : src_channel;
        g.gy_channel = copied ? 0 : gy_channel;
        g.src_width = copied ? static_cast<int>(lanes.lanes) : src_width;
        g.gy_width = copied ? static_cast<int>(lanes.lanes) : gy_width;
        sources.clear();
        gradients.clear();
        const auto copy = [&](GroupedLine& line, const float** rows, int count) {
          if (!copied) return;
          for (int r = 0; r < count; ++r)
            rows[r] = sources.row(rows[r] + src_channel, src_pixel, src_width, ax.src_size, line.low);
          line.gy = gradients.row(line.gy + gy_channel, gy_pixel, gy_width, line.outputs, 0);
          line.low = 0;
        };
        lines.each(
            copy, [&](int64_t tap, int taps, const std::vector<GroupedLine>& list, const float* const* rows) {
              float* sums[kGroupedRows];
              for (int r = 0; r < taps; ++r)
                sums[r] = partial + block * block_floats + (tap + r) * row_floats;
              g.lines = list.data();
              g.line_count = static_cast<int64_t>(list.size());
              g.rows = rows;
              g.row_count = taps;
              g.sums = sums;
              kernels().grouped.grad(&g);
            });
      }
    }
  });
  // gw[k][c][tap] = sum over chunks of the partial sums.
  parallel_ranges(p.groups, 8, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group)
      for (int64_t j = 0; j < p.out_channels; ++j)
        for (int64_t c = 0; c < p.src_channels; ++c) {
          const int64_t lane = group % lanes.groups_per_block * p.src_channels + c;
          const float* from = partials.data() + group / lanes.groups_per_block * block_floats + lane;
          float* to = gw + ((group * p.out_channels + j) * p.src_channels + c) * p.taps();
          for (int64_t row = 0; row < row_taps; ++row)
            for (int64_t t = 0; t < ax.taps; ++t) {
              const float* at = from + row * row_floats + (j * ax.taps + t) * lanes.lanes;
              float sum = 0;
              for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) sum += at[chunk * chunk_floats];
              *to++ = sum;
            }
        }
  });
}

}  // namespace pyconv
