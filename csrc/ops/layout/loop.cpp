#include "ops/layout/loop.h"

#include <algorithm>
#include <utility>

namespace pyconv {
namespace {

struct Axis {
  int64_t n, d, s;
};

int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

// Insertion sort, stable: there are at most eight axes.
template <class T, class Before>
void sort_axes(T* axes, int count, Before before) {
  for (int i = 1; i < count; ++i)
    for (int j = i; j > 0 && before(axes[j], axes[j - 1]); --j) std::swap(axes[j], axes[j - 1]);
}

}  // namespace

CopyLoop copy_loop(const View& dst, const View& src) {
  Axis axes[kMaxRank];
  int count = 0;
  for (int i = 0; i < dst.rank(); ++i)
    if (dst.shape[i] != 1) axes[count++] = {dst.shape[i], dst.strides[i], src.strides[i]};
  sort_axes(axes, count, [](const Axis& a, const Axis& b) { return magnitude(a.d) > magnitude(b.d); });
  int merged = 0;
  for (int i = 0; i < count; ++i) {
    Axis& last = axes[merged > 0 ? merged - 1 : 0];
    if (merged > 0 && last.d == axes[i].d * axes[i].n && last.s == axes[i].s * axes[i].n)
      last = {last.n * axes[i].n, axes[i].d, axes[i].s};
    else axes[merged++] = axes[i];
  }
  if (merged >= 2 && axes[merged - 1].s != 1) {
    const auto contiguous = std::find_if(axes, axes + merged - 1, [](const Axis& a) { return a.s == 1; });
    if (contiguous != axes + merged - 1) std::rotate(contiguous, contiguous + 1, axes + merged - 1);
  }
  CopyLoop loop;
  if (merged >= 1) {
    const Axis& a = axes[merged - 1];
    loop.columns = a.n, loop.column_d = a.d, loop.column_s = a.s;
  }
  if (merged >= 2) {
    const Axis& a = axes[merged - 2];
    loop.rows = a.n, loop.row_d = a.d, loop.row_s = a.s;
  }
  loop.outer = std::max(0, merged - 2);
  for (int i = 0; i < loop.outer; ++i) {
    loop.n[i] = axes[i].n, loop.d[i] = axes[i].d, loop.s[i] = axes[i].s;
    loop.outer_count *= axes[i].n;
  }
  return loop;
}

CopyLoop::Offsets CopyLoop::offsets(int64_t index) const {
  Offsets at{0, 0};
  for (int i = outer - 1; i >= 0; --i) {
    at.d += index % n[i] * d[i];
    at.s += index % n[i] * s[i];
    index /= n[i];
  }
  return at;
}

}  // namespace pyconv
