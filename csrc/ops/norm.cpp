#include "ops/norm.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ops/streaming.h"
#include "ref/norm.h"

namespace pyconv {
namespace {

// What one block works on.
struct Part {
  int64_t row, rows, channel, channels;
};

// Few rows are cut along the channels: such a block has all of a channel, knows its sums without waiting for
// others, and finds x in the cache when it reads it again. Others are cut along the rows, and the sums
// merged.
constexpr int64_t kFewRows = 2048, kFewChannels = 64;
bool cut_channels(const NormShape& s) { return s.rows <= kFewRows && s.c >= 2 * kFewChannels; }

template <class F>
void each_channel_part(const NormShape& s, F&& f) {
  parallel_ranges(s.c, kFewChannels,
                  [&](int64_t begin, int64_t end) { f(Part{0, s.rows, begin, end - begin}); });
}

// Rows per chunk of the sums: at least 131072 values, at most 64 chunks, whatever the number of threads.
int64_t chunk_rows(const NormShape& s) {
  return std::max<int64_t>({1, (int64_t{1} << 17) / s.c, ceil_div(s.rows, 64)});
}

// The mean of a few rows, spread over the part: close enough to the part's mean that squares of the
// differences do not cancel, also when one of the rows is an outlier.
std::vector<float> choose_shift(const NormShape& s, const float* x, const Part& part) {
  constexpr int64_t kSamples = 8;
  const int64_t samples = std::min(part.rows, kSamples);
  std::vector<double> sum(static_cast<size_t>(part.channels), 0.0);
  for (int64_t i = 0; i < samples; ++i) {
    const float* row = x + (part.row + i * part.rows / samples) * s.c + part.channel;
    for (int64_t c = 0; c < part.channels; ++c) sum[c] += static_cast<double>(row[c]);
  }
  std::vector<float> shift(sum.size());
  for (int64_t c = 0; c < part.channels; ++c)
    shift[c] = static_cast<float>(sum[c] / static_cast<double>(samples));
  return shift;
}

struct Sums {
  std::vector<double> first, second;

  Sums() = default;
  explicit Sums(int64_t channels) : first(static_cast<size_t>(channels), 0.0), second(first) {}
};

// The sums of the norm kernels over a part; shift[0] belongs to its first channel.
Sums part_sums(const NormShape& s, const Part& part, const float* x, const float* gy, const float* shift,
               const ChannelMask* mask = nullptr) {
  const int64_t at = part.row * s.c + part.channel;
  std::vector<float> partial(static_cast<size_t>(2 * part.channels));
  Sums sums(part.channels);
  ChannelMask local{};
  if (mask) local = {mask->center + part.channel, mask->scale + part.channel, mask->offset + part.channel};
  const ChannelSums args{
      x + at, gy ? gy + at : nullptr, part.rows,         part.channels,      s.c,
      shift,  partial.data(),         sums.first.data(), sums.second.data(), mask ? &local : nullptr};
  kernels().norm.sums(&args);
  return sums;
}

ChannelMoments part_moments(const NormShape& s, const Part& part, const float* x) {
  const std::vector<float> shift = choose_shift(s, x, part);
  const Sums sums = part_sums(s, part, x, nullptr, shift.data());
  ChannelMoments moments;
  moments.merge(part.channels, part.rows, shift.data(), sums.first.data(), sums.second.data());
  return moments;
}

ChannelMoments moments(const NormShape& s, const float* x) {
  const int64_t step = chunk_rows(s);
  return reduce_ordered<ChannelMoments>(
      ceil_div(s.rows, step),
      [&](int64_t i, ChannelMoments& partial) {
        partial = part_moments(s, {i * step, std::min(step, s.rows - i * step), 0, s.c}, x);
      },
      [](ChannelMoments& into, const ChannelMoments& partial) { into.merge(partial); });
}

// first = sum gy, second = sum gy * (x - center), over all rows
Sums gradient_sums(const NormShape& s, const float* x, const float* gy, const float* center,
                   const ChannelMask* mask) {
  const int64_t step = chunk_rows(s);
  return reduce_ordered<Sums>(
      std::max<int64_t>(1, ceil_div(s.rows, step)),
      [&](int64_t i, Sums& partial) {
        partial = part_sums(s, {i * step, std::min(step, s.rows - i * step), 0, s.c}, x, gy, center, mask);
      },
      [&](Sums& into, const Sums& partial) {
        if (into.first.empty()) into = Sums(s.c);
        for (int64_t c = 0; c < s.c; ++c) {
          into.first[c] += partial.first[c];
          into.second[c] += partial.second[c];
        }
      });
}

// The factors of a ChannelMap.
struct Factors {
  std::vector<float> center, scale, offset, gain;

