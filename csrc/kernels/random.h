// Arguments and table of the random kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Draws are made in groups of kRandomGroup words: 16 counters of Philox give 4 words each, and word w of
// counter c is number w * 16 + c of the group. The order is the same for every vector width.
constexpr int kRandomGroup = 64;

// Where in the sequence of a generator: group g of stream s under a seed has the counters
// (16 g ... 16 g + 15, s), 64 bits each, and the seed as key.
struct RandomPosition {
  uint64_t seed, stream, group;
};

struct RandomKernels {
  // out[0 ... n): the raw words.
  void (*words)(RandomPosition at, uint32_t* out, int64_t n);
  // out[i] = low + u * width with u = (word >> 8) / 2^24, in [0, 1).
  void (*uniform)(RandomPosition at, float* out, int64_t n, float low, float width);
  // out[i] = mean + z * deviation, z standard normal by Box and Muller's transform of words i and i + 16
  // (within each half group).
  void (*normal)(RandomPosition at, float* out, int64_t n, float mean, float deviation);
  // y[i] = u < keep ? x[i] * scale : 0, with u as in `uniform`.
  void (*dropout)(RandomPosition at, const float* x, float* y, int64_t n, float keep, float scale);
};

}  // namespace pyconv
