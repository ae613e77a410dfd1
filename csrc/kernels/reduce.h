// Arguments and table of the reduce kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct ReduceKernels {};

}  // namespace pyconv