  explicit Factors(int64_t channels) {
    for (auto* v : {&center, &scale, &offset, &gain}) v->assign(static_cast<size_t>(channels), 0.0f);
  }
};

// The data of a ChannelMap: whole tensors.
struct MapData {
  const float* x;
  const float* gy = nullptr;
  const ChannelMask* mask = nullptr;
  const float* residual = nullptr;
  int64_t residual_pitch = 0;
  bool relu = false;
};

// What is added to a result: in place where its rows are evenly spaced, such as a slice of the channels of
// another tensor.
class Added {
 public:
  explicit Added(const View* v) {
    if (!v) return;
    if (v->rank() >= 2 && v->strides[1] == 1 && (pitch_ = spacing(*v)) > 0) {
      data_ = v->as<float>();
      return;
    }
    dense_.emplace(*v, true);
    data_ = dense_->as<float>();
    pitch_ = v->shape[1];
  }
  void give(MapData& d) const {
    d.residual = data_;
    d.residual_pitch = pitch_;
  }

 private:
  // The distance between the pixels of (n, c, spatial...), the same from each to the next; else 0.
  static int64_t spacing(const View& v) {
    int64_t pitch = 0, expected = 0;
    for (int axis = v.rank() - 1; axis >= 0; --axis) {
      if (axis == 1 || v.shape[axis] == 1) continue;
      if (pitch == 0) pitch = expected = v.strides[axis];
      if (v.strides[axis] != expected) return 0;
      expected *= v.shape[axis];
    }
    return pitch == 0 ? v.shape[1] : pitch;
  }

  const float* data_ = nullptr;
  int64_t pitch_ = 0;
  std::optional<DenseInput> dense_;
};

void map_part(const NormShape& s, const Part& part, const MapData& d, const Factors& f, float* y,
              bool streaming) {
  const int64_t at = part.row * s.c + part.channel, c = part.channel;
  const auto here = [at](const float* p) { return p ? p + at : nullptr; };
  ChannelMask mask{};
  if (d.mask) mask = {d.mask->center + c, d.mask->scale + c, d.mask->offset + c};
  ChannelMap args{};
  args.x = here(d.x);
  args.gy = here(d.gy);
  args.mask = d.mask ? &mask : nullptr;
  args.residual = d.residual ? d.residual + part.row * d.residual_pitch + c : nullptr;
  args.residual_pitch = d.residual_pitch;
  args.relu = d.relu;
  args.gain = f.gain.data() + c;
  args.center = f.center.data() + c;
  args.scale = f.scale.data() + c;
  args.offset = f.offset.data() + c;
  args.y = y + at;
  args.rows = part.rows;
  args.channels = part.channels;
  args.pitch = s.c;
  args.streaming = streaming;
  kernels().norm.map(&args);
}

// From the last rows to the first: those are what a pass for the sums has left in the cache.
void map_rows(const NormShape& s, const MapData& d, const Factors& f, float* y) {
  const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 14) / s.c), blocks = ceil_div(s.rows, grain);
  const bool streaming = streams(y, s.rows, s.c);
  parallel_for(blocks, [&](int64_t block) {
    const int64_t row = (blocks - 1 - block) * grain;
    map_part(s, {row, std::min(grain, s.rows - row), 0, s.c}, d, f, y, streaming);
  });
}

// What training computes per channel; arrays of one value per channel.
struct Training {
  double eps;
  const double* weight;
  const double* bias;
  double* mean;
  double* variance;
  double* invstd;

