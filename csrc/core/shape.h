// Shape records: the only place where the parameters of an op are validated. A record is built by a
// factory that returns a fully valid value or throws, before anything is packed or allocated.
//
// Dimension letters, everywhere: n c h w input, k output channels, r s filter height and width,
// oh ow output. Records are n-dimensional: index 0 is the outermost spatial axis.
#pragma once

#include <string>

#include "core/dims.h"

namespace pyconv {

constexpr int kMaxSpatial = 3;

struct ConvShape {
  int spatial = 2;              // number of spatial axes, 1 ... 3
  int64_t n = 0, c = 0, k = 0;  // batch, input channels, output channels
  int64_t groups = 1;
  int64_t in[kMaxSpatial] = {}, filter[kMaxSpatial] = {}, out[kMaxSpatial] = {};
  int64_t stride[kMaxSpatial] = {}, dilation[kMaxSpatial] = {};
  int64_t pad_lo[kMaxSpatial] = {}, pad_hi[kMaxSpatial] = {};

  int64_t group_c() const { return c / groups; }
  int64_t group_k() const { return k / groups; }
  int64_t taps() const;       // product of filter
  int64_t in_pixels() const;  // product of in
  int64_t out_pixels() const;
  int64_t macs() const;       // multiply-adds of the forward pass
  Dims input_shape() const;   // (n, c, in...)
  Dims weight_shape() const;  // (k, c/groups, filter...)
  Dims output_shape() const;  // (n, k, out...)
};

enum class Padding { kExplicit, kSame, kValid };

// "; are the channels last? ..." for an x whose last axis has the size expected of its second one, else
// nothing.
std::string channels_last_hint(const Dims& x, int64_t channels);

// `x` is (n, c, spatial...), `weight` (k, c/groups, filter...); stride, dilation have one entry per
// spatial axis, padding two (lo, hi of axis 0, lo, hi of axis 1, ...) when explicit.
// out = floor((in + lo + hi - dilation * (filter - 1) - 1) / stride) + 1.
ConvShape make_conv_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride, Padding mode,
                          const Dims& padding, const Dims& dilation, int64_t groups);

// The adjoint of a transposed convolution: the convolution whose input gradient is its forward pass. So
// `x` (n, c, spatial...) is that convolution's output, `weight` (c, k/groups, filter...) its weight, and the
// result's shape is the record's input_shape(); stride, padding (both sides), output_padding and dilation
// have one entry per axis.
// result = (in - 1) * stride - 2 * padding + dilation * (filter - 1) + output_padding + 1.
ConvShape make_conv_transpose_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride,
                                    const Dims& padding, const Dims& output_padding, const Dims& dilation,
                                    int64_t groups);

struct PoolShape {
  int spatial = 2;
  int64_t n = 0, c = 0;
  int64_t in[kMaxSpatial] = {}, window[kMaxSpatial] = {}, out[kMaxSpatial] = {};
  int64_t stride[kMaxSpatial] = {}, dilation[kMaxSpatial] = {};
  int64_t pad_lo[kMaxSpatial] = {}, pad_hi[kMaxSpatial] = {};
  // Output o reads floor(o * in / out) to ceil((o + 1) * in / out); `window` is then the largest such
  // stretch.
  bool adaptive = false;

  int64_t taps() const;
  int64_t in_pixels() const;
  int64_t out_pixels() const;
  Dims input_shape() const;
  Dims output_shape() const;
};

// Padding (one entry per axis, both sides) is at most half the window, as in PyTorch. With ceil_mode the
// output size is rounded up, but no window starts beyond the input and its low padding.
PoolShape make_pool_shape(const char* op, const Dims& x, const Dims& window, const Dims& stride,
                          const Dims& padding, const Dims& dilation, bool ceil_mode);

// Windows of nearly equal size that give `output` (one entry per spatial axis; -1 keeps the input's size).
PoolShape make_adaptive_pool_shape(const char* op, const Dims& x, const Dims& output);

struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
};

}  // namespace pyconv
