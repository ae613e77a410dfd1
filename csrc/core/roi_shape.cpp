#include "core/roi_shape.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace pyconv {
namespace {

constexpr double kFarthest = 1 << 30;  // sums and products of such coordinates with sizes fit into 64 bits
constexpr int64_t kMostSamples = 1024;

double coordinate(const char* op, const View& boxes, int64_t row, int64_t column) {
  const int64_t at = row * boxes.strides[0] + column * boxes.strides[1];
  const double value =
      boxes.dtype == DType::kFloat64 ? boxes.as<double>()[at] : static_cast<double>(boxes.as<float>()[at]);
  if (column > 0 && !std::isfinite(value))
    throw ValueError(cat("[", op, "] boxes holds ", value, " in row ", row, ", expected finite coordinates"));
  return value;
}

int64_t size_of(const RoiShape& s, int axis) { return axis == 0 ? s.h : s.w; }
int64_t bins_of(const RoiShape& s, int axis) { return axis == 0 ? s.oh : s.ow; }

}  // namespace

Dims RoiShape::input_shape() const { return {n, c, h, w}; }
Dims RoiShape::boxes_shape() const { return {k, 5}; }
Dims RoiShape::output_shape() const { return {k, c, oh, ow}; }

RoiShape make_roi_shape(const char* op, const Dims& x, const Dims& boxes, const Dims& output_size,
                        double scale, int64_t sampling, bool aligned) {
  if (x.rank != 4)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), " (", x.rank, " axes), expected 4"));
  element_count(x, op);
  for (int i = 1; i < 4; ++i)
    if (x[i] < 1)
      throw ShapeError(
          cat("[", op, "] input has shape ", text(x), ", expected at least one channel and one pixel"));
  if (x[2] * x[3] > kMaxDim)
    throw ShapeError(
        cat("[", op, "] input has shape ", text(x), ", expected at most ", kMaxDim, " pixels per map"));
  if (boxes.rank != 2 || boxes[1] != 5)
    throw ShapeError(cat("[", op, "] boxes has shape ", text(boxes), ", expected (boxes, 5)"));
  check_axes(op, "output_size", output_size, 2, 1);
  if (!(scale > 0) || !std::isfinite(scale))
    throw ValueError(cat("[", op, "] spatial_scale is ", scale, ", expected a finite number above 0"));
  if (sampling > kMostSamples)
    throw ValueError(cat("[", op, "] sampling_ratio is ", sampling, ", expected at most ", kMostSamples));
  RoiShape s;
  s.n = x[0];
  s.c = x[1];
  s.h = x[2];
  s.w = x[3];
  s.k = boxes[0];
  s.oh = output_size[0];
  s.ow = output_size[1];
  s.scale = scale;
  s.sampling = std::max<int64_t>(0, sampling);
  s.aligned = aligned;
  element_count(s.output_shape(), op);
  return s;
}

std::vector<Roi> read_rois(const char* op, const RoiShape& s, const View& boxes) {
  std::vector<Roi> rois(static_cast<size_t>(s.k));
  const double offset = s.aligned ? 0.5 : 0;
  for (int64_t i = 0; i < s.k; ++i) {
    const double image = coordinate(op, boxes, i, 0);
    if (!(image >= 0 && image < static_cast<double>(s.n)) || image != std::floor(image))
      throw IndexError(cat("[", op, "] boxes holds image ", image, " in row ", i,
                           ", expected a whole number from 0 to ", s.n - 1, " (the input has ", s.n,
                           " images)"));
    Roi& roi = rois[static_cast<size_t>(i)];
    roi.image = static_cast<int64_t>(image);
    for (int a = 0; a < 2; ++a) {
      const double low = coordinate(op, boxes, i, 2 - a) * s.scale - offset;
      const double high = coordinate(op, boxes, i, 4 - a) * s.scale - offset;
      roi.low[a] = std::clamp(low, -kFarthest, kFarthest);
      roi.high[a] = std::clamp(high, -kFarthest, kFarthest);
    }
  }
  return rois;
}

