// Arguments and table of the pool kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct PoolKernels {};

}  // namespace pyconv
