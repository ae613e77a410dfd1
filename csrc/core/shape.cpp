#include "core/shape.h"

#include "core/error.h"

namespace pyconv {
namespace {

int64_t product(const int64_t* v, int n) {
  int64_t p = 1;
  for (int i = 0; i < n; ++i) p *= v[i];
  return p;
}

void append(Dims& dims, const int64_t* v, int n) {
  for (int i = 0; i < n; ++i) dims.push(v[i]);
}

// dilation * (filter - 1) + 1
int64_t extent(int64_t filter, int64_t dilation, const char* op) {
  return checked_add(checked_mul(dilation, filter - 1, op), 1, op);
}

const char* axis_name(int spatial, int axis) {
  static const char* const names[3] = {"depth", "height", "width"};
  return names[3 - spatial + axis];
}

}  // namespace

std::string channels_last_hint(const Dims& x, int64_t channels) {
  if (x.rank < 3 || x.rank > 5 || x[x.rank - 1] != channels) return "";
  static const char* const moves[3] = {"x.permute(0, 2, 1), or x.permute(1, 0) without a batch",
                                       "x.permute(0, 3, 1, 2), or x.permute(2, 0, 1) without a batch",
                                       "x.permute(0, 4, 1, 2, 3), or x.permute(3, 0, 1, 2) without a batch"};
  return cat("; the last axis of x has that size: are the channels last? Here they come second: ",
             moves[x.rank - 3]);
}

int64_t ConvShape::taps() const { return product(filter, spatial); }
int64_t ConvShape::in_pixels() const { return product(in, spatial); }
int64_t ConvShape::out_pixels() const { return product(out, spatial); }
int64_t ConvShape::macs() const {
  int64_t m = checked_mul(checked_mul(n, k, "conv"), out_pixels(), "conv");
  return checked_mul(m, checked_mul(group_c(), taps(), "conv"), "conv");
}
Dims ConvShape::input_shape() const {
  Dims d{n, c};
  append(d, in, spatial);
  return d;
}
Dims ConvShape::weight_shape() const {
  Dims d{k, group_c()};
  append(d, filter, spatial);
  return d;
}
Dims ConvShape::output_shape() const {
  Dims d{n, k};
  append(d, out, spatial);
  return d;
}

ConvShape make_conv_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride, Padding mode,
                          const Dims& padding, const Dims& dilation, int64_t groups) {
  const int spatial = weight.rank - 2;
  if (spatial < 1 || spatial > kMaxSpatial)
    throw ShapeError(
        cat("[", op, "] weight has shape ", text(weight),
            ", expected (out channels, in channels / groups, filter size...) with 1 to 3 filter axes"));
  if (x.rank != weight.rank)
    throw ShapeError(cat("[", op, "] x has shape ", text(x), " (", x.rank, " axes), expected ", weight.rank,
                         " axes to match weight ", text(weight)));
  element_count(x, op);
  element_count(weight, op);
  if (groups < 1) throw ValueError(cat("[", op, "] groups is ", groups, ", expected at least 1"));
  check_axes(op, "stride", stride, spatial, 1);
  check_axes(op, "dilation", dilation, spatial, 1);

  ConvShape s;
  s.spatial = spatial;
  s.n = x[0];
  s.c = x[1];
  s.k = weight[0];
  s.groups = groups;
  if (s.c % groups != 0)
    throw ShapeError(cat("[", op, "] groups is ", groups, ", which does not divide the ", s.c,
                         " channels of x (x: ", text(x), ")",
                         groups <= x[x.rank - 1] ? channels_last_hint(x, weight[1] * groups) : ""));
  if (s.k % groups != 0)
    throw ShapeError(cat("[", op, "] groups is ", groups, ", which does not divide the ", s.k,
                         " output channels of weight (weight: ", text(weight), ")"));
  if (s.c < 1 || s.k < 1)
    throw ShapeError(cat("[", op, "] x and weight need at least one channel (x: ", text(x),
                         ", weight: ", text(weight), ")"));
  if (weight[1] != s.c / groups) {
    const std::string expected =
        groups == 1 ? cat("x has ", s.c) : cat("x has ", s.c, " in ", groups, " groups of ", s.c / groups);
    const int64_t wanted = checked_mul(weight[1], groups, op);
    throw ShapeError(cat("[", op, "] weight has ", weight[1], " input channels but ", expected,
                         " (x: ", text(x), ", weight: ", text(weight), "): expected ", wanted,
                         " channels, got ", s.c, channels_last_hint(x, wanted)));
  }
  if (mode == Padding::kExplicit) {
    if (padding.rank != 2 * spatial)
      throw ShapeError(cat("[", op, "] padding has ", padding.rank, " entries, expected ", 2 * spatial,
                           " (low and high of each axis)"));
    check_axes(op, "padding", padding, 2 * spatial, 0);
  }
  for (int i = 0; i < spatial; ++i) {
    s.in[i] = x[2 + i];
    s.filter[i] = weight[2 + i];
    s.stride[i] = stride[i];
    s.dilation[i] = dilation[i];
    if (s.filter[i] < 1)
      throw ShapeError(cat("[", op, "] weight has an empty filter axis (weight: ", text(weight), ")"));
    const int64_t span = extent(s.filter[i], s.dilation[i], op);
    if (mode == Padding::kSame) {
      if (s.stride[i] != 1)
        throw ValueError(cat("[", op, "] padding='same' needs stride 1, got stride ", s.stride[i]));
      s.pad_lo[i] = (span - 1) / 2;  // as in PyTorch, the odd one goes to the high side
      s.pad_hi[i] = span - 1 - s.pad_lo[i];
    } else if (mode == Padding::kExplicit) {
      s.pad_lo[i] = padding[2 * i];
      s.pad_hi[i] = padding[2 * i + 1];
    }
    const int64_t padded = s.in[i] + s.pad_lo[i] + s.pad_hi[i];  // each at most 2^31: no overflow
    if (padded < span)
      throw ShapeError(cat("[", op, "] the filter spans ", span, " in ", axis_name(spatial, i),
                           " but x with its padding only has ", padded, " (x: ", text(x),
                           ", weight: ", text(weight), ")"));
    s.out[i] = (padded - span) / s.stride[i] + 1;
  }
  element_count(s.output_shape(), op);
  s.macs();  // throws when the work itself overflows
  return s;
}