  void statistics(const ChannelMoments& moments, int64_t rows, int64_t channel, int64_t channels) const {
    for (int64_t i = 0; i < channels; ++i) {
      // Not below zero by rounding, but a NaN stays one.
      const double deviation = moments.deviations()[i];
      mean[channel + i] = moments.mean()[i];
      variance[channel + i] = (deviation < 0.0 ? 0.0 : deviation) / static_cast<double>(rows);
      invstd[channel + i] = 1.0 / std::sqrt(variance[channel + i] + eps);
    }
  }
};

// y = (x - center) * scale + offset: x - center loses nothing when x is close to the mean; what the mean has
// beyond float goes into the offset.
void forward_factors(const double* mean, const double* invstd, const double* weight, const double* bias,
                     int64_t channel, int64_t channels, Factors& f) {
  for (int64_t c = channel; c < channel + channels; ++c) {
    const double scale = invstd[c] * weight[c];
    f.center[c] = static_cast<float>(mean[c]);
    f.scale[c] = static_cast<float>(scale);
    f.offset[c] = static_cast<float>(bias[c] - (mean[c] - static_cast<double>(f.center[c])) * scale);
  }
}

// What the gradients compute per channel.
struct Gradient {
  const double* mean;
  const double* invstd;
  const double* weight;
  bool training;
  double* gw;
  double* gb;

  // gx = gain * gy + scale * (x - center) + offset; sums begin with the first of the channels.
  void factors(const Sums& sums, int64_t rows, int64_t channel, int64_t channels, Factors& f) const {
    const double count = static_cast<double>(std::max<int64_t>(1, rows));
    for (int64_t i = 0; i < channels; ++i) {
      const int64_t c = channel + i;
      const double beyond = mean[c] - static_cast<double>(f.center[c]);
      gb[c] = sums.first[i];
      gw[c] = (sums.second[i] - beyond * sums.first[i]) * invstd[c];
      const double gain = weight[c] * invstd[c], slope = training ? -gain * invstd[c] * gw[c] / count : 0.0;
      f.gain[c] = static_cast<float>(gain);
      f.scale[c] = static_cast<float>(slope);
      f.offset[c] = static_cast<float>(training ? -gain * gb[c] / count - slope * beyond : 0.0);
    }
  }
};

}  // namespace

void ChannelMoments::merge(const ChannelMoments& block) {
  if (block.count_ == 0) return;
  if (count_ == 0) {
    *this = block;
    return;
  }
  const double n = static_cast<double>(block.count_), before = static_cast<double>(count_),
               share = n / (before + n), weight = before * share;
  for (size_t c = 0; c < mean_.size(); ++c) {
    const double delta = block.mean_[c] - mean_[c];
    mean_[c] += delta * share;
    deviations_[c] += block.deviations_[c] + delta * delta * weight;
  }
  count_ += block.count_;
}

void batch_norm_train(const NormShape& shape, const View& x, double eps, const double* weight,
                      const double* bias, double* mean, double* variance, double* invstd, const View& y) {
  if (x.dtype == DType::kFloat64) {
    ref::batch_norm_statistics(shape, x, mean, variance);
    for (int64_t c = 0; c < shape.c; ++c) invstd[c] = 1.0 / std::sqrt(variance[c] + eps);
    return ref::batch_norm_apply(shape, x, mean, invstd, weight, bias, y);
  }
  const DenseInput from(x, true);
  const float* const data = from.as<float>();
  ChannelsLastOutput to(y);
  Factors f(shape.c);
  const Training training{eps, weight, bias, mean, variance, invstd};
  if (cut_channels(shape)) {
    each_channel_part(shape, [&](const Part& part) {
      training.statistics(part_moments(shape, part, data), shape.rows, part.channel, part.channels);
      forward_factors(mean, invstd, weight, bias, part.channel, part.channels, f);
      map_part(shape, part, {data}, f, to.data(), false);
    });
  } else {
    training.statistics(moments(shape, data), shape.rows, 0, shape.c);
    forward_factors(mean, invstd, weight, bias, 0, shape.c, f);
    map_rows(shape, {data}, f, to.data());
  }
  to.finish();
}

