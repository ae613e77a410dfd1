#include "ops/conv/pixel_rows.h"

#include <algorithm>

namespace pyconv {
namespace {

// The outputs [first, last) of an axis whose filter does not hang over the border.
struct Range {
  int64_t first, last;
  int64_t count() const { return last - first; }
};
Range inside(const RowAxis& a) {
  const int64_t below = a.origin >= 0 ? 0 : ceil_div(-a.origin, a.src_step);
  const int64_t room = a.src_size - 1 - (a.taps - 1) * a.tap_step - a.origin;
  const int64_t first = std::min(below, a.count);
  const int64_t last = room < 0 ? 0 : std::min(a.count, room / a.src_step + 1);
  return {first, std::max(first, last)};
}

// The most pixels at the border that a block has.
int64_t most_border_pixels(const RowProblem& p, const ConvPlan& plan) {
  const RowAxis& y = p.axis[1];
  const int64_t rows = plan.rows_per_block, segments = (rows + y.count - 2) / y.count + 1;
  const int64_t all = p.axis[0].inside() ? std::min(rows, segments * (y.count - inside(y).count())) : rows;
  const int64_t columns = p.axis[2].count - inside(p.axis[2]).count();
  return all * plan.x_tile + (rows - all) * std::min(plan.x_tile, columns);
}

std::vector<Run> window_runs(const RowProblem& p) {
  if (p.merged()) return {{0, p.depth()}};
  std::vector<Run> runs;
  for (int64_t t = 0; t < p.taps(); ++t) runs.push_back({t * p.groups * p.src_channels, p.src_channels});
  return runs;
}

}  // namespace

bool border_apart(const RowProblem& p, const ConvPlan& plan) {
  if (p.inside() || p.fold > 1) return false;
  const int64_t strip = Strip::floats(p, plan.rows_per_block, plan.x_tile) / (p.groups * p.src_channels);
  int64_t pixels = 1, within = 1;
  for (const RowAxis& a : p.axis) {
    pixels *= a.count;
    within *= inside(a).count();
  }
  const double border =
      static_cast<double>(pixels - within) / static_cast<double>(std::max<int64_t>(pixels, 1));
  const double block = static_cast<double>(plan.rows_per_block * plan.x_tile);
  return border * block * static_cast<double>(p.taps()) < static_cast<double>(strip);
}

PixelRows::PixelRows(const RowProblem& p, const ConvPlan& plan, int64_t whole)
    : p_(p),
      apart_(border_apart(p, plan)),
      whole_(whole),
      strip_(p, plan.rows_per_block, plan.x_tile, apart_ || p.inside()),
      inner_reduction_(strip_.runs()),
      window_reduction_(window_runs(p)),
      other_capacity_(apart_                    ? most_border_pixels(p, plan)
                      : whole < p.axis[2].count ? plan.rows_per_block
                                                : 0),
      a_(plan.rows_per_block * plan.x_tile),
      other_a_(other_capacity_),
      c_(plan.rows_per_block * plan.x_tile),
      other_c_(other_capacity_),
      windows_(apart_ ? other_capacity_ * p.groups * p.depth() : 0) {}

void PixelRows::load(const float* src, float* out, const Block& block) {
  const RowAxis &z = p_.axis[0], &y = p_.axis[1];
  const std::vector<Segment> list = segments(p_, block.row0, block.row1);
  inner_count_ = other_count_ = 0;
  if (!apart_) strip_.load(src, list, block.x0, block.x1);
  for (size_t s = 0; s < list.size(); ++s)
    for (int64_t yy = list[s].y0; yy < list[s].y1; ++yy) {
      const int64_t slice = list[s].n * z.out_size + z.out_first + list[s].z * z.out_step;
      const int64_t row = slice * y.out_size + y.out_first + yy * y.out_step;
      if (apart_) add_apart(src, list[s], yy, out, row, block);
      else add_row(strip_.origin(s) + (yy - list[s].y0) * strip_.row_step(), out, row, block);
    }
}

void PixelRows::move(int64_t a, int64_t c) {
  for (const List& list : {inner(), others()})
    for (int64_t i = 0; i < list.count; ++i) {
      list.a[i] += a;
      list.c[i] += c;
    }
}

float* PixelRows::output(float* out, int64_t row, int64_t x) const {
  const RowAxis& axis = p_.axis[2];
  return out +
         (row * axis.out_size + axis.out_first + x * axis.out_step) * (p_.groups * p_.out_channels / p_.fold);
}

void PixelRows::add_row(const float* first, float* out, int64_t row, const Block& block) {
  for (int64_t x = block.x0; x < block.x1; ++x) {
    const float* from = first + (x - block.x0) * strip_.column_step();
    if (x < whole_) add_inner(from, output(out, row, x));
    else add_other(from, output(out, row, x));
  }
}

void PixelRows::add_apart(const float* src, const Segment& s, int64_t yy, float* out, int64_t row,
                          const Block& block) {
  const RowAxis &z = p_.axis[0], &y = p_.axis[1], &x = p_.axis[2];
  const auto within = [](const Range& r, int64_t i) { return i >= r.first && i < r.last; };
  const int64_t pixel = p_.groups * p_.src_channels;
  const float* image = src + s.n * z.src_size * y.src_size * x.src_size * pixel;
  Range direct = inside(x);
  if (!within(inside(z), s.z) || !within(inside(y), yy)) direct = {0, 0};
  for (int64_t xx = block.x0; xx < block.x1; ++xx) {
    const int64_t at = (z.low(s.z) * y.src_size + y.low(yy)) * x.src_size + x.low(xx);
    if (within(direct, xx)) add_inner(image + at * pixel, output(out, row, xx));
    else add_other(write_window(image, s.z, yy, xx), output(out, row, xx));
  }
}

// What the filter of a pixel sees, in the order of the reduction; zero outside.
const float* PixelRows::write_window(const float* image, int64_t oz, int64_t oy, int64_t ox) {
  const RowAxis &z = p_.axis[0], &y = p_.axis[1], &x = p_.axis[2];
  const auto valid = [](const RowAxis& a, int64_t i) { return i >= 0 && i < a.src_size; };
  const int64_t pixel = p_.groups * p_.src_channels;
  float* const window = windows_ + other_count_ * p_.taps() * pixel;
  float* to = window;
  for (int64_t tz = 0; tz < z.taps; ++tz)
    for (int64_t ty = 0; ty < y.taps; ++ty)
      for (int64_t tx = 0; tx < x.taps; ++tx, to += pixel) {
        const int64_t iz = z.low(oz) + tz * z.tap_step, iy = y.low(oy) + ty * y.tap_step,
                      ix = x.low(ox) + tx * x.tap_step;
        if (valid(z, iz) && valid(y, iy) && valid(x, ix))
          std::copy_n(image + ((iz * y.src_size + iy) * x.src_size + ix) * pixel, pixel, to);
        else std::fill_n(to, pixel, 0.0f);
      }
  return window;
}

}  // namespace pyconv
