#include "core/activation_shape.h"

#include "core/error.h"

namespace pyconv {

int64_t parametric_channels(const char* op, const char* weight_name, const Dims& x, const Dims& weight) {
  element_count(x, op);
  const int64_t channels = x.rank >= 2 ? x[1] : 1;
  if (weight.rank > 1)
    throw ShapeError(cat("[", op, "] ", weight_name, " has shape ", text(weight),
                         ", expected one number, or one per channel (x: ", text(x), ")"));
  const int64_t count = weight.rank == 0 ? 1 : weight[0];
  if (count != 1 && count != channels)
    throw ShapeError(cat("[", op, "] ", weight_name, " has ", count, " numbers but x has ", channels,
                         channels == 1 ? " channel" : " channels", " (x: ", text(x), "), expected 1",
                         channels == 1 ? "" : cat(" or ", channels)));
  return count;
}

}  // namespace pyconv
