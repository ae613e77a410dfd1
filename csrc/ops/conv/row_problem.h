// The one dense problem behind the forward pass and behind every phase of an input gradient:
//
//   out[n, out_first + j * out_step, m] = sum over taps t, channels c of
//       src[n, origin + j * src_step + t * tap_step, c] * b[t, c, m]          (zero outside src)
//
// per axis (z, y, x). Forward: src = x, origin = -pad, src_step = stride, tap_step = dilation. Input
// gradient with stride s: the inputs fall into s phases per axis, and those of one phase see the same
// subset of the filter's taps at consecutive positions of gy, so that no tap is wasted.
#pragma once

#include <vector>

#include "core/shape.h"

namespace pyconv {

struct RowAxis {
  int64_t src_size = 1, out_size = 1;              // of the whole tensors
  int64_t out_first = 0, out_step = 1, count = 1;  // positions that this problem writes
  int64_t origin = 0, src_step = 1;                // source position of output 0, tap 0
  int64_t taps = 1, tap_step = 1;
  int64_t filter_first = 0, filter_step = 1;  // filter index of tap t
  // How many neighbouring pixels one position stands for (see fold.h), and the taps there were before.
  int64_t src_fold = 1, out_fold = 1, plain_taps = 0;

  int64_t low(int64_t j) const { return origin + j * src_step; }
  // Source positions between the first and the last that this many neighbouring outputs touch.
  int64_t extent(int64_t outputs) const { return (outputs - 1) * src_step + (taps - 1) * tap_step + 1; }
  bool inside() const { return origin >= 0 && low(count - 1) + (taps - 1) * tap_step < src_size; }
};

struct RowProblem {
  int64_t n = 0, groups = 1;
  int64_t src_channels = 0, out_channels = 0;  // per group
  RowAxis axis[3];                             // z, y, x
  int64_t fold = 1;  // neighbouring outputs of a row that are one here: see folded()

  int64_t rows() const { return n * axis[0].count * axis[1].count; }
  int64_t out_pixels() const { return n * axis[0].out_size * axis[1].out_size * axis[2].out_size; }
  int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
  int64_t depth() const { return taps() * src_channels; }  // length of the reduction
  bool inside() const { return axis[0].inside() && axis[1].inside() && axis[2].inside(); }
  bool strides_folded() const { return plain_taps() != axis[1].taps * axis[2].taps; }
  // Taps of one slice (y, x) before folding.
  int64_t plain_taps() const {
    const auto plain = [](const RowAxis& a) { return a.plain_taps ? a.plain_taps : a.taps; };
    return plain(axis[1]) * plain(axis[2]);
  }
  // Whether the taps of a filter row lie next to each other in memory: then they are one run.
  bool merged() const { return groups == 1 && axis[2].tap_step == 1; }
};

RowProblem forward_problem(const ConvShape& shape);

// One problem per phase that has taps; `complete` is false when other phases (all zero) remain.
std::vector<RowProblem> grad_input_problems(const ConvShape& shape, bool* complete);

// The same with `fold` neighbouring outputs of a row as one of fold * out_channels channels: they are
// contiguous in memory, and their taps together are a longer row of taps. The last output of a row may have
// fewer, and columns of b are zero where an output does not reach. For one group and consecutive outputs
// (out_step 1).
RowProblem folded(const RowProblem& problem, int64_t fold);

// Spatial axis `i` of a record with `spatial` axes, in the frame z, y, x.
inline int frame_axis(int spatial, int i) { return 3 - spatial + i; }

}  // namespace pyconv
