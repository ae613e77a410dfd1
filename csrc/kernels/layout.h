// Arguments and table of the layout kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

struct LayoutKernels {
  // dst[j * dst_stride + i] = src[i * src_stride + j] for i < rows, j < columns, as 32-bit words.
  void (*transpose)(const float* src, int64_t src_stride, float* dst, int64_t dst_stride, int64_t rows,
                    int64_t columns);
};

}  // namespace pyconv
