// Arguments and table of the layout kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Rows one behind the other: row r of the output is row r of each of the sources in turn.
struct JoinRows {
  const float* const* sources;
  const int64_t* lengths;  // of a row of each source
  int64_t count;           // sources
  float* out;
  int64_t rows;
  int streaming;  // past the caches: all lengths are whole cache lines, and `out` begins on one
};

struct LayoutKernels {
  // dst[j * dst_stride + i] = src[i * src_stride + j] for i < rows, j < columns, as 32-bit words.
  void (*transpose)(const float* src, int64_t src_stride, float* dst, int64_t dst_stride, int64_t rows,
                    int64_t columns);
  void (*join)(const JoinRows*);
};

}  // namespace pyconv
