#include "core/group_norm_shape.h"

#include "core/error.h"

namespace pyconv {
namespace {

void check_vectors(const char* op, const GroupNormShape& s, const Dims* weight, const Dims* bias,
                   const char* what) {
  const Dims* const vectors[2] = {weight, bias};
  static const char* const names[2] = {"weight", "bias"};
  for (int i = 0; i < 2; ++i)
    if (vectors[i] && *vectors[i] != s.weight)
      throw ShapeError(cat("[", op, "] ", names[i], " has shape ", text(*vectors[i]), ", expected ",
                           text(s.weight), ", ", what, " (input: ", text(s.x), ")"));
}

}  // namespace

GroupNormShape make_group_norm_shape(const char* op, const Dims& x, int64_t groups, const Dims* weight,
                                     const Dims* bias) {
  if (x.rank < 2)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), ", expected (batch, channels, ...)"));
  element_count(x, op);
  if (groups < 1) throw ValueError(cat("[", op, "] num_groups is ", groups, ", expected at least 1"));
  if (x[1] < 1 || x[1] % groups != 0)
    throw ShapeError(cat("[", op, "] input has ", x[1], " channels, expected a multiple of num_groups, ",
                         groups, " (input: ", text(x), ")"));
  GroupNormShape s;
  s.x = x;
  s.weights = x[1];
  for (int i = 2; i < x.rank; ++i) s.repeat *= x[i];
  s.rows = x[0] * groups;
  s.length = x[1] / groups * s.repeat;
  s.weight = Dims{x[1]};
  if (x[0] * s.length == 1)
    throw ShapeError(cat("[", op, "] input has one value per group, which has no variance (input: ", text(x),
                         ", num_groups: ", groups, ")"));
  check_vectors(op, s, weight, bias, "one value per channel");
  return s;
}

GroupNormShape make_instance_norm_shape(const char* op, const Dims& x, const Dims* weight, const Dims* bias) {
  if (x.rank < 2 || x[1] < 1)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), ", expected (batch, channels, ...)"));
  int64_t pixels = 1;
  for (int i = 2; i < x.rank; ++i) pixels = x[i] == 1 ? pixels : 2;
  if (pixels == 1)
    throw ShapeError(
        cat("[", op, "] input has one pixel per channel, which has no variance (input: ", text(x), ")"));
  return make_group_norm_shape(op, x, x[1], weight, bias);
}

GroupNormShape make_layer_norm_shape(const char* op, const Dims& x, const Dims& normalized,
                                     const Dims* weight, const Dims* bias) {
  element_count(x, op);
  if (normalized.rank < 1)
    throw ValueError(cat("[", op, "] normalized_shape is empty, expected at least one axis"));
  bool fits = normalized.rank <= x.rank;
  for (int i = 1; fits && i <= normalized.rank; ++i) fits = x[x.rank - i] == normalized[normalized.rank - i];
  if (!fits)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), ", expected its last axes to be ",
                         text(normalized), ", the normalized_shape"));
  GroupNormShape s;
  s.x = x;
  s.weight = normalized;
  s.rows = s.length = 1;
  for (int i = 0; i < x.rank; ++i) (i < x.rank - normalized.rank ? s.rows : s.length) *= x[i];
  s.weights = s.length;
  check_vectors(op, s, weight, bias, "the normalized_shape");
  return s;
}

}  // namespace pyconv
