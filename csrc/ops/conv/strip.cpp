#include "ops/conv/strip.h"

#include <algorithm>
#include <limits>

namespace pyconv {
namespace {

struct Size {
  int64_t columns, rows, slices;  // source pixels per strip row, rows per slice, slices per segment
};

Size strip_size(const RowProblem& p, int64_t rows, int64_t columns) {
  return {p.axis[2].extent(std::min(columns, p.axis[2].count)),
          p.axis[1].extent(std::min(rows, p.axis[1].count)), p.axis[0].taps};
}

// Segments that a block of `rows` consecutive output rows may touch.
int64_t max_segments(const RowProblem& p, int64_t rows) {
  return (rows + p.axis[1].count - 2) / p.axis[1].count + 1;
}

}  // namespace

std::vector<Segment> segments(const RowProblem& p, int64_t begin, int64_t end) {
  std::vector<Segment> list;
  const int64_t height = p.axis[1].count;
  while (begin < end) {
    const int64_t slice = begin / height, y0 = begin % height;
    const int64_t y1 = std::min(height, y0 + (end - begin));
    list.push_back({slice / p.axis[0].count, slice % p.axis[0].count, y0, y1});
    begin += y1 - y0;
  }
  return list;
}

int64_t Strip::floats(const RowProblem& p, int64_t rows, int64_t columns) {
  if (p.inside()) return 0;
  const Size s = strip_size(p, rows, columns);
  int64_t total = p.groups * p.src_channels;
  for (int64_t factor : {s.columns, s.rows, s.slices, max_segments(p, rows)})
    if (__builtin_mul_overflow(total, factor, &total)) return std::numeric_limits<int64_t>::max();
  return total;
}

Strip::Strip(const RowProblem& problem, int64_t rows, int64_t columns, bool direct)
    : problem_(problem), direct_(direct), memory_(direct ? 0 : floats(problem, rows, columns)) {
  const RowAxis &z = problem.axis[0], &y = problem.axis[1], &x = problem.axis[2];
  const Size size = strip_size(problem, rows, columns);
  pixel_ = problem.groups * problem.src_channels;
  pitch_ = (direct_ ? x.src_size : size.columns) * pixel_;
  slice_ = (direct_ ? y.src_size : size.rows) * pitch_;
  row_step_ = y.src_step * pitch_;
  column_step_ = x.src_step * pixel_;
  // In a strip the slices of the z taps follow each other; in the source they are tap_step apart.
  const int64_t z_step = direct_ ? z.tap_step * slice_ : slice_;
  for (int64_t tz = 0; tz < z.taps; ++tz)
    for (int64_t ty = 0; ty < y.taps; ++ty) {
      const int64_t row = tz * z_step + ty * y.tap_step * pitch_;
      if (problem.merged()) {
        runs_.push_back({row, x.taps * problem.src_channels});
        continue;
      }
      for (int64_t tx = 0; tx < x.taps; ++tx)
        runs_.push_back({row + tx * x.tap_step * pixel_, problem.src_channels});
    }
}

void Strip::load(const float* src, const std::vector<Segment>& list, int64_t x0, int64_t x1) {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  const int64_t src_row = x.src_size * pixel_, src_slice = y.src_size * src_row;
  origins_.clear();
  float* out = memory_;
  for (const Segment& s : list) {
    const float* image = src + s.n * z.src_size * src_slice;
    if (direct_) {
      origins_.push_back(image + z.low(s.z) * src_slice + y.low(s.y0) * src_row + x.low(x0) * pixel_);
      continue;
    }
    copy(image, s, x0, x1, out);
    origins_.push_back(out);
    out += z.taps * slice_;
  }
}

void Strip::copy(const float* image, const Segment& s, int64_t x0, int64_t x1, float* out) const {
  const RowAxis &z = problem_.axis[0], &y = problem_.axis[1], &x = problem_.axis[2];
  // Columns [first, last) of the strip's row lie inside the source; the rest is zero.
  const int64_t low = x.low(x0), columns = x.extent(x1 - x0);
  const int64_t first = std::clamp<int64_t>(-low, 0, columns);
  const int64_t last = std::clamp<int64_t>(x.src_size - low, first, columns);
  const int64_t rows = y.extent(s.y1 - s.y0);
  for (int64_t tz = 0; tz < z.taps; ++tz) {
    const int64_t iz = z.low(s.z) + tz * z.tap_step;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t iy = y.low(s.y0) + row;
      float* to = out + tz * slice_ + row * pitch_;
      if (iz < 0 || iz >= z.src_size || iy < 0 || iy >= y.src_size) {
        std::fill_n(to, columns * pixel_, 0.0f);
        continue;
      }
      const float* from = image + ((iz * y.src_size + iy) * x.src_size + low + first) * pixel_;
      std::fill_n(to, first * pixel_, 0.0f);
      if (last > first) std::copy_n(from, (last - first) * pixel_, to + first * pixel_);
      std::fill_n(to + last * pixel_, (columns - last) * pixel_, 0.0f);
    }
  }
}

}  // namespace pyconv
