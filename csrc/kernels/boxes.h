// Arguments and table of the kernels on boxes. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// One array per coordinate, and the areas.
struct BoxColumns {
  const float* x1;
  const float* y1;
  const float* x2;
  const float* y2;
  const float* area;
};

struct BoxSuppress {
  BoxColumns boxes;
  int64_t first, end;            // boxes in question
  int64_t kept_first, kept_end;  // boxes that suppress them, as far as `alive` says so
  float threshold;
  uint8_t* alive;
};

struct BoxKernels {
  // alive[j] = 0 where area(i and j) / (area[i] + area[j] - area(i and j)) > threshold for an alive i
  void (*suppress)(const BoxSuppress*);
};

}  // namespace pyconv
