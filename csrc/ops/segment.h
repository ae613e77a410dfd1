// Segmentation of a picture by its graph of neighbouring pixels.
#pragma once

#include "core/view.h"

namespace pyconv {

// Felzenszwalb and Huttenlocher, Efficient graph-based image segmentation, 2004. Pixels are joined along the
// edges to their eight neighbours, the smallest difference (Euclidean, over the channels) first: two segments
// become one if it is at most what each of them holds inside, the largest difference along its tree + scale /
// pixels. Then segments of fewer than `min_size` pixels join a neighbour, along the smallest differences
// first. `x`: (h, w, c), float32; `labels`: (h, w), int32, dense; from 0 on in the order in which the
// segments first appear. Returns their number.
int64_t graph_segments(const View& x, double scale, int64_t min_size, const View& labels);

}  // namespace pyconv
