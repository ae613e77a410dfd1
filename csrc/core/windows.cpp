#include "core/windows.h"

#include <algorithm>

namespace pyconv {
namespace {

// ceil(a / b) for b > 0 and any a.
int64_t ceil_ratio(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

void place_adaptive(AxisWindows& w) {
  for (int64_t o = 0; o < w.out; ++o) {
    const int64_t start = o * w.in / w.out, stop = ceil_div((o + 1) * w.in, w.out);
    w.origin[o] = start;
    w.begin[o] = 0;
    w.end[o] = w.covered[o] = stop - start;
  }
}

void place_strided(AxisWindows& w, int64_t stride, int64_t padding) {
  for (int64_t o = 0; o < w.out; ++o) {
    const int64_t origin = o * stride - padding;
    w.origin[o] = origin;
    w.begin[o] = std::min(w.taps, std::max<int64_t>(0, ceil_ratio(-origin, w.step)));
    w.end[o] = std::max(w.begin[o], std::min(w.taps, ceil_ratio(w.in - origin, w.step)));
    // With the output size rounded up a window may pass the high padding too: those taps never count.
    w.covered[o] = std::min(w.taps, ceil_ratio(w.in + padding - origin, w.step));
  }
}

// Origins and ends both ascend with the output, so the outputs that span an input are a range.
void find_readers(AxisWindows& w, bool adaptive) {
  const auto last_position = [&](int64_t o) { return w.position(o, (adaptive ? w.end[o] : w.taps) - 1); };
  int64_t first = 0, last = 0;
  for (int64_t i = 0; i < w.in; ++i) {
    while (first < w.out && last_position(first) < i) ++first;
    while (last < w.out && w.origin[last] <= i) ++last;
    w.first[i] = first;
    w.last[i] = std::max(first, last);
  }
}

}  // namespace

Windows make_windows(const PoolShape& shape) {
  Windows all;
  all.n = shape.n;
  all.c = shape.c;
  for (int a = 0; a < kMaxSpatial; ++a) {
    AxisWindows& w = all.axis[a];
    const int i = a - (kMaxSpatial - shape.spatial);
    if (i >= 0) {
      w.in = shape.in[i];
      w.out = shape.out[i];
      w.taps = shape.window[i];
      w.step = shape.dilation[i];
    }
    for (auto* table : {&w.origin, &w.begin, &w.end, &w.covered}) table->resize(static_cast<size_t>(w.out));
    for (auto* table : {&w.first, &w.last}) table->resize(static_cast<size_t>(w.in));
    if (i < 0 || shape.adaptive) place_adaptive(w);
    else place_strided(w, shape.stride[i], shape.pad_lo[i]);
    find_readers(w, i < 0 || shape.adaptive);
  }
  return all;
}

int tap_bytes(const PoolShape& shape) { return shape.taps() <= 256 ? 1 : 4; }

}  // namespace pyconv
