// Forward and input gradient of depthwise and small-group convolution: two rows of outputs per kernel call,
// straight from the source rows. Taps outside the source are left out (z, y) or read as zero (x): nothing is
// copied.
#include "ops/conv/grouped.h"

#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/block_sums.h"
#include "ops/conv/lane_strip.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// The filter as [block][z, y, x tap][i][lane]: lane l of a block writes output channel l of its groups.
class PackedLanes {
 public:
  PackedLanes(const RowProblem& p, const LaneBlocks& b, const ConvPlan& plan, const FilterStrides& w,
              const float* weight)
      : block_floats_(p.depth() * b.lanes),
        form_(w.kept, filter_form(p, plan), b.blocks * block_floats_,
              [&](float* packed) { pack(p, b, w, weight, packed); }) {}
  int64_t block_floats() const { return block_floats_; }
  const float* block(int64_t b) const { return form_.data() + b * block_floats_; }

 private:
  void pack(const RowProblem& p, const LaneBlocks& b, const FilterStrides& w, const float* weight,
            float* packed) const {
    std::vector<int64_t> taps;  // where each tap stands in the weight
    const auto tap = [&](int axis, int64_t t) {
      return (p.axis[axis].filter_first + t * p.axis[axis].filter_step) * w.tap[axis];
    };
    for (int64_t tz = 0; tz < p.axis[0].taps; ++tz)
      for (int64_t ty = 0; ty < p.axis[1].taps; ++ty)
        for (int64_t tx = 0; tx < p.axis[2].taps; ++tx) taps.push_back(tap(0, tz) + tap(1, ty) + tap(2, tx));
    constexpr int64_t kBlocks = 4;
    parallel_ranges(b.blocks, kBlocks, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        for (int64_t lane = 0; lane < b.lanes; ++lane) {
          float* to = packed + block * block_floats_ + lane;
          const int64_t group = block * b.groups_per_block + lane / p.out_channels;
          const bool used = lane < b.out_width && group < p.groups;
          const float* from = weight + group * w.group + lane % p.out_channels * w.out;
          for (int64_t tap_offset : taps)
            for (int64_t i = 0; i < p.src_channels; ++i, to += b.lanes)
              *to = used ? from[tap_offset + i * w.src] : 0.0f;
        }
    });
  }

  int64_t block_floats_;
  FilterForm form_;
};

// The source rows under one or two rows of outputs, in the order of their taps, and for each what of the
// filter each row of outputs multiplies it by.
struct TapRows {
  std::vector<const float*> rows, filters;

  // `row(r)` is the source of row r, counted over (n, z, y).
  template <class Row>
  void find(const RowProblem& p, int64_t n, int64_t z, int64_t y, int64_t out_rows, const float* filter,
            int64_t filter_floats, Row&& row) {
    const RowAxis &az = p.axis[0], &ay = p.axis[1];
    rows.clear();
    filters.clear();
    for (int64_t tz = 0; tz < az.taps; ++tz) {
      const int64_t iz = az.low(z) + tz * az.tap_step;
      if (iz < 0 || iz >= az.src_size) continue;
      int64_t next[kGroupedOutRows] = {};  // taps
      for (;;) {
        const auto at = [&](int64_t r) { return ay.low(y + r) + next[r] * ay.tap_step; };
        int64_t first = out_rows;  // the row of outputs whose next tap is the uppermost
        for (int64_t r = 0; r < out_rows; ++r)
          if (next[r] < ay.taps && (first == out_rows || at(r) < at(first))) first = r;
        if (first == out_rows) break;
        const int64_t iy = at(first);
        const float* under[kGroupedOutRows] = {};
        for (int64_t r = 0; r < out_rows; ++r)
          if (next[r] < ay.taps && at(r) == iy)
            under[r] = filter + (tz * ay.taps + next[r]++) * filter_floats;
        if (iy < 0 || iy >= ay.src_size) continue;
        rows.push_back(row((n * az.src_size + iz) * ay.src_size + iy));
        filters.insert(filters.end(), under, under + kGroupedOutRows);
      }
    }
  }
};

// With a dilation the outputs of a row fall into classes that share no source column: those of one class are
// a row of their own with neighbouring taps. In short rows the classes are too short to pay.
int64_t classes(const RowAxis& x, int64_t outputs) {
  const int64_t ratio = x.tap_step / x.src_step;
  return x.taps > 1 && x.tap_step % x.src_step == 0 && ratio <= outputs / 4 ? ratio : 1;
}

}  // namespace

std::vector<int32_t> group_lanes(int64_t outer, int64_t inner, int64_t width, int64_t lanes) {
  std::vector<int32_t> index;
  for (int64_t i = 0; i < inner; ++i)
    for (int64_t lane = 0; lane < lanes; ++lane)
      index.push_back(static_cast<int32_t>(lane < width ? lane / outer * inner + i : 0));
  return index;
}

bool LaneBlocks::fit(const RowProblem& p) {
  return std::max(p.src_channels, p.out_channels) <= kernels().lanes;
}

LaneBlocks::LaneBlocks(const RowProblem& p) : lanes(kernels().lanes) {
  groups_per_block =
      std::min(p.groups, std::max<int64_t>(1, lanes / std::max(p.src_channels, p.out_channels)));
  blocks = ceil_div(p.groups, groups_per_block);
  src_width = groups_per_block * p.src_channels;
  out_width = groups_per_block * p.out_channels;
  const int64_t last = p.groups - (blocks - 1) * groups_per_block;
  src_last = last * p.src_channels;
  out_last = last * p.out_channels;
}

