#include "core/resample_shape.h"

#include <algorithm>
#include <cmath>

#include "core/cubic.h"
#include "core/error.h"

namespace pyconv {
namespace {

ResampleMode mode_of(const char* op, const std::string& name) {
  if (name == "nearest") return ResampleMode::kNearest;
  if (name == "nearest-exact") return ResampleMode::kNearestExact;
  if (name == "linear") return ResampleMode::kLinear;
  if (name == "cubic") return ResampleMode::kCubic;
  throw ValueError(cat("[", op, "] mode is '", name, "', expected nearest, nearest-exact, linear or cubic"));
}

// Inputs per output.
double step_of(const ResampleShape& s, int i) {
  const double in = static_cast<double>(s.in[i]), out = static_cast<double>(s.out[i]);
  if (s.align_corners) return s.out[i] > 1 ? (in - 1) / (out - 1) : 0;
  return s.scale[i] > 0 ? s.scale[i] : in / out;
}

template <class T>
struct Builder {
  AxisTaps<T>& taps;

  // A tap beyond the edge shows the edge; one without weight is left out: infinity times 0 would be NaN.
  void tap(int64_t position, double weight) {
    if (weight == 0) return;
    taps.position.push_back(std::clamp<int64_t>(position, 0, taps.in - 1));
    taps.weight.push_back(static_cast<T>(weight));
  }
  void close() { taps.begin.push_back(static_cast<int64_t>(taps.position.size())); }
};

// PyTorch computes these positions in float whatever the data are, and leaves the factor out of account where
// the size is doubled.
template <class T>
void nearest(const ResampleShape& s, int i, AxisTaps<T>& taps) {
  const bool exact = s.mode == ResampleMode::kNearestExact;
  const float step = s.scale[i] > 0 ? static_cast<float>(s.scale[i])
                                    : static_cast<float>(s.in[i]) / static_cast<float>(s.out[i]);
  Builder<T> build{taps};
  for (int64_t o = 0; o < taps.out; ++o) {
    if (!exact && taps.out == 2 * taps.in) {
      build.tap(o / 2, 1);
    } else {
      const double at = (static_cast<double>(o) + 0.5) * static_cast<double>(step);
      build.tap(
          static_cast<int64_t>(std::floor(exact ? static_cast<float>(at) : static_cast<float>(o) * step)), 1);
    }
    build.close();
  }
}

template <class T>
void unchanged(AxisTaps<T>& taps) {
  Builder<T> build{taps};
  for (int64_t o = 0; o < taps.out; ++o) {
    build.tap(o, 1);
    build.close();
  }
}

// Whether PyTorch leaves an axis that keeps its size alone, whatever the factor is.
bool kept(const ResampleShape& s, int i) {
  return s.in[i] == s.out[i] &&
         (s.antialias || s.mode == ResampleMode::kNearest || s.mode == ResampleMode::kLinear);
}

template <class T>
void interpolated(const ResampleShape& s, int i, AxisTaps<T>& taps) {
  const double step = step_of(s, i);
  const bool cubic_mode = s.mode == ResampleMode::kCubic;
  Builder<T> build{taps};
  for (int64_t o = 0; o < taps.out; ++o) {
    double at = s.align_corners ? step * static_cast<double>(o) : step * (static_cast<double>(o) + 0.5) - 0.5;
    if (!cubic_mode) at = std::clamp(at, 0.0, static_cast<double>(taps.in - 1));
    const double base = std::floor(at), t = at - base;
    const int64_t first = static_cast<int64_t>(base);
    if (cubic_mode) {
      double weight[4];
      cubic_weights(t, weight);
      for (int k = 0; k < 4; ++k) build.tap(first - 1 + k, weight[k]);
    } else {
      build.tap(first, 1 - t);
      build.tap(first + 1, t);
    }
    build.close();
  }
}

// The filter widened to the distance of the outputs where they are sparser than the inputs, and normalised.
template <class T>
void antialiased(const ResampleShape& s, int i, AxisTaps<T>& taps) {
  const double step = step_of(s, i), width = std::max(step, 1.0);
  const bool cubic_mode = s.mode == ResampleMode::kCubic;
  const double reach = (cubic_mode ? 2 : 1) * width;
  const auto filter = [&](double d) {
    return cubic_mode ? cubic(d, kAntialiasedCubicSharpness) : std::max(0.0, 1 - d);
  };
  Builder<T> build{taps};
  for (int64_t o = 0; o < taps.out; ++o) {
    const double center = step * (static_cast<double>(o) + 0.5);
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - reach + 0.5));
    const int64_t last = std::min<int64_t>(taps.in, static_cast<int64_t>(center + reach + 0.5));
    const auto weight = [&](int64_t p) {
      return filter(std::abs(static_cast<double>(p) + 0.5 - center) / width);
    };
    double total = 0;
    for (int64_t p = first; p < last; ++p) total += weight(p);
    for (int64_t p = first; p < last; ++p) build.tap(p, weight(p) / total);
    build.close();
  }
}

}  // namespace

