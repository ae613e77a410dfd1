// The output pixels of a block as rows of a product: for each a pointer to its row of A and one to its
// output. Few filters hang over the border. Where it pays, those that do not are read where they lie, and
// only what the others see is written out, pixel by pixel; else the source rows of the block are copied into
// a strip with zeros around them. The order of the reduction is the same.
#pragma once

#include <vector>

#include "core/arena.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"
#include "ops/conv/strip.h"
#include "ops/gemm/panels.h"

namespace pyconv {

// Which rows and columns of the output.
struct Block {
  int64_t row0, row1, x0, x1;
};

// Whether the pixels at the border are to be kept apart: that copies less.
bool border_apart(const RowProblem& problem, const ConvPlan& plan);

class PixelRows {
 public:
  struct List {
    const float** a;
    float** c;
    int64_t count;
    const RunChunks* reduction;
  };

  // `problem` as it is solved (folded); outputs from column `whole` on are the last of a row, which has fewer
  // channels.
  PixelRows(const RowProblem& problem, const ConvPlan& plan, int64_t whole);

  void load(const float* src, float* out, const Block& block);
  // To another group.
  void move(int64_t a, int64_t c);
  // Of the last load; at the first channel of group 0.
  List inner() { return {a_, c_, inner_count_, &inner_reduction_}; }
  // The pixels at the border, or the last ones of the rows.
  List others() {
    return {other_a_, other_c_, other_count_, apart_ ? &window_reduction_ : &inner_reduction_};
  }

 private:
  float* output(float* out, int64_t row, int64_t x) const;
  void add_inner(const float* from, float* to) {
    a_[inner_count_] = from;
    c_[inner_count_++] = to;
  }
  void add_other(const float* from, float* to) {
    other_a_[other_count_] = from;
    other_c_[other_count_++] = to;
  }
  void add_row(const float* first, float* out, int64_t row, const Block& block);
  void add_apart(const float* src, const Segment& segment, int64_t y, float* out, int64_t row,
                 const Block& block);
  const float* write_window(const float* image, int64_t z, int64_t y, int64_t x);

  const RowProblem& p_;
  const bool apart_;
  const int64_t whole_;
  Strip strip_;
  RunChunks inner_reduction_, window_reduction_;
  const int64_t other_capacity_;
  int64_t inner_count_ = 0, other_count_ = 0;
  Scratch<const float*> a_, other_a_;
  Scratch<float*> c_, other_c_;
  Scratch<float> windows_;
};

}  // namespace pyconv
