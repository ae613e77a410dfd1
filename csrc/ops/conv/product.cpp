#include "ops/conv/product.h"

#include <algorithm>
#include <vector>

#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "ops/gemm/gemm.h"

namespace pyconv {
namespace {

// Position `i` in C order of a grid with these sizes, axis by axis.
void split(int64_t i, int axes, const int64_t* sizes, int64_t* position) {
  for (int a = axes - 1; a >= 0; --a) {
    position[a] = i % sizes[a];
    i /= sizes[a];
  }
}

// The pixel of the input that a tap of an output reads, or -1 outside. Both are positions, axis by axis.
int64_t input_pixel(const ConvShape& s, const int64_t* output, const int64_t* tap) {
  int64_t pixel = 0;
  for (int a = 0; a < s.spatial; ++a) {
    const int64_t i = output[a] * s.stride[a] - s.pad_lo[a] + tap[a] * s.dilation[a];
    if (i < 0 || i >= s.in[a]) return -1;
    pixel = pixel * s.in[a] + i;
  }
  return pixel;
}

// The output whose tap reads an input, or -1 if there is none.
int64_t output_pixel(const ConvShape& s, const int64_t* input, const int64_t* tap) {
  int64_t pixel = 0;
  for (int a = 0; a < s.spatial; ++a) {
    const int64_t i = input[a] + s.pad_lo[a] - tap[a] * s.dilation[a];
    if (i < 0 || i % s.stride[a] != 0 || i / s.stride[a] >= s.out[a]) return -1;
    pixel = pixel * s.out[a] + i / s.stride[a];
  }
  return pixel;
}

View rows(const float* data, int64_t count, int64_t width) {
  return dense_view(const_cast<float*>(data), DType::kFloat32, {count, width}, false);
}

int64_t output_pixels(const ConvShape& s) { return s.n * s.out_pixels(); }

// columns[output][c][tap] = x[the pixel under the tap][c], zero outside x.
void write_out(const ConvShape& s, const float* x, float* columns) {
  const int64_t taps = s.taps(), depth = s.c * taps;
  const std::vector<float> outside(static_cast<size_t>(s.c), 0.0f);
  parallel_for(output_pixels(s), [&](int64_t output) {
    int64_t at[kMaxSpatial], tap[kMaxSpatial];
    const int64_t n = output / s.out_pixels();
    split(output % s.out_pixels(), s.spatial, s.out, at);
    std::vector<const float*> under;
    for (int64_t t = 0; t < taps; ++t) {
      split(t, s.spatial, s.filter, tap);
      const int64_t pixel = input_pixel(s, at, tap);
      under.push_back(pixel < 0 ? outside.data() : x + (n * s.in_pixels() + pixel) * s.c);
    }
    float* to = columns + output * depth;
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < taps; ++t) *to++ = under[static_cast<size_t>(t)][c];
  });
}

// gx[pixel][c] = bias[c] + sum of columns[output][c][tap] over the taps that read the pixel.
void add_up(const ConvShape& s, const float* columns, const float* bias, float* gx) {
  const int64_t taps = s.taps(), depth = s.c * taps;
  parallel_for(s.n * s.in_pixels(), [&](int64_t input) {
    int64_t at[kMaxSpatial], tap[kMaxSpatial];
    const int64_t n = input / s.in_pixels();
    split(input % s.in_pixels(), s.spatial, s.in, at);
    float* to = gx + input * s.c;
    if (bias) std::copy_n(bias, s.c, to);
    else std::fill_n(to, s.c, 0.0f);
    for (int64_t t = 0; t < taps; ++t) {
      split(t, s.spatial, s.filter, tap);
      const int64_t pixel = output_pixel(s, at, tap);
      if (pixel < 0) continue;
      const float* from = columns + (n * s.out_pixels() + pixel) * depth + t;
      for (int64_t c = 0; c < s.c; ++c) to[c] += from[c * taps];
    }
  });
}

}  // namespace

bool pixel_to_pixel(const ConvShape& s) {
  bool same = s.taps() == 1;
  for (int a = 0; a < s.spatial; ++a)
    same = same && s.stride[a] == 1 && s.pad_lo[a] == 0 && s.out[a] == s.in[a];
  return same;
}

void product_forward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y) {
  const int64_t depth = s.c * s.taps();
  Scratch<float> columns(pixel_to_pixel(s) ? 0 : output_pixels(s) * depth);
  if (!pixel_to_pixel(s)) write_out(s, x, columns.data());
  gemm(rows(pixel_to_pixel(s) ? x : columns.data(), output_pixels(s), depth),
       permute(rows(w, s.k, depth), {1, 0}), bias, y);
}

void product_grad_input(const ConvShape& s, const float* gy, const float* w, const float* bias, float* gx) {
  const int64_t depth = s.c * s.taps();
  const View outputs = rows(gy, output_pixels(s), s.k), weight = rows(w, s.k, depth);
  if (pixel_to_pixel(s)) return gemm(outputs, weight, bias, gx);
  Scratch<float> columns(output_pixels(s) * depth);
  gemm(outputs, weight, nullptr, columns.data());
  add_up(s, columns.data(), bias, gx);
}

void product_grad_weight(const ConvShape& s, const float* gy, const float* x, float* gw) {
  const int64_t depth = s.c * s.taps();
  Scratch<float> columns(pixel_to_pixel(s) ? 0 : output_pixels(s) * depth);
  if (!pixel_to_pixel(s)) write_out(s, x, columns.data());
  gemm(permute(rows(gy, output_pixels(s), s.k), {1, 0}),
       rows(pixel_to_pixel(s) ? x : columns.data(), output_pixels(s), depth), nullptr, gw);
}

}  // namespace pyconv
