// Rows of neighbours: layer and RMS norm, and group norm where there is one pixel.
#include <algorithm>
#include <vector>

#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ops/group_norm.h"
#include "ops/layout.h"

namespace pyconv {
namespace {

// Longer rows are cut into segments of this many values, which threads share.
constexpr int64_t kSegment = 32768;
// Gradients of more weights than this are cut along the weights, of fewer along the rows.
constexpr int64_t kManyWeights = 8192, kFewSamples = 64;

std::vector<float> floats(const double* values, int64_t n) {
  std::vector<float> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(values[i]);
  return out;
}

// C-ordered memory for an output, the view's own where it has that order.
class RowOutput {
 public:
  explicit RowOutput(const View& view) : view_(view), data_(view.as<float>()) {
    if (is_dense(view, false)) return;
    copy_.emplace(view.count());
    data_ = copy_->data();
  }
  float* data() { return data_; }
  void finish() {
    if (!copy_) return;
    count_copy(view_.count() * item_size(DType::kFloat32));
    copy(view_, dense_view(data_, view_.dtype, view_.shape, false));
  }

 private:
  View view_;
  std::optional<Scratch<float>> copy_;
  float* data_;
};

// Mean and squared deviations of a stretch, in one pass. The mean of a few values, spread over it, is close
// enough to its mean that the squares of the differences do not cancel.
struct Moments {
  double count = 0, mean = 0, deviations = 0;

  static Moments of(const float* x, int64_t n, bool centered) {
    Moments m;
    m.count = static_cast<double>(n);
    double first, second;
    if (!centered) {
      kernels().layer_norm.sums(x, n, 0.0f, &first, &m.deviations);
      return m;
    }
    const int64_t samples = std::min<int64_t>(n, 8);
    double sum = 0;
    for (int64_t i = 0; i < samples; ++i) sum += static_cast<double>(x[i * n / samples]);
    const float shift = static_cast<float>(sum / static_cast<double>(samples));
    kernels().layer_norm.sums(x, n, shift, &first, &second);
    m.mean = static_cast<double>(shift) + first / m.count;
    m.deviations = second - first * first / m.count;
    return m;
  }
  // Chan, Golub and LeVeque 1979.
  void merge(const Moments& o) {
    const double total = count + o.count, delta = o.mean - mean;
    mean += delta * o.count / total;
    deviations += o.deviations + delta * delta * count * o.count / total;
    count = total;
  }
};

// Rows as they are cut: tasks of whole rows, or of segments of one row.
struct Cut {
  int64_t length, segments, step;

  explicit Cut(const GroupNormShape& s)
      : length(s.length), segments(ceil_div(s.length, kSegment)), step(ceil_div(s.length, segments)) {}
  bool whole() const { return segments == 1; }
  int64_t grain() const { return std::max<int64_t>(1, kSegment / length); }
  int64_t begin(int64_t segment) const { return segment * step; }
  int64_t count(int64_t segment) const { return std::min(step, length - segment * step); }
};

// f(row, begin in the row, count) for all segments of all rows, in parallel.
template <class F>
void each_segment(const GroupNormShape& s, const Cut& cut, F&& f) {
  parallel_for(s.rows * cut.segments, [&](int64_t task) {
    const int64_t segment = task % cut.segments;
    f(task / cut.segments, cut.begin(segment), cut.count(segment));
  });
}

// What the backward pass reads, and the row functions on it.
struct Backward {
  const GroupNormShape& shape;
  const GroupNormBackward& call;
  const float *x, *gy, *w;
  float* gx;

