// Drivers of the elementwise operations: type promotion, broadcasting, overlap, and the choice of a loop.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// The smallest type that holds both: bool < uint8 < int32 < int64 < float32 < float64.
DType promote(DType a, DType b);

// Types of operands by rank: an array with axes outranks one without, which outranks a Python number,
// unless the lower has a higher category (bool < whole < float).
struct Promotion {
  void array(DType dtype, int rank);
  void number(DType dtype);  // bool, int64 or float32 by the number's kind
  DType result() const;

 private:
  bool has_[3] = {};
  DType best_[3] = {};
};

// Element types in which the operation computes and of its result, given its promoted operands: ints
// become float32 where only floats will do. Throws DTypeError where it is not defined (neg of bool).
struct OpTypes {
  DType compute, result;
};
OpTypes types(Unary op, DType operand);
OpTypes types(Binary op, DType operand);
OpTypes types(Ternary op, DType operand);  // of where: a and b

// y = op(a, ...). Operands are broadcast to y's shape and converted to `compute` first; y has the result
// type and may be the memory of any operand, also shifted against it.
void unary(Unary op, DType compute, const View& a, const View& y, const double* param);
void binary(Binary op, DType compute, const View& a, const View& b, const View& y, const double* param);
void ternary(Ternary op, DType compute, const View& a, const View& b, const View& c, const View& y);

// y = x, broadcast and converted to y's shape and type; x may lie in y's memory in any way.
void assign(const View& x, const View& y);

// Whether no element is infinite or NaN.
bool all_finite(const View& x);

}  // namespace pyconv