void batch_norm_factors(const NormShape& shape, const View& x, double eps, const double* weight,
                        const double* bias, bool training, double* mean, double* variance, double* invstd,
                        float* factors) {
  Factors f(shape.c);
  const Training train{eps, weight, bias, mean, variance, invstd};
  if (training) {
    const DenseInput from(x, true);
    const float* const data = from.as<float>();
    if (cut_channels(shape)) {
      each_channel_part(shape, [&](const Part& part) {
        train.statistics(part_moments(shape, part, data), shape.rows, part.channel, part.channels);
      });
    } else {
      train.statistics(moments(shape, data), shape.rows, 0, shape.c);
    }
  } else {
    for (int64_t c = 0; c < shape.c; ++c) invstd[c] = 1.0 / std::sqrt(variance[c] + eps);
  }
  forward_factors(mean, invstd, weight, bias, 0, shape.c, f);
  for (const auto* v : {&f.center, &f.scale, &f.offset}) factors = std::copy(v->begin(), v->end(), factors);
}

void batch_norm_map(const NormShape& shape, const View& x, const float* factors, const View* residual,
                    bool relu, const View& y) {
  Factors f(shape.c);
  for (auto* v : {&f.center, &f.scale, &f.offset}) {
    std::copy_n(factors, shape.c, v->begin());
    factors += shape.c;
  }
  const DenseInput from(x, true);
  const Added added(residual);
  ChannelsLastOutput to(y);
  MapData data{from.as<float>()};
  data.relu = relu;
  added.give(data);
  map_rows(shape, data, f, to.data());
  to.finish();
}

void batch_norm_apply(const NormShape& shape, const View& x, const double* mean, const double* invstd,
                      const double* weight, const double* bias, const View& y) {
  if (x.dtype == DType::kFloat64) return ref::batch_norm_apply(shape, x, mean, invstd, weight, bias, y);
  Factors f(shape.c);
  forward_factors(mean, invstd, weight, bias, 0, shape.c, f);
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  map_rows(shape, {from.as<float>()}, f, to.data());
  to.finish();
}

void batch_norm_backward(const NormShape& shape, const View& x, const View& gy, const double* mean,
                         const double* invstd, const double* weight, const float* relu, bool training,
                         double* gw, double* gb, const View* prior, const View* gx) {
  if (x.dtype == DType::kFloat64) {
    ref::batch_norm_grad_affine(shape, x, gy, mean, invstd, gw, gb);
    if (gx) ref::batch_norm_grad_input(shape, x, gy, mean, invstd, weight, gw, gb, training, *gx);
    return;
  }
  const DenseInput dense_x(x, true), dense_gy(gy, true);
  const float *const from_x = dense_x.as<float>(), *const from_gy = dense_gy.as<float>();
  const Gradient gradient{mean, invstd, weight, training, gw, gb};
  Factors f(shape.c);
  for (int64_t c = 0; c < shape.c; ++c) f.center[c] = static_cast<float>(mean[c]);
  ChannelMask relu_mask{};
  if (relu) relu_mask = {relu, relu + shape.c, relu + 2 * shape.c};
  const ChannelMask* const mask = relu ? &relu_mask : nullptr;
  const Added added(prior);
  MapData data{from_x, from_gy, mask};
  added.give(data);
  if (cut_channels(shape) && gx && training) {
    ChannelsLastOutput to(*gx);
    each_channel_part(shape, [&](const Part& part) {
      const Sums sums = part_sums(shape, part, from_x, from_gy, f.center.data() + part.channel, mask);
      gradient.factors(sums, shape.rows, part.channel, part.channels, f);
      map_part(shape, part, data, f, to.data(), false);
    });
    return to.finish();
  }
  gradient.factors(gradient_sums(shape, from_x, from_gy, f.center.data(), mask), shape.rows, 0, shape.c, f);
  if (!gx) return;
  ChannelsLastOutput to(*gx);
  if (training) {
    map_rows(shape, data, f, to.data());
  } else {
    Factors plain(shape.c);  // gx = gy * gain: x, which may hold infinities, has no part in it
    plain.scale = f.gain;
    MapData slope{from_gy};
    added.give(slope);
    map_rows(shape, slope, plain, to.data());
  }
  to.finish();
}

}  // namespace pyconv