  RowNorm stretch(int64_t row, int64_t begin, int64_t count) const {
    const int64_t at = row * shape.length + begin;
    RowNorm r{};
    r.x = x + at;
    r.gy = gy + at;
    r.w = w + at % shape.weights;
    r.y = gx ? gx + at : nullptr;
    r.count = count;
    r.center = call.center(row);
    return r;
  }
  void sums(int64_t row, int64_t begin, int64_t count, double* sums) const {
    const RowNorm r = stretch(row, begin, count);
    kernels().layer_norm.grad_sums(&r, sums, sums + 1);
  }
  void map(int64_t row, int64_t begin, int64_t count, const double* sums) const {
    RowNorm r = stretch(row, begin, count);
    const GroupNormBackward::Factors f = call.factors(row, shape.length, sums[0], sums[1]);
    r.gain = f.gain;
    r.scale = f.scale;
    r.offset = f.offset;
    kernels().layer_norm.grad_map(&r);
  }
  void row(int64_t index) const {
    double s[2];
    sums(index, 0, shape.length, s);
    map(index, 0, shape.length, s);
  }
  // gw += gy xhat, gb += gy
  void affine(int64_t row, int64_t begin, int64_t count, float* gw, float* gb) const {
    RowNorm r = stretch(row, begin, count);
    const double s = call.invstd[row];
    r.scale = static_cast<float>(s);
    r.offset = static_cast<float>(-(call.mean[row] - static_cast<double>(r.center)) * s);
    kernels().layer_norm.affine(&r, gw, gb);
  }
};

// Gradients of weight and bias: float sums of kFlush samples, which then join the doubles.
class AffineSums {
 public:
  explicit AffineSums(int64_t weights)
      : gw(static_cast<size_t>(weights)), gb(gw), part_(2 * weights), weights_(weights) {
    clear();
  }
  float* part_gw() { return part_; }
  float* part_gb() { return part_ + weights_; }
  void next_sample() {
    if (++samples_ == kFlush) flush();
  }
  void flush() {
    for (int64_t i = 0; i < weights_; ++i) gw[i] += static_cast<double>(part_[i]);
    for (int64_t i = 0; i < weights_; ++i) gb[i] += static_cast<double>(part_[weights_ + i]);
    clear();
  }
  std::vector<double> gw, gb;

 private:
  static constexpr int kFlush = 64;
  void clear() {
    std::fill_n(part_.data(), 2 * weights_, 0.0f);
    samples_ = 0;
  }
  Scratch<float> part_;
  int64_t weights_;
  int samples_ = 0;
};

struct WeightSums {
  std::vector<double> gw, gb;
};

// Few weights: each block takes whole samples, and does all there is to do with a row while it is at hand.
void backward_by_samples(const Backward& b, int64_t samples) {
  const int64_t weights = b.shape.weights, rows = b.shape.rows / samples;
  const int64_t step = std::max<int64_t>({1, (int64_t{1} << 16) / weights, ceil_div(samples, 64)});
  const WeightSums total = reduce_ordered<WeightSums>(
      ceil_div(samples, step),
      [&](int64_t block, WeightSums& out) {
        AffineSums sums(weights);
        for (int64_t n = block * step; n < std::min(samples, (block + 1) * step); ++n) {
          for (int64_t row = n * rows; row < (n + 1) * rows; ++row) {
            if (b.gx) b.row(row);
            const int64_t at = row * b.shape.length % weights;
            b.affine(row, 0, b.shape.length, sums.part_gw() + at, sums.part_gb() + at);
          }
          sums.next_sample();
        }
        sums.flush();
        out = {std::move(sums.gw), std::move(sums.gb)};
      },
      [&](WeightSums& into, const WeightSums& part) {
        into.gw.resize(part.gw.size(), 0.0);
        into.gb.resize(part.gb.size(), 0.0);
        for (int64_t i = 0; i < weights; ++i) {
          into.gw[i] += part.gw[i];
          into.gb[i] += part.gb[i];
        }
      });
  std::copy(total.gw.begin(), total.gw.end(), b.call.gw);
  std::copy(total.gb.begin(), total.gb.end(), b.call.gb);
}

// Many weights or few samples: a block takes some weights and goes through all samples.
void backward_by_weights(const Backward& b, int64_t samples) {
  const int64_t weights = b.shape.weights, length = b.shape.length;
  parallel_ranges(weights, 1024, [&](int64_t begin, int64_t end) {
    AffineSums sums(end - begin);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t at = begin; at < end;) {  // a group ends where its row does
        const int64_t flat = n * weights + at, row = flat / length, in_row = flat % length;
        const int64_t count = std::min(end - at, length - in_row);
        b.affine(row, in_row, count, sums.part_gw() + (at - begin), sums.part_gb() + (at - begin));
        at += count;
      }
      sums.next_sample();
    }
    sums.flush();
    std::copy(sums.gw.begin(), sums.gw.end(), b.call.gw + begin);
    std::copy(sums.gb.begin(), sums.gb.end(), b.call.gb + begin);
  });
}

