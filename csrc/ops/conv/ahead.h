// The lines of a tensor that a block of pixels will touch, for the product of the block before to ask for.
#pragma once

#include <algorithm>

#include "kernels/gemm.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"

namespace pyconv {

inline void ask(Ahead& ahead, int stretch, const float* begin, int64_t floats) {
  constexpr int64_t kLineFloats = 16;
  ahead.at[stretch] = reinterpret_cast<uintptr_t>(begin);
  ahead.lines[stretch] = floats / kLineFloats;
}

// The source rows under the first slice of a segment.
inline void ask_source(Ahead& ahead, int stretch, const RowProblem& p, const float* src, const Segment& s) {
  const RowAxis &z = p.axis[0], &y = p.axis[1];
  const int64_t first = std::clamp<int64_t>(y.low(s.y0), 0, y.src_size);
  const int64_t last =
      std::clamp<int64_t>(y.low(s.y1 - 1) + (y.taps - 1) * y.tap_step + 1, first, y.src_size);
  const int64_t slice = s.n * z.src_size + std::clamp<int64_t>(z.low(s.z), 0, z.src_size - 1);
  const int64_t row = p.axis[2].src_size * p.groups * p.src_channels;
  ask(ahead, stretch, src + (slice * y.src_size + first) * row, (last - first) * row);
}

// Rows [row0, row1) of an output whose rows follow each other.
inline void ask_output(Ahead& ahead, int stretch, const RowProblem& p, const float* out, int64_t row0,
                       int64_t row1) {
  const int64_t row = p.axis[2].out_size * p.groups * p.out_channels / p.fold;
  ask(ahead, stretch, out + row0 * row, (row1 - row0) * row);
}

}  // namespace pyconv
