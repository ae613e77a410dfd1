// Dims: a small, fixed-capacity list of sizes, strides or offsets.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/checked.h"

namespace pyconv {

constexpr int kMaxRank = 8;

struct Dims {
  int rank = 0;
  int64_t d[kMaxRank] = {};

  Dims() = default;
  Dims(std::initializer_list<int64_t> list) {
    for (int64_t v : list) d[rank++] = v;
  }
  int64_t& operator[](int i) { return d[i]; }
  int64_t operator[](int i) const { return d[i]; }
  const int64_t* begin() const { return d; }
  const int64_t* end() const { return d + rank; }
  void push(int64_t v) { d[rank++] = v; }
  bool operator==(const Dims& o) const {
    if (rank != o.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (d[i] != o.d[i]) return false;
    return true;
  }
  bool operator!=(const Dims& o) const { return !(*this == o); }
};

// "8x3x32x32"; "()" for a scalar.
std::string text(const Dims& dims);

// Product of the sizes. Throws ShapeError when an axis or the total passes the limits of checked.h.
int64_t element_count(const Dims& dims, const char* op);

// Throws unless there are `count` values, each at least `least` and within the limit of an axis.
void check_axes(const char* op, const char* argument, const Dims& values, int count, int64_t least);

// Strides in elements of a dense array: C order, or channels-last for ranks 4 and 5.
Dims dense_strides(const Dims& shape, bool channels_last);

// Broadcast of two shapes by numpy's rule; throws ShapeError naming both.
Dims broadcast_shape(const Dims& a, const Dims& b, const char* op);

}  // namespace pyconv
