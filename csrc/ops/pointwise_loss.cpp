#include "ops/pointwise_loss.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/chunks.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ref/pointwise_loss.h"

namespace pyconv {
namespace {

constexpr int64_t kBlock = 32768;  // elements per block
constexpr int64_t kPiece = 2048;   // losses that are summed while they are in the cache

}  // namespace

void pointwise_loss_forward(PointwiseLoss op, const View& x, const View& t, const View& y,
                            const double* param) {
  if (x.dtype == DType::kFloat64) return ref::pointwise_loss_forward(op, x, t, y, param);
  const Dims order = memory_order(y);
  const ChunkOperand from = make_operand(x, order), with = make_operand(t, order),
                     to = make_operand(y, order);
  const auto kernel = kernels().pointwise_loss.forward[static_cast<int>(op)];
  const int64_t buffer = from.flat && with.flat && to.flat ? 0 : std::min(kBlock, y.count());
  parallel_ranges(y.count(), kBlock, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(3 * buffer);
    PointwiseLossArgs args{};
    args.count = end - begin;
    args.x = read_chunk(from, begin, args.count, scratch.data());
    args.t = read_chunk(with, begin, args.count, scratch + buffer);
    args.y = target_chunk(to, begin, scratch + 2 * buffer);
    args.param = param;
    kernel(&args);
    write_chunk(to, begin, args.count, args.y);
  });
}

double pointwise_loss_sum(PointwiseLoss op, const View& x, const View& t, const double* param) {
  if (x.dtype == DType::kFloat64) return ref::pointwise_loss_sum(op, x, t, param);
  const int64_t count = x.count();
  const Dims order = memory_order(x);
  const ChunkOperand from = make_operand(x, order), with = make_operand(t, order);
  const auto kernel = kernels().pointwise_loss.forward[static_cast<int>(op)];
  const auto add_up = kernels().reduce.rows[static_cast<int>(Fold::kSum)];
  return reduce_ordered<double>(
      ceil_div(count, kBlock),
      [&](int64_t block, double& sum) {
        Scratch<float> scratch(3 * kPiece);
        const int64_t end = std::min(count, (block + 1) * kBlock);
        for (int64_t begin = block * kBlock; begin < end; begin += kPiece) {
          PointwiseLossArgs args{};
          args.count = std::min(kPiece, end - begin);
          args.x = read_chunk(from, begin, args.count, scratch.data());
          args.t = read_chunk(with, begin, args.count, scratch + kPiece);
          args.y = scratch + 2 * kPiece;
          args.param = param;
          kernel(&args);
          ReduceArgs fold{};
          fold.x = args.y;
          fold.terms = args.count;
          fold.term_stride = 1;
          fold.outputs = 1;
          fold.total = &sum;
          add_up(&fold);
        }
      },
      [](double& into, double part) { into += part; });
}

void pointwise_loss_backward(PointwiseLoss op, const View* gy, double scale, const View& x, const View& t,
                             const View& gx, const double* param) {
  if (x.dtype == DType::kFloat64) return ref::pointwise_loss_backward(op, gy, scale, x, t, gx, param);
  const Dims order = memory_order(gx);
  const ChunkOperand from = make_operand(x, order), with = make_operand(t, order),
                     gradient = make_operand(gy ? *gy : x, order), to = make_operand(gx, order);
  const auto kernel = kernels().pointwise_loss.grad[static_cast<int>(op)];
  const bool flat = from.flat && with.flat && gradient.flat && to.flat;
  const int64_t buffer = flat ? 0 : std::min(kBlock, gx.count());
  parallel_ranges(gx.count(), kBlock, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(4 * buffer);
    PointwiseLossArgs args{};
    args.count = end - begin;
    args.x = read_chunk(from, begin, args.count, scratch.data());
    args.t = read_chunk(with, begin, args.count, scratch + buffer);
    args.gy = gy ? read_chunk(gradient, begin, args.count, scratch + 2 * buffer) : nullptr;
    args.scale = static_cast<float>(scale);
    args.y = target_chunk(to, begin, scratch + 3 * buffer);
    args.param = param;
    kernel(&args);
    write_chunk(to, begin, args.count, args.y);
  });
}

}  // namespace pyconv
