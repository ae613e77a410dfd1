#include "ref/pool.h"

#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// Element (n, c, position) of a view with 1 to 3 spatial axes; `at` holds 3, the leading ones 0.
double* element(const View& view, int64_t n, int64_t c, const int64_t (&at)[3]) {
  int64_t offset = n * view.strides[0] + c * view.strides[1];
  for (int i = 2; i < view.rank(); ++i) offset += at[i + 3 - view.rank()] * view.strides[i];
  return view.as<double>() + offset;
}

// f(n, c, output position, number of the output in the order (n, spatial..., c))
template <class F>
void each_output(const Windows& w, F&& f) {
  int64_t o[3];
  for (int64_t n = 0; n < w.n; ++n)
    for (o[0] = 0; o[0] < w.axis[0].out; ++o[0])
      for (o[1] = 0; o[1] < w.axis[1].out; ++o[1])
        for (o[2] = 0; o[2] < w.axis[2].out; ++o[2]) {
          poll_interrupt();
          const int64_t pixel = ((n * w.axis[0].out + o[0]) * w.axis[1].out + o[1]) * w.axis[2].out + o[2];
          for (int64_t c = 0; c < w.c; ++c) f(n, c, o, pixel * w.c + c);
        }
}

// f(input position, tap number) for the taps of output `o` that lie inside the input.
template <class F>
void each_tap(const Windows& w, const int64_t (&o)[3], F&& f) {
  int64_t t[3], at[3];
  for (t[0] = w.axis[0].begin[o[0]]; t[0] < w.axis[0].end[o[0]]; ++t[0])
    for (t[1] = w.axis[1].begin[o[1]]; t[1] < w.axis[1].end[o[1]]; ++t[1])
      for (t[2] = w.axis[2].begin[o[2]]; t[2] < w.axis[2].end[o[2]]; ++t[2]) {
        for (int a = 0; a < 3; ++a) at[a] = w.axis[a].position(o[a], t[a]);
        f(at, (t[0] * w.axis[1].taps + t[1]) * w.axis[2].taps + t[2]);
      }
}

void set_zero(const Windows& w, const View& gx) {
  int64_t at[3];
  for (int64_t n = 0; n < w.n; ++n)
    for (int64_t c = 0; c < w.c; ++c)
      for (at[0] = 0; at[0] < w.axis[0].in; ++at[0])
        for (at[1] = 0; at[1] < w.axis[1].in; ++at[1])
          for (at[2] = 0; at[2] < w.axis[2].in; ++at[2]) *element(gx, n, c, at) = 0.0;
}

double divisor_of(const Windows& w, const int64_t (&o)[3], bool count_padding, int64_t divisor) {
  if (divisor != 0) return static_cast<double>(divisor);
  double taps = 1.0;
  for (int a = 0; a < 3; ++a) {
    const AxisWindows& axis = w.axis[a];
    taps *= static_cast<double>(count_padding ? axis.covered[o[a]] : axis.end[o[a]] - axis.begin[o[a]]);
  }
  return taps;
}

}  // namespace

void max_pool_forward(const PoolShape& shape, const View& x, const View& y, void* taps) {
  const Windows w = make_windows(shape);
  const int bytes = tap_bytes(shape);
  each_output(w, [&](int64_t n, int64_t c, const int64_t (&o)[3], int64_t number) {
    double best = -std::numeric_limits<double>::infinity();
    int64_t winner = -1;
    each_tap(w, o, [&](const int64_t (&at)[3], int64_t tap) {
      const double v = *element(x, n, c, at);
      if (winner < 0) winner = tap;
      if (v > best || std::isnan(v)) {
        best = v;
        winner = tap;
      }
    });
    *element(y, n, c, o) = best;
    if (winner < 0) winner = 0;
    if (taps && bytes == 1) static_cast<uint8_t*>(taps)[number] = static_cast<uint8_t>(winner);
    if (taps && bytes == 4) static_cast<int32_t*>(taps)[number] = static_cast<int32_t>(winner);
  });
}

void max_pool_grad_input(const PoolShape& shape, const View& gy, const void* taps, const View& gx) {
  const Windows w = make_windows(shape);
  const int bytes = tap_bytes(shape);
  set_zero(w, gx);
  each_output(w, [&](int64_t n, int64_t c, const int64_t (&o)[3], int64_t number) {
    const int64_t winner =
        bytes == 1 ? static_cast<const uint8_t*>(taps)[number] : static_cast<const int32_t*>(taps)[number];
    each_tap(w, o, [&](const int64_t (&at)[3], int64_t tap) {
      if (tap == winner) *element(gx, n, c, at) += *element(gy, n, c, o);
    });
  });
}

void average_pool_forward(const PoolShape& shape, bool count_padding, int64_t divisor, const View& x,
                          const View& y) {
  const Windows w = make_windows(shape);
  each_output(w, [&](int64_t n, int64_t c, const int64_t (&o)[3], int64_t) {
    double sum = 0.0;
    each_tap(w, o, [&](const int64_t (&at)[3], int64_t) { sum += *element(x, n, c, at); });
    *element(y, n, c, o) = sum / divisor_of(w, o, count_padding, divisor);
  });
}

void average_pool_grad_input(const PoolShape& shape, bool count_padding, int64_t divisor, const View& gy,
                             const View& gx) {
  const Windows w = make_windows(shape);
  set_zero(w, gx);
  each_output(w, [&](int64_t n, int64_t c, const int64_t (&o)[3], int64_t) {
    const double part = *element(gy, n, c, o) / divisor_of(w, o, count_padding, divisor);
    each_tap(w, o, [&](const int64_t (&at)[3], int64_t) { *element(gx, n, c, at) += part; });
  });
}

}  // namespace pyconv::ref
