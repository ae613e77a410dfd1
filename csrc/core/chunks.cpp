#include "core/chunks.h"

#include <algorithm>

namespace pyconv {

Dims memory_order(const View& first) {
  Dims order;
  for (int i = 0; i < first.rank(); ++i) order.push(i);
  std::stable_sort(order.d, order.d + order.rank, [&](int64_t a, int64_t b) {
    const int i = static_cast<int>(a), j = static_cast<int>(b);
    return std::abs(first.strides[i]) > std::abs(first.strides[j]);
  });
  return order;
}

ChunkOperand make_operand(const View& view, const Dims& order) {
  const View ordered = permute(view, order);
  return {ordered, is_dense(ordered, false)};
}

}  // namespace pyconv
