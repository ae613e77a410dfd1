#include "ops/roi.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ref/roi.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockWork = 1 << 15;  // element reads per block, roughly
constexpr int64_t kChannels = 32;        // per block of an input's gradient

// f(number of the region, first row of bins, end): regions, large ones cut into rows.
template <class F>
void each_part(const RoiShape& s, F&& f) {
  const int64_t rows = std::clamp<int64_t>(kBlockWork / (8 * s.ow * s.c + 1), 1, s.oh);
  const int64_t parts = ceil_div(s.oh, rows);
  parallel_for(s.k * parts, [&](int64_t block) {
    const int64_t row = block % parts * rows;
    f(block / parts, row, std::min(s.oh, row + rows));
  });
}

// f(image, first channel, channels): regions of one image may overlap, so a block is an image and some of its
// channels, and adds up in the order of the regions.
template <class F>
void each_slice(const RoiShape& s, F&& f) {
  const int64_t slices = ceil_div(s.c, kChannels);
  parallel_for(s.n * slices, [&](int64_t block) {
    const int64_t channel = block % slices * kChannels;
    f(block / slices, channel, std::min(kChannels, s.c - channel));
  });
}

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

}  // namespace

void roi_align_forward(const RoiShape& s, const std::vector<Roi>& rois, const View& x, const View& y) {
  if (x.dtype == DType::kFloat64) return ref::roi_align_forward(s, rois, x, y);
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  each_part(s, [&](int64_t k, int64_t first, int64_t last) {
    const Roi& roi = rois[static_cast<size_t>(k)];
    RoiTaps along_y, along_x;
    along_y.find(s, roi, 0);
    along_x.find(s, roi, 1);
    const std::vector<float> weight_y = floats(along_y.weight), weight_x = floats(along_x.weight);
    std::vector<const float*> rows;
    for (const int64_t row : along_y.position)
      rows.push_back(from.as<float>() + (roi.image * s.h + row) * s.w * s.c);
    WeightedRow args{};
    args.begin = along_x.begin.data();
    args.position = along_x.position.data();
    args.weight = weight_x.data();
    args.pixels = s.ow;
    args.channels = args.pitch = s.c;
    for (int64_t p = first; p < last; ++p) {
      poll_interrupt();
      const int64_t begin = along_y.begin[static_cast<size_t>(p)];
      args.rows = rows.data() + begin;
      args.row_weights = weight_y.data() + begin;
      args.row_count = along_y.begin[static_cast<size_t>(p) + 1] - begin;
      args.y = to.data() + (k * s.oh + p) * s.ow * s.c;
      kernels().resample.weighted_row(&args);
    }
  });
  to.finish();
}

void roi_align_grad_input(const RoiShape& s, const std::vector<Roi>& rois, const View& gy, const View& gx) {
  if (gy.dtype == DType::kFloat64) return ref::roi_align_grad_input(s, rois, gy, gx);
  const DenseInput from(gy, true);
  ChannelsLastOutput to(gx);
  const RoisByImage by_image(s, rois);
  each_slice(s, [&](int64_t n, int64_t channel, int64_t channels) {
    float* const image = to.data() + n * s.h * s.w * s.c + channel;
    for (int64_t p = 0; p < s.h * s.w; ++p) std::fill_n(image + p * s.c, channels, 0.0f);
    RoiTaps along_y, along_x;
    std::vector<float> weight;
    PixelScatter args{};
    args.pixels = s.ow;
    args.channels = channels;
    args.pitch = s.c;
    for (int64_t i = by_image.first[static_cast<size_t>(n)]; i < by_image.first[static_cast<size_t>(n) + 1];
         ++i) {
      const int64_t k = by_image.order[static_cast<size_t>(i)];
      along_y.find(s, rois[static_cast<size_t>(k)], 0);
      along_x.find(s, rois[static_cast<size_t>(k)], 1);
      weight.resize(along_x.weight.size());
      args.begin = along_x.begin.data();
      args.position = along_x.position.data();
      args.weight = weight.data();
      for (int64_t p = 0; p < s.oh; ++p) {
        args.gy = from.as<float>() + (k * s.oh + p) * s.ow * s.c + channel;
        for (int64_t t = along_y.begin[static_cast<size_t>(p)]; t < along_y.begin[static_cast<size_t>(p) + 1];
             ++t) {
          poll_interrupt();
          const double row_weight = along_y.weight[static_cast<size_t>(t)];
          std::transform(along_x.weight.begin(), along_x.weight.end(), weight.begin(),
                         [&](double w) { return static_cast<float>(w * row_weight); });
          args.gx = image + along_y.position[static_cast<size_t>(t)] * s.w * s.c;
          kernels().resample.scatter(&args);
        }
      }
    }
  });
  to.finish();
}

