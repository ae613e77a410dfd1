#include "ops/conv/row_problem.h"

#include <algorithm>
#include <numeric>

namespace pyconv {
namespace {

// The phase of inputs p, p + stride, p + 2 stride, ... of one axis; taps = 0 when none reaches it.
//
// Input i meets output o through tap r when o * stride = i + pad - r * dilation. With g = gcd(dilation,
// stride) the taps are r0, r0 + u, r0 + 2u, ... where u = stride / g, and from one to the next o falls by
// dilation / g. Numbering them backwards makes o rise with the tap.
RowAxis phase(const ConvShape& s, int i, int64_t p) {
  RowAxis a;
  a.src_size = s.out[i];
  a.out_size = s.in[i];
  a.out_first = p;
  a.out_step = s.stride[i];
  a.count = ceil_div(s.in[i] - p, s.stride[i]);
  const int64_t g = std::gcd(s.dilation[i], s.stride[i]), u = s.stride[i] / g;
  const int64_t candidates = std::min(s.filter[i], u);
  int64_t r0 = 0;
  while (r0 < candidates && (p + s.pad_lo[i] - r0 * s.dilation[i]) % s.stride[i] != 0) ++r0;
  if (r0 == candidates) {
    a.taps = 0;
    return a;
  }
  a.taps = (s.filter[i] - 1 - r0) / u + 1;
  a.tap_step = s.dilation[i] / g;
  a.filter_first = r0 + (a.taps - 1) * u;
  a.filter_step = -u;
  a.origin = (p + s.pad_lo[i] - a.filter_first * s.dilation[i]) / s.stride[i];  // divides exactly
  return a;
}

}  // namespace

RowProblem forward_problem(const ConvShape& s) {
  RowProblem p;
  p.n = s.n;
  p.groups = s.groups;
  p.src_channels = s.group_c();
  p.out_channels = s.group_k();
  for (int i = 0; i < s.spatial; ++i) {
    RowAxis& a = p.axis[frame_axis(s.spatial, i)];
    a.src_size = s.in[i];
    a.out_size = a.count = s.out[i];
    a.origin = -s.pad_lo[i];
    a.src_step = s.stride[i];
    a.taps = s.filter[i];
    a.tap_step = s.dilation[i];
  }
  return p;
}

std::vector<RowProblem> grad_input_problems(const ConvShape& s, bool* complete) {
  std::vector<RowAxis> phases[3] = {{RowAxis()}, {RowAxis()}, {RowAxis()}};
  *complete = true;
  for (int i = 0; i < s.spatial; ++i) {
    std::vector<RowAxis>& list = phases[frame_axis(s.spatial, i)];
    list.clear();
    for (int64_t p = 0; p < std::min(s.stride[i], s.in[i]); ++p) {
      const RowAxis a = phase(s, i, p);
      if (a.taps > 0) list.push_back(a);
      else *complete = false;
    }
  }
  std::vector<RowProblem> problems;
  for (const RowAxis& z : phases[0])
    for (const RowAxis& y : phases[1])
      for (const RowAxis& x : phases[2]) {
        RowProblem p;
        p.n = s.n;
        p.groups = s.groups;
        p.src_channels = s.group_k();
        p.out_channels = s.group_c();
        p.axis[0] = z;
        p.axis[1] = y;
        p.axis[2] = x;
        problems.push_back(p);
      }
  return problems;
}

RowProblem folded(const RowProblem& problem, int64_t fold) {
  RowProblem p = problem;
  if (fold == 1) return p;
  RowAxis& x = p.axis[2];
  p.fold = fold;
  p.out_channels *= fold;
  x.count = ceil_div(x.count, fold);
  x.out_step = fold;
  x.taps = x.extent(fold);
  x.tap_step = 1;
  x.src_step *= fold;
  return p;
}

}  // namespace pyconv
