// Convolution drivers, float32. Activations are dense channels-last, weights and their gradients dense
// (k, c/groups, filter...) in C order, as everywhere in the ecosystem.
#pragma once

#include "core/shape.h"

namespace pyconv {

class KeptFilter;

// What is done with a finished output, besides storing it: y = acc + bias + residual, 0 where mask <= 0,
// max(y, 0) if relu, statistics. All per output channel but `residual` and `mask`, which are laid out as the
// output; null leaves the step out. A residual and a mask are what a gradient may find on its way back: the
// gradient of a shortcut, and the output of the ReLU that made the input.
struct ConvEpilogue {
  const float* bias = nullptr;
  const float *residual = nullptr, *mask = nullptr;
  bool relu = false;
  // Per-channel sums of (y - shift) and (y - shift)^2 over all pixels, merged over blocks in order.
  const float* shift = nullptr;
  double* sum = nullptr;
  double* sum_squares = nullptr;
};

// y[n,o,k] = bias[k] + sum over c, r of x[n, o * stride - pad + r * dilation, c] * w[k,c,r]
// `kept`, or null, keeps the forms that are made of its weight, w.
void conv_forward(const ConvShape& shape, const float* x, const float* w, const ConvEpilogue& epilogue,
                  float* y, KeptFilter* kept = nullptr);

// gx[n,i,c] = epilogue(sum over k, r of gy[n, (i + pad - r * dilation) / stride, k] * w[k,c,r]), where that
// divides: an input gradient, or the forward pass of the transposed convolution. Without relu and statistics.
void conv_grad_input(const ConvShape& shape, const float* gy, const float* w, const ConvEpilogue& epilogue,
                     float* gx, KeptFilter* kept = nullptr);

// gw[k,c,r] = sum over n, o of gy[n,o,k] * x[n, o * stride - pad + r * dilation, c]
void conv_grad_weight(const ConvShape& shape, const float* gy, const float* x, float* gw);

// gb[k] = sum over n, o of gy[n,o,k]
void conv_grad_bias(const ConvShape& shape, const float* gy, float* gb);

}  // namespace pyconv
