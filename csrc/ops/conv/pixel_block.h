// A block of pixels of a weight gradient: the rows of its two operands, source and gradient. They are read
// where they lie, but for two cases: a source whose pixels lie a large power of two apart, so that they share
// few lines of the first-level cache, and a gradient of which the last folded output of a row is shorter.
#pragma once

#include <vector>

#include "core/arena.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"

namespace pyconv {

class PixelBlock {
 public:
  static constexpr int64_t kPieceRows = 192;  // of the gradient at a time; a multiple of all tile heights

  // `problem` as it is solved (folded).
  PixelBlock(const RowProblem& problem, const ConvPlan& plan);

  int64_t pieces() const { return static_cast<int64_t>(pieces_.size()); }
  // Makes ready output rows [row0, row1), columns [x0, x1).
  void load(const float* src, int64_t row0, int64_t row1, int64_t x0, int64_t x1);
  // While this block is multiplied, rows [row0, row1) of the source and the gradient are brought near.
  void announce(const float* src, const float* gy, int64_t row0, int64_t row1);
  // Makes ready the rows of one piece of the reduction.
  void choose_source(int64_t group, int64_t piece);
  // partial[row][column] (+)= source^T gradient, of the piece chosen last and one panel; `partial` is the
  // group's.
  void multiply(const float* gy, int64_t panel, bool first, float* partial);

 private:
  // `rows` consecutive elements of one run, the first of which is row `row` of the weight gradient.
  struct Piece {
    int64_t offset, row, rows;
  };
  void copy_source();
  // One panel of columns of the gradient, per pixel; zero beyond the last output of a row.
  void copy_gradient(const float* gy, int64_t panel);
  int64_t columns(int64_t panel) const;

  const RowProblem& problem_;
  const int64_t panel_;  // columns
  Strip strip_;
  std::vector<Segment> segments_;
  std::vector<Piece> pieces_;
  const bool copy_source_, copy_gradient_;
  const int64_t source_step_;  // floats from pixel to pixel of a copy
  int64_t row0_ = 0, row1_ = 0, x0_ = 0, x1_ = 0, group_ = 0;
  Ahead ahead_{};
  const Piece* piece_ = nullptr;
  Scratch<float> source_, gradient_;
};

}  // namespace pyconv
