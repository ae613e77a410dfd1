// Which inputs each output of a pooling reads, axis by axis: strided, dilated, padded and adaptive windows
// become the same tables, so that every kernel and every reference loop knows one form only.
#pragma once

#include <vector>

#include "core/shape.h"

namespace pyconv {

struct AxisWindows {
  int64_t in = 1, out = 1;
  int64_t taps = 1;  // of the largest window
  int64_t step = 1;  // from tap to tap
  // Per output: position of tap 0 (may lie in the padding), and the taps [begin, end) that lie inside the
  // input.
  std::vector<int64_t> origin, begin, end;
  std::vector<int64_t> covered;  // per output: taps inside the input or its given padding
  // Per input: the outputs [first, last) that may read it; with step > 1 some of them step over it.
  std::vector<int64_t> first, last;

  int64_t position(int64_t output, int64_t tap) const { return origin[output] + tap * step; }
  // The tap with which `output` reads `input`, -1 if it steps over it. For outputs in [first, last) of the
  // input.
  int64_t tap_at(int64_t output, int64_t input) const {
    const int64_t distance = input - origin[output];
    return distance % step == 0 ? distance / step : -1;
  }
};

// Three axes: those that the shape lacks have size 1.
struct Windows {
  int64_t n = 0, c = 0;
  AxisWindows axis[kMaxSpatial];

  int64_t in_pixels() const { return axis[0].in * axis[1].in * axis[2].in; }
  int64_t out_pixels() const { return axis[0].out * axis[1].out * axis[2].out; }
};

Windows make_windows(const PoolShape& shape);

// Bytes in which max pooling keeps a tap's number: 1 when the window has at most 256 taps, else 4.
int tap_bytes(const PoolShape& shape);

}  // namespace pyconv
