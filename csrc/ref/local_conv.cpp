#include "ref/local_conv.h"

#include <algorithm>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// f(image, output position, its row among all weights' columns, input pixel, tap) for each tap inside the
// input.
template <class F>
void each_tap(const LocalShape& shape, F&& f) {
  const ConvShape& s = shape.conv;
  const bool flat = s.spatial == 1;
  const int64_t in[2] = {flat ? 1 : s.in[0], s.in[s.spatial - 1]},
                out[2] = {flat ? 1 : s.out[0], s.out[s.spatial - 1]};
  const int64_t filter[2] = {flat ? 1 : s.filter[0], s.filter[s.spatial - 1]};
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oh = 0; oh < out[0]; ++oh)
      for (int64_t ow = 0; ow < out[1]; ++ow) {
        poll_interrupt();
        for (int64_t r = 0; r < filter[0]; ++r)
          for (int64_t t = 0; t < filter[1]; ++t) {
            const int64_t ih = flat ? 0 : oh * s.stride[0] - s.pad_lo[0] + r;
            const int64_t iw = ow * s.stride[s.spatial - 1] - s.pad_lo[s.spatial - 1] + t;
            if (ih >= 0 && ih < in[0] && iw >= 0 && iw < in[1])
              f(n, oh * out[1] + ow, (n * in[0] + ih) * in[1] + iw, r * filter[1] + t);
          }
      }
}

}  // namespace

void local_conv_forward(const LocalShape& shape, const double* x, const double* weight, const double* bias,
                        double* y) {
  const ConvShape& s = shape.conv;
  const int64_t taps = s.taps(), positions = s.out_pixels();
  for (int64_t i = 0; i < s.n * positions * s.k; ++i)
    y[i] = bias ? bias[i % s.k * positions + i / s.k % positions] : 0.0;
  each_tap(shape, [&](int64_t n, int64_t o, int64_t pixel, int64_t tap) {
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t c = 0; c < s.c; ++c)
        y[(n * positions + o) * s.k + k] +=
            weight[((o * s.k + k) * s.c + c) * taps + tap] * x[pixel * s.c + c];
  });
}

void local_conv_grad_input(const LocalShape& shape, const double* gy, const double* weight, double* gx) {
  const ConvShape& s = shape.conv;
  const int64_t taps = s.taps(), positions = s.out_pixels();
  std::fill_n(gx, s.n * s.in_pixels() * s.c, 0.0);
  each_tap(shape, [&](int64_t n, int64_t o, int64_t pixel, int64_t tap) {
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t c = 0; c < s.c; ++c)
        gx[pixel * s.c + c] +=
            weight[((o * s.k + k) * s.c + c) * taps + tap] * gy[(n * positions + o) * s.k + k];
  });
}

void local_conv_grad_weight(const LocalShape& shape, const double* gy, const double* x, double* gw) {
  const ConvShape& s = shape.conv;
  const int64_t taps = s.taps(), positions = s.out_pixels();
  std::fill_n(gw, positions * s.k * shape.columns(), 0.0);
  each_tap(shape, [&](int64_t n, int64_t o, int64_t pixel, int64_t tap) {
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t c = 0; c < s.c; ++c)
        gw[((o * s.k + k) * s.c + c) * taps + tap] += x[pixel * s.c + c] * gy[(n * positions + o) * s.k + k];
  });
}

}  // namespace pyconv::ref
