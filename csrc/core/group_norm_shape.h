// The shape record of normalisations over groups of neighbours: group, instance, layer and RMS norm.
#pragma once

#include "core/dims.h"

namespace pyconv {

// In C order x is `rows` rows of `length` values that share a mean and a variance. Value i of all has the
// weight and bias (i / repeat) % weights.
struct GroupNormShape {
  Dims x;
  int64_t rows = 0;
  int64_t length = 0;
  int64_t weights = 0;
  int64_t repeat = 1;
  Dims weight;  // the shape of weight and bias
};

// (n, c, spatial...) in `groups` groups of channels; not a single value in all. weight and bias, null if not
// given, are (c).
GroupNormShape make_group_norm_shape(const char* op, const Dims& x, int64_t groups, const Dims* weight,
                                     const Dims* bias);

// (n, c, spatial...), each channel of each sample by itself, which needs more than one pixel.
GroupNormShape make_instance_norm_shape(const char* op, const Dims& x, const Dims* weight, const Dims* bias);

// The last axes of x, which are `normalized`; weight and bias have their shape.
GroupNormShape make_layer_norm_shape(const char* op, const Dims& x, const Dims& normalized,
                                     const Dims* weight, const Dims* bias);

}  // namespace pyconv