Dims ResampleShape::input_shape() const {
  Dims d{n, c};
  for (int i = 0; i < spatial; ++i) d.push(in[i]);
  return d;
}

Dims ResampleShape::output_shape() const {
  Dims d{n, c};
  for (int i = 0; i < spatial; ++i) d.push(out[i]);
  return d;
}

ResampleShape make_resample_shape(const char* op, const Dims& x, const Dims& output, const std::string& mode,
                                  bool align_corners, bool antialias, const std::vector<double>& factors) {
  ResampleShape s;
  s.spatial = x.rank - 2;
  if (s.spatial < 1 || s.spatial > kMaxSpatial)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), " (", x.rank, " axes), expected 3, 4 or 5"));
  element_count(x, op);
  check_axes(op, "size", output, s.spatial, 1);
  s.n = x[0];
  s.c = x[1];
  s.mode = mode_of(op, mode);
  s.align_corners = align_corners;
  s.antialias = antialias;
  if (antialias && s.mode != ResampleMode::kLinear && s.mode != ResampleMode::kCubic)
    throw ValueError(cat("[", op, "] antialias is for the modes linear and cubic"));
  for (int i = 0; i < s.spatial; ++i) {
    s.in[i] = x[2 + i];
    s.out[i] = output[i];
  }
  for (int i = 1; i < x.rank; ++i)
    if (x[i] < 1)
      throw ShapeError(
          cat("[", op, "] input has shape ", text(x), ", expected at least one channel and one pixel"));
  if (!factors.empty() && static_cast<int>(factors.size()) != s.spatial)
    throw ShapeError(cat("[", op, "] scale_factor has ", factors.size(), " entries, expected ", s.spatial));
  for (size_t i = 0; i < factors.size(); ++i) {
    // A factor has made the output's size from the input's: positions stay within the input, or nearly so.
    if (!(factors[i] > 0) ||
        !(1 / factors[i] * static_cast<double>(s.out[i]) <= 2.0 * static_cast<double>(kMaxDim)))
      throw ValueError(cat("[", op, "] scale_factor is ", factors[i],
                           ", expected a positive number that leaves at least one output"));
    s.scale[i] = 1 / factors[i];
  }
  element_count(s.output_shape(), op);
  return s;
}

template <class T>
std::vector<AxisTaps<T>> resample_taps(const ResampleShape& shape) {
  std::vector<AxisTaps<T>> all(kMaxSpatial);
  for (int a = 0; a < kMaxSpatial; ++a) {
    AxisTaps<T>& taps = all[static_cast<size_t>(a)];
    const int i = a - (kMaxSpatial - shape.spatial);
    taps.begin.push_back(0);
    if (i < 0) {
      Builder<T>{taps}.tap(0, 1);
      Builder<T>{taps}.close();
      continue;
    }
    taps.in = shape.in[i];
    taps.out = shape.out[i];
    taps.begin.reserve(static_cast<size_t>(taps.out) + 1);
    if (kept(shape, i)) unchanged(taps);
    else if (shape.mode == ResampleMode::kNearest || shape.mode == ResampleMode::kNearestExact)
      nearest(shape, i, taps);
    else if (shape.antialias) antialiased(shape, i, taps);
    else interpolated(shape, i, taps);
  }
  return all;
}

template <class T>
AxisTaps<T> transposed(const AxisTaps<T>& taps) {
  AxisTaps<T> t;
  t.in = taps.out;
  t.out = taps.in;
  t.begin.assign(static_cast<size_t>(t.out) + 1, 0);
  t.position.resize(taps.position.size());
  t.weight.resize(taps.weight.size());
  for (int64_t p : taps.position) ++t.begin[static_cast<size_t>(p) + 1];
  for (size_t i = 1; i < t.begin.size(); ++i) t.begin[i] += t.begin[i - 1];
  std::vector<int64_t> next(t.begin.begin(), t.begin.end() - 1);
  for (int64_t o = 0; o < taps.out; ++o)
    for (int64_t k = taps.begin[static_cast<size_t>(o)]; k < taps.begin[static_cast<size_t>(o) + 1]; ++k) {
      const int64_t at = next[static_cast<size_t>(taps.position[static_cast<size_t>(k)])]++;
      t.position[static_cast<size_t>(at)] = o;
      t.weight[static_cast<size_t>(at)] = taps.weight[static_cast<size_t>(k)];
    }
  return t;
}

template std::vector<AxisTaps<float>> resample_taps(const ResampleShape&);
template std::vector<AxisTaps<double>> resample_taps(const ResampleShape&);
template AxisTaps<float> transposed(const AxisTaps<float>&);
template AxisTaps<double> transposed(const AxisTaps<double>&);

}  // namespace pyconv
