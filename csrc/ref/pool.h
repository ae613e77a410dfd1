// Pooling as written in its definition: float64 in and out, any strides.
#pragma once

#include "core/view.h"
#include "core/windows.h"

namespace pyconv::ref {

void max_pool_forward(const PoolShape& shape, const View& x, const View& y, void* taps);
void max_pool_grad_input(const PoolShape& shape, const View& gy, const void* taps, const View& gx);
void average_pool_forward(const PoolShape& shape, bool count_padding, int64_t divisor, const View& x,
                          const View& y);
void average_pool_grad_input(const PoolShape& shape, bool count_padding, int64_t divisor, const View& gy,
                             const View& gx);

}  // namespace pyconv::ref