void backward_rows(const Backward& b) {
  const Cut cut(b.shape);
  if (cut.whole())
    return parallel_ranges(b.shape.rows, cut.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) b.row(row);
    });
  std::vector<double> sums(static_cast<size_t>(2 * b.shape.rows * cut.segments));
  each_segment(b.shape, cut, [&](int64_t row, int64_t begin, int64_t count) {
    b.sums(row, begin, count, &sums[2 * (row * cut.segments + begin / cut.step)]);
  });
  for (int64_t row = 0; row < b.shape.rows; ++row)
    for (int64_t i = 1; i < cut.segments; ++i)
      for (int j = 0; j < 2; ++j) sums[2 * row * cut.segments + j] += sums[2 * (row * cut.segments + i) + j];
  each_segment(b.shape, cut, [&](int64_t row, int64_t begin, int64_t count) {
    b.map(row, begin, count, &sums[2 * row * cut.segments]);
  });
}

}  // namespace

void row_norm_forward(const GroupNormShape& s, const GroupNormForward& call, const View& x, const View& y) {
  const DenseInput from(x, false);
  const float* const data = from.as<float>();
  RowOutput to(y);
  const std::vector<float> w = floats(call.weight, s.weights), b = floats(call.bias, s.weights);
  const auto map = [&](int64_t row, int64_t begin, int64_t count) {
    const int64_t at = row * s.length + begin;
    RowNorm r{};
    r.x = data + at;
    r.w = w.data() + at % s.weights;
    r.b = b.data() + at % s.weights;
    r.y = to.data() + at;
    r.count = count;
    r.center = static_cast<float>(call.mean[row]);
    r.scale = static_cast<float>(call.invstd[row]);
    r.offset = static_cast<float>(-(call.mean[row] - static_cast<double>(r.center)) * call.invstd[row]);
    kernels().layer_norm.map(&r);
  };
  const Cut cut(s);
  if (cut.whole()) {
    parallel_ranges(s.rows, cut.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const Moments m = Moments::of(data + row * s.length, s.length, call.centered);
        call.finish(row, s.length, m.mean, m.deviations);
        map(row, 0, s.length);
      }
    });
    return to.finish();
  }
  std::vector<Moments> moments(static_cast<size_t>(s.rows * cut.segments));
  each_segment(s, cut, [&](int64_t row, int64_t begin, int64_t count) {
    moments[row * cut.segments + begin / cut.step] =
        Moments::of(data + row * s.length + begin, count, call.centered);
  });
  for (int64_t row = 0; row < s.rows; ++row) {
    Moments m = moments[row * cut.segments];
    for (int64_t i = 1; i < cut.segments; ++i) m.merge(moments[row * cut.segments + i]);
    call.finish(row, s.length, m.mean, m.deviations);
  }
  each_segment(s, cut, map);
  to.finish();
}

void row_norm_backward(const GroupNormShape& s, const GroupNormBackward& call, const View& x, const View& gy,
                       const View* gx) {
  const DenseInput dense_x(x, false), dense_gy(gy, false);
  std::optional<RowOutput> to;
  if (gx) to.emplace(*gx);
  const std::vector<float> w = floats(call.weight, s.weights);
  const Backward b{s, call, dense_x.as<float>(), dense_gy.as<float>(), w.data(), to ? to->data() : nullptr};
  const int64_t samples = s.rows * s.length / s.weights;
  if (s.weights < kManyWeights && samples > kFewSamples) {
    backward_by_samples(b, samples);
  } else {
    if (gx) backward_rows(b);
    backward_by_weights(b, samples);
  }
  if (to) to->finish();
}

}  // namespace pyconv
