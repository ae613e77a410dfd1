// Copies, conversions of memory order and type, fills, padding, indexing.
#pragma once

#include <vector>

#include "core/view.h"

namespace pyconv {

// dst[i] = src[i] for views of one shape, any strides, any types. Floats become whole numbers by truncation
// (saturating at 64 bits, NaN becomes 0, then wrapping into narrower types); anything nonzero becomes true.
void copy(const View& dst, const View& src);

// dst[i] = *value, which has dst's type.
void fill(const View& dst, const void* value);

// dst[i] = start + i * step, computed as such: no error accumulates.
void arange(const View& dst, double start, double step);
void arange(const View& dst, int64_t start, int64_t step);

}  // namespace pyconv
