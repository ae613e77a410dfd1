#include "ops/nms.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ref/nms.h"

namespace pyconv {
namespace {

constexpr int64_t kBest = 64;     // boxes that are settled before the others are compared with them
constexpr int64_t kRange = 2048;  // others per block

using Numbers = std::vector<int64_t>;

// The boxes of one group, the best first, a column per coordinate.
class Group {
 public:
  Group(const View& boxes, const int64_t* members, int64_t count)
      : left_(members, members + count), alive_(static_cast<size_t>(count), 1) {
    for (int a = 0; a < 4; ++a)
      for (const int64_t i : left_)
        columns_[a].push_back(boxes.as<float>()[i * boxes.strides[0] + a * boxes.strides[1]]);
    for (size_t i = 0; i < left_.size(); ++i)
      columns_[4].push_back((columns_[2][i] - columns_[0][i]) * (columns_[3][i] - columns_[1][i]));
  }

  // The members that stay.
  Numbers keep(float threshold) {
    Numbers kept;
    for (int64_t first = 0; first < size();) {
      const int64_t end = std::min(first + kBest, size());
      for (int64_t i = first; i < end; ++i)
        if (alive(i)) suppress(i + 1, end, i, i + 1, threshold);
      parallel_ranges(size() - end, kRange,
                      [&](int64_t b, int64_t e) { suppress(end + b, end + e, first, end, threshold); });
      for (int64_t i = first; i < end; ++i)
        if (alive(i)) kept.push_back(left_[static_cast<size_t>(i)]);
      first = end;
      const auto rest = std::count(alive_.begin() + first, alive_.end(), 1);
      if (2 * rest < size() - first) {
        drop_before(first);
        first = 0;
      }
    }
    return kept;
  }

 private:
  int64_t size() const { return static_cast<int64_t>(left_.size()); }
  bool alive(int64_t i) const { return alive_[static_cast<size_t>(i)] != 0; }

  void suppress(int64_t first, int64_t end, int64_t kept_first, int64_t kept_end, float threshold) {
    BoxSuppress args{};
    args.boxes = {columns_[0].data(), columns_[1].data(), columns_[2].data(), columns_[3].data(),
                  columns_[4].data()};
    args.first = first;
    args.end = end;
    args.kept_first = kept_first;
    args.kept_end = kept_end;
    args.threshold = threshold;
    args.alive = alive_.data();
    kernels().boxes.suppress(&args);
  }

  // Forget what is settled: all before `first`, and what is not alive.
  void drop_before(int64_t first) {
    size_t to = 0;
    for (auto i = static_cast<size_t>(first); i < left_.size(); ++i) {
      if (!alive_[i]) continue;
      left_[to] = left_[i];
      for (auto& column : columns_) column[to] = column[i];
      ++to;
    }
    left_.resize(to);
    alive_.assign(to, 1);
    for (auto& column : columns_) column.resize(to);
  }

  Numbers left_;
  std::vector<uint8_t> alive_;
  std::vector<float> columns_[5];  // x1, y1, x2, y2, area
};

Numbers keep_reference(const View& boxes, const int64_t* members, int64_t count, double threshold) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    for (int a = 0; a < 4; ++a)
      values.push_back(boxes.as<double>()[members[i] * boxes.strides[0] + a * boxes.strides[1]]);
  std::vector<uint8_t> alive;
  ref::suppress_boxes(values, threshold, alive);
  Numbers kept;
  for (int64_t i = 0; i < count; ++i)
    if (alive[static_cast<size_t>(i)]) kept.push_back(members[i]);
  return kept;
}

// A quotient of floats is above the threshold exactly if it is above the float at or below it.
float rounded_down(double threshold) {
  const float near = static_cast<float>(threshold);
  return static_cast<double>(near) > threshold ? std::nextafter(near, -1.0f) : near;
}

// A copy: what is sorted by must not change meanwhile.
template <class T>
std::vector<T> values_of(const View& view) {
  std::vector<T> values;
  for (int64_t i = 0; i < view.shape[0]; ++i) values.push_back(view.as<T>()[i * view.strides[0]]);
  return values;
}

template <class T>
Numbers best_first(const View& view) {
  const std::vector<T> scores = values_of<T>(view);
  Numbers order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    const T a = scores[static_cast<size_t>(i)], b = scores[static_cast<size_t>(j)];
    return a > b || (a != a && b == b);
  });
  return order;
}

}  // namespace

Numbers nms(const View& boxes, const View& scores, const View* categories, double threshold) {
  const bool reference = boxes.dtype == DType::kFloat64;
  const Numbers order = reference ? best_first<double>(scores) : best_first<float>(scores);
  const auto keep = [&](const int64_t* members, int64_t count) {
    return reference ? keep_reference(boxes, members, count, threshold)
                     : Group(boxes, members, count).keep(rounded_down(threshold));
  };
  const auto count = static_cast<int64_t>(order.size());
  if (!categories) return keep(order.data(), count);

  const Numbers category = values_of<int64_t>(*categories);
  const auto of = [&](int64_t i) { return category[static_cast<size_t>(i)]; };
  Numbers grouped = order;
  std::stable_sort(grouped.begin(), grouped.end(), [&](int64_t i, int64_t j) { return of(i) < of(j); });
  Numbers starts{0};
  for (int64_t i = 1; i < count; ++i)
    if (of(grouped[static_cast<size_t>(i)]) != of(grouped[static_cast<size_t>(i) - 1])) starts.push_back(i);
  starts.push_back(count);
  const auto groups = static_cast<int64_t>(starts.size()) - 1;
  if (groups == 1) return keep(order.data(), count);  // which then uses all threads itself
  std::vector<uint8_t> stays(order.size(), 0);
  parallel_for(groups, [&](int64_t group) {
    const int64_t begin = starts[static_cast<size_t>(group)], end = starts[static_cast<size_t>(group) + 1];
    for (const int64_t i : keep(grouped.data() + begin, end - begin)) stays[static_cast<size_t>(i)] = 1;
  });
  Numbers kept;
  for (const int64_t i : order)
    if (stays[static_cast<size_t>(i)]) kept.push_back(i);
  return kept;
}

}  // namespace pyconv
