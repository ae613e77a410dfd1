// Drivers of the reductions.
#pragma once

#include "core/op_codes.h"
#include "core/view.h"

namespace pyconv {

// A validated reduction: which axes, and the result's type and shape (with size 1 on the reduced axes).
struct ReduceShape {
  Reduction op = Reduction::kSum;
  bool reduced[kMaxRank] = {};
  int64_t count = 1;  // terms per result
  double correction = 0;
  DType dtype = DType::kFloat32;
  Dims kept;
  Dims squeezed;  // without the reduced axes
};

// `axes` in -rank ... rank - 1, none twice; empty: all. Throws IndexError, ValueError, DTypeError (mean and
// var of whole numbers) and ShapeError (the maximum of nothing).
ReduceShape make_reduce(Reduction op, DType dtype, const Dims& shape, const Dims& axes, double correction);

// y has the shape `kept`.
void reduce(const ReduceShape& shape, const View& x, const View& y);

// Sums x over the axes that broadcasting `shape` to x's shape repeats.
ReduceShape make_sum_to(DType dtype, const Dims& from, const Dims& to);

// gx (dense) is zero but for gx[..., index, ...] = gy along `axis`; index and gy have size 1 there.
void put_along_axis(const View& gy, const View& index, int axis, const View& gx);

}  // namespace pyconv
