#include "core/dims.h"

namespace pyconv {

std::string text(const Dims& dims) {
  if (dims.rank == 0) return "()";
  std::string out;
  for (int i = 0; i < dims.rank; ++i) {
    if (i) out += "x";
    out += std::to_string(dims[i]);
  }
  return out;
}

int64_t element_count(const Dims& dims, const char* op) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t v : dims) {
    if (v < 0) throw ShapeError(cat("[", op, "] negative size in shape ", text(dims)));
    if (v > kMaxDim)
      throw ShapeError(cat("[", op, "] size ", v, " in shape ", text(dims), " exceeds the limit of ", kMaxDim,
                           " per axis"));
    if (v == 0) empty = true;
    else count = checked_mul(count, v, op);
  }
  if (count > kMaxBytes / 8)
    throw ShapeError(cat("[", op, "] shape ", text(dims), " needs more than 2^47 bytes"));
  return empty ? 0 : count;
}

void check_axes(const char* op, const char* argument, const Dims& values, int count, int64_t least) {
  if (values.rank != count)
    throw ShapeError(cat("[", op, "] ", argument, " has ", values.rank, " entries, expected ", count));
  for (int i = 0; i < count; ++i)
    if (values[i] < least || values[i] > kMaxDim)
      throw ValueError(
          cat("[", op, "] ", argument, " is ", values[i], ", expected ", least, " to ", kMaxDim));
}

Dims dense_strides(const Dims& shape, bool channels_last) {
  Dims strides;
  strides.rank = shape.rank;
  int64_t step = 1;
  if (channels_last && (shape.rank == 4 || shape.rank == 5)) {
    strides[1] = 1;
    step = shape[1];
    for (int i = shape.rank - 1; i >= 2; --i) {
      strides[i] = step;
      step *= shape[i];
    }
    strides[0] = step;
    return strides;
  }
  for (int i = shape.rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

Dims broadcast_shape(const Dims& a, const Dims& b, const char* op) {
  Dims out;
  out.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int i = 0; i < out.rank; ++i) {
    const int ia = i - (out.rank - a.rank), ib = i - (out.rank - b.rank);
    const int64_t va = ia < 0 ? 1 : a[ia], vb = ib < 0 ? 1 : b[ib];
    if (va != vb && va != 1 && vb != 1)
      throw ShapeError(cat("[", op, "] shapes ", text(a), " and ", text(b), " do not broadcast: ", va,
                           " and ", vb, " differ and neither is 1"));
    out[i] = va == 1 ? vb : va;
  }
  return out;
}

}  // namespace pyconv
