#include "core/local_shape.h"

#include "core/error.h"

namespace pyconv {

Dims LocalShape::weight_shape() const {
  Dims d;
  for (int i = 0; i < conv.spatial; ++i) d.push(conv.out[i]);
  d.push(conv.k);
  d.push(conv.c);
  for (int i = 0; i < conv.spatial; ++i) d.push(conv.filter[i]);
  return d;
}

Dims LocalShape::bias_shape() const {
  Dims d{conv.k};
  for (int i = 0; i < conv.spatial; ++i) d.push(conv.out[i]);
  return d;
}

LocalShape make_local_shape(const char* op, const Dims& x, const Dims& weight, const Dims& stride,
                            const Dims& padding) {
  const int spatial = x.rank - 2;
  if (spatial != 1 && spatial != 2)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), " (", x.rank, " axes), expected 3 or 4"));
  if (weight.rank != 2 * spatial + 2)
    throw ShapeError(cat("[", op, "] weight has shape ", text(weight), ", expected ", 2 * spatial + 2,
                         " axes: (positions..., out channels, in channels, filter size...)"));
  element_count(weight, op);
  check_axes(op, "padding", padding, spatial, 0);
  Dims filter, pads, ones;
  for (int i = spatial; i < weight.rank; ++i) filter.push(weight[i]);
  for (int i = 0; i < spatial; ++i) {
    pads.push(padding[i]);
    pads.push(padding[i]);
    ones.push(1);
  }
  LocalShape s;
  s.conv = make_conv_shape(op, x, filter, stride, Padding::kExplicit, pads, ones, 1);
  const Dims expected = s.weight_shape();
  if (weight != expected)
    throw ShapeError(cat("[", op, "] weight has shape ", text(weight), ", expected ", text(expected),
                         ": one filter bank per output position (input: ", text(x), ")"));
  return s;
}

}  // namespace pyconv
