#include "ops/pool.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ops/streaming.h"
#include "ref/pool.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockWork = 1 << 15;  // element reads per block of rows: some 10 us

// a * b for an estimate: capped where it would overflow.
int64_t saturating_product(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_mul_overflow(a, b, &r) ? INT64_MAX / 4096 : std::min(r, INT64_MAX / 4096);
}

// How rows of outputs (or of inputs) are cut into blocks. Few rows (a global pooling of one image) are also
// cut along the channels.
struct Blocks {
  int64_t rows, channels;  // per block
  int64_t channel_blocks, count;

  Blocks(int64_t total_rows, int64_t c, int64_t work_per_channel_row) {
    channels = total_rows >= 16 ? c : std::min<int64_t>(c, 64);
    channel_blocks = ceil_div(c, channels);
    rows = std::max<int64_t>(
        1, kBlockWork / std::max<int64_t>(1, saturating_product(work_per_channel_row, channels)));
    count = ceil_div(total_rows, rows) * channel_blocks;
  }
};

// body(row, first channel, channels) for each row of each block; `make` gives each block its own lists.
template <class Make>
void each_row(int64_t total_rows, int64_t c, int64_t work, Make&& make) {
  const Blocks blocks(total_rows, c, work);
  parallel_for(blocks.count, [&](int64_t block) {
    const int64_t begin = block / blocks.channel_blocks * blocks.rows;
    const int64_t end = std::min(total_rows, begin + blocks.rows);
    const int64_t channel = block % blocks.channel_blocks * blocks.channels;
    const int64_t channels = std::min(blocks.channels, c - channel);
    auto body = make();
    for (int64_t row = begin; row < end; ++row) body(row, channel, channels);
  });
}

PoolAxis kernel_axis(const AxisWindows& w) {
  return {w.origin.data(), w.begin.data(), w.end.data(), w.first.data(), w.last.data(), w.step};
}

// An upper bound of the reads behind one channel of a row of `pixels` outputs (or inputs).
int64_t row_work(const Windows& w, int64_t pixels) {
  int64_t taps = 1;
  for (const AxisWindows& axis : w.axis) taps = saturating_product(taps, std::min(axis.taps, axis.in));
  return saturating_product(taps, pixels);
}

int64_t first_number(const Windows& w, int64_t tap0, int64_t tap1) {
  return (tap0 * w.axis[1].taps + tap1) * w.axis[2].taps;
}

const void* tap_row(const void* taps, int bytes, int64_t element) {
  return static_cast<const char*>(taps) + element * bytes;
}

// What the taps of one axis contribute to the divisor, per output.
std::vector<float> divisors(const AxisWindows& w, Divisor divisor) {
  std::vector<float> out(static_cast<size_t>(w.out), 1.0f);
  if (divisor.divisor == 0)
    for (int64_t o = 0; o < w.out; ++o)
      out[o] = static_cast<float>(divisor.count_padding ? w.covered[o] : w.end[o] - w.begin[o]);
  return out;
}

// The input rows under one row of outputs.
struct ForwardRows {
  std::vector<const float*> rows;
  std::vector<int64_t> numbers;

  void find(const Windows& w, const float* x, int64_t n, int64_t o0, int64_t o1, int64_t channel) {
    rows.clear();
    numbers.clear();
    const AxisWindows &a = w.axis[0], &b = w.axis[1];
    for (int64_t t0 = a.begin[o0]; t0 < a.end[o0]; ++t0)
      for (int64_t t1 = b.begin[o1]; t1 < b.end[o1]; ++t1) {
        const int64_t row = (n * a.in + a.position(o0, t0)) * b.in + b.position(o1, t1);
        rows.push_back(x + row * w.axis[2].in * w.c + channel);
        numbers.push_back(first_number(w, t0, t1));
      }
  }
};

// The rows of outputs whose windows span one row of inputs.
struct BackwardRows {
  std::vector<const float*> rows;
  std::vector<const void*> taps;
  std::vector<int64_t> numbers;
  std::vector<float> divisor;

