// Pooling of regions of a map, and its gradients.
#pragma once

#include "core/roi_shape.h"

namespace pyconv {

void roi_align_forward(const RoiShape& shape, const std::vector<Roi>& rois, const View& x, const View& y);
void roi_align_grad_input(const RoiShape& shape, const std::vector<Roi>& rois, const View& gy,
                          const View& gx);

// `winners`: the pixel h * w + w of each maximum, in the order (k, oh, ow, c); -1 where a bin is empty.
// May be null.
void roi_pool_forward(const RoiShape& shape, const std::vector<Roi>& rois, const View& x, const View& y,
                      int32_t* winners);
// The winners are checked where they are used: nothing that changed them can lead outside.
void roi_pool_grad_input(const RoiShape& shape, const std::vector<Roi>& rois, const View& gy,
                         const int32_t* winners, const View& gx);

}  // namespace pyconv
