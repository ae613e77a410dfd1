// Batch normalisation (Ioffe and Szegedy 2015) and its gradients. Views are (n, c, spatial...) in float32
// (any strides) or float64, which runs through ref/. Everything per channel is double.
#pragma once

#include <vector>

#include "core/norm_shape.h"
#include "core/view.h"

namespace pyconv {

// Count, mean and sum of squared deviations per channel, merged by the formula of Chan, Golub and LeVeque
// (1979). Every block of values brings its own shift, close to them, so that nothing cancels. A block may be
// a stretch of rows, or the sums that a convolution's epilogue took of its output.
class ChannelMoments {
 public:
  // sum = sum of x - shift, squares = sum of (x - shift)^2, over `count` values of each channel.
  template <class Sum>
  void merge(int64_t channels, int64_t count, const float* shift, const Sum* sum, const Sum* squares);
  void merge(const ChannelMoments& block);

  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& deviations() const { return deviations_; }

 private:
  int64_t count_ = 0;
  std::vector<double> mean_, deviations_;
};

// Per channel: mean and variance (the mean of the squared deviations) of x, invstd = 1 / sqrt(variance +
// eps), and y = (x - mean) * invstd * weight + bias. Not for an empty x.
void batch_norm_train(const NormShape& shape, const View& x, double eps, const double* weight,
                      const double* bias, double* mean, double* variance, double* invstd, const View& y);

// y = (x - mean) * invstd * weight + bias
void batch_norm_apply(const NormShape& shape, const View& x, const double* mean, const double* invstd,
                      const double* weight, const double* bias, const View& y);

// The first half of the two above, in float32: the statistics when training, and what the second half needs
// of them: `factors`, 3 x c values: center, scale and offset.
void batch_norm_factors(const NormShape& shape, const View& x, double eps, const double* weight,
                        const double* bias, bool training, double* mean, double* variance, double* invstd,
                        float* factors);

// y = (x - center) * scale + offset, plus residual unless null, and max(0, y) with relu.
void batch_norm_map(const NormShape& shape, const View& x, const float* factors, const View* residual,
                    bool relu, const View& y);

// gb = sum gy, gw = sum gy * xhat, and unless null
// gx = weight * invstd * (gy - gb / rows - xhat * gw / rows) when training, weight * invstd * gy else,
// with xhat = (x - mean) * invstd; to gx is added `prior` (float32), unless null. Two passes over x and gy.
// `relu`: null, or the factors of the forward pass whose result went through ReLU; gy is then the gradient of
// ReLU's output (float32).
void batch_norm_backward(const NormShape& shape, const View& x, const View& gy, const double* mean,
                         const double* invstd, const double* weight, const float* relu, bool training,
                         double* gw, double* gb, const View* prior, const View* gx);

template <class Sum>
void ChannelMoments::merge(int64_t channels, int64_t count, const float* shift, const Sum* sum,
                           const Sum* squares) {
  ChannelMoments block;
  block.count_ = count;
  block.mean_.resize(static_cast<size_t>(channels));
  block.deviations_.resize(static_cast<size_t>(channels));
  const double share = 1.0 / static_cast<double>(count);
  for (int64_t c = 0; c < channels; ++c) {
    const double s = static_cast<double>(sum[c]), mean = s * share;
    block.mean_[c] = static_cast<double>(shift[c]) + mean;
    block.deviations_[c] = static_cast<double>(squares[c]) - s * mean;
  }
  merge(block);
}

}  // namespace pyconv
