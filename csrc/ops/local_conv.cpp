#include "ops/local_conv.h"

#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockWork = 1 << 15;     // multiply-adds per block, at least
constexpr int64_t kMostWork = 1 << 26;      // and at most, about: some 5 ms
constexpr int64_t kFilters = 64;            // filters and columns of a piece of a bank that stays in the
constexpr int64_t kColumns = 1024;          // second-level cache while the patches pass by
constexpr int64_t kBufferFloats = 1 << 24;  // of patches' gradients, if one image does not need more

// One or two axes as two.
struct Frame {
  int64_t in[2] = {1, 1}, out[2] = {1, 1}, filter[2] = {1, 1}, stride[2] = {1, 1}, pad[2] = {0, 0};

  explicit Frame(const ConvShape& s) {
    for (int i = 0; i < s.spatial; ++i) {
      const int a = 2 - s.spatial + i;
      in[a] = s.in[i];
      out[a] = s.out[i];
      filter[a] = s.filter[i];
      stride[a] = s.stride[i];
      pad[a] = s.pad_lo[i];
    }
  }
};

// patches[n][(c, r, s)] = what position o of image n sees, zeros where that is padding.
void gather_patches(const ConvShape& s, const Frame& f, int64_t o, const float* x, float* patches) {
  const int64_t taps = s.taps(), oh = o / f.out[1], ow = o % f.out[1];
  for (int64_t n = 0; n < s.n; ++n, patches += s.c * taps)
    for (int64_t t = 0; t < taps; ++t) {
      const int64_t ih = oh * f.stride[0] - f.pad[0] + t / f.filter[1];
      const int64_t iw = ow * f.stride[1] - f.pad[1] + t % f.filter[1];
      float* const out = patches + t;
      if (ih < 0 || ih >= f.in[0] || iw < 0 || iw >= f.in[1]) {
        for (int64_t c = 0; c < s.c; ++c) out[c * taps] = 0.0f;
      } else {
        const float* const in = x + ((n * f.in[0] + ih) * f.in[1] + iw) * s.c;
        for (int64_t c = 0; c < s.c; ++c) out[c * taps] = in[c];
      }
    }
}

// f(position, first filter, filters) in blocks: several positions, or a part of one's filters where there are
// few positions or much work behind each.
template <class F>
void each_bank(const LocalShape& shape, int64_t images, F&& f) {
  const ConvShape& s = shape.conv;
  const int64_t positions = s.out_pixels(), work = std::max<int64_t>(1, images) * s.k * shape.columns();
  const int64_t slices =
      std::clamp<int64_t>(std::max(work / kMostWork, 16 / positions), 1, ceil_div(s.k, kFilters));
  const int64_t filters = round_up(ceil_div(s.k, slices), 8), parts = ceil_div(s.k, filters);
  const int64_t grain = parts > 1 ? 1 : std::max<int64_t>(1, kBlockWork / work);
  parallel_ranges(positions * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      poll_interrupt();
      const int64_t k = i % parts * filters;
      f(i / parts, k, std::min(filters, s.k - k));
    }
  });
}

}  // namespace

void local_conv_forward(const LocalShape& shape, const float* x, const float* weight, const float* bias,
                        float* y) {
  const ConvShape& s = shape.conv;
  if (s.n == 0) return;
  const Frame frame(s);
  const int64_t columns = shape.columns(), positions = s.out_pixels();
  each_bank(shape, s.n, [&](int64_t o, int64_t first, int64_t filters) {
    Scratch<float> patches(s.n * columns);
    gather_patches(s, frame, o, x, patches);
    DotArgs args{};
    args.few_stride = args.many_stride = columns;
    args.few_rows = s.n;
    args.c_few = positions * s.k;
    args.c_many = 1;
    for (int64_t k = first; k < first + filters; k += kFilters)
      for (int64_t j = 0; j < columns; j += kColumns) {
        args.few = patches + j;
        args.many = weight + (o * s.k + k) * columns + j;
        args.many_rows = std::min(kFilters, first + filters - k);
        args.length = std::min(kColumns, columns - j);
        args.c = y + o * s.k + k;
        args.first = j == 0;
        kernels().gemm.dots(&args);
      }
    if (!bias) return;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t k = first; k < first + filters; ++k)
        y[(n * positions + o) * s.k + k] += bias[k * positions + o];
  });
}

