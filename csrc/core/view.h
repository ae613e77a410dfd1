// View: a typed, strided window on memory that somebody else owns.
#pragma once

#include <cstdint>

#include "core/dims.h"

namespace pyconv {

enum class DType : int { kFloat32, kFloat64, kInt64, kInt32, kUInt8, kBool };

const char* name(DType dtype);
int64_t item_size(DType dtype);

struct View {
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  Dims shape;
  Dims strides;  // in elements, may be 0 (broadcast) or negative

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int rank() const { return shape.rank; }
  int64_t count() const {
    int64_t n = 1;
    for (int64_t v : shape) n *= v;
    return n;
  }
};

// A view of dense memory.
View dense_view(void* data, DType dtype, const Dims& shape, bool channels_last);

// Whether the memory is dense in the given order; axes of size 1 have no say, an empty view is dense.
bool is_dense(const View& view, bool channels_last);

// The same elements with axes in another order.
View permute(const View& view, const Dims& order);

// The view as seen under a broadcast shape (stride 0 on the repeated axes).
View broadcast_to(const View& view, const Dims& shape);

}  // namespace pyconv
