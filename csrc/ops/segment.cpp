#include "ops/segment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/parallel.h"

namespace pyconv {
namespace {

struct Edge {
  float weight;
  int32_t a, b;
};

// Segments as trees of pixels; a root knows its size and how different a neighbour may be.
class Segments {
 public:
  Segments(int64_t pixels, double scale)
      : parent_(static_cast<size_t>(pixels)),
        size_(static_cast<size_t>(pixels), 1),
        limit_(static_cast<size_t>(pixels), scale),
        scale_(scale) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  int32_t root(int32_t pixel) {
    while (parent(pixel) != pixel) {
      parent(pixel) = parent(parent(pixel));
      pixel = parent(pixel);
    }
    return pixel;
  }
  int32_t size(int32_t root) const { return size_[static_cast<size_t>(root)]; }
  double limit(int32_t root) const { return limit_[static_cast<size_t>(root)]; }
  // Edges come in rising order: `weight` is the largest difference inside what they make.
  void join(int32_t a, int32_t b, double weight) {
    if (size(a) < size(b)) std::swap(a, b);
    parent(b) = a;
    size_[static_cast<size_t>(a)] += size(b);
    limit_[static_cast<size_t>(a)] = weight + scale_ / size(a);
  }

 private:
  int32_t& parent(int32_t i) { return parent_[static_cast<size_t>(i)]; }

  std::vector<int32_t> parent_, size_;
  std::vector<double> limit_;
  double scale_;
};

float difference(const View& x, int64_t h, int64_t w, int64_t other_h, int64_t other_w) {
  const float* const a = x.as<float>() + h * x.strides[0] + w * x.strides[1];
  const float* const b = x.as<float>() + other_h * x.strides[0] + other_w * x.strides[1];
  double sum = 0;
  for (int64_t c = 0; c < x.shape[2]; ++c) {
    const double d = static_cast<double>(a[c * x.strides[2]]) - static_cast<double>(b[c * x.strides[2]]);
    sum += d * d;
  }
  return static_cast<float>(std::sqrt(sum));
}

std::vector<Edge> edges_of(const View& x) {
  constexpr int kSteps[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
  const int64_t height = x.shape[0], width = x.shape[1];
  std::vector<Edge> edges;
  edges.reserve(static_cast<size_t>(4 * height * width));
  for (int64_t h = 0; h < height; ++h) {
    poll_interrupt();
    for (int64_t w = 0; w < width; ++w)
      for (const auto& step : kSteps) {
        const int64_t i = h + step[0], j = w + step[1];
        if (i >= height || j < 0 || j >= width) continue;
        edges.push_back({difference(x, h, w, i, j), static_cast<int32_t>(h * width + w),
                         static_cast<int32_t>(i * width + j)});
      }
  }
  return edges;
}

}  // namespace

int64_t graph_segments(const View& x, double scale, int64_t min_size, const View& labels) {
  const int64_t pixels = x.shape[0] * x.shape[1];
  std::vector<Edge> edges = edges_of(x);
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& a, const Edge& b) { return a.weight < b.weight; });
  Segments segments(pixels, scale);
  for (const Edge& edge : edges) {
    const int32_t a = segments.root(edge.a), b = segments.root(edge.b);
    const double weight = static_cast<double>(edge.weight);
    if (a != b && weight <= segments.limit(a) && weight <= segments.limit(b)) segments.join(a, b, weight);
  }
  poll_interrupt();
  for (const Edge& edge : edges) {
    const int32_t a = segments.root(edge.a), b = segments.root(edge.b);
    if (a != b && (segments.size(a) < min_size || segments.size(b) < min_size)) segments.join(a, b, 0);
  }
  std::vector<int32_t> number(static_cast<size_t>(pixels), -1);
  int32_t count = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    int32_t& n = number[static_cast<size_t>(segments.root(static_cast<int32_t>(p)))];
    if (n < 0) n = count++;
    labels.as<int32_t>()[p] = n;
  }
  return count;
}

}  // namespace pyconv
