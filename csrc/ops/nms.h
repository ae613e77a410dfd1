// Non-maximum suppression of boxes.
#pragma once

#include <vector>

#include "core/view.h"

namespace pyconv {

// Numbers of the boxes that stay, the highest score first: from the best to the worst, a box stays unless one
// that stays overlaps it by more than `threshold` (intersection over union), and both have the same category.
// `boxes`: (n, 4) as x1, y1, x2, y2; `scores`: (n) of the same dtype; `categories`: int64, (n), or null.
// Equal scores are in the order of their numbers, NaN is above all. A box with a NaN overlaps nothing.
std::vector<int64_t> nms(const View& boxes, const View& scores, const View* categories, double threshold);

}  // namespace pyconv
