#include "ops/resample.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ref/resample.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockWork = 1 << 15;  // products per block: some 10 us
constexpr int64_t kFewRows = 16;         // fewer rows than this are cut along the channels, too

// y = the tables of the three axes applied to x; both ways of the operation are this. A block is a few rows
// of outputs, or a stretch of their channels.
void apply_taps(int64_t n, int64_t c, const std::vector<AxisTaps<float>>& axes, const View& x,
                const View& y) {
  const AxisTaps<float>&a = axes[0], &b = axes[1], &d = axes[2];
  const int64_t total = n * a.out * b.out;
  if (total == 0 || c == 0) return;
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  const int64_t channels = total >= kFewRows ? c : std::min<int64_t>(c, 64);
  const int64_t channel_blocks = ceil_div(c, channels);
  const auto mean_taps = [](const AxisTaps<float>& t) {
    return ceil_div(static_cast<int64_t>(t.position.size()) + 1, t.out);
  };
  const int64_t row_work = mean_taps(a) * mean_taps(b) * static_cast<int64_t>(d.position.size()) * channels;
  const int64_t grain = std::max<int64_t>(1, kBlockWork / std::max<int64_t>(1, row_work));
  const auto kernel = kernels().resample.weighted_row;
  parallel_for(ceil_div(total, grain) * channel_blocks, [&](int64_t block) {
    const int64_t channel = block % channel_blocks * channels, first = block / channel_blocks * grain;
    std::vector<const float*> rows;
    std::vector<float> weights;
    for (int64_t row = first; row < std::min(total, first + grain); ++row) {
      const int64_t o1 = row % b.out, o0 = row / b.out % a.out, image = row / b.out / a.out;
      rows.clear();
      weights.clear();
      for (int64_t t0 = a.begin[o0]; t0 < a.begin[o0 + 1]; ++t0)
        for (int64_t t1 = b.begin[o1]; t1 < b.begin[o1 + 1]; ++t1) {
          const int64_t input_row = (image * a.in + a.position[t0]) * b.in + b.position[t1];
          rows.push_back(from.as<float>() + input_row * d.in * c + channel);
          weights.push_back(a.weight[t0] * b.weight[t1]);
        }
      WeightedRow args{};
      args.rows = rows.data();
      args.row_weights = weights.data();
      args.row_count = static_cast<int64_t>(rows.size());
      args.begin = d.begin.data();
      args.position = d.position.data();
      args.weight = d.weight.data();
      args.pixels = d.out;
      args.channels = std::min(channels, c - channel);
      args.pitch = c;
      args.y = to.data() + row * d.out * c + channel;
      kernel(&args);
    }
  });
  to.finish();
}

}  // namespace

void resample_forward(const ResampleShape& shape, const View& x, const View& y) {
  if (x.dtype == DType::kFloat64) ref::resample_forward(shape, x, y);
  else apply_taps(shape.n, shape.c, resample_taps<float>(shape), x, y);
}

void resample_grad_input(const ResampleShape& shape, const View& gy, const View& gx) {
  if (gy.dtype == DType::kFloat64) {
    ref::resample_grad_input(shape, gy, gx);
    return;
  }
  std::vector<AxisTaps<float>> axes = resample_taps<float>(shape);
  for (AxisTaps<float>& taps : axes) taps = transposed(taps);
  apply_taps(shape.n, shape.c, axes, gy, gx);
}

}  // namespace pyconv
