// Arguments and table of the products of Winograd tiles of few channels: all planes in one call, on memory
// that stays in the first-level cache. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Source and output channels of a group, at most. Milliseconds on two threads of a Xeon in blocks for the
// second-level cache and in this way, forward pass and weight gradient: 16 channels (128 images of
// 32x32) 1.73 and 1.28, 1.62 and 1.53; 24 channels 3.5 and 3.0, 4.6 and 3.4; 32 channels (16x16) 1.06 and
// 0.90, 1.29 and 1.08; 32 groups of 16 (8 images of 14x14) 1.13 and 0.84, 1.07 and 0.94.
constexpr int kFewChannels = 32;

// Memory that will be needed soon: `count` stretches of `lines` cache lines, `pitch` floats apart.
struct FewStretches {
  const float* from;
  int64_t lines, count, pitch;
};

// In each plane, for each tile, in place: column k = sum over c < depth of channel c * u[plane][c][k].
struct FewProduct {
  float* tiles;        // (plane, tile, channel)
  int64_t tile_pitch;  // 16 or kFewChannels
  int64_t plane_pitch;
  const float* u;   // (plane, channel, column): rows of whole vectors
  int64_t u_pitch;  // from plane to plane
  int64_t planes;
  int64_t count, depth;
  int vectors;  // of columns; no more than a tile's pitch holds
  const FewStretches* ahead;
  int ahead_count;
};

// sums[plane][c][k] += sum over tiles of a[plane][tile][c] * b[plane][tile][k]
struct FewOuter {
  const float* a;
  const float* b;
  int64_t tile_pitch, plane_pitch;
  float* sums;  // rows of whole vectors
  int64_t sums_pitch;
  int64_t planes, count, rows;
  int columns;  // up to kFewChannels
};

struct WinogradFewKernels {
  void (*product)(const FewProduct*);
  void (*outer)(const FewOuter*);
};

}  // namespace pyconv
