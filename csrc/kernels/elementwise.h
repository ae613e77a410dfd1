// Table of the elementwise kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

#include "core/op_codes.h"

namespace pyconv {

// One float32 loop per operation; null where the reference loop serves (logical ones). Operands are float32
// but for results of comparisons and the condition of where, which are bytes of 0 or 1.
struct ElementwiseKernels {
  MapLoop unary[static_cast<int>(Unary::kCount)];
  MapLoop binary[static_cast<int>(Binary::kCount)];
  MapLoop ternary[static_cast<int>(Ternary::kCount)];
  // Past the caches: all operands consecutive, y on a cache line. Null but for what large activations go
  // through.
  MapLoop unary_stream[static_cast<int>(Unary::kCount)];
  MapLoop binary_stream[static_cast<int>(Binary::kCount)];
};

}  // namespace pyconv
