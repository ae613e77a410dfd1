#include "ops/unfold.h"

#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "ops/dense.h"
#include "ops/layout.h"

namespace pyconv {
namespace {

// Outputs [first, last) of axis `a` whose tap t lies inside the input, and the input of output `first`.
struct Stretch {
  int64_t first, last, input;

  Stretch(const ConvShape& s, int a, int64_t t) {
    const int64_t origin = t * s.dilation[a] - s.pad_lo[a], stride = s.stride[a];
    first = std::min(s.out[a], origin < 0 ? ceil_div(-origin, stride) : 0);
    last = origin >= s.in[a] ? first : std::clamp(ceil_div(s.in[a] - origin, stride), first, s.out[a]);
    input = origin + first * stride;
  }
};

// f(plane of x, row of columns, tap) for each plane (n, c): planes are disjoint in both.
template <class F>
void each_plane(const ConvShape& s, F&& f) {
  const int64_t taps = s.taps();
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, taps * s.out_pixels()));
  parallel_ranges(s.n * s.c, grain, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) f(plane);
  });
}

template <class T>
void unfold_planes(const ConvShape& s, const T* x, T* columns) {
  each_plane(s, [&](int64_t plane) {
    const T* const in = x + plane * s.in_pixels();
    T* out = columns + plane * s.taps() * s.out_pixels();
    for (int64_t r = 0; r < s.filter[0]; ++r) {
      const Stretch rows(s, 0, r);
      for (int64_t t = 0; t < s.filter[1]; ++t) {
        poll_interrupt();
        const Stretch pixels(s, 1, t);
        for (int64_t oh = 0; oh < s.out[0]; ++oh, out += s.out[1]) {
          if (oh < rows.first || oh >= rows.last || pixels.first == pixels.last) {
            std::fill_n(out, s.out[1], T(0));
            continue;
          }
          const T* const from = in + (rows.input + (oh - rows.first) * s.stride[0]) * s.in[1] + pixels.input;
          std::fill(out, out + pixels.first, T(0));
          for (int64_t i = 0; i < pixels.last - pixels.first; ++i)
            out[pixels.first + i] = from[i * s.stride[1]];
          std::fill(out + pixels.last, out + s.out[1], T(0));
        }
      }
    }
  });
}

template <class T>
void fold_planes(const ConvShape& s, const T* columns, T* x) {
  each_plane(s, [&](int64_t plane) {
    T* const out = x + plane * s.in_pixels();
    const T* in = columns + plane * s.taps() * s.out_pixels();
    std::fill_n(out, s.in_pixels(), T(0));
    for (int64_t r = 0; r < s.filter[0]; ++r) {
      const Stretch rows(s, 0, r);
      for (int64_t t = 0; t < s.filter[1]; ++t, in += s.out_pixels()) {
        poll_interrupt();
        const Stretch pixels(s, 1, t);
        if (pixels.first == pixels.last) continue;
        for (int64_t oh = rows.first; oh < rows.last; ++oh) {
          T* const to = out + (rows.input + (oh - rows.first) * s.stride[0]) * s.in[1] + pixels.input;
          const T* const from = in + oh * s.out[1] + pixels.first;
          for (int64_t i = 0; i < pixels.last - pixels.first; ++i) to[i * s.stride[1]] += from[i];
        }
      }
    }
  });
}

template <class T>
void fold_as(const ConvShape& s, const View& columns, const View& x) {
  const DenseInput from(columns, false);
  if (is_dense(x, false)) {
    fold_planes(s, from.as<T>(), x.as<T>());
    return;
  }
  Scratch<T> planes(x.count());
  fold_planes(s, from.as<T>(), planes.data());
  copy(x, dense_view(planes.data(), x.dtype, x.shape, false));
}

}  // namespace

void unfold(const ConvShape& shape, const View& x, const View& columns) {
  const DenseInput from(x, false);
  if (x.dtype == DType::kFloat64) unfold_planes(shape, from.as<double>(), columns.as<double>());
  else unfold_planes(shape, from.as<float>(), columns.as<float>());
}

void fold(const ConvShape& shape, const View& columns, const View& x) {
  if (x.dtype == DType::kFloat64) fold_as<double>(shape, columns, x);
  else fold_as<float>(shape, columns, x);
}

}  // namespace pyconv