int64_t PoolShape::taps() const { return product(window, spatial); }
int64_t PoolShape::in_pixels() const { return product(in, spatial); }
int64_t PoolShape::out_pixels() const { return product(out, spatial); }
Dims PoolShape::input_shape() const {
  Dims d{n, c};
  append(d, in, spatial);
  return d;
}
Dims PoolShape::output_shape() const {
  Dims d{n, c};
  append(d, out, spatial);
  return d;
}

namespace {

// Only the batch may be empty.
void check_pool_input(const char* op, const Dims& x) {
  element_count(x, op);
  for (int i = 1; i < x.rank; ++i)
    if (x[i] < 1)
      throw ShapeError(
          cat("[", op, "] x has shape ", text(x), ", expected at least one channel and one pixel"));
}

// The taps of a window are numbered in 32 bits.
void check_taps(const char* op, const PoolShape& s) {
  int64_t taps = 1;
  for (int i = 0; i < s.spatial; ++i) taps = checked_mul(taps, s.window[i], op);
  if (taps > kMaxDim)
    throw ShapeError(cat("[", op, "] a window has ", taps, " taps, expected at most ", kMaxDim));
}

}  // namespace

PoolShape make_pool_shape(const char* op, const Dims& x, const Dims& window, const Dims& stride,
                          const Dims& padding, const Dims& dilation, bool ceil_mode) {
  const int spatial = window.rank;
  if (spatial < 1 || spatial > kMaxSpatial)
    throw ShapeError(cat("[", op, "] kernel_size has ", window.rank, " entries, expected 1 to 3"));
  if (x.rank != spatial + 2)
    throw ShapeError(cat("[", op, "] x has shape ", text(x), " (", x.rank, " axes), expected ", spatial + 2));
  check_pool_input(op, x);
  check_axes(op, "kernel_size", window, spatial, 1);
  check_axes(op, "stride", stride, spatial, 1);
  check_axes(op, "padding", padding, spatial, 0);
  check_axes(op, "dilation", dilation, spatial, 1);
  PoolShape s;
  s.spatial = spatial;
  s.n = x[0];
  s.c = x[1];
  for (int i = 0; i < spatial; ++i) {
    s.in[i] = x[2 + i];
    s.window[i] = window[i];
    s.stride[i] = stride[i];
    s.dilation[i] = dilation[i];
    s.pad_lo[i] = s.pad_hi[i] = padding[i];
    const int64_t span = extent(window[i], dilation[i], op);
    if (padding[i] > span / 2)
      throw ValueError(
          cat("[", op, "] padding is ", padding[i], ", expected at most half the window (", span, " / 2)"));
    const int64_t padded = s.in[i] + 2 * padding[i];
    // Rounding up is a floor after adding stride - 1, so that a window larger than the input counts as one
    // too.
    const int64_t room = padded - span + (ceil_mode ? s.stride[i] - 1 : 0);
    if (room < 0)
      throw ShapeError(cat("[", op, "] the window spans ", span, " in ", axis_name(spatial, i),
                           " but x with its padding only has ", padded, " (x: ", text(x), ")"));
    s.out[i] = room / s.stride[i] + 1;
    if (ceil_mode && (s.out[i] - 1) * s.stride[i] >= s.in[i] + padding[i]) --s.out[i];
    // The last window may pass the high padding by less than one stride.
    const int64_t reach = (s.out[i] - 1) * s.stride[i] + span - padded;
    if (reach > 0) s.pad_hi[i] += reach;
  }
  check_taps(op, s);
  checked_mul(element_count(s.output_shape(), op), s.taps(), op);
  return s;
}

PoolShape make_adaptive_pool_shape(const char* op, const Dims& x, const Dims& output) {
  const int spatial = output.rank;
  if (spatial < 1 || spatial > kMaxSpatial)
    throw ShapeError(cat("[", op, "] output_size has ", output.rank, " entries, expected 1 to 3"));
  if (x.rank != spatial + 2)
    throw ShapeError(cat("[", op, "] x has shape ", text(x), " (", x.rank, " axes), expected ", spatial + 2));
  check_pool_input(op, x);
  PoolShape s;
  s.adaptive = true;
  s.spatial = spatial;
  s.n = x[0];
  s.c = x[1];
  for (int i = 0; i < spatial; ++i) {
    s.in[i] = x[2 + i];
    s.out[i] = output[i] == -1 ? s.in[i] : output[i];
    if (s.out[i] < 1 || s.out[i] > kMaxDim)
      throw ValueError(cat("[", op, "] output_size is ", output[i], ", expected 1 to ", kMaxDim,
                           ", or None to keep the size of x"));
    s.stride[i] = s.dilation[i] = 1;
    // A window that starts or ends between two pixels takes both.
    s.window[i] = s.in[i] % s.out[i] == 0 ? s.in[i] / s.out[i] : s.in[i] / s.out[i] + 2;
  }
  check_taps(op, s);
  checked_mul(element_count(s.output_shape(), op), s.taps(), op);
  return s;
}

}  // namespace pyconv
