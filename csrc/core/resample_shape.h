// Resampling to another size: the record, and for each axis which inputs stand behind each output with which
// weights. All modes become the same tables, and the gradient is the same operation with transposed tables.
#pragma once

#include <string>
#include <vector>

#include "core/shape.h"

namespace pyconv {

enum class ResampleMode { kNearest, kNearestExact, kLinear, kCubic };

struct ResampleShape {
  int spatial = 2;
  int64_t n = 0, c = 0;
  int64_t in[kMaxSpatial] = {}, out[kMaxSpatial] = {};
  double scale[kMaxSpatial] = {};  // inputs per output; 0: in / out
  ResampleMode mode = ResampleMode::kNearest;
  bool align_corners = false, antialias = false;

  Dims input_shape() const;
  Dims output_shape() const;
};

// `x` is (n, c, spatial...), `output` has one size per spatial axis. `factors` (one per axis, or none) are
// the outputs per input that positions follow; without them, and with align_corners, the sizes say it.
// `mode`: nearest, nearest-exact, linear or cubic, on as many axes as there are.
ResampleShape make_resample_shape(const char* op, const Dims& x, const Dims& output, const std::string& mode,
                                  bool align_corners, bool antialias, const std::vector<double>& factors);

// Output o is the sum of weight[t] * input[position[t]] over t in [begin[o], begin[o + 1]).
template <class T>
struct AxisTaps {
  int64_t in = 1, out = 1;
  std::vector<int64_t> begin, position;
  std::vector<T> weight;
};

// The tables of the axes, right-aligned: axes that the shape lacks map their one position to itself. Weights
// are computed in double.
template <class T>
std::vector<AxisTaps<T>> resample_taps(const ResampleShape& shape);

// Inputs and outputs exchanged; the taps of each new output ascend.
template <class T>
AxisTaps<T> transposed(const AxisTaps<T>& taps);

}  // namespace pyconv
