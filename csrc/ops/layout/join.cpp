// Concatenation and padding: both are copies into parts of the output.
#include <algorithm>

#include "core/chunks.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// Elements [begin, begin + size) of an axis.
View slice(View v, int axis, int64_t begin, int64_t size) {
  v.data = static_cast<char*>(v.data) + begin * v.strides[axis] * item_size(v.dtype);
  v.shape[axis] = size;
  return v;
}

// The element of x that position `i` (counted from x's start, outside [0, n)) shows.
int64_t source(int64_t i, int64_t n, PadMode mode) {
  if (mode == PadMode::kReplicate) return i < 0 ? 0 : n - 1;
  if (mode == PadMode::kCircular) return i < 0 ? i + n : i - n;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

// Calls f(border slice, the slice it shows) for each border position of `axis`, given y restricted on the
// axes that are not padded yet.
template <class F>
void each_border(const View& y, int axis, int64_t lo, int64_t hi, PadMode mode, F f) {
  const int64_t n = y.shape[axis] - lo - hi;
  for (int64_t i = 0; i < lo + hi; ++i) {
    const int64_t at = i < lo ? i - lo : n + i - lo;
    f(slice(y, axis, at + lo, 1), slice(y, axis, source(at, n, mode) + lo, 1));
  }
}

// y restricted to x's place on the axes after `axis`.
View inner(const View& y, const Dims& lo, const Dims& hi, int axis) {
  View v = y;
  for (int i = axis + 1; i < y.rank(); ++i) v = slice(v, i, lo[i], y.shape[i] - lo[i] - hi[i]);
  return v;
}

int64_t positive(int64_t v) { return v > 0 ? v : 0; }

void pad_constant(const View& x, const Dims& lo, const Dims& hi, const void* value, const View& y) {
  View from = x, to = y;
  for (int i = 0; i < x.rank(); ++i) {
    // A border along axis i spans x's place on the axes before it and everything on those after it.
    const int64_t before = positive(lo[i]), after = positive(hi[i]), n = y.shape[i];
    if (before > 0) fill(slice(to, i, 0, before < n ? before : n), value);
    const int64_t first = before < n ? before : n, last = n - after > first ? n - after : first;
    if (last < n) fill(slice(to, i, last, n - last), value);
    to = slice(to, i, first, last - first);
    from = slice(from, i, positive(-lo[i]), last - first);
  }
  copy(to, from);
}

// Of float32 that lies in one order, also past the caches: an output row is a row of each input in turn.
// Whether that was so, and is done.
bool join(const std::vector<View>& inputs, int axis, const View& out) {
  constexpr int64_t kBlock = 16384, kFewRows = 16;  // elements per block; fewer rows are not worth cutting
  const Dims order = memory_order(out);
  int64_t inner = 1, rows = 1;
  bool inside = false;
  for (int64_t a : order) {
    if (a == axis) inside = true;
    else (inside ? inner : rows) *= out.shape[static_cast<int>(a)];
  }
  const int64_t pitch = out.shape[axis] * inner;
  if (rows < kFewRows || pitch == 0 || out.dtype != DType::kFloat32 || !make_operand(out, order).flat)
    return false;
  std::vector<const float*> sources;
  std::vector<int64_t> lengths;
  bool streaming = streams(out.as<float>(), rows, pitch);
  for (const View& x : inputs) {
    if (x.dtype != DType::kFloat32 || !make_operand(x, order).flat) return false;
    sources.push_back(x.as<float>());
    lengths.push_back(x.shape[axis] * inner);
    streaming = streaming && lengths.back() % kLineFloats == 0;
  }
  parallel_ranges(rows, std::max<int64_t>(1, kBlock / pitch), [&](int64_t begin, int64_t end) {
    std::vector<const float*> from;
    for (size_t i = 0; i < sources.size(); ++i) from.push_back(sources[i] + begin * lengths[i]);
    const JoinRows args{
        from.data(), lengths.data(), static_cast<int64_t>(from.size()), out.as<float>() + begin * pitch,
        end - begin, streaming};
    kernels().layout.join(&args);
  });
  return true;
}

}  // namespace

void concat(const std::vector<View>& inputs, int axis, const View& out) {
  if (join(inputs, axis, out)) return;
  int64_t begin = 0;
  for (const View& x : inputs) {
    copy(slice(out, axis, begin, x.shape[axis]), x);
    begin += x.shape[axis];
  }
}

PadMode pad_mode(const std::string& name) {
  if (name == "constant") return PadMode::kConstant;
  if (name == "reflect") return PadMode::kReflect;
  if (name == "replicate") return PadMode::kReplicate;
  if (name == "circular") return PadMode::kCircular;
  throw ValueError(cat("[pad] mode is '", name, "', expected constant, reflect, replicate or circular"));
}

Dims padded_shape(const Dims& x, const Dims& lo, const Dims& hi, PadMode mode) {
  Dims y = x;
  for (int i = 0; i < x.rank; ++i) {
    y[i] = checked_add(x[i], checked_add(lo[i], hi[i], "pad"), "pad");
    const auto wrong = [&](const char* why) {
      return ShapeError(cat("[pad] axis ", i, " of size ", x[i], " cannot be padded by ", lo[i], " and ",
                            hi[i], ": ", why));
    };
    if (y[i] < 0 || checked_add(x[i], lo[i], "pad") < 0 || checked_add(x[i], hi[i], "pad") < 0)
      throw wrong("more would be cropped than there is");
    if (mode == PadMode::kConstant || (lo[i] == 0 && hi[i] == 0)) continue;
    if (lo[i] < 0 || hi[i] < 0) throw wrong("only constant padding may be negative");
    const int64_t most = mode == PadMode::kReflect ? x[i] - 1 : x[i];
    if (x[i] == 0 || (mode != PadMode::kReplicate && (lo[i] > most || hi[i] > most)))
      throw wrong(mode == PadMode::kReflect ? "reflect needs less than the size"
                                            : "expected at most the size");
  }
  return y;
}

void pad(const View& x, const Dims& lo, const Dims& hi, PadMode mode, const void* value, const View& y) {
  if (mode == PadMode::kConstant) {
    pad_constant(x, lo, hi, value, y);
    return;
  }
  copy(inner(y, lo, hi, -1), x);
  for (int axis = 0; axis < x.rank(); ++axis)
    each_border(inner(y, lo, hi, axis), axis, lo[axis], hi[axis], mode,
                [](const View& border, const View& shown) { copy(border, shown); });
}

void pad_grad(const View& gy, const Dims& lo, const Dims& hi, PadMode mode, const View& gx) {
  for (int axis = gx.rank() - 1; axis >= 0; --axis)
    each_border(inner(gy, lo, hi, axis), axis, lo[axis], hi[axis], mode,
                [](const View& border, const View& shown) {
                  binary(Binary::kAdd, shown.dtype, shown, border, shown, nullptr);
                });
  copy(gx, inner(gy, lo, hi, -1));
}

}  // namespace pyconv
