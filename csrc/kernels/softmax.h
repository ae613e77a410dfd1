// Arguments and table of the softmax kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct SoftmaxKernels {};

}  // namespace pyconv
