#include "ops/reduce_float.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/arena.h"
#include "core/iterator.h"
#include "kernels/select.h"
#include "ops/elementwise.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockElements = 32768;   // per block of outputs
constexpr int64_t kChunkElements = 131072;  // per chunk of a long reduction
constexpr int64_t kMinColumns = 512, kMaxOutputs = 4096;

bool is_arg(Reduction op) { return op == Reduction::kArgmax || op == Reduction::kArgmin; }
bool is_max(Reduction op) { return op == Reduction::kAmax || op == Reduction::kArgmax; }

Fold fold_of(Reduction op) {
  if (op == Reduction::kSum || op == Reduction::kMean || op == Reduction::kVar) return Fold::kSum;
  return is_max(op) ? Fold::kMax : Fold::kMin;
}

View with_axes(const View& v, const bool* reduced, bool wanted) {
  View out = v;
  out.shape = out.strides = Dims();
  for (int i = 0; i < v.rank(); ++i)
    if (reduced[i] == wanted) {
      out.shape.push(v.shape[i]);
      out.strides.push(v.strides[i]);
    }
  return out;
}

// Whether the loop over the view is one run in C order: an index is the number of a term in that order.
bool in_order(const View& view) {
  int64_t next = 0;  // stride that the next axis to the left must have; 0: any
  for (int i = view.rank() - 1; i >= 0; --i) {
    if (view.shape[i] == 1) continue;
    if (view.strides[i] < 0 || (next && view.strides[i] != next)) return false;
    next = view.strides[i] * view.shape[i];
  }
  return true;
}

// The reduction as two nested loops, and how it is cut: blocks of `group` outputs, chunks of `terms`
// terms. Both depend on the shape and the strides alone.
struct Plan {
  Loop kept;     // operands x, y: one element per output
  Loop reduced;  // operand x: one element per term
  const char* x;
  bool rows;  // terms lie side by side in memory; else outputs do
  int64_t group, blocks, terms, chunks;
};

// Whether the innermost stride of one of the loops is 1, as the kernels need.
bool make_plan(const ReduceShape& s, const View& x, const View& y, Plan* plan) {
  const View inner = with_axes(x, s.reduced, true);
  if (is_arg(s.op) && !in_order(inner)) return false;
  plan->kept = make_loop({with_axes(x, s.reduced, false), with_axes(y, s.reduced, false)});
  plan->reduced = make_loop({inner});
  plan->x = x.as<char>();
  const bool rows = plan->reduced.stride[0][0] == 1, columns = plan->kept.stride[0][0] == 1;
  if (!rows && !columns) return false;
  // Where a loop has a single element both may hold.
  plan->rows = rows && (!columns || plan->reduced.size[0] >= plan->kept.size[0]);
  const int64_t outputs = plan->kept.count, terms = plan->reduced.count;
  plan->group = std::clamp(kBlockElements / terms, plan->rows ? int64_t{1} : kMinColumns, kMaxOutputs);
  plan->group = std::min(plan->group, outputs);
  plan->blocks = ceil_div(outputs, plan->group);
  plan->terms = std::max<int64_t>(64, kChunkElements / plan->group);
  plan->chunks = ceil_div(terms, plan->terms);
  return true;
}

// Calls f(x, outputs, output stride, first output, terms, term stride, first term) for the rectangles that
// make up outputs [o_begin, o_end) x terms [t_begin, t_end). Output numbers count from o_begin.
template <class F>
void rectangles(const Plan& p, int64_t o_begin, int64_t o_end, int64_t t_begin, int64_t t_end, F&& f) {
  int64_t output = 0;
  walk(p.kept, o_begin, o_end, [&](int64_t outputs, char* const* at, const int64_t* kept_stride) {
    const int64_t offset = at[0] - p.x;  // both loops count from x's first element
    int64_t term = t_begin;
    walk(p.reduced, t_begin, t_end, [&](int64_t terms, char* const* data, const int64_t* stride) {
      f(reinterpret_cast<const float*>(data[0] + offset), outputs, kept_stride[0], output, terms, stride[0],
        term);
      term += terms;
    });
    output += outputs;
  });
}

