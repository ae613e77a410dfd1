// Arguments and table of the layout kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct LayoutKernels {};

}  // namespace pyconv
