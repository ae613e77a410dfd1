// Resampling to another size as written in its definition: float64 in and out, any strides.
#pragma once

#include "core/resample_shape.h"
#include "core/view.h"

namespace pyconv::ref {

void resample_forward(const ResampleShape& shape, const View& x, const View& y);
void resample_grad_input(const ResampleShape& shape, const View& gy, const View& gx);

}  // namespace pyconv::ref
