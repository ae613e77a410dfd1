// The record of local response normalisation across channels.
#pragma once

#include "core/dims.h"

namespace pyconv {

struct LrnShape {
  Dims x;  // (n, c, spatial...)
  int64_t rows = 0, c = 0;
  int64_t before = 0, after = 0;  // channels of the window before and after its own
};

// `size` channels: size / 2 before (rounded down), the others after.
LrnShape make_lrn_shape(const char* op, const Dims& x, int64_t size);

}  // namespace pyconv
