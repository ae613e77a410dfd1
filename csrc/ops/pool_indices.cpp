// Max pooling's positions as PyTorch gives them, and the way back.
#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "ops/pool.h"

namespace pyconv {
namespace {

// Views of 3 to 5 axes as (n, c, three spatial axes).
struct Plane {
  int64_t size[3] = {1, 1, 1}, stride[3] = {0, 0, 0};

  explicit Plane(const View& view) {
    for (int i = 2; i < view.rank(); ++i) {
      size[i + 3 - view.rank()] = view.shape[i];
      stride[i + 3 - view.rank()] = view.strides[i];
    }
  }
  int64_t pixels() const { return size[0] * size[1] * size[2]; }
  int64_t offset(int64_t pixel) const {
    const int64_t i2 = pixel % size[2], rest = pixel / size[2];
    return rest / size[1] * stride[0] + rest % size[1] * stride[1] + i2 * stride[2];
  }
};

constexpr int64_t kChannelBlock = 16;  // one cache line of a channels-last pixel

// f(n, first channel, end of channels): planes are independent, so that no two threads write to one.
template <class F>
void each_plane_block(const View& view, F&& f) {
  const int64_t blocks = ceil_div(view.shape[1], kChannelBlock);
  parallel_for(view.shape[0] * blocks, [&](int64_t block) {
    const int64_t begin = block % blocks * kChannelBlock;
    f(block / blocks, begin, std::min(view.shape[1], begin + kChannelBlock));
  });
}

// The index is read once and checked where it is used: nothing that changes the array meanwhile can lead
// outside.
int64_t checked_index(const char* op, int64_t index, int64_t pixels, const View& y) {
  if (index >= 0 && index < pixels) return index;
  Dims size;
  for (int a = 2; a < y.rank(); ++a) size.push(y.shape[a]);
  throw IndexError(cat("[", op, "] indices holds ", index, ", expected 0 to ", pixels - 1,
                       " (the output plane is ", text(size), ")"));
}

template <class T>
void scatter(const char* op, const View& x, const View& indices, const View& y) {
  const Plane small(x), small_index(indices), large(y);
  each_plane_block(y, [&](int64_t n, int64_t c0, int64_t c1) {
    for (int64_t p = 0; p < large.pixels(); ++p)
      for (int64_t c = c0; c < c1; ++c)
        y.as<T>()[n * y.strides[0] + c * y.strides[1] + large.offset(p)] = T(0);
    for (int64_t i = 0; i < small.pixels(); ++i)
      for (int64_t c = c0; c < c1; ++c) {
        const int64_t index =
            indices.as<int64_t>()[n * indices.strides[0] + c * indices.strides[1] + small_index.offset(i)];
        const int64_t at = checked_index(op, index, large.pixels(), y);
        y.as<T>()[n * y.strides[0] + c * y.strides[1] + large.offset(at)] =
            x.as<T>()[n * x.strides[0] + c * x.strides[1] + small.offset(i)];
      }
  });
}

template <class T>
void gather(const char* op, const View& gy, const View& indices, const View& gx) {
  const Plane small(gx), small_index(indices), large(gy);
  each_plane_block(gx, [&](int64_t n, int64_t c0, int64_t c1) {
    for (int64_t i = 0; i < small.pixels(); ++i)
      for (int64_t c = c0; c < c1; ++c) {
        const int64_t index =
            indices.as<int64_t>()[n * indices.strides[0] + c * indices.strides[1] + small_index.offset(i)];
        const int64_t at = checked_index(op, index, large.pixels(), gy);
        gx.as<T>()[n * gx.strides[0] + c * gx.strides[1] + small.offset(i)] =
            gy.as<T>()[n * gy.strides[0] + c * gy.strides[1] + large.offset(at)];
      }
  });
}

}  // namespace

void max_pool_indices(const PoolShape& shape, const void* taps, const View& indices) {
  const Windows w = make_windows(shape);
  const Plane plane(indices);
  const int bytes = tap_bytes(shape);
  parallel_for(w.n * w.axis[0].out * w.axis[1].out, [&](int64_t row) {
    const int64_t n = row / (w.axis[0].out * w.axis[1].out);
    int64_t o[3] = {row / w.axis[1].out % w.axis[0].out, row % w.axis[1].out, 0};
    for (; o[2] < w.axis[2].out; ++o[2])
      for (int64_t c = 0; c < w.c; ++c) {
        const int64_t element = (row * w.axis[2].out + o[2]) * w.c + c;
        int64_t tap = bytes == 1 ? static_cast<const uint8_t*>(taps)[element]
                                 : static_cast<const int32_t*>(taps)[element];
        int64_t flat = 0, unit = 1;
        bool inside = true;
        for (int a = 2; a >= 0; --a) {
          const AxisWindows& axis = w.axis[a];
          const int64_t position = axis.position(o[a], tap % axis.taps);
          tap /= axis.taps;
          inside = inside && position >= 0 && position < axis.in;
          flat += position * unit;
          unit *= axis.in;
        }
        indices.as<int64_t>()[n * indices.strides[0] + c * indices.strides[1] + o[0] * plane.stride[0] +
                              o[1] * plane.stride[1] + o[2] * plane.stride[2]] = inside ? flat : -1;
      }
  });
}

void max_unpool_forward(const char* op, const View& x, const View& indices, const View& y) {
  if (x.dtype == DType::kFloat64) scatter<double>(op, x, indices, y);
  else scatter<float>(op, x, indices, y);
}

void max_unpool_grad_input(const char* op, const View& gy, const View& indices, const View& gx) {
  if (gy.dtype == DType::kFloat64) gather<double>(op, gy, indices, gx);
  else gather<float>(op, gy, indices, gx);
}

}  // namespace pyconv
