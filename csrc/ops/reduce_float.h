// The float32 path of the reductions.
#pragma once

#include "ops/reduce.h"

namespace pyconv {

// y = op of x; x has at least one element, op is none of any and all.
void reduce_float(const ReduceShape& shape, const View& x, const View& y);

}  // namespace pyconv
