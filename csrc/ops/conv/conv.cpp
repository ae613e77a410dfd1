// Forward pass and input gradient: the same row GEMM, on x or on the phases of gy.
#include "ops/conv/conv.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/fold.h"
#include "ops/conv/grouped.h"
#include "ops/conv/product.h"
#include "ops/conv/row_gemm.h"
#include "ops/conv/winograd.h"
#include "ref/conv.h"

namespace pyconv {
namespace {

// Strides of the weight (k, c/groups, filter...); `transposed` swaps the roles of c and k.
FilterStrides filter_strides(const ConvShape& s, bool transposed, KeptFilter* kept) {
  FilterStrides f{};
  f.kept = kept;
  const int64_t channel = s.taps(), output = s.group_c() * s.taps();
  f.group = s.group_k() * output;
  f.src = transposed ? output : channel;
  f.out = transposed ? channel : output;
  int64_t step = 1;
  for (int i = s.spatial - 1; i >= 0; --i) {
    f.tap[frame_axis(s.spatial, i)] = step;
    step *= s.filter[i];
  }
  return f;
}

void run(const ConvShape& s, const RowProblem& p, const ConvPlan& plan, bool transposed, const float* src,
         const float* w, KeptFilter* kept, const ConvEpilogue& epilogue, float* out) {
  if (p.strides_folded()) {
    FoldedFilter filter(s, p);
    if (!kept || !kept->find(filter_form(p, plan))) filter.fold(w);
    FilterStrides strides = filter.strides();
    strides.kept = kept;
    return winograd(p, plan, strides, src, filter.data(), epilogue, out);
  }
  const FilterStrides filter = filter_strides(s, transposed, kept);
  if (in_lanes(plan)) grouped(p, plan, filter, src, w, epilogue, out);
  else if (plan.algorithm == ConvAlgorithm::kWinogradFew)
    winograd_few(p, plan, filter, src, w, epilogue, out);
  else if (in_tiles(plan)) winograd(p, plan, filter, src, w, epilogue, out);
  else row_gemm(p, plan, filter, src, w, epilogue, out);
}

// The epilogue, apart from the bias, of `pixels` outputs that no convolution kernel has finished.
void finish(int64_t pixels, int64_t channels, const ConvEpilogue& e, float* y) {
  constexpr int64_t kGrain = 1 << 15;
  if (e.residual || e.mask || e.relu)
    parallel_ranges(pixels * channels, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; e.residual && i < end; ++i) y[i] += e.residual[i];
      for (int64_t i = begin; e.mask && i < end; ++i) y[i] = e.mask[i] <= 0 ? 0 : y[i];
      for (int64_t i = begin; e.relu && i < end; ++i) y[i] = y[i] < 0 ? 0 : y[i];
    });
  for (int64_t k = 0; e.sum && k < channels; ++k) {
    e.sum[k] = e.sum_squares[k] = 0;
    for (int64_t i = k; i < pixels * channels; i += channels) {
      const double d = static_cast<double>(y[i]) - (e.shift ? static_cast<double>(e.shift[k]) : 0.0);
      e.sum[k] += d;
      e.sum_squares[k] += d * d;
    }
  }
}

}  // namespace

void conv_forward(const ConvShape& s, const float* x, const float* w, const ConvEpilogue& epilogue, float* y,
                  KeptFilter* kept) {
  const PlanMode mode = kept ? PlanMode::kCached : PlanMode::kTrain;
  if (one_product(s, Pass::kForward)) {
    product_forward(s, x, w, epilogue.bias, y);
    return finish(s.n * s.out_pixels(), s.k, epilogue, y);
  }
  bool complete;
  const RowProblem p = plan_problems(s, Pass::kForward, &complete).front();
  const ConvPlan plan = plan_rows(p, mode);
  if (plan.algorithm == ConvAlgorithm::kReference) {
    ref::conv_forward(s, x, w, epilogue.bias, y);
    return finish(s.n * s.out_pixels(), s.k, epilogue, y);
  }
  run(s, p, plan, false, x, w, kept, epilogue, y);
}

void conv_grad_input(const ConvShape& s, const float* gy, const float* w, const ConvEpilogue& epilogue,
                     float* gx, KeptFilter* kept) {
  const PlanMode mode = kept ? PlanMode::kCached : PlanMode::kTrain;
  const int64_t pixels = s.n * s.in_pixels();
  if (one_product(s, Pass::kGradInput)) {
    product_grad_input(s, gy, w, epilogue.bias, gx);
    return finish(pixels, s.c, epilogue, gx);
  }
  bool complete;
  const std::vector<RowProblem> problems = plan_problems(s, Pass::kGradInput, &complete);
  if (plan(s, Pass::kGradInput, mode).algorithm == ConvAlgorithm::kReference) {
    ref::conv_grad_input(s, gy, w, epilogue.bias, gx);
    return finish(pixels, s.c, epilogue, gx);
  }
  if (!complete) {  // inputs that no tap reaches
    const float* const bias = epilogue.bias;
    parallel_ranges(pixels, ceil_div(int64_t{1} << 18, s.c), [&](int64_t begin, int64_t end) {
      if (bias)
        for (int64_t i = begin; i < end; ++i) std::copy(bias, bias + s.c, gx + i * s.c);
      else std::fill(gx + begin * s.c, gx + end * s.c, 0.0f);
    });
    finish(pixels, s.c, epilogue, gx);
  }
  for (const RowProblem& p : problems) run(s, p, plan_rows(p, mode), true, gy, w, kept, epilogue, gx);
}

}  // namespace pyconv
