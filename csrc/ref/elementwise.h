// The readable specification of the elementwise operations, and their path for every type but float32.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// The loop of an operation on operands of `dtype` (the condition of where and the results of comparisons
// are bool), or null where the operation is not defined on it. Floats are computed in double; sums,
// differences and products of whole numbers wrap.
MapLoop ref_unary(Unary op, DType dtype);
MapLoop ref_binary(Binary op, DType dtype);
MapLoop ref_ternary(Ternary op, DType dtype);

// Converts element by element. Floats become whole numbers by truncation; out of range and NaN give the
// type's lowest value.
MapLoop ref_convert(DType to, DType from);

}  // namespace pyconv
