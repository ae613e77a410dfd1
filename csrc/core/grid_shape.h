// Sampling at the points of a grid: the record, and the input pixels behind one point with their weights.
#pragma once

#include <string>

#include "core/shape.h"

namespace pyconv {

enum class GridMode { kNearest, kLinear, kCubic };
enum class GridPadding { kZeros, kBorder, kReflection };

struct GridShape {
  int spatial = 2;  // 2 or 3
  int64_t n = 0, c = 0;
  int64_t in[kMaxSpatial] = {}, out[kMaxSpatial] = {};
  GridMode mode = GridMode::kLinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;

  int64_t in_pixels() const;
  int64_t out_pixels() const;
  Dims input_shape() const;   // (n, c, in...)
  Dims grid_shape() const;    // (n, out..., spatial)
  Dims output_shape() const;  // (n, c, out...)
};

// `mode`: bilinear, nearest or bicubic (two axes only); `padding`: zeros, border or reflection.
GridShape make_grid_shape(const char* op, const Dims& x, const Dims& grid, const std::string& mode,
                          const std::string& padding, bool align_corners);

constexpr int kMaxGridTaps = 16;

// The value at a point is the sum over t of weight[t] * x[position[t]], its derivative along the grid's
// coordinate a (0: x, the last axis) that of slope[a][t] * x[position[t]].
struct GridTaps {
  int count;
  int64_t position[kMaxGridTaps];  // numbers of pixels
  double weight[kMaxGridTaps];
  double slope[kMaxSpatial][kMaxGridTaps];
};

// The taps of a point with the coordinates x, y (, z); any value is safe. NaN, and infinity where it would be
// reflected, is read as -1. Pixels outside the input are left out, and those without weight unless slopes are
// wanted.
void grid_taps(const GridShape& shape, const double* point, bool want_slopes, GridTaps& taps);

}  // namespace pyconv
