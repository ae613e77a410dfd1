#include "ref/nms.h"

#include <algorithm>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

double area(const double* b) { return (b[2] - b[0]) * (b[3] - b[1]); }

double iou(const double* a, const double* b) {
  const double w = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]));
  const double h = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]));
  return w * h / (area(a) + area(b) - w * h);
}

}  // namespace

void suppress_boxes(const std::vector<double>& boxes, double threshold, std::vector<uint8_t>& alive) {
  const size_t count = boxes.size() / 4;
  alive.assign(count, 1);
  for (size_t i = 0; i < count; ++i) {
    if (!alive[i]) continue;
    poll_interrupt();
    for (size_t j = i + 1; j < count; ++j)
      if (alive[j] && iou(&boxes[4 * i], &boxes[4 * j]) > threshold) alive[j] = 0;
  }
}

}  // namespace pyconv::ref