void roi_pool_forward(const RoiShape& s, const std::vector<Roi>& rois, const View& x, const View& y,
                      int32_t* winners) {
  if (x.dtype == DType::kFloat64) return ref::roi_pool_forward(s, rois, x, y, winners);
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  const std::vector<int64_t> origin(static_cast<size_t>(s.ow), 0);
  each_part(s, [&](int64_t k, int64_t first, int64_t last) {
    const Roi& roi = rois[static_cast<size_t>(k)];
    RoiBins along_y, along_x;
    along_y.find(s, roi, 0);
    along_x.find(s, roi, 1);
    std::vector<const float*> rows;
    std::vector<int64_t> numbers;
    PoolRow args{};
    args.axis = {origin.data(), along_x.begin.data(), along_x.end.data(), nullptr, nullptr, 1};
    args.pixels = s.ow;
    args.channels = args.pitch = s.c;
    args.tap_bytes = 4;
    for (int64_t p = first; p < last; ++p) {
      poll_interrupt();
      rows.clear();
      numbers.clear();
      for (int64_t h = along_y.begin[static_cast<size_t>(p)]; h < along_y.end[static_cast<size_t>(p)]; ++h) {
        rows.push_back(from.as<float>() + (roi.image * s.h + h) * s.w * s.c);
        numbers.push_back(h * s.w);  // a tap's number is its pixel's
      }
      args.rows = rows.data();
      args.numbers = numbers.data();
      args.row_count = static_cast<int64_t>(rows.size());
      const int64_t at = (k * s.oh + p) * s.ow * s.c;
      args.y = to.data() + at;
      args.taps = winners ? winners + at : nullptr;
      kernels().pool.max_row(&args);
      for (int64_t q = 0; q < s.ow; ++q) {
        if (!rows.empty() && along_x.begin[static_cast<size_t>(q)] < along_x.end[static_cast<size_t>(q)])
          continue;
        std::fill_n(args.y + q * s.c, s.c, 0.0f);
        if (winners) std::fill_n(winners + at + q * s.c, s.c, -1);
      }
    }
  });
  to.finish();
}

namespace {

// gx is dense and channels-last, as the binding makes it.
template <class T>
void pool_grad_input(const RoiShape& s, const std::vector<Roi>& rois, const View& gy, const int32_t* winners,
                     const View& gx) {
  const DenseInput from(gy, true);
  const RoisByImage by_image(s, rois);
  const int64_t pixels = s.h * s.w, bins = s.oh * s.ow;
  each_slice(s, [&](int64_t n, int64_t channel, int64_t channels) {
    T* const image = gx.as<T>() + n * pixels * s.c + channel;
    for (int64_t p = 0; p < pixels; ++p) std::fill_n(image + p * s.c, channels, T(0));
    const int64_t end = by_image.first[static_cast<size_t>(n) + 1];
    for (int64_t i = by_image.first[static_cast<size_t>(n)]; i < end; ++i) {
      const int64_t k = by_image.order[static_cast<size_t>(i)];
      for (int64_t bin = k * bins; bin < (k + 1) * bins; ++bin) {
        poll_interrupt();
        const T* const g = from.as<T>() + bin * s.c + channel;
        const int32_t* const winner = winners + bin * s.c + channel;
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t pixel = winner[c];
          if (pixel < 0) continue;
          if (pixel >= pixels) throw IndexError(cat("[roi_pool] a maximum at pixel ", pixel));
          image[pixel * s.c + c] += g[c];
        }
      }
    }
  });
}

}  // namespace

void roi_pool_grad_input(const RoiShape& s, const std::vector<Roi>& rois, const View& gy,
                         const int32_t* winners, const View& gx) {
  if (gy.dtype == DType::kFloat64) pool_grad_input<double>(s, rois, gy, winners, gx);
  else pool_grad_input<float>(s, rois, gy, winners, gx);
}

}  // namespace pyconv
