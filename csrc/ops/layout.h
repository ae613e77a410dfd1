// Copies, conversions of memory order and type, fills, padding, indexing.
#pragma once

#include <string>
#include <vector>

#include "core/view.h"

namespace pyconv {

// dst[i] = src[i] for views of one shape, any strides, any types. Floats become whole numbers by truncation
// (saturating at 64 bits, NaN becomes 0, then wrapping into narrower types); anything nonzero becomes true.
void copy(const View& dst, const View& src);

// dst[i] = *value, which has dst's type.
void fill(const View& dst, const void* value);

// dst[i] = start + i * step, computed as such: no error accumulates.
void arange(const View& dst, double start, double step);
void arange(const View& dst, int64_t start, int64_t step);

// The parts of `out` along `axis` are the inputs, one after the other.
void concat(const std::vector<View>& inputs, int axis, const View& out);

enum class PadMode { kConstant, kReflect, kReplicate, kCircular };
PadMode pad_mode(const std::string& name);  // throws ValueError

// The shape of x with lo[i] elements before and hi[i] after axis i. Throws ShapeError where a result would be
// negative, and where a mode other than constant crops or reaches beyond x.
Dims padded_shape(const Dims& x, const Dims& lo, const Dims& hi, PadMode mode);

// y = x with borders: a constant (negative sizes crop), or x itself mirrored without its edge (reflect), its
// edge repeated (replicate), or its other end (circular).
void pad(const View& x, const Dims& lo, const Dims& hi, PadMode mode, const void* value, const View& y);

// gx = the sum of gy over all places that an element of x was copied to; gy is used up as workspace. Not for
// kConstant, whose gradient is a crop: pad with -lo, -hi.
void pad_grad(const View& gy, const Dims& lo, const Dims& hi, PadMode mode, const View& gx);

// Positions of n index tuples along some axes of x, in elements: sum over k of index[k][j] * stride(axes[k]).
// Negative indices count from the end. Throws IndexError naming the index, the axis and its size.
std::vector<int64_t> index_offsets(const View& x, const std::vector<int>& axes,
                                   const std::vector<const int64_t*>& indices, int64_t n, const char* op);

// y[j, ...] = x[offset j, ...]. y's first `lead` axes run over the n offsets, its others are those of x that
// are not indexed (`rest` is x without the indexed axes).
void gather(const View& rest, const std::vector<int64_t>& offsets, int lead, const View& y);

// x[offset j, ...] = v[j, ...] (the last j wins where offsets repeat), or += v[j, ...] in the order of j.
void scatter(const View& rest, const std::vector<int64_t>& offsets, int lead, const View& v, bool accumulate,
             const char* op);

// y[i, k] = (index[i] == k); throws IndexError for an index outside the columns of y.
void one_hot(const View& index, const View& y);

}  // namespace pyconv
