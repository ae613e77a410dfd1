#include <algorithm>

#include "core/error.h"
#include "core/shape.h"

namespace pyconv {
namespace {

void check_channels(const char* op, const Dims& x, const Dims& weight, int64_t groups) {
  if (groups < 1) throw ValueError(cat("[", op, "] groups is ", groups, ", expected at least 1"));
  if (x[1] < 1 || weight[1] < 1)
    throw ShapeError(cat("[", op, "] x and weight need at least one channel (x: ", text(x),
                         ", weight: ", text(weight), ")"));
  if (x[1] != weight[0])
    throw ShapeError(cat("[", op, "] weight has ", weight[0], " input channels but x has ", x[1],
                         " (x: ", text(x), ", weight: ", text(weight), "): expected ", weight[0],
                         " channels, got ", x[1], channels_last_hint(x, weight[0])));
  if (x[1] % groups != 0)
    throw ShapeError(cat("[", op, "] groups is ", groups, ", which does not divide the ", x[1],
                         " channels of x (x: ", text(x), ")"));
}

}  // namespace

ConvShape make_conv_transpose_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride,
                                    const Dims& padding, const Dims& output_padding, const Dims& dilation,
                                    int64_t groups) {
  const int spatial = weight.rank - 2;
  if (spatial < 1 || spatial > kMaxSpatial)
    throw ShapeError(
        cat("[", op, "] weight has shape ", text(weight),
            ", expected (in channels, out channels / groups, filter size...) with 1 to 3 filter axes"));
  if (x.rank != weight.rank)
    throw ShapeError(cat("[", op, "] x has shape ", text(x), " (", x.rank, " axes), expected ", weight.rank,
                         " axes to match weight ", text(weight)));
  element_count(x, op);
  element_count(weight, op);
  check_channels(op, x, weight, groups);
  check_axes(op, "stride", stride, spatial, 1);
  check_axes(op, "padding", padding, spatial, 0);
  check_axes(op, "output_padding", output_padding, spatial, 0);
  check_axes(op, "dilation", dilation, spatial, 1);

  Dims result{x[0], checked_mul(weight[1], groups, op)}, pads;
  for (int i = 0; i < spatial; ++i) {
    const int64_t in = x[2 + i], filter = weight[2 + i];
    if (filter < 1)
      throw ShapeError(cat("[", op, "] weight has an empty filter axis (weight: ", text(weight), ")"));
    if (in < 1) throw ShapeError(cat("[", op, "] x has an empty spatial axis (x: ", text(x), ")"));
    if (output_padding[i] >= std::max(stride[i], dilation[i]))
      throw ValueError(cat("[", op, "] output_padding is ", output_padding[i], ", expected less than stride ",
                           stride[i], " or dilation ", dilation[i], " of its axis"));
    const int64_t reach = checked_mul(dilation[i], filter - 1, op);
    const int64_t whole = checked_add(checked_mul(in - 1, stride[i], op), reach, op);
    const int64_t size = checked_add(whole, output_padding[i] + 1, op) - 2 * padding[i];
    if (size < 1)
      throw ShapeError(cat("[", op, "] the output would have ", size, " elements in axis ", i + 2,
                           ", expected at least 1 (x: ", text(x), ", weight: ", text(weight), ", padding ",
                           padding[i], ")"));
    result.push(size);
    // What the adjoint needs on the high side so that its last window fits: less where output_padding has
    // put elements there already.
    pads.push(padding[i]);
    pads.push(std::max<int64_t>(padding[i] - output_padding[i], 0));
  }
  ConvShape s = make_conv_shape(op, result, weight, stride, Padding::kExplicit, pads, dilation, groups);
  // With output_padding beyond stride and padding one more window would fit: those elements have no source.
  for (int i = 0; i < spatial; ++i) s.out[i] = x[2 + i];
  return s;
}

}  // namespace pyconv
