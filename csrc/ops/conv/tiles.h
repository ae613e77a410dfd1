// The output of a dense stride-1 problem cut into Winograd tiles, numbered (n, z, y, x).
//
// Neighbouring taps may lie `tap_step` pixels apart (dilation). The outputs then fall into tap_step
// interleaved sub-images per axis that see disjoint pixels: each is tiled on its own.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/winograd.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// Tiles of one row of tiles: `count` from x_tile on.
struct TileRun {
  int64_t n, z;
  int64_t y_phase, y_tile, x_phase, x_tile, count;
};

class TileGrid {
 public:
  // Tiles of m outputs along x, and along y unless that axis has a single tap.
  TileGrid(const RowProblem& problem, int m);

  int64_t tiles() const { return problem_.n * problem_.axis[0].count * y_.count() * x_.count(); }
  int m() const { return static_cast<int>(x_.m); }
  bool both() const { return both_; }  // whether y is transformed, too
  int64_t planes() const { return both_ ? kWinogradPoints * kWinogradPoints : kWinogradPoints; }
  int64_t depth() const { return problem_.axis[0].taps * problem_.src_channels; }

  // Tiles [begin, end), as runs within a row.
  std::vector<TileRun> runs(int64_t begin, int64_t end) const;

  // The source pixels under a run for tap `tz` of the z axis; `planes` and its pitches are left open.
  TileRow source(const TileRun& run, int64_t tz, const float* src) const;
  // The output pixels of a run, as the gradient that is transformed for the weight gradient.
  TileRow output_gradient(const TileRun& run, const float* gy) const;
  // The output pixels of a run; `planes`, its pitches, channels and epilogue are left open.
  TileOutput output(const TileRun& run, float* out, const float* residual) const;

 private:
  struct Axis {
    int64_t phases = 1, tiles = 1, m = 1;  // sub-images, tiles of each, outputs per tile
    int64_t count() const { return phases * tiles; }
  };
  // Position of a tile's first output, and how many of `tiles` tiles' outputs exist.
  struct Span {
    int64_t first, size;
  };
  static Axis cut(const RowAxis& axis, int64_t m);
  static Span span(const RowAxis& axis, const Axis& cut, int64_t phase, int64_t tile, int64_t tiles);
  int64_t output_pixel(const TileRun& run) const;  // of the first tile's first output

  const RowProblem& problem_;
  bool both_;
  Axis y_, x_;
};

}  // namespace pyconv
