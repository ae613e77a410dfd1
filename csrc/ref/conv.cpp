#include "ref/conv.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// The record in the frame of three axes z, y, x; missing axes have size 1.
struct Frame {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, filter[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};

  explicit Frame(const ConvShape& s) {
    for (int i = 0; i < s.spatial; ++i) {
      const int a = 3 - s.spatial + i;
      in[a] = s.in[i];
      out[a] = s.out[i];
      filter[a] = s.filter[i];
      stride[a] = s.stride[i];
      dilation[a] = s.dilation[i];
      pad[a] = s.pad_lo[i];
    }
  }
  // Calls f(input pixel, tap) for every tap of output (oz, oy, ox) that falls inside the input.
  template <class F>
  void taps(int64_t oz, int64_t oy, int64_t ox, F&& f) const {
    for (int64_t tz = 0; tz < filter[0]; ++tz) {
      const int64_t iz = oz * stride[0] - pad[0] + tz * dilation[0];
      if (iz < 0 || iz >= in[0]) continue;
      for (int64_t ty = 0; ty < filter[1]; ++ty) {
        const int64_t iy = oy * stride[1] - pad[1] + ty * dilation[1];
        if (iy < 0 || iy >= in[1]) continue;
        for (int64_t tx = 0; tx < filter[2]; ++tx) {
          const int64_t ix = ox * stride[2] - pad[2] + tx * dilation[2];
          if (ix < 0 || ix >= in[2]) continue;
          f((iz * in[1] + iy) * in[2] + ix, (tz * filter[1] + ty) * filter[2] + tx);
        }
      }
    }
  }
  // Calls f(output pixel, oz, oy, ox) for every output.
  template <class F>
  void outputs(F&& f) const {
    int64_t pixel = 0;
    for (int64_t oz = 0; oz < out[0]; ++oz)
      for (int64_t oy = 0; oy < out[1]; ++oy) {
        poll_interrupt();
        for (int64_t ox = 0; ox < out[2]; ++ox, ++pixel) f(pixel, oz, oy, ox);
      }
  }
};

}  // namespace

template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  const Frame frame(s);
  const int64_t gc = s.group_c(), gk = s.group_k(), taps = s.taps();
  for (int64_t n = 0; n < s.n; ++n)
    frame.outputs([&](int64_t pixel, int64_t oz, int64_t oy, int64_t ox) {
      for (int64_t k = 0; k < s.k; ++k) {
        double sum = bias ? static_cast<double>(bias[k]) : 0.0;
        frame.taps(oz, oy, ox, [&](int64_t in, int64_t tap) {
          const T* from = x + (n * s.in_pixels() + in) * s.c + k / gk * gc;
          for (int64_t c = 0; c < gc; ++c)
            sum += static_cast<double>(from[c]) * static_cast<double>(w[(k * gc + c) * taps + tap]);
        });
        y[(n * s.out_pixels() + pixel) * s.k + k] = static_cast<T>(sum);
      }
    });
}

template <class T>
void conv_grad_input(const ConvShape& s, const T* gy, const T* w, const T* bias, T* gx) {
  const Frame frame(s);
  const int64_t gc = s.group_c(), gk = s.group_k(), taps = s.taps(), image = s.in_pixels() * s.c;
  std::vector<double> sum(static_cast<size_t>(image));
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t i = 0; i < image; ++i)
      sum[static_cast<size_t>(i)] = bias ? static_cast<double>(bias[i % s.c]) : 0.0;
    frame.outputs([&](int64_t pixel, int64_t oz, int64_t oy, int64_t ox) {
      for (int64_t k = 0; k < s.k; ++k) {
        const double g = static_cast<double>(gy[(n * s.out_pixels() + pixel) * s.k + k]);
        frame.taps(oz, oy, ox, [&](int64_t in, int64_t tap) {
          double* to = sum.data() + in * s.c + k / gk * gc;
          for (int64_t c = 0; c < gc; ++c) to[c] += g * static_cast<double>(w[(k * gc + c) * taps + tap]);
        });
      }
    });
    for (int64_t i = 0; i < image; ++i) gx[n * image + i] = static_cast<T>(sum[static_cast<size_t>(i)]);
  }
}

template <class T>
void conv_grad_weight(const ConvShape& s, const T* gy, const T* x, T* gw) {
  const Frame frame(s);
  const int64_t gc = s.group_c(), gk = s.group_k(), taps = s.taps();
  std::vector<double> sum(static_cast<size_t>(s.k * gc * taps));
  for (int64_t n = 0; n < s.n; ++n)
    frame.outputs([&](int64_t pixel, int64_t oz, int64_t oy, int64_t ox) {
      for (int64_t k = 0; k < s.k; ++k) {
        const double g = static_cast<double>(gy[(n * s.out_pixels() + pixel) * s.k + k]);
        frame.taps(oz, oy, ox, [&](int64_t in, int64_t tap) {
          const T* from = x + (n * s.in_pixels() + in) * s.c + k / gk * gc;
          for (int64_t c = 0; c < gc; ++c)
            sum[static_cast<size_t>((k * gc + c) * taps + tap)] += g * static_cast<double>(from[c]);
        });
      }
    });
  for (size_t i = 0; i < sum.size(); ++i) gw[i] = static_cast<T>(sum[i]);
}

template <class T>
void conv_grad_bias(const ConvShape& s, const T* gy, T* gb) {
  const int64_t pixels = s.n * s.out_pixels();
  for (int64_t k = 0; k < s.k; ++k) {
    double sum = 0;
    for (int64_t p = 0; p < pixels; ++p) sum += static_cast<double>(gy[p * s.k + k]);
    gb[k] = static_cast<T>(sum);
  }
}

template void conv_forward(const ConvShape&, const float*, const float*, const float*, float*);
template void conv_forward(const ConvShape&, const double*, const double*, const double*, double*);
template void conv_grad_input(const ConvShape&, const float*, const float*, const float*, float*);
template void conv_grad_input(const ConvShape&, const double*, const double*, const double*, double*);
template void conv_grad_weight(const ConvShape&, const float*, const float*, float*);
template void conv_grad_weight(const ConvShape&, const double*, const double*, double*);
template void conv_grad_bias(const ConvShape&, const float*, float*);
template void conv_grad_bias(const ConvShape&, const double*, double*);

}  // namespace pyconv::ref
