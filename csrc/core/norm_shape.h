// The shape record of batch normalisation.
#pragma once

#include "core/dims.h"

namespace pyconv {

struct NormShape {
  Dims x;  // (n, c) or (n, c, spatial...)
  int64_t c = 0;
  int64_t rows = 0;  // values per channel: n times the pixels
};

// The four vectors have one entry per channel; null: not given. Training needs more than one value per
// channel (an empty batch passes: there is nothing to normalise), evaluation both running vectors.
NormShape make_batch_norm_shape(const char* op, const Dims& x, const Dims* running_mean,
                                const Dims* running_var, const Dims* weight, const Dims* bias, bool training);

}  // namespace pyconv
