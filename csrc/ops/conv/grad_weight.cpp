// Weight and bias gradients. For every filter row (z tap, y tap) the products x^T gy over the pixels of a
// chunk: x is read K-major, so nothing is transposed. A chunk's sum is merged with the others in order.
#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/conv.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"
#include "ref/conv.h"

namespace pyconv {
namespace {

// The blocks of pixels: rows_per_block output rows, x_tile columns. A chunk is a stretch of blocks.
struct Blocks {
  const RowProblem& problem;
  const ConvPlan& plan;

  template <class F>
  void each(int64_t chunk, F&& f) const {
    const int64_t width = problem.axis[2].count, tiles = ceil_div(width, plan.x_tile);
    const int64_t count = ceil_div(problem.rows(), plan.rows_per_block) * tiles;
    for (int64_t b = count * chunk / plan.chunks; b < count * (chunk + 1) / plan.chunks; ++b) {
      const int64_t row0 = b / tiles * plan.rows_per_block, x0 = b % tiles * plan.x_tile;
      f(segments(problem, row0, std::min(problem.rows(), row0 + plan.rows_per_block)), x0,
        std::min(width, x0 + plan.x_tile));
    }
  }
};

// One unit of a weight gradient: the runs of one filter row, one panel of output channels, one group.
struct Unit {
  int64_t group, panel, filter_row;
};

// partial[tap][c][k] += x^T gy over one segment of pixels, for one unit.
void accumulate(const ConvShape& s, const RowProblem& p, const Strip& strip, const Unit& unit, const float* origin,
                const float* gy, int64_t rows, int64_t columns, bool first, float* partial) {
  const int64_t panel_width = kernels().gemm.panel, column = unit.panel * panel_width;
  const int64_t runs_per_row = static_cast<int64_t>(strip.runs().size()) / (p.axis[0].taps * p.axis[1].taps);
  OuterGemmArgs g{};
  g.a_outer = strip.row_step();
  g.a_inner = strip.column_step();
  g.b = gy + unit.group * p.out_channels + column;
  g.b_outer = p.axis[2].count * s.k;
  g.b_inner = s.k;
  g.outer = rows;
  g.inner = columns;
  g.c = partial + (unit.group * p.depth() + unit.filter_row * p.axis[2].taps * p.src_channels) * p.out_channels + column;
  g.ldc = p.out_channels;
  g.columns = static_cast<int>(std::min(panel_width, p.out_channels - column));
  g.first = first;
  for (int64_t r = 0; r < runs_per_row; ++r) {
    const Run& run = strip.runs()[static_cast<size_t>(unit.filter_row * runs_per_row + r)];
    g.a = origin + unit.group * p.src_channels + run.offset;
    g.rows = run.length;
    kernels().gemm.outer_gemm(&g);
    g.c += run.length * p.out_channels;
  }
}

}  // namespace

void conv_grad_weight(const ConvShape& s, const float* gy, const float* x, float* gw) {
  const RowProblem p = forward_problem(s);
  const int64_t depth = p.depth(), group_floats = depth * p.out_channels;
  if (p.rows() * p.axis[2].count == 0) {
    std::fill_n(gw, s.k * depth, 0.0f);
    return;
  }
  const ConvPlan plan = plan_weight_gradient(s, p);
  if (plan.algorithm == ConvAlgorithm::kReference) return ref::conv_grad_weight(s, gy, x, gw);
  const Blocks blocks{p, plan};
  const int64_t panels = ceil_div(p.out_channels, int64_t{kernels().gemm.panel});
  const int64_t filter_rows = p.axis[0].taps * p.axis[1].taps, units = p.groups * panels * filter_rows;
  Scratch<float> partials(plan.chunks * p.groups * group_floats);
  parallel_for(plan.chunks * plan.parts, [&](int64_t task) {
    const int64_t chunk = task / plan.parts, part = task % plan.parts;
    float* partial = partials.data() + chunk * p.groups * group_floats;
    Strip strip(p, plan.rows_per_block, plan.x_tile);
    bool first = true;
    blocks.each(chunk, [&](const std::vector<Segment>& list, int64_t x0, int64_t x1) {
      strip.load(x, list, x0, x1);
      for (size_t i = 0; i < list.size(); ++i) {
        const Segment& segment = list[i];
        const int64_t row = (segment.n * p.axis[0].count + segment.z) * p.axis[1].count + segment.y0;
        for (int64_t u = units * part / plan.parts; u < units * (part + 1) / plan.parts; ++u) {
          poll_interrupt();
          const Unit unit{u / filter_rows / panels, u / filter_rows % panels, u % filter_rows};
          accumulate(s, p, strip, unit, strip.origin(i), gy + (row * p.axis[2].count + x0) * s.k,
                     segment.y1 - segment.y0, x1 - x0, first, partial);
        }
        first = false;
      }
    });
  });
  // gw[k][c][tap] = sum over chunks of partial[tap][c][k], in squares so that both sides stay in the cache.
  constexpr int64_t kSquare = 16;
  const int64_t taps = p.taps(), k_blocks = ceil_div(p.out_channels, kSquare), c_blocks = ceil_div(p.src_channels, kSquare);
  parallel_for(p.groups * k_blocks * c_blocks, [&](int64_t task) {
    const int64_t group = task / c_blocks / k_blocks, k0 = task / c_blocks % k_blocks * kSquare;
    const int64_t c0 = task % c_blocks * kSquare, k_count = std::min(kSquare, p.out_channels - k0);
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = c0; c < std::min(p.src_channels, c0 + kSquare); ++c) {
        float sum[kSquare] = {};
        for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) {
          const float* from = partials.data() + (chunk * p.groups + group) * group_floats +
                              (tap * p.src_channels + c) * p.out_channels + k0;
          for (int64_t k = 0; k < k_count; ++k) sum[k] += from[k];
        }
        for (int64_t k = 0; k < k_count; ++k)
          gw[((group * p.out_channels + k0 + k) * p.src_channels + c) * taps + tap] = sum[k];
      }
  });
}

