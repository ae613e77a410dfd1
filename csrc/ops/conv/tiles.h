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
  // Source channels of a position in one group, those of its folded pixels one after the other; with all z
  // taps; and the same of an output position.
  int64_t channels() const { return problem_.axis[1].src_fold * src_floats(); }
  int64_t depth() const { return problem_.axis[0].taps * channels(); }
  int64_t columns() const { return problem_.axis[1].out_fold * out_floats(); }
  // Pixels folded along x lie next to each other: so many floats, and for the source in all groups. (Only a
  // problem of one group is folded.)
  int64_t src_floats() const { return problem_.axis[2].src_fold * problem_.src_channels; }
  int64_t out_floats() const { return problem_.axis[2].out_fold * problem_.out_channels; }
  int64_t source_row() const { return problem_.groups * src_floats(); }

  // Tiles [begin, end), as runs within a row.
  std::vector<TileRun> runs(int64_t begin, int64_t end) const;

  // Channels are counted through all groups; how many, `planes` and its pitches are left open by all three.
  //
  // The source pixels under a run from channel `channel` on, for tap `tz` of the z axis and row `fold` of
  // those folded into one.
  TileRow source(const TileRun& run, int64_t tz, int64_t fold, int64_t channel, const float* src) const;
  // The output pixels of a run, as the gradient that is transformed for the weight gradient.
  TileRow output_gradient(const TileRun& run, int64_t channel, const float* gy) const;
  // The output pixels of a run, row `fold` of those folded into one; without an epilogue.
  TileOutput output(const TileRun& run, int64_t fold, int64_t channel, float* out, const float* residual,
                    const float* mask) const;

 private:
  struct Axis {
    int64_t phases = 1, tiles = 1, m = 1;  // sub-images, tiles of each, outputs per tile
    int64_t count() const { return phases * tiles; }
  };
  static Axis cut(const RowAxis& axis, int64_t m);
  // The position of a tile's first output.
  static int64_t position(const Axis& cut, int64_t phase, int64_t tile) {
    return phase + cut.phases * tile * cut.m;
  }

  const RowProblem& problem_;
  bool both_;
  Axis y_, x_;
};

}  // namespace pyconv
