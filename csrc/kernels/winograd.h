// Arguments and table of the Winograd kernels. Plain structs: every instruction set includes this file.
// What the transforms are, and why, stands in winograd.inl.h.
//
// A tile has kWinogradPoints points per axis that is transformed: 6 x 6 planes, or 6 where only x is.
// Whatever holds transformed tiles does so by planes: value (plane, tile, channel) at plane * plane_pitch +
// tile * tile_pitch + channel.
#pragma once

#include <stdint.h>

#include "kernels/gemm.h"

namespace pyconv {

constexpr int kWinogradPoints = 6;
// Outputs per axis of a tile: 2 (with 5 taps) to 5 (with 2 taps).
constexpr int kWinogradMaxTile = 5;
constexpr int kMaxFilterTaps = 64;

// A row of neighbouring tiles of an image, in units of the pixels that the tiles see: with dilation every
// d-th one, folded several as one. Tile t begins at column t * m. What lies outside is zero.
struct TileRow {
  const float* image;
  int64_t origin;                   // pixel (0, 0) of tile 0, in floats after `image`
  int64_t row_pitch, column_pitch;  // floats
  int64_t row_begin, row_end;       // of a tile's rows, those inside
  int64_t begin, end;               // of the floats of a row, counted from tile 0's first, those inside
  int64_t tiles, channels;
  float* planes;
  int64_t tile_pitch, plane_pitch;
};

// The way back: planes of output tiles, summed up to m x m pixels each; the epilogue finishes them. What lies
// outside is not written; statistics are for pixels that lie inside with all their channels or not at all.
struct TileOutput {
  const float* planes;
  int64_t tile_pitch, plane_pitch;
  float* image;
  const float *residual, *mask;     // laid out as the image, or null; those of `epilogue` are not looked at
  int64_t origin;                   // pixel (0, 0) of tile 0, in floats after `image`, `residual` and `mask`
  int64_t row_pitch, column_pitch;  // floats
  int64_t row_begin, row_end;
  int64_t begin, end;
  int64_t tiles;
  int channels;
  const Epilogue* epilogue;  // or null
  bool streaming;            // past the caches; vectors of channels are aligned
};

// U = G g G^T for each source channel and each column (output channel) of a panel.
struct FilterTransform {
  const float* w;
  int64_t column_stride, source_stride;  // floats
  int filter_taps;                       // of one filter, contiguous
  const int* taps;                       // where among them the taps stand that are transformed, row by row
  int64_t sources;
  int columns;
  float*
      u;  // (plane, source, column) at plane * plane_pitch + source * ld + column; zero from `columns` to ld
  int64_t ld, plane_pitch;
};

// gw = A^T m A for each source channel and column; m as u above.
struct FilterGradient {
  const float* m;
  int64_t ld, plane_pitch;
  int64_t sources;
  int columns;
  float* gw;
  int64_t column_stride, source_stride;
};

// m[tile][column] = (first ? 0 : itself) + sum over t < depth of v[tile][t] * u[t][column]. Meanwhile what
// the next product needs travels into the second-level cache: `next_lines` cache lines of filter from `next`
// on, and the same rows from v_next on.
struct PlaneProduct {
  const float *v, *v_next;  // of one allocation
  int64_t v_pitch;
  const float* u;  // readable up to the next multiple of the vector width
  int64_t ld;
  float* m;
  int64_t m_pitch;
  int64_t tiles, depth;
  int columns;  // 1 ... GemmKernels::panel
  bool first;
  const float* next;
  int64_t next_lines;
};

// c[i][j] = (first ? 0 : itself) + sum over t < tiles of a[t][i] * b[t][j]. The same places of a_next and
// b_next, and `next_lines` cache lines from c_next on, will be needed next.
struct PlaneSums {
  const float *a, *a_next, *b, *b_next;
  int64_t a_pitch, b_pitch, tiles;
  float* c;
  const float* c_next;
  int64_t ldc, next_lines;
  int64_t rows;
  int columns;
  bool first;
};

// Indexed by [transforms both axes?][m]; the filter has 7 - m taps per axis.
struct WinogradKernels {
  template <class Args>
  using Table = void (*[2][kWinogradMaxTile + 1])(const Args*);
  Table<TileRow> source;           // B^T d B, tiles overlap
  Table<TileRow> output_gradient;  // the m x m pixels of a tile, evaluated at the points
  Table<TileOutput> output;
  Table<FilterTransform> filter;
  Table<FilterGradient> filter_gradient;
  void (*product)(const PlaneProduct*);
  void (*sums)(const PlaneSums*);
};

}  // namespace pyconv
