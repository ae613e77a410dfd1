// A view as a list of rows along one axis.
#pragma once

#include "core/view.h"

namespace pyconv {

// Row r runs along `axis` with `step` elements between neighbours; the rows are numbered through the other
// axes in the order given to rows_of.
struct Rows {
  View rest;          // the other axes
  int64_t count = 1;  // rows
  int64_t length = 1;
  int64_t step = 1;
  bool even = true;  // row r starts at r * pitch
  int64_t pitch = 0;

  int64_t offset(int64_t row) const {
    if (even) return row * pitch;
    int64_t sum = 0;
    for (int a = rest.rank() - 1; a >= 0; --a) {
      sum += row % rest.shape[a] * rest.strides[a];
      row /= rest.shape[a];
    }
    return sum;
  }
  template <class T>
  T* row(int64_t r) const {
    return rest.as<T>() + offset(r);
  }
};

// `order`: all axes of the view, in which the rows are numbered; the entry `axis` is left out. A scalar has
// one row of length 1.
Rows rows_of(const View& view, int axis, const Dims& order);

// 0, 1, ... rank - 1.
Dims logical_order(int rank);

}  // namespace pyconv
