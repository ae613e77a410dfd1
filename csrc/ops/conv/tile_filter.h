// The filter of Winograd tiles.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/select.h"
#include "ops/conv/row_gemm.h"
#include "ops/conv/tiles.h"
#include "ops/gemm/panels.h"

namespace pyconv {

// The filter of one group of a problem, ready for the kernel that transforms it.
class TileFilter {
 public:
  TileFilter(const RowProblem& p, const TileGrid& grid, const FilterStrides& w, const float* weight)
      : problem_(p),
        channels_(grid.channels()),
        strides_(w),
        weight_(weight),
        kernel_(kernels().winograd.filter[grid.both()][grid.m()]) {
    const RowAxis &y = p.axis[1], &x = p.axis[2];
    lowest_ = std::min(corner(y, 1, 0), corner(y, 1, y.taps - 1)) +
              std::min(corner(x, 2, 0), corner(x, 2, x.taps - 1));
    for (int64_t i = 0; i < y.taps; ++i)
      for (int64_t j = 0; j < x.taps; ++j)
        taps_.push_back(static_cast<int>(corner(y, 1, i) + corner(x, 2, j) - lowest_));
    span_ = *std::max_element(taps_.begin(), taps_.end()) + 1;
  }

  // Transforms depth rows [d0, d1) of panel `panel`; depth counts (z tap, channel).
  void transform(const PanelLayout& layout, int64_t panel, int64_t d0, int64_t d1, float* u,
                 int64_t plane_pitch) const {
    FilterTransform f{};
    f.column_stride = strides_.out;
    f.source_stride = strides_.src;
    f.filter_taps = span_;
    f.taps = taps_.data();
    f.columns = static_cast<int>(layout.columns(panel));
    f.ld = layout.ld(panel);
    f.plane_pitch = plane_pitch;
    const RowAxis& z = problem_.axis[0];
    for (int64_t d = d0; d < d1;) {
      const int64_t tz = d / channels_, c = d % channels_;
      f.sources = std::min(channels_ - c, d1 - d);
      f.w = weight_ + lowest_ + corner(z, 0, tz) + c * strides_.src + panel * layout.width * strides_.out;
      f.u = u + (d - d0) * f.ld;
      kernel_(&f);
      d += f.sources;
    }
  }

 private:
  int64_t corner(const RowAxis& axis, int index, int64_t tap) const {
    return (axis.filter_first + tap * axis.filter_step) * strides_.tap[index];
  }

  const RowProblem& problem_;
  int64_t channels_;
  const FilterStrides& strides_;
  const float* weight_;
  void (*kernel_)(const FilterTransform*);
  int64_t lowest_;
  int span_;
  std::vector<int> taps_;
};

}  // namespace pyconv