void grouped(const RowProblem& p, const ConvPlan& plan, const FilterStrides& filter, const float* src,
             const float* weight, const ConvEpilogue& epilogue, float* out) {
  const LaneBlocks lanes(p);
  const PackedLanes packed(p, lanes, plan, filter, weight);
  const std::vector<int32_t> index =
      group_lanes(p.out_channels, p.src_channels, lanes.out_width, lanes.lanes);
  const RowAxis &z = p.axis[0], &y = p.axis[1], &x = p.axis[2];
  const int64_t src_pixel = p.groups * p.src_channels, channels = p.groups * p.out_channels;
  const int64_t x_tiles = ceil_div(x.count, plan.x_tile);
  const int64_t blocks = ceil_div(p.rows(), plan.rows_per_block) * x_tiles;
  // Sums per block and channel, merged below in the order of the blocks.
  BlockSums sums(epilogue, blocks, channels);
  const bool depthwise = p.src_channels == 1 && p.out_channels == 1;
  constexpr int64_t kPolledRows = 16;  // the clock that a poll reads costs 5 % of a row of 14
  // Without copies all blocks of a pixel are read together, as they lie in memory.
  const int64_t together = plan.copied_rows > 0 ? 1 : lanes.blocks;

  parallel_for(blocks * plan.parts, [&](int64_t task) {
    const int64_t at = task / plan.parts, part = task % plan.parts;
    const int64_t row0 = at / x_tiles * plan.rows_per_block,
                  row1 = std::min(p.rows(), row0 + plan.rows_per_block);
    const int64_t x0 = at % x_tiles * plan.x_tile, x1 = std::min(x.count, x0 + plan.x_tile);
    const int64_t split = classes(x, x1 - x0), part_end = lanes.blocks * (part + 1) / plan.parts;
    const bool copied = plan.copied_rows > 0;
    const int64_t columns = x.extent(x1 - x0);
    LaneStrip strip(copied ? plan.copied_rows * z.taps * y.taps : 0, columns);
    TapRows taps;
    GroupedRow g{};
    g.taps = x.taps;
    g.tap_step = x.tap_step;
    g.src_step = x.src_step * split;
    g.columns = copied ? columns : x.src_size;
    g.src_pixel = copied ? lanes.lanes : src_pixel;
    g.filter_block = packed.block_floats();
    g.depth = p.src_channels;
    g.lanes = depthwise ? nullptr : index.data();
    g.one_group = !depthwise && lanes.groups_per_block == 1;
    g.out_row = y.out_step * x.out_size * channels;
    g.out_pixel = x.out_step * split * channels;
    g.src_width = static_cast<int>(copied ? lanes.lanes : lanes.src_width);
    g.out_width = static_cast<int>(lanes.out_width);
    g.relu = epilogue.relu;
    g.streaming = lanes.out_width == lanes.lanes && streams(out, p.out_pixels(), channels);
    for (int64_t block = lanes.blocks * part / plan.parts; block < part_end; block += together) {
      const int64_t stop = std::min(part_end, block + together), channel = block * lanes.out_width;
      g.blocks = stop - block;
      const int src_last = static_cast<int>(stop == lanes.blocks ? lanes.src_last : lanes.src_width);
      g.src_last = copied ? g.src_width : src_last;
      g.out_last = static_cast<int>(stop == lanes.blocks ? lanes.out_last : lanes.out_width);
      if (epilogue.bias) g.bias = epilogue.bias + channel;
      if (epilogue.shift) g.shift = epilogue.shift + channel;
      if (epilogue.sum) {
        g.sum = sums.sum(at) + channel;
        g.sum_squares = sums.sum_squares(at) + channel;
      }
      strip.clear();
      for (int64_t row = row0, polled = row0; row < row1; row += g.out_rows) {
        if (row >= polled) {
          poll_interrupt();
          polled = row + kPolledRows;
        }
        const int64_t yy = row % y.count, zz = row / y.count % z.count, n = row / y.count / z.count;
        g.out_rows = std::min<int64_t>({kGroupedOutRows, row1 - row, y.count - yy});
        taps.find(p, n, zz, yy, g.out_rows, packed.block(block), x.taps * p.src_channels * lanes.lanes,
                  [&](int64_t r) {
                    const float* from = src + r * x.src_size * src_pixel + block * lanes.src_width;
                    return copied ? strip.row(from, src_pixel, src_last, x.src_size, x.low(x0)) : from;
                  });
        g.rows = taps.rows.data();
        g.filters = taps.filters.data();
        g.row_count = static_cast<int64_t>(taps.rows.size());
        const int64_t out_row =
            ((n * z.out_size + z.out_first + zz * z.out_step) * y.out_size + y.out_first + yy * y.out_step) *
            x.out_size;
        for (int64_t first = x0; first < x0 + split; ++first) {
          const int64_t offset = (out_row + x.out_first + first * x.out_step) * channels + channel;
          g.low = x.low(first) - (copied ? x.low(x0) : 0);
          g.outputs = ceil_div(x1 - first, split);
          g.out = out + offset;
          if (epilogue.residual) g.residual = epilogue.residual + offset;
          if (epilogue.mask) g.mask = epilogue.mask + offset;
          kernels().grouped.row(&g);
        }
      }
    }
  });

  sums.finish();
}

}  // namespace pyconv
