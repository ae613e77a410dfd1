// Shapes of activations with a learned number per channel.
#pragma once

#include "core/dims.h"

namespace pyconv {

// How many numbers the weight holds: 1 for all, or one per channel, which is axis 1 of x (an x of fewer
// axes has one channel). Throws ShapeError for any other weight.
int64_t parametric_channels(const char* op, const char* weight_name, const Dims& x, const Dims& weight);

}  // namespace pyconv
