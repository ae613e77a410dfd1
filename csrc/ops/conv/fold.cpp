#include "ops/conv/fold.h"

#include <algorithm>

#include "core/parallel.h"

namespace pyconv {
namespace {

int64_t stride(const ConvShape& s, int axis) {  // of the frame z, y, x
  const int i = axis - (3 - s.spatial);
  return i < 0 ? 1 : s.stride[i];
}

}  // namespace

bool foldable(const ConvShape& s) {
  if (s.groups != 1 || stride(s, 0) != 1) return false;
  for (int i = 0; i < s.spatial; ++i)
    if (s.dilation[i] != 1) return false;
  return stride(s, 1) > 1 || stride(s, 2) > 1;
}

// Output o reads pixels o s - pad + t s + f for taps t and f = 0 ... s - 1.
RowProblem folded_forward_problem(const ConvShape& s) {
  RowProblem p = forward_problem(s);
  for (int i = 1; i < 3; ++i) {
    RowAxis& a = p.axis[i];
    a.src_fold = a.tap_step = a.src_step;
    a.plain_taps = a.taps;
    a.taps = ceil_div(a.taps, a.src_fold);
  }
  return p;
}

// Input q s - pad + f, f = 0 ... s - 1, is reached by tap t s + f from output q - t. Blocks q that have an
// input.
RowProblem folded_grad_input_problem(const ConvShape& s) {
  RowProblem p;
  p.n = s.n;
  p.src_channels = s.k;
  p.out_channels = s.c;
  for (int i = 0; i < s.spatial; ++i) {
    RowAxis& a = p.axis[frame_axis(s.spatial, i)];
    a.src_size = s.out[i];
    a.out_size = s.in[i];
    a.plain_taps = s.filter[i];
    a.out_fold = a.out_step = s.stride[i];
    a.taps = ceil_div(s.filter[i], s.stride[i]);
    const int64_t first = s.pad_lo[i] / s.stride[i];
    a.out_first = first * s.stride[i] - s.pad_lo[i];
    a.count = (s.in[i] - 1 + s.pad_lo[i]) / s.stride[i] - first + 1;
    a.origin = first - (a.taps - 1);
  }
  return p;
}

FoldedFilter::FoldedFilter(const ConvShape& s, const RowProblem& p)
    : shape_(s),
      transposed_(p.axis[1].out_fold * p.axis[2].out_fold > 1),
      step_y_(stride(s, 1)),
      step_x_(stride(s, 2)),
      taps_y_(p.axis[1].taps),
      taps_x_(p.axis[2].taps),
      taps_z_(p.axis[0].taps),
      sources_(transposed_ ? s.k : step_y_ * step_x_ * s.c),
      outputs_(transposed_ ? step_y_ * step_x_ * s.c : s.k),
      memory_(sources_ * outputs_ * taps_z_ * taps_y_ * taps_x_) {}

FilterStrides FoldedFilter::strides() const {
  FilterStrides f{};
  f.src = taps_z_ * taps_y_ * taps_x_;
  f.out = sources_ * f.src;
  f.tap[0] = taps_y_ * taps_x_;
  f.tap[1] = taps_x_;
  f.tap[2] = 1;
  return f;
}

// Calls move(i, j) for every weight of output channel k: i in the weight, j in the folded one. The gradient's
// taps count backwards along y and x.
template <class Move>
void FoldedFilter::each(int64_t k, Move&& move) {
  const ConvShape& s = shape_;
  const int64_t filter_x = s.filter[s.spatial - 1], filter_y = s.spatial > 1 ? s.filter[s.spatial - 2] : 1;
  const int64_t slice = taps_y_ * taps_x_;
  int64_t from = k * s.c * s.taps();
  for (int64_t c = 0; c < s.c; ++c)
    for (int64_t z = 0; z < taps_z_; ++z)
      for (int64_t y = 0; y < filter_y; ++y)
        for (int64_t x = 0; x < filter_x; ++x, ++from) {
          const int64_t channel = (y % step_y_ * step_x_ + x % step_x_) * s.c + c;
          const int64_t tap = y / step_y_ * taps_x_ + x / step_x_;
          const int64_t row = transposed_ ? channel * sources_ + k : k * sources_ + channel;
          move(from, (row * taps_z_ + z) * slice + (transposed_ ? slice - 1 - tap : tap));
        }
}

void FoldedFilter::fold(const float* weight) {
  float* const to = memory_;
  parallel_ranges(outputs_, 8, [&](int64_t begin, int64_t end) {
    std::fill(to + begin * strides().out, to + end * strides().out, 0.0f);
  });
  parallel_for(shape_.k, [&](int64_t k) { each(k, [&](int64_t i, int64_t j) { to[j] = weight[i]; }); });
}

void FoldedFilter::unfold(float* weight_gradient) {
  const float* const from = memory_;
  parallel_for(shape_.k,
               [&](int64_t k) { each(k, [&](int64_t i, int64_t j) { weight_gradient[i] = from[j]; }); });
}

}  // namespace pyconv