struct Totals {
  double *total, *squares;
  int64_t* index;
};

void start(Fold fold, const Totals& t, int64_t outputs) {
  const double inf = std::numeric_limits<double>::infinity();
  const double first = fold == Fold::kMax ? -inf : fold == Fold::kMin ? inf : 0.0;
  std::fill(t.total, t.total + outputs, first);
  std::fill(t.squares, t.squares + outputs, 0.0);
}

void fold(const Plan& p, Fold kind, const float* shift, const Totals& t, int64_t o_begin, int64_t o_end,
          int64_t t_begin, int64_t t_end) {
  const ReduceKernels& k = kernels().reduce;
  const auto kernel = p.rows ? k.rows[static_cast<int>(kind)] : k.columns[static_cast<int>(kind)];
  start(kind, t, o_end - o_begin);
  rectangles(p, o_begin, o_end, t_begin, t_end,
             [&](const float* x, int64_t outputs, int64_t output_stride, int64_t output, int64_t terms,
                 int64_t term_stride, int64_t) {
               const ReduceArgs args = {x,
                                        terms,
                                        p.rows ? 1 : term_stride,
                                        outputs,
                                        p.rows ? output_stride : 1,
                                        shift ? shift + output : nullptr,
                                        t.total + output,
                                        t.squares + output};
               kernel(&args);
             });
}

void find(const Plan& p, const double* value, int64_t* index, int64_t o_begin, int64_t o_end, int64_t t_begin,
          int64_t t_end) {
  std::fill(index, index + (o_end - o_begin), int64_t{-1});
  rectangles(p, o_begin, o_end, t_begin, t_end,
             [&](const float* x, int64_t outputs, int64_t output_stride, int64_t output, int64_t terms,
                 int64_t term_stride, int64_t term) {
               const FindArgs args = {
                   x, terms, term_stride, outputs, output_stride, value + output, term, index + output};
               kernels().reduce.find(&args);
             });
}

// Results of `outputs` outputs from their totals, written through the kept loop's second operand.
void finish(const ReduceShape& s, const Plan& p, const float* shift, const Totals& t, int64_t o_begin,
            int64_t o_end) {
  const double count = static_cast<double>(s.count), divisor = count - s.correction;
  int64_t output = 0;
  walk(p.kept, o_begin, o_end, [&](int64_t n, char* const* data, const int64_t* stride) {
    for (int64_t i = 0; i < n; ++i, ++output) {
      if (is_arg(s.op)) {
        reinterpret_cast<int64_t*>(data[1])[i * stride[1]] = t.index[output];
        continue;
      }
      double y = t.total[output];
      if (s.op == Reduction::kMean) y /= count;
      // sum (x - mean)^2 = sum (x - shift)^2 - n (mean - shift)^2
      if (shift) y = std::max(t.squares[output] - y * y / count, 0.0) / (divisor > 0 ? divisor : 0.0);
      reinterpret_cast<float*>(data[1])[i * stride[1]] = static_cast<float>(y);
    }
  });
}

void shift_by_mean(const double* total, int64_t outputs, int64_t count, float* shift) {
  for (int64_t o = 0; o < outputs; ++o) shift[o] = static_cast<float>(total[o] / static_cast<double>(count));
}

// Every block of outputs sees all its terms: totals live on the block's own scratch.
void reduce_whole(const ReduceShape& s, const Plan& p) {
  const Fold kind = fold_of(s.op);
  parallel_for(p.blocks, [&](int64_t block) {
    const int64_t begin = block * p.group, end = std::min(begin + p.group, p.kept.count), n = end - begin;
    Scratch<double> total(n), squares(n);
    Scratch<float> shift(n);
    Scratch<int64_t> index(n);
    const Totals t = {total, squares, index};
    fold(p, kind, nullptr, t, begin, end, 0, p.reduced.count);
    const bool var = s.op == Reduction::kVar;
    if (var) {
      shift_by_mean(total, n, s.count, shift);
      fold(p, Fold::kSquares, shift, t, begin, end, 0, p.reduced.count);
    }
    if (is_arg(s.op)) find(p, total, index, begin, end, 0, p.reduced.count);
    finish(s, p, var ? shift.data() : nullptr, t, begin, end);
  });
}

