// Forward and input gradient as row GEMMs: each output pixel is a row of A, given by a pointer, times the
// packed filter. No im2col buffer: the taps of a filter row are already contiguous in NHWC memory.
#include "ops/conv/row_gemm.h"

#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "ops/conv/ahead.h"
#include "ops/conv/pixel_rows.h"
#include "ops/gemm/panels.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

constexpr int64_t kMostTasks = 64;  // for the threads to share

// The filter of every group, packed: rows in the order of Strip::runs(), that is (tap, source channel).
class PackedFilter {
 public:
  // `problem` as it is, `folded` as it is solved.
  PackedFilter(const RowProblem& p, const RowProblem& folded, const ConvPlan& plan, const FilterStrides& w,
               const float* weight)
      : layout_(folded.depth(), folded.out_channels),
        group_floats_(layout_.floats()),
        form_(w.kept, filter_form(p, plan), p.groups * group_floats_, [&](float* packed) {
          if (folded.fold > 1) pack_folded(p, folded, w, weight, packed);
          else pack_all(p, w, weight, packed);
        }) {}
  const PanelLayout& layout() const { return layout_; }
  const float* group(int64_t g) const { return form_.data() + g * group_floats_; }

 private:
  static constexpr int64_t kChannels = 64, kSquare = 16;

  void pack_all(const RowProblem& p, const FilterStrides& w, const float* weight, float* packed) const {
    std::vector<int64_t> taps;  // where each tap stands in the weight
    for (int64_t tz = 0; tz < p.axis[0].taps; ++tz)
      for (int64_t ty = 0; ty < p.axis[1].taps; ++ty)
        for (int64_t tx = 0; tx < p.axis[2].taps; ++tx) taps.push_back(w.at(p, tz, ty, tx));
    const int64_t panels = layout_.panels(), blocks = ceil_div(p.src_channels, kChannels);
    parallel_for(p.groups * panels * blocks, [&](int64_t task) {
      const int64_t group = task / blocks / panels, c0 = task % blocks * kChannels;
      pack(p, w, taps, weight + group * w.group, task / blocks % panels, c0,
           std::min(p.src_channels, c0 + kChannels), packed + group * group_floats_);
    });
  }

  // Channels [c0, c1) of one panel, in squares of 16 channels by 16 columns: the weight is read along its
  // contiguous taps, and the lines of the panel that a square touches stay in the first-level cache.
  void pack(const RowProblem& p, const FilterStrides& w, const std::vector<int64_t>& taps,
            const float* weight, int64_t panel, int64_t c0, int64_t c1, float* packed) const {
    const int64_t columns = layout_.columns(panel), ld = layout_.ld(panel), tap_rows = p.src_channels * ld;
    const int64_t tap_count = static_cast<int64_t>(taps.size());
    float* out = packed + layout_.offset(panel);
    if (tap_count == 1)
      return pack_panel(layout_, panel, c0, c1, weight + taps[0], w.src, w.out, out + c0 * ld);
    const float* in = weight + panel * layout_.width * w.out;
    for (int64_t square = c0; square < c1; square += kSquare) {
      const int64_t c_end = std::min(c1, square + kSquare);
      for (int64_t j0 = 0; j0 < columns; j0 += kSquare)
        for (int64_t j = j0; j < std::min(columns, j0 + kSquare); ++j)
          for (int64_t c = square; c < c_end; ++c)
            for (int64_t t = 0; t < tap_count; ++t)
              out[t * tap_rows + c * ld + j] = in[j * w.out + c * w.src + taps[static_cast<size_t>(t)]];
      for (int64_t c = square; c < c_end; ++c)
        for (int64_t t = 0; t < tap_count; ++t)
          std::fill(out + t * tap_rows + c * ld + columns, out + t * tap_rows + (c + 1) * ld, 0.0f);
    }
  }

  // Element (tz, ty, position, c) x (output, m) is the weight of tap (position - output * src_step) /
  // tap_step.
  void pack_folded(const RowProblem& p, const RowProblem& folded, const FilterStrides& w, const float* weight,
                   float* packed) const {
    const RowAxis &z = p.axis[0], &y = p.axis[1], &x = p.axis[2];
    const int64_t ld = layout_.ld(0);
    std::fill_n(packed, group_floats_, 0.0f);
    for (int64_t row = 0; row < z.taps * y.taps; ++row)
      for (int64_t output = 0; output < folded.fold; ++output)
        for (int64_t tx = 0; tx < x.taps; ++tx) {
          const int64_t position = output * x.src_step + tx * x.tap_step;
          const float* in = weight + w.at(p, row / y.taps, row % y.taps, tx);
          float* out =
              packed + (row * folded.axis[2].taps + position) * p.src_channels * ld + output * p.out_channels;
          for (int64_t c = 0; c < p.src_channels; ++c)
            for (int64_t m = 0; m < p.out_channels; ++m) out[c * ld + m] = in[c * w.src + m * w.out];
        }
  }

  PanelLayout layout_;
  int64_t group_floats_;
  FilterForm form_;
};

// Whether the outputs follow each other in memory.
bool whole_rows(const RowProblem& p) {
  const RowAxis &z = p.axis[0], &y = p.axis[1], &x = p.axis[2];
  return z.count == z.out_size && y.count == y.out_size && x.out_step == p.fold;
}

// A shorter reduction has not enough steps to ask for the lines that it will write. On two threads of a Xeon,
// 1x1 from 4 to 64 channels on 112x112: 2.4 ms with, 2.0 without; from 24: 3.2 and 3.2; from 64 to 256 on
// 56x56: 2.7 and 2.9.
constexpr int64_t kAheadDepth = 24;

