// Group and instance norm of channels-last pixels. The sums are taken per channel, by the kernels of batch
// norm, and added up within each group.
#include <algorithm>
#include <vector>

#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ops/group_norm.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// A sample is cut into stretches of about this many values; one that has no more is finished by one block,
// which then finds it in the cache.
constexpr int64_t kStretch = 65536;

struct Layout {
  int64_t n, pixels, c, groups, per_group, step, cuts;
  int64_t fold;  // pixels that the kernels take as one row: few channels would leave vectors unused

  explicit Layout(const GroupNormShape& s)
      : n(s.x[0]),
        pixels(s.repeat),
        c(s.weights),
        groups(s.rows / s.x[0]),
        per_group(c / groups),
        step(std::max<int64_t>(1, ceil_div(pixels, ceil_div(pixels * c, kStretch)))),
        cuts(ceil_div(pixels, step)),
        fold(c < 32 ? 16 : 1) {}
  int64_t rows(int64_t cut) const { return std::min(step, pixels - cut * step); }
  int64_t offset(int64_t sample, int64_t cut) const { return (sample * pixels + cut * step) * c; }
};

// Two sums per channel of one stretch, and the shift that they were taken with.
struct ChannelTotals {
  std::vector<double> first, second;
  std::vector<float> shift;
  int64_t rows = 0;

  void take(const Layout& l, const float* x, const float* gy, int64_t count) {
    rows = count;
    first.assign(static_cast<size_t>(l.c), 0.0);
    second.assign(static_cast<size_t>(l.c), 0.0);
    const int64_t wide = l.fold * l.c, folded = count / l.fold, done = folded * wide;
    std::vector<double> wide_first(static_cast<size_t>(wide), 0.0), wide_second(wide_first);
    sums(x, gy, folded, wide, repeated(shift, l.fold), wide_first.data(), wide_second.data());
    for (int64_t i = 0; i < wide; ++i) {
      first[i % l.c] += wide_first[i];
      second[i % l.c] += wide_second[i];
    }
    sums(x + done, gy ? gy + done : nullptr, count - folded * l.fold, l.c, shift, first.data(),
         second.data());
  }

  static std::vector<float> repeated(const std::vector<float>& v, int64_t times) {
    std::vector<float> out;
    out.reserve(v.size() * static_cast<size_t>(times));
    for (int64_t i = 0; i < times; ++i) out.insert(out.end(), v.begin(), v.end());
    return out;
  }

 private:
  static void sums(const float* x, const float* gy, int64_t rows, int64_t channels,
                   const std::vector<float>& shift, double* first, double* second) {
    if (rows == 0) return;
    std::vector<float> partial(static_cast<size_t>(2 * channels));
    const ChannelSums args{x, gy, rows, channels, channels, shift.data(), partial.data(), first, second};
    kernels().norm.sums(&args);
  }
};

// The mean of a few pixels, spread over the stretch: close enough to the mean that squares of the differences
// do not cancel.
std::vector<float> choose_shift(const Layout& l, const float* x, int64_t rows) {
  const int64_t samples = std::min<int64_t>(rows, 8);
  std::vector<double> sum(static_cast<size_t>(l.c), 0.0);
  for (int64_t i = 0; i < samples; ++i)
    for (int64_t c = 0; c < l.c; ++c) sum[c] += static_cast<double>(x[i * rows / samples * l.c + c]);
  std::vector<float> shift(sum.size());
  for (int64_t c = 0; c < l.c; ++c) shift[c] = static_cast<float>(sum[c] / static_cast<double>(samples));
  return shift;
}

ChannelTotals moments_of(const Layout& l, const float* x, int64_t rows) {
  ChannelTotals t;
  t.shift = choose_shift(l, x, rows);
  t.take(l, x, nullptr, rows);
  return t;
}

