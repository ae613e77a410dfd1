// Arguments and table of the norm kernels. Plain structs: every instruction set includes this file.
//
// A row holds one value per channel; rows follow each other every `pitch` floats.
#pragma once

#include <stdint.h>

namespace pyconv {

// What ReLU keeps of a gradient: the channels where (x - center) * scale + offset, its input, is not <= 0.
struct ChannelMask {
  const float* center;
  const float* scale;
  const float* offset;
};

// first[c] += sum over the rows of x[c] - shift[c], second[c] += sum of its square. With gy:
// first[c] += sum of gy[c], second[c] += sum of gy[c] * (x[c] - shift[c]).
struct ChannelSums {
  const float* x;
  const float* gy;
  int64_t rows, channels, pitch;
  const float* shift;
  float* partial;  // scratch: 2 * channels
  double* first;
  double* second;
  const ChannelMask* mask = nullptr;  // null: all of gy
};

// y = (x - center) * scale + offset, plus residual, and max(0, y) with relu. With gy, and without relu:
// y = gy * gain + ((x - center) * scale + offset), plus residual.
struct ChannelMap {
  const float* x;
  const float* gy;
  const float* gain;
  const float* center;
  const float* scale;
  const float* offset;
  float* y;
  int64_t rows, channels, pitch;
  int streaming;  // y past the caches: every row of it is a whole number of aligned cache lines
  const ChannelMask* mask = nullptr;  // null: all of gy
  const float* residual = nullptr;
  int64_t residual_pitch = 0;
  int relu = 0;
};

struct NormKernels {
  void (*sums)(const ChannelSums*);
  void (*map)(const ChannelMap*);
};

}  // namespace pyconv
