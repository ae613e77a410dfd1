// The rows of A for a block of output pixels. Where no filter hangs over the border they are pointers
// straight into the source; elsewhere the few source rows that the block needs are first copied into a
// strip with zeros around them. Either way every pixel has the same runs.
#pragma once

#include <vector>

#include "core/arena.h"
#include "kernels/gemm.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

// A stretch of output rows y0 ... y1 - 1 of one (n, z).
struct Segment {
  int64_t n, z, y0, y1;
};

// The segments of output rows [begin, end), counted over (n, z, y).
std::vector<Segment> segments(const RowProblem& problem, int64_t begin, int64_t end);

class Strip {
 public:
  // For blocks of at most `rows` output rows and `columns` output columns. `direct`: pixels are read in the
  // source, of those whose filter hangs over the border there are none, or somebody else cares for them.
  Strip(const RowProblem& problem, int64_t rows, int64_t columns, bool direct);

  // Floats of strip memory that such a block needs; 0 when pointers into the source do, the
  // largest number when the sizes overflow.
  static int64_t floats(const RowProblem& problem, int64_t rows, int64_t columns);

  // The reduction of one pixel, relative to its pointer, in the order (z tap, y tap, x tap, channel).
  const std::vector<Run>& runs() const { return runs_; }
  int64_t row_step() const { return row_step_; }        // floats from one output row to the next
  int64_t column_step() const { return column_step_; }  // and from one output pixel to the next

  // Makes ready the source of columns [x0, x1) of the given segments.
  void load(const float* src, const std::vector<Segment>& segments, int64_t x0, int64_t x1);
  // Pixel (y0, x0) of segment `i` of the last load, at its first channel.
  const float* origin(size_t i) const { return origins_[i]; }

 private:
  void copy(const float* image, const Segment& segment, int64_t x0, int64_t x1, float* out) const;

  const RowProblem& problem_;
  bool direct_;
  int64_t row_step_, column_step_;
  int64_t pixel_, pitch_, slice_;  // floats per pixel, per source row, per source slice (z)
  Scratch<float> memory_;
  std::vector<Run> runs_;
  std::vector<const float*> origins_;
};

}  // namespace pyconv
