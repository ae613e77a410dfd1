// Size arithmetic that cannot wrap: every product or sum of user-given sizes goes through here.
#pragma once

#include <cstdint>

#include "core/error.h"

namespace pyconv {

constexpr int64_t kMaxDim = (int64_t{1} << 31) - 1;  // per axis
constexpr int64_t kMaxBytes = int64_t{1} << 47;      // per tensor

inline int64_t checked_mul(int64_t a, int64_t b, const char* op) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r))
    throw ShapeError(cat("[", op, "] size overflows 64 bits: ", a, " * ", b));
  return r;
}

inline int64_t checked_add(int64_t a, int64_t b, const char* op) {
  int64_t r;
  if (__builtin_add_overflow(a, b, &r))
    throw ShapeError(cat("[", op, "] size overflows 64 bits: ", a, " + ", b));
  return r;
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace pyconv