  void clear() {
    rows.clear();
    taps.clear();
    numbers.clear();
    divisor.clear();
  }
  // f(o0, o1, tap0, tap1, number of the output row)
  template <class F>
  static void each(const Windows& w, int64_t n, int64_t i0, int64_t i1, F&& f) {
    const AxisWindows &a = w.axis[0], &b = w.axis[1];
    for (int64_t o0 = a.first[i0]; o0 < a.last[i0]; ++o0) {
      const int64_t t0 = a.tap_at(o0, i0);
      if (t0 < 0) continue;
      for (int64_t o1 = b.first[i1]; o1 < b.last[i1]; ++o1) {
        const int64_t t1 = b.tap_at(o1, i1);
        if (t1 >= 0) f(o0, o1, t0, t1, (n * a.out + o0) * b.out + o1);
      }
    }
  }
};

}  // namespace

void max_pool_forward(const PoolShape& shape, const View& x, const View& y, void* taps) {
  if (x.dtype == DType::kFloat64) return ref::max_pool_forward(shape, x, y, taps);
  const Windows w = make_windows(shape);
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  const auto kernel = kernels().pool.max_row;
  const AxisWindows& a = w.axis[2];
  const int bytes = tap_bytes(shape);
  each_row(w.n * w.axis[0].out * w.axis[1].out, w.c, row_work(w, a.out), [&] {
    return [&, lists = ForwardRows()](int64_t row, int64_t channel, int64_t channels) mutable {
      const int64_t o1 = row % w.axis[1].out, rest = row / w.axis[1].out;
      lists.find(w, from.as<float>(), rest / w.axis[0].out, rest % w.axis[0].out, o1, channel);
      PoolRow args{};
      args.rows = lists.rows.data();
      args.row_count = static_cast<int64_t>(lists.rows.size());
      args.numbers = lists.numbers.data();
      args.axis = kernel_axis(a);
      args.pixels = a.out;
      args.channels = channels;
      args.pitch = w.c;
      args.y = to.data() + row * a.out * w.c + channel;
      args.taps = taps ? static_cast<char*>(taps) + (row * a.out * w.c + channel) * bytes : nullptr;
      args.tap_bytes = bytes;
      kernel(&args);
    };
  });
  to.finish();
}

void max_pool_grad_input(const PoolShape& shape, const View& gy, const void* taps, const View& gx) {
  if (gy.dtype == DType::kFloat64) return ref::max_pool_grad_input(shape, gy, taps, gx);
  const Windows w = make_windows(shape);
  const DenseInput from(gy, true);
  ChannelsLastOutput to(gx);
  const auto kernel = kernels().pool.max_grad_row;
  const bool streaming = streams(to.data(), w.n * w.in_pixels(), w.c);
  const AxisWindows& a = w.axis[2];
  const int bytes = tap_bytes(shape);
  each_row(w.n * w.axis[0].in * w.axis[1].in, w.c, row_work(w, a.in), [&] {
    return [&, lists = BackwardRows()](int64_t row, int64_t channel, int64_t channels) mutable {
      const int64_t i1 = row % w.axis[1].in, rest = row / w.axis[1].in;
      lists.clear();
      BackwardRows::each(w, rest / w.axis[0].in, rest % w.axis[0].in, i1,
                         [&](int64_t, int64_t, int64_t t0, int64_t t1, int64_t output_row) {
                           const int64_t element = output_row * a.out * w.c + channel;
                           lists.rows.push_back(from.as<float>() + element);
                           lists.taps.push_back(tap_row(taps, bytes, element));
                           lists.numbers.push_back(first_number(w, t0, t1));
                         });
      PoolGradRow args{};
      args.rows = lists.rows.data();
      args.row_count = static_cast<int64_t>(lists.rows.size());
      args.taps = lists.taps.data();
      args.numbers = lists.numbers.data();
      args.tap_bytes = bytes;
      args.axis = kernel_axis(a);
      args.pixels = a.in;
      args.channels = channels;
      args.pitch = w.c;
      args.gx = to.data() + row * a.in * w.c + channel;
      args.streaming = streaming;
      kernel(&args);
    };
  });
  to.finish();
}

