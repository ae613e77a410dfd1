#include "ref/grid_sample.h"

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// Element `pixel`, counted in C order over the axes [first, first + count) of the view.
int64_t pixel_offset(const View& view, int first, int count, int64_t pixel) {
  int64_t offset = 0;
  for (int i = first + count - 1; i >= first; --i) {
    offset += pixel % view.shape[i] * view.strides[i];
    pixel /= view.shape[i];
  }
  return offset;
}

double& element(const View& view, int64_t n, int64_t c, int64_t pixel) {
  return view.as<double>()[n * view.strides[0] + c * view.strides[1] +
                           pixel_offset(view, 2, view.rank() - 2, pixel)];
}

double& coordinate(const View& grid, int64_t n, int64_t pixel, int a) {
  const int last = grid.rank() - 1;
  return grid
      .as<double>()[n * grid.strides[0] + pixel_offset(grid, 1, last - 1, pixel) + a * grid.strides[last]];
}

// f(n, output pixel, taps)
template <class F>
void each_point(const GridShape& s, const View& grid, F&& f) {
  GridTaps taps;
  double point[kMaxSpatial];
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t p = 0; p < s.out_pixels(); ++p) {
      poll_interrupt();
      for (int a = 0; a < s.spatial; ++a) point[a] = coordinate(grid, n, p, a);
      grid_taps(s, point, true, taps);
      f(n, p, taps);
    }
}

}  // namespace

void grid_sample_forward(const GridShape& s, const View& x, const View& grid, const View& y) {
  each_point(s, grid, [&](int64_t n, int64_t p, const GridTaps& taps) {
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = 0;
      for (int t = 0; t < taps.count; ++t)
        if (taps.weight[t] != 0) sum += taps.weight[t] * element(x, n, c, taps.position[t]);
      element(y, n, c, p) = sum;
    }
  });
}

void grid_sample_grad_input(const GridShape& s, const View& gy, const View& grid, const View& gx) {
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t p = 0; p < s.in_pixels(); ++p) element(gx, n, c, p) = 0;
  each_point(s, grid, [&](int64_t n, int64_t p, const GridTaps& taps) {
    for (int64_t c = 0; c < s.c; ++c)
      for (int t = 0; t < taps.count; ++t)
        element(gx, n, c, taps.position[t]) += taps.weight[t] * element(gy, n, c, p);
  });
}

void grid_sample_grad_grid(const GridShape& s, const View& gy, const View& x, const View& grid,
                           const View& gg) {
  each_point(s, grid, [&](int64_t n, int64_t p, const GridTaps& taps) {
    for (int a = 0; a < s.spatial; ++a) {
      double sum = 0;
      for (int64_t c = 0; c < s.c; ++c)
        for (int t = 0; t < taps.count; ++t)
          sum += taps.slope[a][t] * element(x, n, c, taps.position[t]) * element(gy, n, c, p);
      coordinate(gg, n, p, a) = sum;
    }
  });
}

}  // namespace pyconv::ref
