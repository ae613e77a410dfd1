#include "ops/conv/tiles.h"

#include <algorithm>

namespace pyconv {

TileGrid::Axis TileGrid::cut(const RowAxis& axis, int64_t m) {
  Axis a;
  a.m = m;
  a.phases = std::max<int64_t>(1, std::min(axis.tap_step / axis.src_fold, axis.count));
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

namespace {

// How many steps from `position` it takes to reach 0.
int64_t steps_to_zero(int64_t position, int64_t step) {
  return position >= 0 ? 0 : ceil_div(-position, step);
}

// Sets which rows of a tile, and which floats of its columns, lie inside an image whose pixel (y0, x0) the
// tile's first float belongs to, `offset` floats behind the pixel's own first.
template <class Tile>
void set_inside(Tile& t, int64_t y0, int64_t y_step, int64_t height, int64_t x0, int64_t width, int64_t pixel,
                int64_t offset) {
  t.row_begin = steps_to_zero(y0, y_step);
  t.row_end = steps_to_zero(y0 - height, y_step);
  t.begin = -x0 * pixel - offset;
  t.end = (width - x0) * pixel - offset;
}

}  // namespace

TileRow TileGrid::source(const TileRun& run, int64_t tz, int64_t fold, int64_t channel,
                         const float* src) const {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t pixel = problem_.groups * problem_.src_channels, row = x.src_size * pixel;
  const int64_t iz = z.low(run.z) + tz * z.tap_step;
  const int64_t y0 = y.low(position(y_, run.y_phase, run.y_tile)) + fold;
  const int64_t x0 = x.low(position(x_, run.x_phase, run.x_tile));
  TileRow t{};
  t.image = src;
  t.origin = ((run.n * z.src_size + iz) * y.src_size + y0) * row + x0 * pixel + channel;
  t.row_pitch = y.tap_step * row;
  t.column_pitch = x.tap_step * pixel;
  set_inside(t, y0, y.tap_step, y.src_size, x0, x.src_size, pixel, channel);
  if (iz < 0 || iz >= z.src_size) t.row_end = 0;
  t.tiles = run.count;
  return t;
}

TileOutput TileGrid::output(const TileRun& run, int64_t fold, int64_t channel, float* out,
                            const float* residual, const float* mask) const {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t pixel = problem_.groups * problem_.out_channels;
  const int64_t slice = run.n * z.out_size + z.out_first + run.z * z.out_step;
  const int64_t y0 = y.out_first + y.out_step * position(y_, run.y_phase, run.y_tile) + fold;
  const int64_t x0 = x.out_first + x.out_step * position(x_, run.x_phase, run.x_tile);
  TileOutput t{};
  t.image = out;
  t.residual = residual;
  t.mask = mask;
  t.origin = ((slice * y.out_size + y0) * x.out_size + x0) * pixel + channel;
  t.row_pitch = y_.phases * y.out_step * x.out_size * pixel;
  t.column_pitch = x_.phases * x.out_step * pixel;
  set_inside(t, y0, y_.phases * y.out_step, y.out_size, x0, x.out_size, pixel, channel);
  t.tiles = run.count;
  return t;
}

TileRow TileGrid::output_gradient(const TileRun& run, int64_t channel, const float* gy) const {
  const TileOutput o = output(run, 0, channel, nullptr, nullptr, nullptr);
  TileRow t{};
  t.image = gy;
  t.origin = o.origin;
  t.row_pitch = o.row_pitch;
  t.column_pitch = o.column_pitch;
  t.row_begin = o.row_begin;
  t.row_end = o.row_end;
  t.begin = o.begin;
  t.end = o.end;
  t.tiles = run.count;
  return t;
}

}  // namespace pyconv
