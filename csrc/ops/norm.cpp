#include "ops/norm.h"

#include <algorithm>

#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ref/norm.h"

namespace pyconv {
namespace {

// Rows per chunk of the sums: at least 32768 values, at most 128 chunks, whatever the number of threads.
int64_t chunk_rows(const NormShape& s) {
  return std::max<int64_t>({1, (int64_t{1} << 15) / s.c, ceil_div(s.rows, 128)});
}

int64_t map_grain(const NormShape& s) { return std::max<int64_t>(1, (int64_t{1} << 14) / s.c); }

// The mean of a few rows, spread over the chunk: close enough to the chunk's mean that squares of the
// differences do not cancel, also when one of the rows is an outlier.
void choose_shift(const float* x, int64_t rows, int64_t channels, float* shift) {
  constexpr int64_t kSamples = 8;
  const int64_t samples = std::min(rows, kSamples);
  std::vector<double> sum(static_cast<size_t>(channels), 0.0);
  for (int64_t i = 0; i < samples; ++i) {
    const float* row = x + i * rows / samples * channels;
    for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<double>(row[c]);
  }
  for (int64_t c = 0; c < channels; ++c) shift[c] = static_cast<float>(sum[c] / static_cast<double>(samples));
}

struct Sums {
  std::vector<double> first, second;

  Sums() = default;
  explicit Sums(int64_t channels) : first(static_cast<size_t>(channels), 0.0), second(first) {}
};

// The factors of a ChannelMap.
struct Factors {
  std::vector<float> center, scale, offset, gain;

