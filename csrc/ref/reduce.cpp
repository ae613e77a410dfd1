#include "ref/reduce.h"

#include <limits>
#include <type_traits>

#include "core/parallel.h"

namespace pyconv {
namespace {

// Calls f(offset in elements) for every position of the axes for which `wanted` holds, in C order.
template <class F>
void each(const View& x, const bool* reduced, bool wanted, F f) {
  int64_t at[kMaxRank] = {}, offset = 0;
  for (int i = 0; i < x.rank(); ++i)
    if (reduced[i] == wanted && x.shape[i] == 0) return;
  for (int64_t step = 0;; ++step) {
    if ((step & 0xfffff) == 0) poll_interrupt();  // a millisecond or two of work
    f(offset, static_cast<const int64_t*>(at));
    int i = x.rank() - 1;
    for (; i >= 0; --i) {
      if (reduced[i] != wanted) continue;
      offset += x.strides[i];
      if (++at[i] < x.shape[i]) break;
      offset -= x.strides[i] * x.shape[i];
      at[i] = 0;
    }
    if (i < 0) return;
  }
}

template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

template <class T>
Sum<T> sum(const T* x, const View& v, const bool* reduced) {
  Sum<T> total{};
  each(v, reduced, true, [&](int64_t offset, const int64_t*) {
    if constexpr (std::is_floating_point_v<T>) total += x[offset];
    else
      total = static_cast<int64_t>(static_cast<uint64_t>(total) + static_cast<uint64_t>(x[offset]));  // wraps
  });
  return total;
}

template <class T>
double variance(const T* x, const View& v, const bool* reduced, double count, double correction) {
  const double mean = static_cast<double>(sum(x, v, reduced)) / count;
  double squares = 0;
  each(v, reduced, true, [&](int64_t offset, const int64_t*) {
    const double d = static_cast<double>(x[offset]) - mean;
    squares += d * d;
  });
  const double divisor = count - correction;
  return squares / (divisor > 0 ? divisor : 0);  // no degrees of freedom: NaN, or infinite
}

// The best element and its index: `sign` 1 for the largest, -1 for the smallest.
template <class T>
struct Best {
  T value;
  int64_t index;
};
template <class T>
Best<T> best(const T* x, const View& v, const bool* reduced, bool largest) {
  Best<T> b{T{}, 0};
  int64_t index = 0;
  each(v, reduced, true, [&](int64_t offset, const int64_t*) {
    const T e = x[offset];
    const bool better = largest ? e > b.value : e < b.value;
    const bool first_nan = e != e && b.value == b.value;
    if (index == 0 || better || first_nan) b = {e, index};
    ++index;
  });
  return b;
}

template <class T>
void reduce(Reduction op, const View& x, const bool* reduced, double correction, const View& y) {
  int64_t count = 1;
  for (int i = 0; i < x.rank(); ++i)
    if (reduced[i]) count *= x.shape[i];
  each(x, reduced, false, [&](int64_t offset, const int64_t* at) {
    const T* p = x.as<T>() + offset;
    int64_t o = 0;
    for (int i = 0; i < x.rank(); ++i) o += at[i] * y.strides[i];
    switch (op) {
      case Reduction::kSum:
        if constexpr (std::is_floating_point_v<T>) y.as<T>()[o] = static_cast<T>(sum(p, x, reduced));
        else y.as<int64_t>()[o] = sum(p, x, reduced);
        break;
      case Reduction::kMean:
        if constexpr (std::is_floating_point_v<T>)
          y.as<T>()[o] = static_cast<T>(sum(p, x, reduced) / static_cast<double>(count));
        break;
      case Reduction::kVar:
        if constexpr (std::is_floating_point_v<T>)
          y.as<T>()[o] = static_cast<T>(variance(p, x, reduced, static_cast<double>(count), correction));
        break;
      case Reduction::kAmax:
      case Reduction::kAmin: y.as<T>()[o] = best(p, x, reduced, op == Reduction::kAmax).value; break;
      case Reduction::kArgmax:
      case Reduction::kArgmin:
        y.as<int64_t>()[o] = best(p, x, reduced, op == Reduction::kArgmax).index;
        break;
      case Reduction::kAny:
      case Reduction::kAll: {
        bool any = false, all = true;
        each(x, reduced, true, [&](int64_t i, const int64_t*) {
          any |= p[i] != T{};
          all &= p[i] != T{};
        });
        y.as<bool>()[o] = op == Reduction::kAny ? any : all;
        break;
      }
      case Reduction::kCount: break;
    }
  });
}

}  // namespace

void ref_reduce(Reduction op, const View& x, const bool* reduced, double correction, const View& y) {
  switch (x.dtype) {
    case DType::kFloat32: return reduce<float>(op, x, reduced, correction, y);
    case DType::kFloat64: return reduce<double>(op, x, reduced, correction, y);
    case DType::kInt64: return reduce<int64_t>(op, x, reduced, correction, y);
    case DType::kInt32: return reduce<int32_t>(op, x, reduced, correction, y);
    case DType::kUInt8: return reduce<uint8_t>(op, x, reduced, correction, y);
    case DType::kBool: return reduce<bool>(op, x, reduced, correction, y);
  }
}

}  // namespace pyconv
