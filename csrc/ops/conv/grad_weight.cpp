// Weight and bias gradients: for every run of a pixel the products x^T gy over the pixels of a chunk. x is
// read K-major, so nothing is transposed. The sums of the chunks are merged in order.
#include <algorithm>
#include <vector>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/conv/conv.h"
#include "ops/conv/fold.h"
#include "ops/conv/grouped.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"
#include "ops/conv/winograd.h"
#include "ops/gemm/gemm.h"
#include "ref/conv.h"

namespace pyconv {
namespace {

constexpr int64_t kPieceRows = 192;  // a multiple of all tile heights

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

// A stretch of rows of the gradient: `rows` consecutive elements of one run, the first of which is row `row`.
struct Piece {
  int64_t offset, row, rows;
};

std::vector<Piece> pieces(const Strip& strip) {
  std::vector<Piece> list;
  int64_t row = 0;
  for (const Run& run : strip.runs())
    for (int64_t done = 0; done < run.length;) {
      const int64_t rows = std::min(kPieceRows, run.length - done);
      list.push_back({run.offset + done, row, rows});
      done += rows;
      row += rows;
    }
  return list;
}

// The same stretch of pixels for every piece: where it starts, how many rows and columns of pixels it has.
struct Pixels {
  const float *x, *gy;
  int64_t rows, columns;
  bool first;  // of its chunk
};

// partial[row][k] += x^T gy over these pixels, for one group, one piece of rows, one panel of columns.
void accumulate(const ConvShape& s, const RowProblem& p, const Strip& strip, const Pixels& pixels,
                int64_t group, const Piece& piece, int64_t panel, float* partial) {
  const int64_t panel_width = kernels().gemm.panel, column = panel * panel_width;
  OuterGemmArgs g{};
  g.a = pixels.x + group * p.src_channels + piece.offset;
  g.a_outer = strip.row_step();
  g.a_inner = strip.column_step();
  g.b = pixels.gy + group * p.out_channels + column;
  g.b_outer = p.axis[2].count * s.k;
  g.b_inner = s.k;
  g.outer = pixels.rows;
  g.inner = pixels.columns;
  g.c = partial + (group * p.depth() + piece.row) * p.out_channels + column;
  g.ldc = p.out_channels;
  g.rows = piece.rows;
  g.columns = static_cast<int>(std::min(panel_width, p.out_channels - column));
  g.first = pixels.first;
  kernels().gemm.outer_gemm(&g);
}

}  // namespace

void conv_grad_weight(const ConvShape& s, const float* gy, const float* x, float* gw) {
  bool complete;
  const RowProblem p = plan_problems(s, Pass::kGradWeight, &complete).front();
  const int64_t depth = p.depth(), group_floats = depth * p.out_channels;
  if (p.rows() * p.axis[2].count == 0) {
    std::fill_n(gw, s.k * depth, 0.0f);
    return;
  }
  const ConvPlan plan = plan_weight_gradient(s, p);
  if (plan.algorithm == ConvAlgorithm::kReference) return ref::conv_grad_weight(s, gy, x, gw);
  if (plan.algorithm == ConvAlgorithm::kProduct) {
    const int64_t pixels = p.rows() * p.axis[2].count;
    const View vx = dense_view(const_cast<float*>(x), DType::kFloat32, {pixels, p.src_channels}, false);
    const View vgy = dense_view(const_cast<float*>(gy), DType::kFloat32, {pixels, p.out_channels}, false);
    return gemm(permute(vgy, {1, 0}), vx, nullptr, gw);
  }
  if (in_lanes(plan)) return grouped_grad_weight(p, plan, gy, x, gw);
  if (p.strides_folded()) {
    FoldedFilter filter(s, p);
    winograd_grad_weight(p, plan, x, gy, filter.data());
    return filter.unfold(gw);
  }
  if (in_tiles(plan)) return winograd_grad_weight(p, plan, x, gy, gw);
  const Blocks blocks{p, plan};
  const int64_t panels = ceil_div(p.out_channels, int64_t{kernels().gemm.panel});
  Scratch<float> partials(plan.chunks * p.groups * group_floats);
  parallel_for(plan.chunks * plan.parts, [&](int64_t task) {
    const int64_t chunk = task / plan.parts, part = task % plan.parts;
    float* partial = partials.data() + chunk * p.groups * group_floats;
    Strip strip(p, plan.rows_per_block, plan.x_tile);
    const std::vector<Piece> list = pieces(strip);
    const int64_t piece_count = static_cast<int64_t>(list.size()), units = p.groups * panels * piece_count;
    bool first = true;
    blocks.each(chunk, [&](const std::vector<Segment>& segments, int64_t x0, int64_t x1) {
      strip.load(x, segments, x0, x1);
      for (size_t i = 0; i < segments.size(); ++i) {
        const Segment& segment = segments[i];
        const int64_t row = (segment.n * p.axis[0].count + segment.z) * p.axis[1].count + segment.y0;
        const Pixels pixels{strip.origin(i), gy + (row * p.axis[2].count + x0) * s.k, segment.y1 - segment.y0,
                            x1 - x0, first};
        for (int64_t u = units * part / plan.parts; u < units * (part + 1) / plan.parts; ++u) {
          poll_interrupt();
          accumulate(s, p, strip, pixels, u / piece_count / panels,
                     list[static_cast<size_t>(u % piece_count)], u / piece_count % panels, partial);
        }
        first = false;
      }
    });
  });
  // gw[k][c][tap] = sum over chunks of partial[tap][c][k], in squares so that both sides stay in the cache.
  constexpr int64_t kSquare = 16;
  const int64_t taps = p.taps(), k_blocks = ceil_div(p.out_channels, kSquare),
                c_blocks = ceil_div(p.src_channels, kSquare);
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
