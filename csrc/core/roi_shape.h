// Pooling of regions: the record, the regions on the map, and what of the map lies behind one output.
#pragma once

#include <vector>

#include "core/shape.h"
#include "core/view.h"

namespace pyconv {

struct RoiShape {
  int64_t n = 0, c = 0, h = 0, w = 0;  // of the map
  int64_t k = 0;                       // regions
  int64_t oh = 0, ow = 0;              // bins of each
  double scale = 1;                    // from a box's units to pixels of the map
  int64_t sampling = 0;                // samples per bin and axis; 0: as many as a bin has pixels
  bool aligned = false;

  Dims input_shape() const;   // (n, c, h, w)
  Dims boxes_shape() const;   // (k, 5)
  Dims output_shape() const;  // (k, c, oh, ow)
};

// `sampling` of 0 or below: adaptive.
RoiShape make_roi_shape(const char* op, const Dims& x, const Dims& boxes, const Dims& output_size,
                        double scale, int64_t sampling, bool aligned);

// A box on the map, in pixels, within +-2^30.
struct Roi {
  int64_t image;
  double low[2], high[2];  // y, x
};

// The rows (image, x1, y1, x2, y2) of `boxes`, float32 or float64. Throws IndexError for an image that is no
// whole number in [0, n), ValueError for a coordinate that is not finite.
std::vector<Roi> read_rois(const char* op, const RoiShape& shape, const View& boxes);

// The numbers of the regions of each image, in their order: those of image i are
// order[first[i]] ... order[first[i + 1] - 1].
struct RoisByImage {
  std::vector<int64_t> first, order;
  RoisByImage(const RoiShape& shape, const std::vector<Roi>& rois);
};

// Along one axis, bin p of an aligned region is the sum over t in [begin[p], begin[p + 1]) of
// weight[t] * x[position[t]]: all samples of the bin, each of them a linear interpolation of two pixels, over
// their number. A sample more than a pixel outside the map is zero. Pixels without weight are left out.
struct RoiTaps {
  std::vector<int64_t> begin, position;
  std::vector<double> weight;
  void find(const RoiShape& shape, const Roi& roi, int axis);  // axis 0: y, 1: x

 private:
  std::vector<double> sums_;
};

// Along one axis, bin p of a pooled region is the maximum over [begin[p], end[p]): the region, rounded to
// whole pixels (both ends belong to it, and it has at least one), is cut from floor(p size / bins) to ceil((p
// + 1) size / bins), and what lies outside the map is left out.
struct RoiBins {
  std::vector<int64_t> begin, end;
  void find(const RoiShape& shape, const Roi& roi, int axis);
};

}  // namespace pyconv
