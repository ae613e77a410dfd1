#include "core/iterator.h"

#include <cstdlib>
#include <utility>

namespace pyconv {
namespace {

struct Range {
  const char *begin, *end;
};

Range address_range(const View& view) {
  int64_t low = 0, high = 0;
  for (int i = 0; i < view.rank(); ++i) {
    const int64_t span = (view.shape[i] - 1) * view.strides[i];
    (span < 0 ? low : high) += span;
  }
  const int64_t item = item_size(view.dtype);
  const char* base = static_cast<const char*>(view.data);
  return {base + low * item, base + (high + 1) * item};
}

// Stable, and without the memory that std::stable_sort asks for.
template <class Before>
void insertion_sort(int* list, int count, Before before) {
  for (int i = 1; i < count; ++i)
    for (int j = i; j > 0 && before(list[j], list[j - 1]); --j) std::swap(list[j], list[j - 1]);
}

}  // namespace

Loop make_loop(std::initializer_list<View> operands) {
  Loop loop;
  const View* views = operands.begin();
  loop.operands = static_cast<int>(operands.size());
  loop.count = views[0].count();
  for (int k = 0; k < loop.operands; ++k) {
    loop.data[k] = static_cast<char*>(views[k].data);
    loop.item[k] = item_size(views[k].dtype);
  }
  loop.size[0] = 1;
  if (loop.count == 0) return loop;

  // Axes longer than 1, each turned so that the output runs upwards, sorted by the operands' strides: the
  // output's decide, the next operand's where the output's are equal.
  int order[kMaxRank], axes = 0;
  int64_t stride[kMaxRank][kMaxOperands];
  for (int i = views[0].rank() - 1; i >= 0; --i) {
    if (views[0].shape[i] == 1) continue;
    const bool turn = views[0].strides[i] < 0;
    for (int k = 0; k < loop.operands; ++k) {
      stride[i][k] = turn ? -views[k].strides[i] : views[k].strides[i];
      if (turn) loop.data[k] += (views[0].shape[i] - 1) * views[k].strides[i] * loop.item[k];
    }
    order[axes++] = i;
  }
  const auto before = [&](int a, int b) {
    for (int k = 0; k < loop.operands; ++k) {
      const int64_t sa = std::abs(stride[a][k]), sb = std::abs(stride[b][k]);
      if (sa != sb) return sa < sb;
    }
    return false;
  };
  insertion_sort(order, axes, before);

  int rank = 0;
  for (int j = 0; j < axes; ++j) {
    const int i = order[j];
    bool merge = rank > 0;
    for (int k = 0; merge && k < loop.operands; ++k)
      merge = stride[i][k] == loop.stride[rank - 1][k] * loop.size[rank - 1];
    if (merge) {
      loop.size[rank - 1] *= views[0].shape[i];
      continue;
    }
    loop.size[rank] = views[0].shape[i];
    for (int k = 0; k < loop.operands; ++k) loop.stride[rank][k] = stride[i][k];
    ++rank;
  }
  loop.rank = std::max(rank, 1);
  // A single element counts as a dense run: no kernel should take its slow path for it.
  if (rank == 0)
    for (int k = 0; k < loop.operands; ++k) loop.stride[0][k] = 1;
  return loop;
}

Overlap overlap(const View& a, const View& b) {
  if (a.count() == 0 || b.count() == 0) return Overlap::kNone;
  const Range ra = address_range(a), rb = address_range(b);
  if (ra.end <= rb.begin || rb.end <= ra.begin) return Overlap::kNone;
  if (a.data != b.data || a.shape != b.shape || item_size(a.dtype) != item_size(b.dtype))
    return Overlap::kPartial;
  for (int i = 0; i < a.rank(); ++i)
    if (a.shape[i] != 1 && a.strides[i] != b.strides[i]) return Overlap::kPartial;
  return Overlap::kSame;
}

bool overlaps_itself(const View& view) {
  if (view.count() <= 1) return false;
  int order[kMaxRank], axes = 0;
  for (int i = 0; i < view.rank(); ++i)
    if (view.shape[i] > 1) order[axes++] = i;
  insertion_sort(order, axes,
                 [&](int a, int b) { return std::abs(view.strides[a]) < std::abs(view.strides[b]); });
  int64_t reach = 0;  // the furthest offset that the axes so far can make
  for (int j = 0; j < axes; ++j) {
    const int64_t stride = std::abs(view.strides[order[j]]);
    if (stride <= reach) return true;
    reach += stride * (view.shape[order[j]] - 1);
  }
  return false;
}

}  // namespace pyconv
