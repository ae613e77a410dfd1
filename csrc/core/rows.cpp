#include "core/rows.h"

namespace pyconv {

Rows rows_of(const View& view, int axis, const Dims& order) {
  Rows r;
  r.rest.data = view.data;
  r.rest.dtype = view.dtype;
  if (view.rank() == 0) return r;
  for (int64_t a : order) {
    if (a == axis) continue;
    r.rest.shape.push(view.shape[static_cast<int>(a)]);
    r.rest.strides.push(view.strides[static_cast<int>(a)]);
  }
  r.length = view.shape[axis];
  r.step = view.strides[axis];
  r.count = r.rest.count();
  // Even: the strides are those of a dense array times the innermost one (axes of size 1 have no say).
  int64_t expected = 0;
  bool found = false;
  for (int a = r.rest.rank() - 1; a >= 0; --a) {
    if (r.rest.shape[a] == 1) continue;
    if (!found) r.pitch = expected = r.rest.strides[a];
    found = true;
    if (r.rest.strides[a] != expected) r.even = false;
    expected *= r.rest.shape[a];
  }
  return r;
}

Dims logical_order(int rank) {
  Dims order;
  for (int i = 0; i < rank; ++i) order.push(i);
  return order;
}

}  // namespace pyconv
