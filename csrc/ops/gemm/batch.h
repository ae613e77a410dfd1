// Stacks of matrix products.
#pragma once

#include "core/view.h"

namespace pyconv {

// c[i] = a[i] b[i] for every index i of the leading axes, which a and b have in common (stride 0 repeats a
// matrix); c is dense. float32, or float64 by the loops of ref/.
void gemm_batch(const View& a, const View& b, void* c);

}  // namespace pyconv