// The patches' gradients gy W of some images are kept for all positions; then every input adds up its own.
void local_conv_grad_input(const LocalShape& shape, const float* gy, const float* weight, float* gx) {
  const ConvShape& s = shape.conv;
  if (s.n == 0) return;
  const Frame f(s);
  const int64_t columns = shape.columns(), positions = s.out_pixels(), taps = s.taps();
  const int64_t panel = kernels().gemm.panel;
  const int64_t most = std::clamp<int64_t>(kBufferFloats / (positions * columns), 1, s.n);
  Scratch<float> gradients(most * positions * columns);  // [position][image][column]
  const int64_t pieces = ceil_div(columns, 8 * panel);
  for (int64_t image = 0; image < s.n; image += most) {
    const int64_t images = std::min(most, s.n - image);
    parallel_for(positions * pieces, [&](int64_t block) {
      const int64_t o = block / pieces, begin = block % pieces * 8 * panel,
                    end = std::min(columns, begin + 8 * panel);
      Scratch<float> turned(s.k * images);  // gy of this position as [filter][image]
      for (int64_t n = 0; n < images; ++n)
        for (int64_t k = 0; k < s.k; ++k)
          turned[k * images + n] = gy[((image + n) * positions + o) * s.k + k];
      OuterGemmArgs args{};
      args.a = turned;
      args.a_inner = images;
      args.b_inner = args.ldc = columns;
      args.outer = 1;
      args.inner = s.k;
      args.rows = images;
      args.first = 1;
      for (int64_t j = begin; j < end; j += panel) {
        args.b = weight + o * s.k * columns + j;
        args.c = gradients + o * images * columns + j;
        args.columns = static_cast<int>(std::min(panel, end - j));
        kernels().gemm.outer_gemm(&args);
      }
    });
    parallel_for(images * f.in[0], [&](int64_t row) {
      const int64_t n = row / f.in[0], ih = row % f.in[0];
      float* const out = gx + ((image + n) * f.in[0] + ih) * f.in[1] * s.c;
      std::fill_n(out, f.in[1] * s.c, 0.0f);
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t h = ih + f.pad[0] - t / f.filter[1];  // = oh * stride
        if (h < 0 || h % f.stride[0] != 0 || h / f.stride[0] >= f.out[0]) continue;
        for (int64_t iw = 0; iw < f.in[1]; ++iw) {
          const int64_t w = iw + f.pad[1] - t % f.filter[1];
          if (w < 0 || w % f.stride[1] != 0 || w / f.stride[1] >= f.out[1]) continue;
          const int64_t o = h / f.stride[0] * f.out[1] + w / f.stride[1];
          const float* const in = gradients + (o * images + n) * columns + t;
          for (int64_t c = 0; c < s.c; ++c) out[iw * s.c + c] += in[c * taps];
        }
      }
    });
  }
}

void local_conv_grad_weight(const LocalShape& shape, const float* gy, const float* x, float* gw) {
  const ConvShape& s = shape.conv;
  const Frame frame(s);
  const int64_t columns = shape.columns(), positions = s.out_pixels(), panel = kernels().gemm.panel;
  each_bank(shape, s.n, [&](int64_t o, int64_t first, int64_t filters) {
    Scratch<float> patches(s.n * columns);
    gather_patches(s, frame, o, x, patches);
    OuterGemmArgs args{};
    args.a = gy + o * s.k + first;
    args.a_inner = positions * s.k;
    args.b_inner = args.ldc = columns;
    args.outer = 1;
    args.inner = s.n;
    args.rows = filters;
    args.first = 1;
    for (int64_t j = 0; j < columns; j += panel) {
      args.b = patches + j;
      args.c = gw + (o * s.k + first) * columns + j;
      args.columns = static_cast<int>(std::min(panel, columns - j));
      kernels().gemm.outer_gemm(&args);
    }
  });
}

}  // namespace pyconv
