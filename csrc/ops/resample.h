// Resampling to another size and its gradient. Views are (n, c, spatial...) in float32 or float64 (which runs
// through ref/), any strides.
#pragma once

#include "core/resample_shape.h"
#include "core/view.h"

namespace pyconv {

void resample_forward(const ResampleShape& shape, const View& x, const View& y);
void resample_grad_input(const ResampleShape& shape, const View& gy, const View& gx);

}  // namespace pyconv