void average_pool_forward(const PoolShape& shape, Divisor divisor, const View& x, const View& y) {
  if (x.dtype == DType::kFloat64)
    return ref::average_pool_forward(shape, divisor.count_padding, divisor.divisor, x, y);
  const Windows w = make_windows(shape);
  const DenseInput from(x, true);
  ChannelsLastOutput to(y);
  const auto kernel = kernels().pool.average_row;
  const AxisWindows& a = w.axis[2];
  const std::vector<float> d0 = divisors(w.axis[0], divisor), d1 = divisors(w.axis[1], divisor),
                           d2 = divisors(a, divisor);
  const float whole = divisor.divisor == 0 ? 1.0f : static_cast<float>(divisor.divisor);
  each_row(w.n * w.axis[0].out * w.axis[1].out, w.c, row_work(w, a.out), [&] {
    return [&, lists = ForwardRows()](int64_t row, int64_t channel, int64_t channels) mutable {
      const int64_t o1 = row % w.axis[1].out, rest = row / w.axis[1].out, o0 = rest % w.axis[0].out;
      lists.find(w, from.as<float>(), rest / w.axis[0].out, o0, o1, channel);
      PoolRow args{};
      args.rows = lists.rows.data();
      args.row_count = static_cast<int64_t>(lists.rows.size());
      args.divisor = whole * d0[o0] * d1[o1];
      args.divisors = d2.data();
      args.axis = kernel_axis(a);
      args.pixels = a.out;
      args.channels = channels;
      args.pitch = w.c;
      args.y = to.data() + row * a.out * w.c + channel;
      kernel(&args);
    };
  });
  to.finish();
}

void average_pool_grad_input(const PoolShape& shape, Divisor divisor, const View& gy, const View& gx) {
  if (gy.dtype == DType::kFloat64)
    return ref::average_pool_grad_input(shape, divisor.count_padding, divisor.divisor, gy, gx);
  const Windows w = make_windows(shape);
  const DenseInput from(gy, true);
  ChannelsLastOutput to(gx);
  const auto kernel = kernels().pool.average_grad_row;
  const bool streaming = streams(to.data(), w.n * w.in_pixels(), w.c);
  const AxisWindows& a = w.axis[2];
  const std::vector<float> d0 = divisors(w.axis[0], divisor), d1 = divisors(w.axis[1], divisor),
                           d2 = divisors(a, divisor);
  const float whole = divisor.divisor == 0 ? 1.0f : static_cast<float>(divisor.divisor);
  each_row(w.n * w.axis[0].in * w.axis[1].in, w.c, row_work(w, a.in), [&] {
    return [&, lists = BackwardRows()](int64_t row, int64_t channel, int64_t channels) mutable {
      const int64_t i1 = row % w.axis[1].in, rest = row / w.axis[1].in;
      lists.clear();
      BackwardRows::each(w, rest / w.axis[0].in, rest % w.axis[0].in, i1,
                         [&](int64_t o0, int64_t o1, int64_t, int64_t, int64_t output_row) {
                           lists.rows.push_back(from.as<float>() + output_row * a.out * w.c + channel);
                           lists.divisor.push_back(whole * d0[o0] * d1[o1]);
                         });
      PoolGradRow args{};
      args.rows = lists.rows.data();
      args.row_count = static_cast<int64_t>(lists.rows.size());
      args.divisor = lists.divisor.data();
      args.divisors = d2.data();
      args.axis = kernel_axis(a);
      args.pixels = a.in;
      args.channels = channels;
      args.pitch = w.c;
      args.gx = to.data() + row * a.in * w.c + channel;
      args.streaming = streaming;
      kernel(&args);
    };
  });
  to.finish();
}

}  // namespace pyconv