RoisByImage::RoisByImage(const RoiShape& s, const std::vector<Roi>& rois)
    : first(static_cast<size_t>(s.n) + 1), order(rois.size()) {
  for (const Roi& roi : rois) ++first[static_cast<size_t>(roi.image) + 1];
  for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  std::vector<int64_t> next(first.begin(), first.end());
  for (size_t i = 0; i < rois.size(); ++i)
    order[static_cast<size_t>(next[static_cast<size_t>(rois[i].image)]++)] = static_cast<int64_t>(i);
}

void RoiTaps::find(const RoiShape& s, const Roi& roi, int axis) {
  const int64_t size = size_of(s, axis), bins = bins_of(s, axis);
  const double limit = static_cast<double>(size);
  double length = roi.high[axis] - roi.low[axis];
  if (!s.aligned) length = std::max(length, 1.0);
  const double bin = length / static_cast<double>(bins);
  const int64_t samples = s.sampling > 0 ? s.sampling : static_cast<int64_t>(std::ceil(bin));
  const double step = samples > 0 ? bin / static_cast<double>(samples) : 0;
  begin.assign(1, 0);
  position.clear();
  weight.clear();
  for (int64_t p = 0; p < bins; ++p) {
    const double start = roi.low[axis] + static_cast<double>(p) * bin;
    // The samples that can lie inside: a region much larger than the map has many that do not.
    int64_t i = 0, last = samples;
    if (step > 0) {
      const double count = static_cast<double>(samples);
      i = static_cast<int64_t>(std::clamp(std::floor((-1 - start) / step) - 1, 0.0, count));
      last = static_cast<int64_t>(std::clamp(std::ceil((limit - start) / step) + 1, 0.0, count));
    }
    int64_t base = -1;  // the pixel that sums_ begins with
    sums_.clear();
    const auto add = [&](int64_t pixel, double w) {
      if (w == 0) return;
      if (base < 0) base = pixel;
      if (pixel < base) {  // a region from right to left
        sums_.insert(sums_.begin(), static_cast<size_t>(base - pixel), 0.0);
        base = pixel;
      }
      if (pixel - base >= static_cast<int64_t>(sums_.size()))
        sums_.resize(static_cast<size_t>(pixel - base) + 1, 0.0);
      sums_[static_cast<size_t>(pixel - base)] += w;
    };
    for (; i < last; ++i) {
      double at = start + (static_cast<double>(i) + 0.5) * step;
      if (!(at >= -1 && at <= limit)) continue;
      at = std::clamp(at, 0.0, limit - 1);
      const int64_t low = static_cast<int64_t>(at);
      const double high_part = at - static_cast<double>(low);
      add(low, 1 - high_part);
      add(low + 1, high_part);  // without weight on the last pixel
    }
    for (size_t j = 0; j < sums_.size(); ++j) {
      if (sums_[j] == 0) continue;
      position.push_back(base + static_cast<int64_t>(j));
      weight.push_back(sums_[j] / static_cast<double>(samples));
    }
    begin.push_back(static_cast<int64_t>(position.size()));
  }
}

void RoiBins::find(const RoiShape& s, const Roi& roi, int axis) {
  const int64_t bins = bins_of(s, axis), limit = size_of(s, axis);
  const int64_t low = std::llround(roi.low[axis]);
  const int64_t size = std::max<int64_t>(1, std::llround(roi.high[axis]) - low + 1);
  begin.clear();
  end.clear();
  for (int64_t p = 0; p < bins; ++p) {
    begin.push_back(std::clamp<int64_t>(low + p * size / bins, 0, limit));
    end.push_back(std::clamp<int64_t>(low + ((p + 1) * size + bins - 1) / bins, 0, limit));
  }
}

}  // namespace pyconv
