#include "ops/grid_sample.h"

#include <algorithm>
#include <memory>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ref/grid_sample.h"

namespace pyconv {
namespace {

constexpr int64_t kChunk = 64;           // pixels whose taps are made at a time
constexpr int64_t kBlockWork = 1 << 15;  // products per block
constexpr int64_t kChannels = 32;        // per block of the input's gradient

// The taps of up to kChunk points as the kernels want them.
struct Taps {
  int64_t begin[kChunk + 1];
  int64_t position[kChunk * kMaxGridTaps];
  float weight[kChunk * kMaxGridTaps];
  float slope[kMaxSpatial][kChunk * kMaxGridTaps];

  // `points`: the coordinates of `count` points, one after the other.
  void find(const GridShape& s, const float* points, int64_t count, bool want_slopes) {
    GridTaps taps;
    double point[kMaxSpatial];
    begin[0] = 0;
    for (int64_t p = 0; p < count; ++p) {
      for (int a = 0; a < s.spatial; ++a) point[a] = static_cast<double>(points[p * s.spatial + a]);
      grid_taps(s, point, want_slopes, taps);
      int64_t at = begin[p];
      for (int t = 0; t < taps.count; ++t, ++at) {
        position[at] = taps.position[t];
        weight[at] = static_cast<float>(taps.weight[t]);
        for (int a = 0; want_slopes && a < s.spatial; ++a)
          slope[a][at] = static_cast<float>(taps.slope[a][t]);
      }
      begin[p + 1] = at;
    }
  }
};

// f(image, first pixel, pixels, taps' memory) for pieces of at most kChunk outputs, in blocks that follow
// from the shape.
template <class F>
void each_chunk(const GridShape& s, int64_t channels, F&& f) {
  const int64_t pixels = s.out_pixels();
  const int64_t grain = round_up(std::max<int64_t>(1, kBlockWork / (8 * (channels + 8))), kChunk);
  const int64_t blocks = ceil_div(pixels, grain);
  parallel_for(s.n * blocks, [&](int64_t block) {
    const auto taps = std::make_unique<Taps>();
    const int64_t first = block % blocks * grain, last = std::min(pixels, first + grain);
    for (int64_t p = first; p < last; p += kChunk) f(block / blocks, p, std::min(kChunk, last - p), *taps);
  });
}

}  // namespace

void grid_sample_forward(const GridShape& s, const View& x, const View& grid, const View& y) {
  if (x.dtype == DType::kFloat64) {
    ref::grid_sample_forward(s, x, grid, y);
    return;
  }
  const DenseInput from(x, true), points(grid, false);
  ChannelsLastOutput to(y);
  each_chunk(s, s.c, [&](int64_t n, int64_t first, int64_t count, Taps& taps) {
    const int64_t pixel = n * s.out_pixels() + first;
    taps.find(s, points.as<float>() + pixel * s.spatial, count, false);
    const float* const image = from.as<float>() + n * s.in_pixels() * s.c;
    const float one = 1.0f;
    WeightedRow args{};
    args.rows = &image;
    args.row_weights = &one;
    args.row_count = 1;
    args.begin = taps.begin;
    args.position = taps.position;
    args.weight = taps.weight;
    args.pixels = count;
    args.channels = args.pitch = s.c;
    args.y = to.data() + pixel * s.c;
    kernels().resample.weighted_row(&args);
  });
  to.finish();
}

// Several points may read one pixel: a block is an image and some of its channels, and adds up in the order
// of the points.
void grid_sample_grad_input(const GridShape& s, const View& gy, const View& grid, const View& gx) {
  if (gy.dtype == DType::kFloat64) {
    ref::grid_sample_grad_input(s, gy, grid, gx);
    return;
  }
  const DenseInput from(gy, true), points(grid, false);
  ChannelsLastOutput to(gx);
  const int64_t slices = ceil_div(s.c, kChannels), pixels = s.out_pixels();
  parallel_for(s.n * slices, [&](int64_t block) {
    const int64_t n = block / slices, channel = block % slices * kChannels;
    const auto taps = std::make_unique<Taps>();
    PixelScatter args{};
    args.channels = std::min(kChannels, s.c - channel);
    args.pitch = s.c;
    args.gx = to.data() + n * s.in_pixels() * s.c + channel;
    for (int64_t p = 0; p < s.in_pixels(); ++p) std::fill_n(args.gx + p * s.c, args.channels, 0.0f);
    args.begin = taps->begin;
    args.position = taps->position;
    args.weight = taps->weight;
    for (int64_t p = 0; p < pixels; p += kChunk) {
      poll_interrupt();
      args.pixels = std::min(kChunk, pixels - p);
      taps->find(s, points.as<float>() + (n * pixels + p) * s.spatial, args.pixels, false);
      args.gy = from.as<float>() + (n * pixels + p) * s.c + channel;
      kernels().resample.scatter(&args);
    }
  });
  to.finish();
}

void grid_sample_grad_grid(const GridShape& s, const View& gy, const View& x, const View& grid,
                           const View& gg) {
  if (gy.dtype == DType::kFloat64) {
    ref::grid_sample_grad_grid(s, gy, x, grid, gg);
    return;
  }
  const DenseInput from(gy, true), image(x, true), points(grid, false);
  float* const out = gg.as<float>();  // dense, as the binding makes it
  each_chunk(s, s.c, [&](int64_t n, int64_t first, int64_t count, Taps& taps) {
    const int64_t pixel = n * s.out_pixels() + first;
    taps.find(s, points.as<float>() + pixel * s.spatial, count, true);
    float dots[kChunk * kMaxGridTaps];
    PixelDots args{};
    args.gy = from.as<float>() + pixel * s.c;
    args.x = image.as<float>() + n * s.in_pixels() * s.c;
    args.begin = taps.begin;
    args.position = taps.position;
    args.pixels = count;
    args.channels = args.pitch = s.c;
    args.dots = dots;
    kernels().resample.dots(&args);
    for (int64_t p = 0; p < count; ++p)
      for (int a = 0; a < s.spatial; ++a) {
        float sum = 0;
        for (int64_t t = taps.begin[p]; t < taps.begin[p + 1]; ++t) sum += taps.slope[a][t] * dots[t];
        out[(pixel + p) * s.spatial + a] = sum;
      }
  });
}

}  // namespace pyconv
