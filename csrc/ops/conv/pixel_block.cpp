#include "ops/conv/pixel_block.h"

#include <algorithm>

#include "kernels/select.h"
#include "ops/conv/ahead.h"

namespace pyconv {
namespace {

// Floats from pixel to pixel: an odd number of cache lines, so that they fall on all sets of the cache.
int64_t odd_lines(int64_t floats) {
  constexpr int64_t kLine = 16;
  return (ceil_div(floats, kLine) | 1) * kLine;
}

// 512 -> 128 channels, 1x1, 28x28, went from 77 to 87 GFLOP/s; with 256 channels a copy costs more than it
// gains.
bool worth_copying(const Strip& strip) {
  constexpr int64_t kLongStep = 512;
  return strip.column_step() % kLongStep == 0;
}

}  // namespace

PixelBlock::PixelBlock(const RowProblem& problem, const ConvPlan& plan)
    : problem_(problem),
      panel_(kernels().gemm.panel),
      strip_(problem, plan.rows_per_block, plan.x_tile, problem.inside()),
      copy_source_(worth_copying(strip_)),
      copy_gradient_(problem.axis[2].out_size % problem.fold != 0),
      source_step_(odd_lines(std::min(kPieceRows, problem.depth()))),
      source_(copy_source_ ? plan.rows_per_block * plan.x_tile * source_step_ : 0),
      gradient_(copy_gradient_ ? plan.rows_per_block * plan.x_tile * panel_ : 0) {
  int64_t row = 0;
  for (const Run& run : strip_.runs())
    for (int64_t done = 0; done < run.length;) {
      const int64_t rows = std::min(kPieceRows, run.length - done);
      pieces_.push_back({run.offset + done, row, rows});
      done += rows;
      row += rows;
    }
}

void PixelBlock::load(const float* src, int64_t row0, int64_t row1, int64_t x0, int64_t x1) {
  segments_ = segments(problem_, row0, row1);
  row0_ = row0;
  row1_ = row1;
  x0_ = x0;
  x1_ = x1;
  strip_.load(src, segments_, x0, x1);
  ahead_ = {};
}

void PixelBlock::announce(const float* src, const float* gy, int64_t row0, int64_t row1) {
  ask_source(ahead_, 0, problem_, src, segments(problem_, row0, row1).front());
  ask_output(ahead_, 1, problem_, gy, row0, row1);
}

void PixelBlock::choose_source(int64_t group, int64_t piece) {
  group_ = group;
  piece_ = &pieces_[static_cast<size_t>(piece)];
  if (copy_source_) copy_source();
}

void PixelBlock::copy_source() {
  float* to = source_;
  for (size_t i = 0; i < segments_.size(); ++i)
    for (int64_t y = 0; y < segments_[i].y1 - segments_[i].y0; ++y) {
      const float* row =
          strip_.origin(i) + y * strip_.row_step() + group_ * problem_.src_channels + piece_->offset;
      for (int64_t x = 0; x < x1_ - x0_; ++x, to += source_step_)
        std::copy_n(row + x * strip_.column_step(), piece_->rows, to);
    }
}

void PixelBlock::copy_gradient(const float* gy, int64_t panel) {
  const int64_t channels = problem_.out_channels / problem_.fold, width = problem_.axis[2].out_size;
  const int64_t first = panel * panel_, count = columns(panel);
  float* to = gradient_;
  for (int64_t row = row0_; row < row1_; ++row)
    for (int64_t x = x0_ * problem_.fold; x < x1_ * problem_.fold; x += problem_.fold, to += panel_) {
      const int64_t valid = std::min(count, std::min(problem_.fold, width - x) * channels - first);
      std::copy_n(gy + (row * width + x) * channels + first, valid, to);
      std::fill(to + valid, to + count, 0.0f);
    }
}

void PixelBlock::multiply(const float* gy, int64_t panel, bool first, float* partial) {
  const int64_t pixel = problem_.groups * problem_.out_channels, row = problem_.axis[2].count * pixel;
  OuterGemmArgs g{};
  g.b = gy + row0_ * row + x0_ * pixel + group_ * problem_.out_channels + panel * panel_;
  g.b_outer = row;
  g.b_inner = pixel;
  if (copy_gradient_) {
    copy_gradient(gy, panel);
    g.b = gradient_;
    g.b_outer = (x1_ - x0_) * panel_;
    g.b_inner = panel_;
  }
  g.inner = x1_ - x0_;
  g.ahead = &ahead_;
  g.c = partial + piece_->row * problem_.out_channels + panel * panel_;
  g.ldc = problem_.out_channels;
  g.rows = piece_->rows;
  g.columns = static_cast<int>(columns(panel));
  g.first = first;
  if (copy_source_) {
    g.a = source_;
    g.a_outer = (x1_ - x0_) * source_step_;
    g.a_inner = source_step_;
    g.outer = row1_ - row0_;
    return kernels().gemm.outer_gemm(&g);
  }
  g.a_outer = strip_.row_step();
  g.a_inner = strip_.column_step();
  for (size_t i = 0; i < segments_.size(); ++i) {
    g.a = strip_.origin(i) + group_ * problem_.src_channels + piece_->offset;
    g.outer = segments_[i].y1 - segments_[i].y0;
    kernels().gemm.outer_gemm(&g);
    g.b += g.outer * g.b_outer;
    g.first = 0;
  }
}

int64_t PixelBlock::columns(int64_t panel) const {
  return std::min(panel_, problem_.out_channels - panel * panel_);
}

}  // namespace pyconv
