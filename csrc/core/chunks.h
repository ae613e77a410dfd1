// Elementwise work on several views of one shape, in contiguous pieces: whatever the strides, a kernel sees
// plain arrays. The elements are numbered in the memory order of the first view; a view that lies in that
// order is used where it is, another one is gathered into a buffer (and scattered back if it was written).
#pragma once

#include <cstdint>

#include "core/view.h"

namespace pyconv {

struct ChunkOperand {
  View view;          // axes in the common order
  bool flat = false;  // dense in that order: element i at data + i
};

// The order of the axes by falling stride of `first`: the memory order of a dense view.
Dims memory_order(const View& first);

// `view` seen in that order of the axes.
ChunkOperand make_operand(const View& view, const Dims& order);

// Calls f(number, offset of the element in the view) for the elements [begin, begin + count).
template <class F>
void for_offsets(const View& view, int64_t begin, int64_t count, F&& f) {
  if (count <= 0) return;  // some axis may have size 0: nothing to divide by
  const int last = view.rank() - 1;
  if (last < 0) {
    for (int64_t i = 0; i < count; ++i) f(i, int64_t{0});
    return;
  }
  int64_t index[kMaxRank], offset = 0, rest = begin;
  for (int a = last; a >= 0; --a) {
    index[a] = rest % view.shape[a];
    rest /= view.shape[a];
    offset += index[a] * view.strides[a];
  }
  for (int64_t done = 0; done < count;) {
    const int64_t left = view.shape[last] - index[last], run = left < count - done ? left : count - done;
    for (int64_t i = 0; i < run; ++i) f(done + i, offset + i * view.strides[last]);
    done += run;
    offset += run * view.strides[last];
    index[last] += run;
    for (int a = last; a > 0 && index[a] == view.shape[a]; --a) {
      offset += view.strides[a - 1] - view.shape[a] * view.strides[a];
      index[a] = 0;
      ++index[a - 1];
    }
  }
}

// Elements [begin, begin + count) as a plain array: in place, or copied into `buffer`.
template <class T>
T* read_chunk(const ChunkOperand& operand, int64_t begin, int64_t count, T* buffer) {
  T* const data = operand.view.as<T>();
  if (operand.flat) return data + begin;
  for_offsets(operand.view, begin, count, [&](int64_t i, int64_t offset) { buffer[i] = data[offset]; });
  return buffer;
}

// Where a kernel may write elements [begin, begin + count); finish with write_chunk.
template <class T>
T* target_chunk(const ChunkOperand& operand, int64_t begin, T* buffer) {
  return operand.flat ? operand.view.as<T>() + begin : buffer;
}

// Brings back what was written at the pointer that read_chunk or target_chunk gave.
template <class T>
void write_chunk(const ChunkOperand& operand, int64_t begin, int64_t count, const T* buffer) {
  if (operand.flat) return;
  T* const data = operand.view.as<T>();
  for_offsets(operand.view, begin, count, [&](int64_t i, int64_t offset) { data[offset] = buffer[i]; });
}

}  // namespace pyconv
