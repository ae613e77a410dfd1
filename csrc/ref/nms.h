// Non-maximum suppression as written in its definition.
#pragma once

#include <cstdint>
#include <vector>

namespace pyconv::ref {

// `boxes`: (x1, y1, x2, y2), the best first. Afterwards alive[j] is 0 where an earlier box that is alive
// overlaps box j by more than `threshold`.
void suppress_boxes(const std::vector<double>& boxes, double threshold, std::vector<uint8_t>& alive);

}  // namespace pyconv::ref