void conv_grad_bias(const ConvShape& s, const float* gy, float* gb) {
  // Sums of 256 pixels in float, merged in double in the order of the pixels.
  constexpr int64_t kPixels = 256, kMaxPartials = 64;
  const int64_t pixels = s.n * s.out_pixels(), panel = kernels().gemm.panel, panels = ceil_div(s.k, panel);
  const int64_t chunks = std::clamp<int64_t>(pixels / 4096, 1, kMaxPartials);
  Scratch<double> partials(chunks * s.k);
  parallel_for(chunks * panels, [&](int64_t task) {
    const int64_t chunk = task / panels, k0 = task % panels * panel, k1 = std::min(s.k, k0 + panel);
    double* sum = partials.data() + chunk * s.k;
    std::fill(sum + k0, sum + k1, 0.0);
    const float one = 1.0f;
    float block[64];
    OuterGemmArgs g{};
    g.a = &one;
    g.b_inner = s.k;
    g.outer = 1;
    g.c = block;
    g.ldc = panel;
    g.rows = 1;
    g.columns = static_cast<int>(k1 - k0);
    g.first = 1;
    const int64_t end = pixels * (chunk + 1) / chunks;
    for (int64_t p = pixels * chunk / chunks; p < end; p += kPixels) {
      g.b = gy + p * s.k + k0;
      g.inner = std::min(kPixels, end - p);
      kernels().gemm.outer_gemm(&g);
      for (int64_t k = k0; k < k1; ++k) sum[k] += block[k - k0];
    }
  });
  for (int64_t k = 0; k < s.k; ++k) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * s.k + k];
    gb[k] = static_cast<float>(sum);
  }
}

}  // namespace pyconv
