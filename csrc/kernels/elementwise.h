// Arguments and table of the elementwise kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct ElementwiseKernels {};

}  // namespace pyconv
