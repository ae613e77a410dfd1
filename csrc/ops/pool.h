// Pooling and its gradients. Views are (n, c, spatial...) in float32 (any strides) or float64, which runs
// through ref/. Taps are dense (n, spatial..., c) of tap_bytes(shape) bytes.
#pragma once

#include "core/view.h"
#include "core/windows.h"

namespace pyconv {

// y = max over the window, NaN if it holds one; taps (null: not kept) = number of the winning tap.
void max_pool_forward(const PoolShape& shape, const View& x, const View& y, void* taps);
void max_pool_grad_input(const PoolShape& shape, const View& gy, const void* taps, const View& gx);

// The winners' positions in the input plane, row-major over its axes; -1 for a window without any input.
void max_pool_indices(const PoolShape& shape, const void* taps, const View& indices);

// What an average is divided by: `divisor` if it is not 0, else the number of taps that lie in the input,
// with count_padding also those in its padding.
struct Divisor {
  bool count_padding;
  int64_t divisor;
};
void average_pool_forward(const PoolShape& shape, Divisor divisor, const View& x, const View& y);
void average_pool_grad_input(const PoolShape& shape, Divisor divisor, const View& gy, const View& gx);

// y = 0; y[n, c, indices[n, c, i]] = x[n, c, i], the last of equal indices winning; and gx = gy at the
// indices. Throws IndexError for an index outside the plane of y.
void max_unpool_forward(const char* op, const View& x, const View& indices, const View& y);
void max_unpool_grad_input(const char* op, const View& gy, const View& indices, const View& gx);

}  // namespace pyconv