// Mean and variance of the groups of a sample from its stretches' sums: first the mean, then the deviations
// of the channels' own means from it on top of those within the channels.
void group_statistics(const Layout& l, const GroupNormForward& call, int64_t sample,
                      const ChannelTotals* cuts) {
  const int64_t length = l.per_group * l.pixels;
  for (int64_t g = 0; g < l.groups; ++g) {
    const int64_t begin = g * l.per_group, end = begin + l.per_group;
    double sum = 0, deviations = 0;
    for (int64_t i = 0; i < l.cuts; ++i) {
      const double rows = static_cast<double>(cuts[i].rows);
      for (int64_t c = begin; c < end; ++c)
        sum += rows * static_cast<double>(cuts[i].shift[c]) + cuts[i].first[c];
    }
    const double mean = sum / static_cast<double>(length);
    for (int64_t i = 0; i < l.cuts; ++i) {
      const double rows = static_cast<double>(cuts[i].rows);
      for (int64_t c = begin; c < end; ++c) {
        const double own = cuts[i].first[c] / rows,
                     delta = static_cast<double>(cuts[i].shift[c]) + own - mean;
        deviations += cuts[i].second[c] - cuts[i].first[c] * own + rows * delta * delta;
      }
    }
    call.finish(sample * l.groups + g, length, mean, deviations);
  }
}

// Per channel of one sample: the factors of a ChannelMap.
struct ChannelFactors {
  std::vector<float> center, scale, offset, gain;

  explicit ChannelFactors(int64_t channels) {
    for (auto* v : {&center, &scale, &offset, &gain}) v->assign(static_cast<size_t>(channels), 0.0f);
  }
  void forward(const Layout& l, const GroupNormForward& call, int64_t sample) {
    for (int64_t c = 0; c < l.c; ++c) {
      const int64_t row = sample * l.groups + c / l.per_group;
      const double s = call.invstd[row] * call.weight[c];
      center[c] = static_cast<float>(call.mean[row]);
      scale[c] = static_cast<float>(s);
      offset[c] = static_cast<float>(call.bias[c] - (call.mean[row] - static_cast<double>(center[c])) * s);
    }
  }
  void backward(const Layout& l, const GroupNormBackward& call, int64_t sample, const ChannelTotals& sums) {
    for (int64_t g = 0; g < l.groups; ++g) {
      const int64_t row = sample * l.groups + g, begin = g * l.per_group, end = begin + l.per_group;
      double first = 0, second = 0;
      for (int64_t c = begin; c < end; ++c) {
        first += call.weight[c] * sums.first[c];
        second += call.weight[c] * sums.second[c];
      }
      const GroupNormBackward::Factors f = call.factors(row, l.per_group * l.pixels, first, second);
      for (int64_t c = begin; c < end; ++c) {
        center[c] = f.center;
        scale[c] = f.scale;
        offset[c] = f.offset;
        gain[c] = static_cast<float>(call.weight[c] * call.invstd[row]);
      }
    }
  }
  // For rows of several pixels.
  void repeat(int64_t times) {
    if (times > 1)
      for (auto* v : {&center, &scale, &offset, &gain}) *v = ChannelTotals::repeated(*v, times);
  }
  void map(const Layout& l, const float* x, const float* gy, int64_t rows, float* y, bool streaming) const {
    const int64_t folded = rows / l.fold, done = folded * l.fold * l.c;
    map_rows(x, gy, folded, l.fold * l.c, y, streaming);
    map_rows(x + done, gy ? gy + done : nullptr, rows - folded * l.fold, l.c, y + done, streaming);
  }

 private:
  void map_rows(const float* x, const float* gy, int64_t rows, int64_t channels, float* y,
                bool streaming) const {
    if (rows == 0) return;
    const ChannelMap args{x, gy,   gain.data(), center.data(), scale.data(), offset.data(),
                          y, rows, channels,    channels,      streaming};
    kernels().norm.map(&args);
  }
};

// Stretch by stretch, take(sample, cut) for all, then finish(sample), then map(sample, cut); where a sample
// is one stretch, all three in one block.
template <class Take, class Finish, class Map>
void each_sample(const Layout& l, Take&& take, Finish&& finish, Map&& map) {
  if (l.cuts == 1) {
    const int64_t grain = std::max<int64_t>(1, kStretch / (l.pixels * l.c));
    return parallel_ranges(l.n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        take(i, 0);
        finish(i);
        map(i, 0);
      }
    });
  }
  parallel_for(l.n * l.cuts, [&](int64_t i) { take(i / l.cuts, i % l.cuts); });
  parallel_for(l.n, finish);
  parallel_for(l.n * l.cuts, [&](int64_t i) { map(i / l.cuts, i % l.cuts); });
}

}  // namespace

