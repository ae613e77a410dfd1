#include "core/grid_shape.h"

#include <algorithm>
#include <cmath>

#include "core/cubic.h"
#include "core/error.h"

namespace pyconv {
namespace {

// The functions on positions below change a position `at` and its derivative with respect to the grid's
// coordinate in place: as a struct they travel through memory, and a point takes twice the time.

// The taps of one axis; pixel -1: outside.
struct AxisPoint {
  int count;
  int64_t pixel[4];
  double weight[4], slope[4];
};

// Cut off at the outermost pixels; there, as beyond them, the slope is 0.
inline void clip(double& at, double& slope, int64_t size) {
  const double last = static_cast<double>(size - 1);
  const bool low = !(at > 0), high = at >= last;
  if (low || high) slope = 0;
  at = low ? 0 : high ? last : at;
}

// Mirrored at the outermost pixels (align_corners) or at their outer edges, then cut off.
void reflect(double& at, double& slope, int64_t size, bool align_corners) {
  const double low = align_corners ? 0.0 : -0.5;
  const double span = static_cast<double>(align_corners ? size - 1 : size);
  if (span == 0) {
    at = slope = 0;
    return;
  }
  const double distance = at - low, sign = distance < 0 ? -1 : 1;
  const double extra = std::fmod(std::abs(distance), 2 * span);
  const bool forward = extra < span;
  at = (forward ? extra : 2 * span - extra) + low;
  slope *= forward ? sign : -sign;
  clip(at, slope, size);
}

inline void pad(const GridShape& s, double& at, double& slope, int64_t size) {
  if (s.padding == GridPadding::kBorder) clip(at, slope, size);
  else if (s.padding == GridPadding::kReflection) reflect(at, slope, size, s.align_corners);
}

// Where a coordinate points to, finite whatever it is: -1 ... 1 are the centers of the outermost pixels
// (align_corners) or their outer edges.
inline void locate(const GridShape& s, double g, int64_t size, double& at, double& slope) {
  const double n = static_cast<double>(size);
  const double offset = s.align_corners ? 0 : -0.5, scale = (s.align_corners ? n - 1 : n) / 2;
  const double known = g == g ? g : -1;
  at = (known + 1) * scale + offset;
  slope = scale;
  if (s.padding == GridPadding::kReflection) {
    if (!std::isfinite(at)) at = offset;
  } else {
    // Beyond the reach of every tap it makes no difference how far.
    at = std::clamp(at, -8.0, n + 8.0);
  }
}

void set_tap(AxisPoint& axis, int i, double at, int64_t size, double weight, double slope) {
  const bool inside = at >= 0 && at <= static_cast<double>(size - 1);
  axis.pixel[i] = inside ? static_cast<int64_t>(at) : -1;
  axis.weight[i] = weight;
  axis.slope[i] = slope;
}

void find_axis(const GridShape& s, double g, int64_t size, AxisPoint& axis) {
  double at, slope;
  locate(s, g, size, at, slope);
  if (s.mode == GridMode::kNearest) {
    pad(s, at, slope, size);
    axis.count = 1;
    set_tap(axis, 0, std::nearbyint(at), size, 1, 0);
  } else if (s.mode == GridMode::kLinear) {
    pad(s, at, slope, size);  // within a few pixels of the axis: a whole number can hold it
    int64_t base = static_cast<int64_t>(at);
    base -= at < static_cast<double>(base);
    const double t = at - static_cast<double>(base);
    axis.count = 2;
    axis.pixel[0] = base >= 0 && base < size ? base : -1;
    axis.pixel[1] = base + 1 >= 0 && base + 1 < size ? base + 1 : -1;
    axis.weight[0] = 1 - t;
    axis.weight[1] = t;
    axis.slope[0] = -slope;
    axis.slope[1] = slope;
  } else {
    // The padding decides what each of the four pixels shows, not where the point lies.
    const double base = std::floor(at), t = at - base;
    double weight[4], slopes[4];
    cubic_weights(t, weight);
    cubic_slopes(t, slopes);
    axis.count = 4;
    for (int i = 0; i < 4; ++i) {
      double pixel = base - 1 + i, unused = 0;
      pad(s, pixel, unused, size);
      set_tap(axis, i, std::nearbyint(pixel), size, weight[i], slopes[i] * slope);
    }
  }
}

GridMode mode_of(const char* op, const std::string& name) {
  if (name == "bilinear") return GridMode::kLinear;
  if (name == "nearest") return GridMode::kNearest;
  if (name == "bicubic") return GridMode::kCubic;
  throw ValueError(cat("[", op, "] mode is '", name, "', expected bilinear, nearest or bicubic"));
}

GridPadding padding_of(const char* op, const std::string& name) {
  if (name == "zeros") return GridPadding::kZeros;
  if (name == "border") return GridPadding::kBorder;
  if (name == "reflection") return GridPadding::kReflection;
  throw ValueError(cat("[", op, "] padding_mode is '", name, "', expected zeros, border or reflection"));
}

}  // namespace

int64_t GridShape::in_pixels() const { return in[0] * in[1] * (spatial == 3 ? in[2] : 1); }
int64_t GridShape::out_pixels() const { return out[0] * out[1] * (spatial == 3 ? out[2] : 1); }

Dims GridShape::input_shape() const {
  Dims d{n, c};
  for (int i = 0; i < spatial; ++i) d.push(in[i]);
  return d;
}

Dims GridShape::grid_shape() const {
  Dims d{n};
  for (int i = 0; i < spatial; ++i) d.push(out[i]);
  d.push(spatial);
  return d;
}

Dims GridShape::output_shape() const {
  Dims d{n, c};
  for (int i = 0; i < spatial; ++i) d.push(out[i]);
  return d;
}

GridShape make_grid_shape(const char* op, const Dims& x, const Dims& grid, const std::string& mode,
                          const std::string& padding, bool align_corners) {
  if (x.rank != 4 && x.rank != 5)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), " (", x.rank, " axes), expected 4 or 5"));
  GridShape s;
  s.spatial = x.rank - 2;
  element_count(x, op);
  element_count(grid, op);
  if (grid.rank != x.rank || grid[grid.rank - 1] != s.spatial || grid[0] != x[0])
    throw ShapeError(cat("[", op, "] grid has shape ", text(grid), ", expected ", x.rank,
                         " axes, the first of size ", x[0], " as input's and the last of size ", s.spatial,
                         " (input: ", text(x), ")"));
  for (int i = 1; i < x.rank; ++i)
    if (x[i] < 1)
      throw ShapeError(
          cat("[", op, "] input has shape ", text(x), ", expected at least one channel and one pixel"));
  s.n = x[0];
  s.c = x[1];
  for (int i = 0; i < s.spatial; ++i) {
    s.in[i] = x[2 + i];
    s.out[i] = grid[1 + i];
  }
  s.mode = mode_of(op, mode);
  s.padding = padding_of(op, padding);
  s.align_corners = align_corners;
  if (s.mode == GridMode::kCubic && s.spatial == 3)
    throw ValueError(cat("[", op, "] mode is 'bicubic', which needs an input of 4 axes, got ", x.rank));
  element_count(s.output_shape(), op);
  return s;
}

