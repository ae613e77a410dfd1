// Weight and bias gradients: the products x^T gy over the pixels of a chunk, where x stands for all that a
// filter covers. x is read K-major, so nothing is transposed. The sums of the chunks are merged in order.
#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/conv.h"
#include "ops/conv/fold.h"
#include "ops/conv/grouped.h"
#include "ops/conv/pixel_block.h"
#include "ops/conv/plan.h"
#include "ops/conv/product.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/winograd.h"
#include "ref/conv.h"

namespace pyconv {
namespace {

// gw[k][c][tap] = sum over chunks, and over the outputs that were folded, of partial[tap][c][output, k], in
// squares so that both sides stay in the cache.
void merge(const RowProblem& problem, const RowProblem& p, int64_t chunks, const float* partials, float* gw) {
  constexpr int64_t kSquare = 16;
  const RowAxis& x = problem.axis[2];
  const int64_t channels = p.src_channels, outputs = problem.out_channels, taps = problem.taps();
  const int64_t group_floats = p.depth() * p.out_channels;
  const int64_t k_blocks = ceil_div(outputs, kSquare), c_blocks = ceil_div(channels, kSquare);
  parallel_for(p.groups * k_blocks * c_blocks, [&](int64_t task) {
    const int64_t group = task / c_blocks / k_blocks, k0 = task / c_blocks % k_blocks * kSquare;
    const int64_t c0 = task % c_blocks * kSquare, k_count = std::min(kSquare, outputs - k0);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t row = tap / x.taps * p.axis[2].taps, tx = tap % x.taps;
      for (int64_t c = c0; c < std::min(channels, c0 + kSquare); ++c) {
        float sum[kSquare] = {};
        for (int64_t chunk = 0; chunk < chunks; ++chunk)
          for (int64_t o = 0; o < p.fold; ++o) {
            const int64_t position = p.fold > 1 ? o * x.src_step + tx * x.tap_step : tx;
            const float* from = partials + (chunk * p.groups + group) * group_floats +
                                ((row + position) * channels + c) * p.out_channels + o * outputs + k0;
            for (int64_t k = 0; k < k_count; ++k) sum[k] += from[k];
          }
        for (int64_t k = 0; k < k_count; ++k)
          gw[((group * outputs + k0 + k) * channels + c) * taps + tap] = sum[k];
      }
    }
  });
}

// The sums of a chunk, a stretch of blocks of pixels, are made by `parts` tasks: each takes a share of the
// units, one group, one piece of rows, one panel of columns.
void row_gemm_grad_weight(const RowProblem& problem, const ConvPlan& plan, const float* gy, const float* x,
                          float* gw) {
  const RowProblem p = folded(problem, plan.fold);
  const int64_t group_floats = p.depth() * p.out_channels;
  const int64_t panels = ceil_div(p.out_channels, int64_t{kernels().gemm.panel});
  const int64_t width = p.axis[2].count, x_tiles = ceil_div(width, plan.x_tile);
  const int64_t blocks = ceil_div(p.rows(), plan.rows_per_block) * x_tiles;
  Scratch<float> partials(plan.chunks * p.groups * group_floats);
  parallel_for(plan.chunks * plan.parts, [&](int64_t task) {
    const int64_t chunk = task / plan.parts, part = task % plan.parts;
    float* partial = partials.data() + chunk * p.groups * group_floats;
    PixelBlock pixels(p, plan);
    const int64_t units = p.groups * pixels.pieces() * panels;
    const int64_t first = blocks * chunk / plan.chunks, last = blocks * (chunk + 1) / plan.chunks;
    for (int64_t block = first; block < last; ++block) {
      const int64_t row = block / x_tiles * plan.rows_per_block, column = block % x_tiles * plan.x_tile;
      const int64_t next = std::min(p.rows(), row + plan.rows_per_block);
      pixels.load(x, row, next, column, std::min(width, column + plan.x_tile));
      if (plan.parts == 1 && x_tiles == 1 && block + 1 < last)
        pixels.announce(x, gy, next, std::min(p.rows(), next + plan.rows_per_block));
      int64_t chosen = -1;
      for (int64_t u = units * part / plan.parts; u < units * (part + 1) / plan.parts; ++u) {
        poll_interrupt();
        const int64_t panel = u % panels, piece = u / panels % pixels.pieces(),
                      group = u / panels / pixels.pieces();
        if (u / panels != chosen) pixels.choose_source(group, piece);
        chosen = u / panels;
        pixels.multiply(gy, panel, block == first, partial + group * group_floats);
      }
    }
  });
  merge(problem, p, plan.chunks, partials.data(), gw);
}

}  // namespace

void conv_grad_weight(const ConvShape& s, const float* gy, const float* x, float* gw) {
  if (one_product(s, Pass::kGradWeight)) return product_grad_weight(s, gy, x, gw);
  bool complete;
  const RowProblem p = plan_problems(s, Pass::kGradWeight, &complete).front();
  if (p.rows() * p.axis[2].count == 0) {
    std::fill_n(gw, s.k * p.depth(), 0.0f);
    return;
  }
  const ConvPlan plan = plan_weight_gradient(p);
  if (plan.algorithm == ConvAlgorithm::kReference) return ref::conv_grad_weight(s, gy, x, gw);
  if (in_lanes(plan)) return grouped_grad_weight(p, plan, gy, x, gw);
  if (p.strides_folded()) {
    FoldedFilter filter(s, p);
    winograd_grad_weight(p, plan, x, gy, filter.data());
    return filter.unfold(gw);
  }
  if (plan.algorithm == ConvAlgorithm::kWinogradFew) return winograd_few_grad_weight(p, plan, x, gy, gw);
  if (in_tiles(plan)) return winograd_grad_weight(p, plan, x, gy, gw);
  row_gemm_grad_weight(p, plan, gy, x, gw);
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