// What the rows of the next block will read and write.
Ahead lines_ahead(const RowProblem& p, const float* src, const float* out, const Block& next) {
  Ahead ahead{};
  ask_source(ahead, 0, p, src, segments(p, next.row0, next.row1).front());
  if (whole_rows(p)) ask_output(ahead, 1, p, out, next.row0, next.row1);
  return ahead;
}

// `values` of `channels` channels for each of `fold` outputs; null stays null.
std::vector<float> repeated(const float* values, int64_t channels, int64_t fold) {
  std::vector<float> list;
  for (int64_t i = 0; values && i < fold; ++i) list.insert(list.end(), values, values + channels);
  return list;
}

}  // namespace

void row_gemm(const RowProblem& problem, const ConvPlan& plan, const FilterStrides& filter, const float* src,
              const float* weight, const ConvEpilogue& epilogue, float* out) {
  const RowProblem p = folded(problem, plan.fold);
  const PackedFilter packed(problem, p, plan, filter, weight);
  const PanelLayout& layout = packed.layout();
  const int64_t channels = p.groups * p.out_channels, width = p.axis[2].count, panels = layout.panels();
  // Where outputs are folded, the last of a row may have fewer columns, of the same single vector.
  const int64_t rest = problem.axis[2].count % plan.fold, whole = rest ? width - 1 : width;
  const PanelLayout rest_layout(p.depth(), rest * problem.out_channels);
  const std::vector<float> bias = repeated(epilogue.bias, channels / p.fold, p.fold);
  const std::vector<float> shift = repeated(epilogue.shift, channels / p.fold, p.fold);
  // Lines that were asked for ahead are written into the cache: streaming 1x1 from 64 to 256 channels on
  // 56x56 took 2.9 ms instead of 2.7, 3x3 from 3 to 64 on 224x224 4.6 instead of 3.5. The pixels of a phase
  // are not asked for.
  const bool streaming =
      !whole_rows(p) && streams(out, problem.out_pixels(), problem.groups * problem.out_channels);
  const int64_t x_tiles = ceil_div(width, plan.x_tile);
  const int64_t blocks = ceil_div(p.rows(), plan.rows_per_block) * x_tiles;
  const auto block_at = [&](int64_t index) {
    const int64_t row = index / x_tiles * plan.rows_per_block, x = index % x_tiles * plan.x_tile;
    return Block{row, std::min(p.rows(), row + plan.rows_per_block), x, std::min(width, x + plan.x_tile)};
  };
  // Sums per block and channel, merged below in the order of the blocks.
  Scratch<float> sums(epilogue.sum ? blocks * channels * 2 : 0);
  if (epilogue.sum) std::fill_n(sums.data(), blocks * channels * 2, 0.0f);

  // The blocks of a task follow each other: their pointers and strips stay in the cache of one processor.
  const int64_t tasks = std::min(blocks, kMostTasks);
  parallel_for(tasks * plan.parts, [&](int64_t task) {
    const int64_t share = task / plan.parts, part = task % plan.parts;
    PixelRows pixels(p, plan, whole);
    for (int64_t index = blocks * share / tasks; index < blocks * (share + 1) / tasks; ++index) {
      pixels.load(src, out, block_at(index));
      const bool asks = plan.parts == 1 && p.depth() >= kAheadDepth;
      Ahead ahead = asks && index + 1 < blocks ? lines_ahead(p, src, out, block_at(index + 1)) : Ahead{};
      // This part's share of the panels of all groups, group by group.
      int64_t group = 0;
      const int64_t end = p.groups * panels * (part + 1) / plan.parts;
      for (int64_t q = p.groups * panels * part / plan.parts; q < end;) {
        poll_interrupt();
        const int64_t step = q / panels - group;
        group += step;
        if (step > 0) pixels.move(step * p.src_channels, step * p.out_channels);
        const int64_t first = q - group * panels, stop = std::min(end, (group + 1) * panels);
        const int64_t channel = group * p.out_channels;
        RowEpilogue e;
        e.bias = epilogue.bias ? bias.data() + channel : nullptr;
        e.residual = epilogue.residual;
        e.mask = epilogue.mask;
        e.relu = epilogue.relu;
        e.streaming = streaming;
        if (epilogue.sum) {
          e.shift = epilogue.shift ? shift.data() + channel : nullptr;
          e.sum = sums.data() + index * channels * 2 + channel;
          e.sum_squares = e.sum + channels;
        }
        const PixelRows::List inner = pixels.inner(), others = pixels.others();
        multiply_rows(layout, packed.group(group), *inner.reduction, inner.a, inner.c, inner.count, first,
                      stop - group * panels, out, e, asks ? &ahead : nullptr);
        if (others.count > 0)
          multiply_rows(rest ? rest_layout : layout, packed.group(group), *others.reduction, others.a,
                        others.c, others.count, first, stop - group * panels, out, e, nullptr);
        q = stop;
      }
    }
  });

  const int64_t step = channels / p.fold;
  for (int64_t k = 0; epilogue.sum && k < step; ++k) {
    epilogue.sum[k] = epilogue.sum_squares[k] = 0;
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t column = k; column < channels; column += step) {
        epilogue.sum[k] += sums[block * channels * 2 + column];
        epilogue.sum_squares[k] += sums[block * channels * 2 + channels + column];
      }
  }
}

}  // namespace pyconv
