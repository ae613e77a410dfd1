#include "ops/reduce.h"

#include <cstring>

#include "core/error.h"
#include "core/iterator.h"
#include "ops/elementwise.h"
#include "ops/reduce_float.h"
#include "ref/reduce.h"

namespace pyconv {
namespace {

const char* op_name(Reduction op) { return kReductionNames[static_cast<int>(op)]; }

DType result_type(Reduction op, DType dtype) {
  const bool floating = dtype == DType::kFloat32 || dtype == DType::kFloat64;
  switch (op) {
    case Reduction::kSum: return floating ? dtype : DType::kInt64;
    case Reduction::kMean:
    case Reduction::kVar:
      if (!floating)
        throw DTypeError(
            cat("[", op_name(op), "] x has dtype ", name(dtype), ", expected float32 or float64"));
      return dtype;
    case Reduction::kAmax:
    case Reduction::kAmin: return dtype;
    case Reduction::kArgmax:
    case Reduction::kArgmin: return DType::kInt64;
    default: return DType::kBool;
  }
}

}  // namespace

ReduceShape make_reduce(Reduction op, DType dtype, const Dims& shape, const Dims& axes, double correction) {
  ReduceShape s;
  s.op = op;
  s.correction = correction;
  s.dtype = result_type(op, dtype);
  const int rank = shape.rank;
  for (int64_t given : axes) {
    const int64_t limit = rank > 0 ? rank : 1;  // a scalar has an axis 0 for this purpose
    if (given < -limit || given >= limit)
      throw IndexError(cat("[", op_name(op), "] dim is ", given, ", expected ", -limit, " to ", limit - 1,
                           " (x: ", text(shape), ")"));
    const int64_t axis = given < 0 ? given + limit : given;
    if (s.reduced[axis]) throw ValueError(cat("[", op_name(op), "] dim ", axis, " is given twice"));
    s.reduced[axis] = true;
  }
  if (axes.rank == 0)
    for (int i = 0; i < rank; ++i) s.reduced[i] = true;
  for (int i = 0; i < rank; ++i) {
    s.kept.push(s.reduced[i] ? 1 : shape[i]);
    if (s.reduced[i]) s.count *= shape[i];
    else s.squeezed.push(shape[i]);
  }
  const bool needs_elements = op == Reduction::kAmax || op == Reduction::kAmin || op == Reduction::kArgmax ||
                              op == Reduction::kArgmin;
  if (needs_elements && s.count == 0)
    throw ShapeError(
        cat("[", op_name(op), "] x has no elements along the reduced axes (x: ", text(shape), ")"));
  return s;
}

ReduceShape make_sum_to(DType dtype, const Dims& from, const Dims& to) {
  const int lead = from.rank - to.rank;
  bool fits = lead >= 0;
  for (int i = 0; fits && i < to.rank; ++i) fits = to[i] == from[lead + i] || to[i] == 1;
  if (!fits)
    throw ShapeError(cat("[sum_to_shape] ", text(to), " does not broadcast to x (x: ", text(from), ")"));
  ReduceShape s;
  s.op = Reduction::kSum;
  s.dtype = result_type(Reduction::kSum, dtype);
  for (int i = 0; i < from.rank; ++i) {
    s.reduced[i] = i < lead || to[i - lead] != from[i];
    s.kept.push(s.reduced[i] ? 1 : from[i]);
    if (s.reduced[i]) s.count *= from[i];
  }
  s.squeezed = to;
  return s;
}

void reduce(const ReduceShape& s, const View& x, const View& y) {
  if (s.kept.rank != y.rank() || y.count() == 0) return;
  const bool truth = s.op == Reduction::kAny || s.op == Reduction::kAll;
  if (x.dtype == DType::kFloat32 && !truth && s.count > 0) reduce_float(s, x, y);
  else ref_reduce(s.op, x, s.reduced, s.correction, y);
}

void put_along_axis(const View& gy, const View& index, int axis, const View& gx) {
  std::memset(gx.data, 0, static_cast<size_t>(gx.count() * item_size(gx.dtype)));
  View along = gx;  // gx without the axis
  along.shape[axis] = 1;
  const Dims strides = gx.strides;
  const int64_t size = gx.shape[axis], step = strides[axis], item = item_size(gx.dtype);
  parallel_walk(make_loop({along, gy, index}), [&](int64_t n, char* const* data, const int64_t* s) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = reinterpret_cast<const int64_t*>(data[2])[i * s[2]];
      if (at < 0 || at >= size)
        throw IndexError(cat("[put_along_axis] index ", at, " is outside 0 to ", size - 1));
      char* to = data[0] + (i * s[0] + at * step) * item;
      const char* from = data[1] + i * s[1] * item;
      for (int64_t b = 0; b < item; ++b) to[b] = from[b];
    }
  });
}

}  // namespace pyconv
