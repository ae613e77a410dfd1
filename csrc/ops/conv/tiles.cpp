#include "ops/conv/tiles.h"

#include <algorithm>

namespace pyconv {

TileGrid::Axis TileGrid::cut(const RowAxis& axis, int64_t m) {
  Axis a;
  a.m = m;
  a.phases = std::max<int64_t>(1, std::min(axis.tap_step, axis.count));
  a.tiles = ceil_div(ceil_div(axis.count, a.phases), m);
  return a;
}

TileGrid::TileGrid(const RowProblem& problem, int m) : problem_(problem), both_(problem.axis[1].taps > 1) {
  x_ = cut(problem.axis[2], m);
  if (both_) y_ = cut(problem.axis[1], m);
  else y_.tiles = problem.axis[1].count;
}

std::vector<TileRun> TileGrid::runs(int64_t begin, int64_t end) const {
  std::vector<TileRun> list;
  while (begin < end) {
    TileRun run;
    int64_t rest = begin;
    const auto next = [&rest](int64_t size) {
      const int64_t digit = rest % size;
      rest /= size;
      return digit;
    };
    run.x_tile = next(x_.tiles);
    run.x_phase = next(x_.phases);
    run.y_tile = next(y_.tiles);
    run.y_phase = next(y_.phases);
    run.z = next(problem_.axis[0].count);
    run.n = rest;
    run.count = std::min(x_.tiles - run.x_tile, end - begin);
    list.push_back(run);
    begin += run.count;
  }
  return list;
}

TileGrid::Span TileGrid::span(const RowAxis& axis, const Axis& cut, int64_t phase, int64_t tile,
                              int64_t tiles) {
  const int64_t first = phase + cut.phases * tile * cut.m;
  const int64_t left = first < axis.count ? ceil_div(axis.count - first, cut.phases) : 0;
  return {first, std::min(left, tiles * cut.m)};
}

TileRow TileGrid::source(const TileRun& run, int64_t tz, const float* src) const {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t pixel = problem_.groups * problem_.src_channels, row = x.src_size * pixel;
  const int64_t iz = z.low(run.z) + tz * z.tap_step;
  const int64_t y0 = y.low(span(y, y_, run.y_phase, run.y_tile, 1).first);
  const int64_t x0 = x.low(span(x, x_, run.x_phase, run.x_tile, run.count).first);
  // The first pixel of the sub-image at or behind 0, and the first at or behind the end.
  const auto inside = [](int64_t position, int64_t step) {
    return position <= 0 ? 0 : ceil_div(position, step);
  };
  TileRow t{};
  t.image = src;
  t.origin = ((run.n * z.src_size + iz) * y.src_size + y0) * row + x0 * pixel;
  t.row_pitch = y.tap_step * row;
  t.column_pitch = x.tap_step * pixel;
  t.row_begin = inside(-y0, y.tap_step);
  t.row_end = iz < 0 || iz >= z.src_size ? 0 : inside(y.src_size - y0, y.tap_step);
  t.column_begin = inside(-x0, x.tap_step);
  t.column_end = inside(x.src_size - x0, x.tap_step);
  t.tiles = run.count;
  t.channels = problem_.src_channels;
  return t;
}

int64_t TileGrid::output_pixel(const TileRun& run) const {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t slice = run.n * z.out_size + z.out_first + run.z * z.out_step;
  const int64_t row = y.out_first + y.out_step * span(y, y_, run.y_phase, run.y_tile, 1).first;
  return (slice * y.out_size + row) * x.out_size + x.out_first +
         x.out_step * span(x, x_, run.x_phase, run.x_tile, 1).first;
}

TileOutput TileGrid::output(const TileRun& run, float* out, const float* residual) const {
  const RowAxis &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t pixel = problem_.groups * problem_.out_channels, at = output_pixel(run) * pixel;
  TileOutput t{};
  t.y = out + at;
  t.residual = residual ? residual + at : nullptr;
  t.row_pitch = y_.phases * y.out_step * x.out_size * pixel;
  t.column_pitch = x_.phases * x.out_step * pixel;
  t.rows = span(y, y_, run.y_phase, run.y_tile, 1).size;
  t.columns = span(x, x_, run.x_phase, run.x_tile, run.count).size;
  t.tiles = run.count;
  return t;
}

TileRow TileGrid::output_gradient(const TileRun& run, const float* gy) const {
  const TileOutput o = output(run, nullptr, nullptr);
  TileRow t{};
  t.image = gy;
  t.origin = output_pixel(run) * problem_.groups * problem_.out_channels;
  t.row_pitch = o.row_pitch;
  t.column_pitch = o.column_pitch;
  t.row_end = o.rows;
  t.column_end = o.columns;
  t.tiles = run.count;
  t.channels = problem_.out_channels;
  return t;
}

}  // namespace pyconv
