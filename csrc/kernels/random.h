// Arguments and table of the random kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct RandomKernels {};

}  // namespace pyconv