void pixel_norm_forward(const GroupNormShape& s, const GroupNormForward& call, const View& x, const View& y) {
  const Layout l(s);
  const DenseInput from(x, true);
  const float* const data = from.as<float>();
  ChannelsLastOutput to(y);
  const bool streaming = streams(to.data(), l.n * l.pixels, l.c);
  std::vector<ChannelTotals> totals(static_cast<size_t>(l.n * l.cuts));
  std::vector<ChannelFactors> factors(static_cast<size_t>(l.n), ChannelFactors(0));
  each_sample(
      l,
      [&](int64_t n, int64_t cut) {
        totals[n * l.cuts + cut] = moments_of(l, data + l.offset(n, cut), l.rows(cut));
      },
      [&](int64_t n) {
        group_statistics(l, call, n, &totals[n * l.cuts]);
        for (int64_t i = 0; i < l.cuts; ++i) totals[n * l.cuts + i] = ChannelTotals();
        factors[n] = ChannelFactors(l.c);
        factors[n].forward(l, call, n);
        factors[n].repeat(l.fold);
      },
      [&](int64_t n, int64_t cut) {
        const int64_t at = l.offset(n, cut);
        factors[n].map(l, data + at, nullptr, l.rows(cut), to.data() + at, streaming);
      });
  to.finish();
}

void pixel_norm_backward(const GroupNormShape& s, const GroupNormBackward& call, const View& x,
                         const View& gy, const View* gx) {
  const Layout l(s);
  const DenseInput dense_x(x, true), dense_gy(gy, true);
  const float *const from_x = dense_x.as<float>(), *const from_gy = dense_gy.as<float>();
  std::optional<ChannelsLastOutput> to;
  if (gx) to.emplace(*gx);
  float* const out = to ? to->data() : nullptr;
  const bool streaming = out && streams(out, l.n * l.pixels, l.c);
  std::vector<ChannelTotals> totals(static_cast<size_t>(l.n * l.cuts));
  std::vector<ChannelFactors> factors(static_cast<size_t>(l.n), ChannelFactors(0));
  each_sample(
      l,
      [&](int64_t n, int64_t cut) {
        ChannelTotals& t = totals[n * l.cuts + cut];
        t.shift.resize(static_cast<size_t>(l.c));
        for (int64_t c = 0; c < l.c; ++c) t.shift[c] = call.center(n * l.groups + c / l.per_group);
        const int64_t at = l.offset(n, cut);
        t.take(l, from_x + at, from_gy + at, l.rows(cut));
      },
      [&](int64_t n) {
        ChannelTotals& sum = totals[n * l.cuts];
        for (int64_t i = 1; i < l.cuts; ++i)
          for (int64_t c = 0; c < l.c; ++c) {
            sum.first[c] += totals[n * l.cuts + i].first[c];
            sum.second[c] += totals[n * l.cuts + i].second[c];
          }
        if (!out) return;
        factors[n] = ChannelFactors(l.c);
        factors[n].backward(l, call, n, sum);
        factors[n].repeat(l.fold);
      },
      [&](int64_t n, int64_t cut) {
        const int64_t at = l.offset(n, cut);
        if (out) factors[n].map(l, from_x + at, from_gy + at, l.rows(cut), out + at, streaming);
      });
  for (int64_t n = 0; n < l.n; ++n)
    for (int64_t c = 0; c < l.c; ++c) {
      const int64_t row = n * l.groups + c / l.per_group;
      const ChannelTotals& sum = totals[n * l.cuts];
      const double beyond = call.mean[row] - static_cast<double>(call.center(row));
      call.gb[c] += sum.first[c];
      call.gw[c] += (sum.second[c] - beyond * sum.first[c]) * call.invstd[row];
    }
  if (to) to->finish();
}

}  // namespace pyconv
