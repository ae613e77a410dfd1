#include "ref/roi.h"

#include <limits>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

double& element(const View& v, int64_t n, int64_t c, int64_t h, int64_t w) {
  return v.as<double>()[n * v.strides[0] + c * v.strides[1] + h * v.strides[2] + w * v.strides[3]];
}

// f(region's number, region, bin's row, bin's column, the bin's taps along y, along x)
template <class F>
void each_bin(const RoiShape& s, const std::vector<Roi>& rois, F&& f) {
  RoiTaps along_y, along_x;
  for (int64_t k = 0; k < s.k; ++k) {
    const Roi& roi = rois[static_cast<size_t>(k)];
    along_y.find(s, roi, 0);
    along_x.find(s, roi, 1);
    for (int64_t p = 0; p < s.oh; ++p)
      for (int64_t q = 0; q < s.ow; ++q) {
        poll_interrupt();
        f(k, roi, p, q, along_y, along_x);
      }
  }
}

// f(row, column, weight)
template <class F>
void each_tap(const RoiTaps& along_y, const RoiTaps& along_x, size_t p, size_t q, F&& f) {
  for (auto i = static_cast<size_t>(along_y.begin[p]); i < static_cast<size_t>(along_y.begin[p + 1]); ++i)
    for (auto j = static_cast<size_t>(along_x.begin[q]); j < static_cast<size_t>(along_x.begin[q + 1]); ++j)
      f(along_y.position[i], along_x.position[j], along_y.weight[i] * along_x.weight[j]);
}

}  // namespace

void roi_align_forward(const RoiShape& s, const std::vector<Roi>& rois, const View& x, const View& y) {
  each_bin(
      s, rois, [&](int64_t k, const Roi& roi, int64_t p, int64_t q, const RoiTaps& ty, const RoiTaps& tx) {
        for (int64_t c = 0; c < s.c; ++c) {
          double sum = 0;
          each_tap(
              ty, tx, static_cast<size_t>(p), static_cast<size_t>(q),
              [&](int64_t i, int64_t j, double weight) { sum += weight * element(x, roi.image, c, i, j); });
          element(y, k, c, p, q) = sum;
        }
      });
}

void roi_align_grad_input(const RoiShape& s, const std::vector<Roi>& rois, const View& gy, const View& gx) {
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t h = 0; h < s.h; ++h)
        for (int64_t w = 0; w < s.w; ++w) element(gx, n, c, h, w) = 0;
  each_bin(s, rois,
           [&](int64_t k, const Roi& roi, int64_t p, int64_t q, const RoiTaps& ty, const RoiTaps& tx) {
             for (int64_t c = 0; c < s.c; ++c)
               each_tap(ty, tx, static_cast<size_t>(p), static_cast<size_t>(q),
                        [&](int64_t i, int64_t j, double weight) {
                          element(gx, roi.image, c, i, j) += weight * element(gy, k, c, p, q);
                        });
           });
}

void roi_pool_forward(const RoiShape& s, const std::vector<Roi>& rois, const View& x, const View& y,
                      int32_t* winners) {
  RoiBins rows, columns;
  for (int64_t k = 0; k < s.k; ++k) {
    const Roi& roi = rois[static_cast<size_t>(k)];
    rows.find(s, roi, 0);
    columns.find(s, roi, 1);
    for (int64_t p = 0; p < s.oh; ++p)
      for (int64_t q = 0; q < s.ow; ++q) {
        poll_interrupt();
        const auto i = static_cast<size_t>(p), j = static_cast<size_t>(q);
        for (int64_t c = 0; c < s.c; ++c) {
          int64_t winner = -1;
          double best = 0;
          for (int64_t h = rows.begin[i]; h < rows.end[i]; ++h)
            for (int64_t w = columns.begin[j]; w < columns.end[j]; ++w) {
              const double v = element(x, roi.image, c, h, w);
              if (winner >= 0 && !(v > best) && v == v) continue;
              best = v;
              winner = h * s.w + w;
            }
          element(y, k, c, p, q) = best;
          if (winners) winners[((k * s.oh + p) * s.ow + q) * s.c + c] = static_cast<int32_t>(winner);
        }
      }
  }
}

}  // namespace pyconv::ref
