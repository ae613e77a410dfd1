#include "ops/softmax.h"

#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "core/chunks.h"
#include "core/parallel.h"
#include "kernels/select.h"

namespace pyconv {
namespace {

constexpr int64_t kBlock = 16384;  // elements per block
constexpr int64_t kColumns =
    256;  // columns per block: a tile of 1000 rows of them still fits the second cache

int64_t rows_per_block(int64_t length) { return std::max<int64_t>(1, kBlock / std::max<int64_t>(1, length)); }

const float* gather(const Rows& rows, int64_t r, float* buffer) {
  const float* const p = rows.row<float>(r);
  if (rows.step == 1 || rows.length == 1) return p;
  for (int64_t i = 0; i < rows.length; ++i) buffer[i] = p[i * rows.step];
  return buffer;
}

void scatter(const float* buffer, const Rows& rows, int64_t r) {
  float* const p = rows.row<float>(r);
  if (buffer == p) return;
  for (int64_t i = 0; i < rows.length; ++i) p[i * rows.step] = buffer[i];
}

// Where row r of a dense output can be computed: in place, or in a buffer that scatter brings back.
float* target(const Rows& rows, int64_t r, float* buffer) {
  return rows.step == 1 || rows.length == 1 ? rows.row<float>(r) : buffer;
}

// Calls row(x, g, y, n) for all rows, or columns(args) when the axis is not the innermost in memory and all
// views lie in one order. `g` may be null.
template <class RowFunction, class ColumnFunction>
void for_rows(const View& x, const View* g, const View& y, int axis, const RowFunction& row,
              const ColumnFunction& columns) {
  if (y.count() == 0) return;
  const Dims order = memory_order(y);
  const bool alike =
      make_operand(x, order).flat && make_operand(y, order).flat && (!g || make_operand(*g, order).flat);
  int64_t inner = 1;
  for (int a = order.rank - 1; a >= 0 && order[a] != axis; --a) inner *= y.shape[static_cast<int>(order[a])];
  if (alike && inner > 1) {
    const int64_t length = y.shape[axis], outer = y.count() / (length * inner),
                  tiles = ceil_div(inner, kColumns);
    parallel_for(outer * tiles, [&](int64_t block) {
      const int64_t begin = block % tiles * kColumns, offset = block / tiles * length * inner + begin;
      ColumnArgs args{};
      args.x = x.as<float>() + offset;
      args.g = g ? g->as<float>() + offset : nullptr;
      args.y = y.as<float>() + offset;
      args.x_step = args.g_step = args.y_step = inner;
      args.length = length;
      args.width = std::min(kColumns, inner - begin);
      columns(&args);
    });
    return;
  }
  const Rows xs = rows_of(x, axis, order), ys = rows_of(y, axis, order),
             gs = rows_of(g ? *g : x, axis, order);
  const int64_t n = ys.length;
  parallel_ranges(ys.count, rows_per_block(n), [&](int64_t begin, int64_t end) {
    Scratch<float> buffer(3 * n);
    for (int64_t r = begin; r < end; ++r) {
      float* const out = target(ys, r, buffer);
      row(gather(xs, r, buffer + n), g ? gather(gs, r, buffer + 2 * n) : nullptr, out, n);
      scatter(out, ys, r);
    }
  });
}

}  // namespace

void softmax_forward(const View& x, int axis, bool logarithm, const View& y) {
  const SoftmaxKernels& k = kernels().softmax;
  for_rows(
      x, nullptr, y, axis,
      [&](const float* in, const float*, float* out, int64_t n) {
        float m;
        const double sum = k.exp_row(in, n, logarithm ? nullptr : out, &m);
        if (logarithm) k.shift_row(in, n, m, static_cast<float>(std::log(sum)), out);
        else k.scale_row(out, n, static_cast<float>(1 / sum), out);
      },
      [&](ColumnArgs* args) {
        args->logarithm = logarithm;
        k.columns(args);
      });
}

// y = softmax(x): gx = y (gy - sum gy y);  y = log softmax(x): gx = gy - exp(y) sum gy.
void softmax_backward(const View& y, const View& gy, int axis, bool logarithm, const View& gx) {
  const SoftmaxKernels& k = kernels().softmax;
  for_rows(
      y, &gy, gx, axis,
      [&](const float* in, const float* g, float* out, int64_t n) {
        const float s = static_cast<float>(k.dot_row(logarithm ? nullptr : in, g, n, 0.0f));
        (logarithm ? k.log_softmax_grad_row : k.softmax_grad_row)(in, g, n, s, out);
      },
      [&](ColumnArgs* args) {
        args->logarithm = logarithm;
        k.columns_grad(args);
      });
}

namespace {

// Of few classes a tile of rows is turned around, so that a vector holds a class of several rows and no sum
// or maximum goes across a vector: 2 and 21 classes of 131072 pixels on two threads 8.7 -> 0.6 and
// 10 -> 1.8 ms.
constexpr int64_t kTileRows = 64, kTileClasses = 64;

bool in_tiles(const ClassLoss& loss) {
  return loss.labels && loss.smoothing == 0 && loss.x.length <= kTileClasses;
}

// Rows [begin, begin + count) with a class's values side by side, kTileRows apart from the next class's.
void turn(const Rows& x, int64_t begin, int64_t count, float* tile) {
  if (x.even && x.step == 1)
    return kernels().layout.transpose(x.row<float>(begin), x.pitch, tile, kTileRows, count, x.length);
  for (int64_t i = 0; i < count; ++i) {
    const float* const row = x.row<float>(begin + i);
    for (int64_t c = 0; c < x.length; ++c) tile[c * kTileRows + i] = row[c * x.step];
  }
}

// cross_entropy_forward for rows [begin, begin + count), count <= kTileRows.
ClassLossSum cross_entropy_tile(const ClassLoss& loss, int64_t begin, int64_t count, float* losses,
                                float* slopes, float* buffer) {
  const int64_t n = loss.x.length;
  const float* const weight = static_cast<const float*>(loss.weight);
  float *const x = buffer, *const e = buffer + n * kTileRows;
  float mass[kTileRows], top[kTileRows], log_sum[kTileRows];
  turn(loss.x, begin, count, x);
  const int64_t* const labels = loss.labels + begin;
  for (int64_t i = 0; i < count; ++i)
    mass[i] = labels[i] == kIgnored ? 0.0f : weight ? weight[labels[i]] : 1.0f;
  const ClassTile args{x, mass, slopes ? e : nullptr, top, log_sum, kTileRows, n, count};
  kernels().softmax.class_tile(&args);
  ClassLossSum sum;
  for (int64_t i = 0; i < count; ++i) {
    double value = 0;
    if (labels[i] == kIgnored) {
      for (int64_t c = 0; slopes && c < n; ++c) e[c * kTileRows + i] = 0.0f;  // also where x is not finite
    } else {
      const int64_t at = labels[i] * kTileRows + i;
      const double w = static_cast<double>(mass[i]);
      value =
          w * (static_cast<double>(log_sum[i]) - (static_cast<double>(x[at]) - static_cast<double>(top[i])));
      if (slopes) e[at] -= mass[i];
      sum.weight += w;
    }
    sum.loss += value;
    if (losses) losses[begin + i] = static_cast<float>(value);
  }
  if (slopes) kernels().layout.transpose(e, kTileRows, slopes + begin * n, n, n, count);
  return sum;
}

ClassLossSum cross_entropy_tiles(const ClassLoss& loss, float* losses, float* slopes) {
  const int64_t rows = loss.x.count, n = loss.x.length,
                grain = std::max(kTileRows, rows_per_block(n) / kTileRows * kTileRows);
  const auto add = [](ClassLossSum& into, const ClassLossSum& part) {
    into.loss += part.loss;
    into.weight += part.weight;
  };
  return reduce_ordered<ClassLossSum>(
      ceil_div(rows, grain),
      [&](int64_t chunk, ClassLossSum& sum) {
        Scratch<float> buffer(2 * n * kTileRows);
        const int64_t end = std::min(rows, (chunk + 1) * grain);
        for (int64_t r = chunk * grain; r < end; r += kTileRows)
          add(sum, cross_entropy_tile(loss, r, std::min(kTileRows, end - r), losses, slopes, buffer));
      },
      add);
}

}  // namespace

// With m = max x, s = sum exp(x - m), A = sum a: loss = A log s - sum a (x - m), dloss/dx = A exp(x - m) / s
// - a.
ClassLossSum cross_entropy_forward(const ClassLoss& loss, float* losses, float* slopes) {
  if (in_tiles(loss)) return cross_entropy_tiles(loss, losses, slopes);
  const SoftmaxKernels& k = kernels().softmax;
  const int64_t rows = loss.x.count, n = loss.x.length, grain = rows_per_block(n);
  const float* const weight = static_cast<const float*>(loss.weight);
  const double keep = 1 - loss.smoothing, share = loss.smoothing / static_cast<double>(n);
  // What smoothing adds to every row's a: share * weight.
  Scratch<float> base(n);
  double base_sum = 0;
  if (loss.labels && loss.smoothing != 0) {
    std::fill_n(base.data(), n, 0.0f);
    base_sum = k.mix_row(base, weight, n, 0.0f, static_cast<float>(share), base);
  }
  return reduce_ordered<ClassLossSum>(
      ceil_div(rows, grain),
      [&](int64_t chunk, ClassLossSum& sum) {
        Scratch<float> buffer(3 * n);
        float* const a = buffer + 2 * n;
        for (int64_t r = chunk * grain; r < std::min(rows, (chunk + 1) * grain); ++r) {
          float* const slope = slopes ? slopes + r * n : nullptr;
          const int64_t label = loss.labels ? loss.labels[r] : 0;
          if (loss.labels && label == kIgnored) {
            if (slope) std::fill_n(slope, n, 0.0f);
            if (losses) losses[r] = 0.0f;
            continue;
          }
          const float* const x = gather(loss.x, r, buffer);
          float m;
          const double s = k.exp_row(x, n, slope, &m), log_s = std::log(s);
          double mass, value;
          if (loss.labels) {
            const double w = weight ? static_cast<double>(weight[label]) : 1;
            mass = keep * w;
            value = mass * (log_s - (static_cast<double>(x[label]) - static_cast<double>(m)));
            if (loss.smoothing != 0) {
              mass += base_sum;
              value += base_sum * log_s - k.dot_row(base, x, n, m);
            }
            sum.weight += w;
            if (slope) {
              k.scale_row(slope, n, static_cast<float>(mass / s), slope);
              slope[label] -= static_cast<float>(keep * w);
              if (loss.smoothing != 0) k.subtract_row(base, n, slope);
            }
          } else {
            mass = k.mix_row(gather(loss.soft, r, buffer + n), weight, n, static_cast<float>(keep),
                             static_cast<float>(share), a);
            value = mass * log_s - k.dot_row(a, x, n, m);
            sum.weight += 1;
            if (slope) {
              k.scale_row(slope, n, static_cast<float>(mass / s), slope);
              k.subtract_row(a, n, slope);
            }
          }
          sum.loss += value;
          if (losses) losses[r] = static_cast<float>(value);
        }
      },
      [](ClassLossSum& into, const ClassLossSum& part) {
        into.loss += part.loss;
        into.weight += part.weight;
      });
}

void cross_entropy_backward(const float* slopes, const float* gy, double scale, const Rows& gx) {
  const SoftmaxKernels& k = kernels().softmax;
  const int64_t n = gx.length;
  const bool flat = !gy && gx.even && (gx.step == 1 || n == 1) && (gx.pitch == n || gx.count == 1);
  parallel_ranges(gx.count, rows_per_block(n), [&](int64_t begin, int64_t end) {
    if (flat)  // rows of one factor, one behind the other
      return k.scale_row(slopes + begin * n, (end - begin) * n, static_cast<float>(scale),
                         gx.row<float>(begin));
    Scratch<float> buffer(n);
    for (int64_t r = begin; r < end; ++r) {
      float* const out = target(gx, r, buffer);
      k.scale_row(slopes + r * n, n, static_cast<float>(scale * (gy ? static_cast<double>(gy[r]) : 1)), out);
      scatter(out, gx, r);
    }
  });
}

}  // namespace pyconv
