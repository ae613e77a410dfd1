// The strided iterator: elementwise operations, copies and conversions walk up to four arrays of one
// shape through it. Axes are ordered by the output's strides and merged where all operands allow it, so
// that dense arrays of any memory order become one long run.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "core/parallel.h"
#include "core/view.h"

namespace pyconv {

constexpr int kMaxOperands = 4;
constexpr int64_t kLoopGrain = 32768;  // elements per block: some 10 us of arithmetic, a few of hand-over

struct Loop {
  int operands = 0;
  int rank = 1;       // at least 1; axis 0 is the innermost
  int64_t count = 0;  // elements
  int64_t size[kMaxRank] = {};
  int64_t stride[kMaxRank][kMaxOperands] = {};  // in elements
  char* data[kMaxOperands] = {};
  int64_t item[kMaxOperands] = {};  // bytes per element
};

// Operand 0 is the output. All views must have the same shape (see broadcast_to).
Loop make_loop(std::initializer_list<View> operands);

// Calls f(n, data, strides) for the runs along the innermost axis that make up elements [begin, end).
template <class F>
void walk(const Loop& loop, int64_t begin, int64_t end, F&& f) {
  int64_t at[kMaxRank];
  char* data[kMaxOperands];
  int64_t rest = begin;
  for (int k = 0; k < loop.operands; ++k) data[k] = loop.data[k];
  for (int i = 0; i < loop.rank; ++i) {
    at[i] = rest % loop.size[i];
    rest /= loop.size[i];
    for (int k = 0; k < loop.operands; ++k) data[k] += at[i] * loop.stride[i][k] * loop.item[k];
  }
  while (begin < end) {
    const int64_t n = std::min(loop.size[0] - at[0], end - begin);
    f(n, static_cast<char* const*>(data), static_cast<const int64_t*>(loop.stride[0]));
    begin += n;
    if (begin == end) return;
    // To the start of the next run: back to 0 on axis 0, one step further on the next axis, with carry.
    for (int k = 0; k < loop.operands; ++k) data[k] -= at[0] * loop.stride[0][k] * loop.item[k];
    at[0] = 0;
    for (int i = 1; i < loop.rank; ++i) {
      for (int k = 0; k < loop.operands; ++k) data[k] += loop.stride[i][k] * loop.item[k];
      if (++at[i] < loop.size[i]) break;
      at[i] = 0;
      for (int k = 0; k < loop.operands; ++k) data[k] -= loop.size[i] * loop.stride[i][k] * loop.item[k];
    }
  }
}

// The whole loop, in blocks of kLoopGrain elements.
template <class F>
void parallel_walk(const Loop& loop, F&& f) {
  parallel_ranges(loop.count, kLoopGrain, [&](int64_t begin, int64_t end) { walk(loop, begin, end, f); });
}

// How the memory of two views lies to each other.
enum class Overlap { kNone, kSame, kPartial };
// kSame: element by element the same memory. kPartial: their address ranges meet in any other way.
Overlap overlap(const View& a, const View& b);

// Whether two elements of the view may share memory (a stride of 0, or axes that run into each other).
bool overlaps_itself(const View& view);

}  // namespace pyconv