void grid_taps(const GridShape& s, const double* point, bool want_slopes, GridTaps& taps) {
  AxisPoint axes[kMaxSpatial];  // a missing first axis has one pixel
  axes[0].count = 1;
  axes[0].pixel[0] = 0;
  axes[0].weight[0] = 1;
  axes[0].slope[0] = 0;
  int64_t size[kMaxSpatial] = {1, 1, 1};
  for (int i = 0; i < s.spatial; ++i) {
    const int a = kMaxSpatial - s.spatial + i;
    size[a] = s.in[i];
    find_axis(s, point[s.spatial - 1 - i], s.in[i], axes[a]);
  }
  const AxisPoint &z = axes[0], &y = axes[1], &x = axes[2];
  taps.count = 0;
  for (int i = 0; i < z.count; ++i)
    for (int j = 0; j < y.count; ++j)
      for (int k = 0; k < x.count; ++k) {
        if (z.pixel[i] < 0 || y.pixel[j] < 0 || x.pixel[k] < 0) continue;
        const double weight = z.weight[i] * y.weight[j] * x.weight[k];
        if (weight == 0 && !want_slopes) continue;
        taps.position[taps.count] = (z.pixel[i] * size[1] + y.pixel[j]) * size[2] + x.pixel[k];
        taps.weight[taps.count] = weight;
        if (want_slopes) {
          taps.slope[0][taps.count] = z.weight[i] * y.weight[j] * x.slope[k];
          taps.slope[1][taps.count] = z.weight[i] * y.slope[j] * x.weight[k];
          taps.slope[2][taps.count] = z.slope[i] * y.weight[j] * x.weight[k];
        }
        ++taps.count;
      }
}

}  // namespace pyconv
