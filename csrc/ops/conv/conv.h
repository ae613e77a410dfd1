// Convolution drivers, float32. Activations are dense channels-last, weights and their gradients dense
// (k, c/groups, filter...) in C order, as everywhere in the ecosystem.
#pragma once

#include "core/shape.h"

namespace pyconv {

class KeptFilter;

// What the forward pass does with a finished output, besides storing it. All per output channel but
// `residual`, which is laid out as the output; null leaves the step out.
struct ConvEpilogue {
  const float* bias = nullptr;
  const float* residual = nullptr;
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

// gx[n,i,c] = bias[c] + sum over k, r of gy[n, (i + pad - r * dilation) / stride, k] * w[k,c,r], where that
// divides. Bias null: an input gradient; otherwise the forward pass of the transposed convolution.
void conv_grad_input(const ConvShape& shape, const float* gy, const float* w, const float* bias, float* gx,
                     KeptFilter* kept = nullptr);

// gw[k,c,r] = sum over n, o of gy[n,o,k] * x[n, o * stride - pad + r * dilation, c]
void conv_grad_weight(const ConvShape& shape, const float* gy, const float* x, float* gw);

// gb[k] = sum over n, o of gy[n,o,k]
void conv_grad_bias(const ConvShape& shape, const float* gy, float* gb);

}  // namespace pyconv
