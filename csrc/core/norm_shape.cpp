#include "core/norm_shape.h"

#include "core/error.h"

namespace pyconv {

NormShape make_batch_norm_shape(const char* op, const Dims& x, const Dims* running_mean,
                                const Dims* running_var, const Dims* weight, const Dims* bias,
                                bool training) {
  if (x.rank < 2 || x.rank > 5)
    throw ShapeError(cat("[", op, "] x has shape ", text(x), " (", x.rank,
                         " axes), expected (batch, channels) and up to 3 spatial axes"));
  element_count(x, op);
  NormShape s;
  s.x = x;
  s.c = x[1];
  if (s.c < 1) throw ShapeError(cat("[", op, "] x has shape ", text(x), ", expected at least one channel"));
  s.rows = x[0];
  for (int i = 2; i < x.rank; ++i) s.rows *= x[i];
  const Dims* const vectors[4] = {running_mean, running_var, weight, bias};
  static const char* const names[4] = {"running_mean", "running_var", "weight", "bias"};
  for (int i = 0; i < 4; ++i) {
    if (!vectors[i] || *vectors[i] == Dims{s.c}) continue;
    throw ShapeError(cat("[", op, "] ", names[i], " has shape ", text(*vectors[i]), ", expected ", s.c,
                         ", one value per channel of x (x: ", text(x), ")"));
  }
  if (!running_mean != !running_var)
    throw ValueError(cat("[", op, "] ", running_mean ? "running_var" : "running_mean",
                         " is None, expected both running vectors or neither"));
  if (!training && !running_mean)
    throw ValueError(
        cat("[", op, "] running_mean and running_var are None, which only training=True allows"));
  if (training && s.rows == 1)
    throw ShapeError(cat("[", op, "] x has one value per channel (x: ", text(x),
                         "), of which training cannot take a variance: use a larger batch, or evaluation "
                         "mode (training=False)"));
  return s;
}

}  // namespace pyconv
