// Arguments and table of the norm kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct NormKernels {};

}  // namespace pyconv