  explicit Factors(int64_t channels) {
    for (auto* v : {&center, &scale, &offset, &gain}) v->assign(static_cast<size_t>(channels), 0.0f);
  }
};

void map_rows(const NormShape& shape, const float* x, const float* gy, const Factors& f, float* y) {
  const auto kernel = kernels().norm.map;
  parallel_ranges(shape.rows, map_grain(shape), [&](int64_t begin, int64_t end) {
    const int64_t at = begin * shape.c;
    const ChannelMap args{x + at,         gy ? gy + at : nullptr,
                          f.gain.data(),  f.center.data(),
                          f.scale.data(), f.offset.data(),
                          y + at,         end - begin,
                          shape.c,        shape.c};
    kernel(&args);
  });
}

// first = sum gy, second = sum gy * (x - center)
Sums gradient_sums(const NormShape& shape, const float* x, const float* gy, const float* center) {
  const auto kernel = kernels().norm.sums;
  const int64_t step = chunk_rows(shape);
  return reduce_ordered<Sums>(
      std::max<int64_t>(1, ceil_div(shape.rows, step)),
      [&](int64_t i, Sums& partial) {
        const int64_t begin = i * step, rows = std::min(step, shape.rows - begin);
        partial = Sums(shape.c);
        const ChannelSums args{x + begin * shape.c,  gy + begin * shape.c, rows, shape.c, shape.c, center,
                               partial.first.data(), partial.second.data()};
        kernel(&args);
      },
      [&](Sums& into, const Sums& partial) {
        if (into.first.empty()) into = Sums(shape.c);
        for (int64_t c = 0; c < shape.c; ++c) {
          into.first[c] += partial.first[c];
          into.second[c] += partial.second[c];
        }
      });
}

}  // namespace

void ChannelMoments::merge(const ChannelMoments& block) {
  if (block.count_ == 0) return;
  if (count_ == 0) {
    *this = block;
    return;
  }
  const double n = static_cast<double>(block.count_), before = static_cast<double>(count_),
               total = before + n;
  for (size_t c = 0; c < mean_.size(); ++c) {
    const double delta = block.mean_[c] - mean_[c];
    mean_[c] += delta * (n / total);
    deviations_[c] += block.deviations_[c] + delta * delta * (before * n / total);
  }
  count_ += block.count_;
}

void batch_norm_statistics(const NormShape& shape, const View& x, double* mean, double* variance) {
  if (x.dtype == DType::kFloat64) return ref::batch_norm_statistics(shape, x, mean, variance);
  const DenseInput from(x, true);
  const auto kernel = kernels().norm.sums;
  const int64_t step = chunk_rows(shape);
  const ChannelMoments moments = reduce_ordered<ChannelMoments>(
      ceil_div(shape.rows, step),
      [&](int64_t i, ChannelMoments& partial) {
        const int64_t begin = i * step, rows = std::min(step, shape.rows - begin);
        const float* start = from.as<float>() + begin * shape.c;
        std::vector<float> shift(static_cast<size_t>(shape.c));
        choose_shift(start, rows, shape.c, shift.data());
        Sums sums(shape.c);
        const ChannelSums args{
            start, nullptr, rows, shape.c, shape.c, shift.data(), sums.first.data(), sums.second.data()};
        kernel(&args);
        partial.merge(shape.c, rows, shift.data(), sums.first.data(), sums.second.data());
      },
      [](ChannelMoments& into, const ChannelMoments& partial) { into.merge(partial); });
  for (int64_t c = 0; c < shape.c; ++c) {
    mean[c] = moments.mean()[c];
    // Not below zero by rounding, but a NaN stays one.
    const double deviation = moments.deviations()[c];
    variance[c] = (deviation < 0.0 ? 0.0 : deviation) / static_cast<double>(shape.rows);
  }
}

void batch_norm_apply(const NormShape& shape, const View& x, const double* mean, const double* invstd,
                      const double* weight, const double* bias, const View& y) {
  if (x.dtype == DType::kFloat64) return ref::batch_norm_apply(shape, x, mean, invstd, weight, bias, y);
  // x - center loses nothing when x is close to the mean; what the mean has beyond float goes into the
  // offset.
  Factors f(shape.c);
  for (int64_t c = 0; c < shape.c; ++c) {
    const double scale = invstd[c] * weight[c];
    f.center[c] = static_cast<float>(mean[c]);
    f.scale[c] = static_cast<float>(scale);
    f.offset[c] = static_cast<float>(bias[c] - (mean[c] - static_cast<double>(f.center[c])) * scale);
  }
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  map_rows(shape, from.as<float>(), nullptr, f, to.data());
  to.finish();
}

void batch_norm_backward(const NormShape& shape, const View& x, const View& gy, const double* mean,
                         const double* invstd, const double* weight, bool training, double* gw, double* gb,
                         const View* gx) {
  if (x.dtype == DType::kFloat64) {
    ref::batch_norm_grad_affine(shape, x, gy, mean, invstd, gw, gb);
    if (gx) ref::batch_norm_grad_input(shape, x, gy, mean, invstd, weight, gw, gb, training, *gx);
    return;
  }
  const DenseInput from_x(x, true), from_gy(gy, true);
  Factors f(shape.c);
  for (int64_t c = 0; c < shape.c; ++c) f.center[c] = static_cast<float>(mean[c]);
  const Sums sums = gradient_sums(shape, from_x.as<float>(), from_gy.as<float>(), f.center.data());
  const double rows = static_cast<double>(std::max<int64_t>(1, shape.rows));
  for (int64_t c = 0; c < shape.c; ++c) {
    const double beyond = mean[c] - static_cast<double>(f.center[c]);
    gb[c] = sums.first[c];
    gw[c] = (sums.second[c] - beyond * sums.first[c]) * invstd[c];
    // gx = gain * gy + scale * (x - center) + offset
    const double gain = weight[c] * invstd[c], slope = training ? -gain * invstd[c] * gw[c] / rows : 0.0;
    f.gain[c] = static_cast<float>(gain);
    f.scale[c] = static_cast<float>(slope);
    f.offset[c] = static_cast<float>(training ? -gain * gb[c] / rows - slope * beyond : 0.0);
  }
  if (!gx) return;
  ChannelsLastOutput to(*gx);
  if (training) {
    map_rows(shape, from_x.as<float>(), from_gy.as<float>(), f, to.data());
  } else {
    Factors plain(shape.c);  // gx = gy * gain: x, which may hold infinities, has no part in it
    plain.scale = f.gain;
    map_rows(shape, from_gy.as<float>(), nullptr, plain, to.data());
  }
  to.finish();
}

}  // namespace pyconv