void merge(Fold kind, const Totals& into, const Totals& part, int64_t outputs) {
  for (int64_t o = 0; o < outputs; ++o) {
    const double v = part.total[o];
    if (kind == Fold::kSum || kind == Fold::kSquares) into.total[o] += v;
    else if (v != v || (kind == Fold::kMax ? v > into.total[o] : v < into.total[o])) into.total[o] = v;
    into.squares[o] += part.squares[o];
  }
}

// Long reductions: chunks of terms give partial totals, merged in the order of the chunks.
void reduce_chunked(const ReduceShape& s, const Plan& p) {
  const int64_t outputs = p.kept.count;
  Scratch<double> total(outputs), squares(outputs), part_total(p.chunks * outputs),
      part_squares(p.chunks * outputs);
  Scratch<int64_t> index(outputs), part_index(p.chunks * outputs);
  Scratch<float> shift(outputs);
  const Totals whole = {total, squares, index};
  const auto part = [&](int64_t chunk) {
    return Totals{part_total + chunk * outputs, part_squares + chunk * outputs, part_index + chunk * outputs};
  };
  // f(chunk, first output, end of outputs, first term, end of terms) on every block of every chunk
  const auto each = [&](auto f) {
    parallel_for(p.chunks * p.blocks, [&](int64_t i) {
      const int64_t chunk = i / p.blocks, begin = i % p.blocks * p.group, first = chunk * p.terms;
      f(chunk, begin, std::min(begin + p.group, outputs), first, std::min(first + p.terms, p.reduced.count));
    });
  };
  const auto fold_all = [&](Fold kind, const float* shifts) {
    each([&](int64_t chunk, int64_t begin, int64_t end, int64_t first, int64_t last) {
      const Totals t = part(chunk);
      fold(p, kind, shifts ? shifts + begin : nullptr, {t.total + begin, t.squares + begin, nullptr}, begin,
           end, first, last);
    });
    start(kind, whole, outputs);
    for (int64_t chunk = 0; chunk < p.chunks; ++chunk) merge(kind, whole, part(chunk), outputs);
  };

  fold_all(fold_of(s.op), nullptr);
  const bool var = s.op == Reduction::kVar;
  if (var) {
    shift_by_mean(total, outputs, s.count, shift);
    fold_all(Fold::kSquares, shift);
  }
  if (is_arg(s.op)) {
    each([&](int64_t chunk, int64_t begin, int64_t end, int64_t first, int64_t last) {
      find(p, total + begin, part(chunk).index + begin, begin, end, first, last);
    });
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t chunk = 0; chunk < p.chunks; ++chunk)
        if ((index[o] = part_index[chunk * outputs + o]) >= 0) break;
  }
  finish(s, p, var ? shift.data() : nullptr, whole, 0, outputs);
}

}  // namespace

void reduce_float(const ReduceShape& s, const View& x, const View& y) {
  Plan plan;
  if (make_plan(s, x, y, &plan)) {
    plan.chunks == 1 ? reduce_whole(s, plan) : reduce_chunked(s, plan);
    return;
  }
  // Neither terms nor outputs lie side by side: put them so.
  Scratch<float> copy(x.count());
  count_copy(x.count() * 4);
  const View dense = dense_view(copy.data(), DType::kFloat32, x.shape, false);
  assign(x, dense);
  make_plan(s, dense, y, &plan);
  plan.chunks == 1 ? reduce_whole(s, plan) : reduce_chunked(s, plan);
}

}  // namespace pyconv
