// Arguments and table of the optim kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct OptimKernels {};

}  // namespace pyconv
