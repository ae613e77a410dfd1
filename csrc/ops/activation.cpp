#include "ops/activation.h"

#include <algorithm>
#include <vector>

#include "core/arena.h"
#include "core/chunks.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ops/streaming.h"
#include "ref/activation.h"

namespace pyconv {
namespace {

constexpr int64_t kBlock = 32768;  // elements per block

// y = kernel(x, gy), gy null in the forward pass, in the memory order of y.
void run(void (*kernel)(const ActivationArgs*), const View& x, const View* gy, const View& y,
         const double* param) {
  const int64_t count = y.count();
  if (count == 0) return;
  const Dims order = memory_order(y);
  const ChunkOperand from = make_operand(x, order), with = make_operand(gy ? *gy : x, order),
                     to = make_operand(y, order);
  const bool in_place = x.data == y.data || (gy && gy->data == y.data);
  const bool past_caches = to.flat && !in_place && streams(y.as<float>(), count / kLineFloats, kLineFloats);
  const int64_t buffer = from.flat && with.flat && to.flat ? 0 : std::min(kBlock, count);
  parallel_ranges(count, kBlock, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(3 * buffer);
    const int64_t n = end - begin;
    ActivationArgs args{};
    args.x = read_chunk(from, begin, n, scratch.data());
    args.gy = gy ? read_chunk(with, begin, n, scratch + buffer) : nullptr;
    args.y = target_chunk(to, begin, scratch + 2 * buffer);
    args.count = n;
    args.param = param;
    args.streaming = past_caches;
    kernel(&args);
    write_chunk(to, begin, n, args.y);
  });
}

// The numbers repeated until a row has some 128 of them, and x as rows of that length: few channels would
// leave most of a vector unused. What is left over makes one shorter row.
struct Folded {
  int64_t width, rows, left;
  std::vector<float> w;

  Folded(int64_t count, const double* numbers, int64_t channels) {
    const int64_t fold = std::max<int64_t>(1, 128 / channels);
    width = fold * channels;
    rows = count / width;
    left = count % width;
    w.resize(static_cast<size_t>(width));
    for (int64_t i = 0; i < width; ++i) w[i] = static_cast<float>(numbers[i % channels]);
  }
  // Rows per block. The sums of blocks are merged in order.
  int64_t grain() const { return std::max<int64_t>(1, kBlock / width); }
  int64_t blocks() const { return ceil_div(rows, grain()) + (left > 0 ? 1 : 0); }
  // What block i works on; the last one may be the short row.
  ParametricArgs block(int64_t i, const float* x, const float* gy, float* y, bool streaming) const {
    const int64_t full = ceil_div(rows, grain()), first = i < full ? i * grain() : rows;
    ParametricArgs args{};
    args.x = x + first * width;
    args.gy = gy ? gy + first * width : nullptr;
    args.y = y ? y + first * width : nullptr;
    args.w = w.data();
    args.rows = i < full ? std::min(grain(), rows - first) : 1;
    args.channels = i < full ? width : left;
    args.streaming = streaming && i < full;
    return args;
  }
};

// One number for all does not care for the order of the elements: C order may stay as it is.
View as_row(const View& v) {
  View row = v;
  row.shape = Dims{1, v.count()};
  row.strides = Dims{v.count(), 1};
  return row;
}
bool any_order(int64_t channels, std::initializer_list<const View*> views) {
  bool fits = channels == 1;
  for (const View* v : views) fits = fits && (!v || is_dense(*v, false));
  return fits;
}
// With a batch and a channel axis at least.
View padded(const View& v) {
  View out = v;
  while (out.rank() < 2) {
    out.shape.push(1);
    out.strides.push(1);
  }
  return out;
}

}  // namespace

void activation_forward(Activation op, const View& x, const View& y, const double* param) {
  if (x.dtype == DType::kFloat64) return ref::activation_forward(op, x, y, param);
  run(kernels().activation.forward[static_cast<int>(op)], x, nullptr, y, param);
}

void activation_backward(Activation op, const View& gy, const View& saved, const View& gx,
                         const double* param) {
  if (gy.dtype == DType::kFloat64) return ref::activation_backward(op, gy, saved, gx, param);
  run(kernels().activation.grad[static_cast<int>(op)], saved, &gy, gx, param);
}

void parametric_forward(Parametric op, const View& x, const double* w, int64_t channels, const View& y) {
  if (x.dtype == DType::kFloat64) return ref::parametric_forward(op, x, w, channels, y);
  const int64_t count = y.count();
  if (count == 0) return;
  const bool flat = any_order(channels, {&x, &y});
  const DenseInput from(flat ? as_row(x) : padded(x), true);
  ChannelsLastOutput to(flat ? as_row(y) : padded(y));
  const Folded folded(count, w, channels);
  const bool streaming = streams(to.data(), folded.rows, folded.width);
  const auto kernel = kernels().activation.parametric[static_cast<int>(op)];
  parallel_for(folded.blocks(), [&](int64_t i) {
    const ParametricArgs args = folded.block(i, from.as<float>(), nullptr, to.data(), streaming);
    kernel(&args);
  });
  to.finish();
}

void parametric_backward(Parametric op, const View& x, const View& gy, const double* w, int64_t channels,
                         const View* gx, double* gw) {
  if (x.dtype == DType::kFloat64) return ref::parametric_backward(op, x, gy, w, channels, gx, gw);
  std::fill_n(gw, channels, 0.0);
  const int64_t count = x.count();
  if (count == 0) return;
  const bool flat = any_order(channels, {&x, &gy, gx});
  const DenseInput from(flat ? as_row(x) : padded(x), true), with(flat ? as_row(gy) : padded(gy), true);
  std::optional<ChannelsLastOutput> to;
  if (gx) to.emplace(flat ? as_row(*gx) : padded(*gx));
  float* const out = to ? to->data() : nullptr;
  const Folded folded(count, w, channels);
  const bool streaming = out && streams(out, folded.rows, folded.width);
  const auto kernel = kernels().activation.parametric_grad[static_cast<int>(op)];
  const std::vector<double> sums = reduce_ordered<std::vector<double>>(
      folded.blocks(),
      [&](int64_t i, std::vector<double>& sum) {
        sum.assign(folded.w.size(), 0.0);
        Scratch<float> partial(folded.width);
        ParametricArgs args = folded.block(i, from.as<float>(), with.as<float>(), out, streaming);
        args.partial = partial;
        args.gw = sum.data();
        kernel(&args);
      },
      [](std::vector<double>& into, const std::vector<double>& sum) {
        into.resize(sum.size(), 0.0);
        for (size_t i = 0; i < sum.size(); ++i) into[i] += sum[i];
      });
  for (size_t i = 0; i < sums.size(); ++i) gw[static_cast<int64_t>(i) % channels] += sums[i];
  if (to) to->finish();
}

}  // namespace pyconv
