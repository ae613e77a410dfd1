// Gathering and scattering of rows.
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"
#include "ops/layout.h"
#include "ops/layout/tile.h"

namespace pyconv {
namespace {

constexpr int64_t kGrain = 16384;  // elements per block

// The two parts of a view whose first `lead` axes run over the index.
struct Rows {
  View row;           // of index 0
  Dims size, stride;  // of the leading axes

  Rows(const View& v, int lead) : row(v) {
    row.shape = row.strides = Dims();
    for (int i = 0; i < v.rank(); ++i) {
      (i < lead ? size : row.shape).push(v.shape[i]);
      (i < lead ? stride : row.strides).push(v.strides[i]);
    }
  }
  char* at(int64_t j) const {
    int64_t offset = 0;
    for (int i = size.rank - 1; i >= 0; --i) {
      offset += j % size[i] * stride[i];
      j /= size[i];
    }
    return static_cast<char*>(row.data) + offset * item_size(row.dtype);
  }
};

}  // namespace

std::vector<int64_t> index_offsets(const View& x, const std::vector<int>& axes,
                                   const std::vector<const int64_t*>& indices, int64_t n, const char* op) {
  std::vector<int64_t> offsets(static_cast<size_t>(n), 0);
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t size = x.shape[axes[k]], stride = x.strides[axes[k]];
    for (int64_t j = 0; j < n; ++j) {
      const int64_t i = indices[k][j];
      if (i < -size || i >= size)
        throw IndexError(
            cat("[", op, "] index ", i, " is out of range for axis ", axes[k], " of size ", size));
      offsets[static_cast<size_t>(j)] += (i < 0 ? i + size : i) * stride;
      if (j % 65536 == 0) poll_interrupt();
    }
  }
  return offsets;
}

void gather(const View& rest, const std::vector<int64_t>& offsets, int lead, const View& y) {
  const Rows to(y, lead);
  const int64_t row = rest.count(), item = item_size(rest.dtype);
  if (row == 0) return;
  const CopyLoop loop = copy_loop(to.row, rest);
  const TileFunction function = copy_tile(y.dtype, rest.dtype);
  parallel_ranges(static_cast<int64_t>(offsets.size()), std::max<int64_t>(1, kGrain / row),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t j = begin; j < end; ++j)
                      run_serial(loop, to.at(j), item_size(y.dtype),
                                 static_cast<const char*>(rest.data) + offsets[static_cast<size_t>(j)] * item,
                                 item, function);
                  });
}

void scatter(const View& rest, const std::vector<int64_t>& offsets, int lead, const View& v, bool accumulate,
             const char* op) {
  const Rows from(v, lead);
  const int64_t row = rest.count(), item = item_size(rest.dtype), n = static_cast<int64_t>(offsets.size());
  if (row == 0 || n == 0) return;
  // Index tuples in the order of their target; those of one target belong to one block, in their own order.
  std::vector<int64_t> order(static_cast<size_t>(n)), starts;
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return offsets[static_cast<size_t>(a)] < offsets[static_cast<size_t>(b)];
  });
  for (int64_t i = 0; i < n; ++i)
    if (i == 0 || offsets[static_cast<size_t>(order[static_cast<size_t>(i)])] !=
                      offsets[static_cast<size_t>(order[static_cast<size_t>(i - 1)])])
      starts.push_back(i);
  starts.push_back(n);
  const CopyLoop loop = copy_loop(rest, from.row);
  const TileFunction function = accumulate ? add_tile(rest.dtype, op) : copy_tile(rest.dtype, v.dtype);
  const int64_t targets = static_cast<int64_t>(starts.size()) - 1;
  parallel_ranges(targets, std::max<int64_t>(1, kGrain / row), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t last = starts[static_cast<size_t>(t + 1)];
      for (int64_t i = accumulate ? starts[static_cast<size_t>(t)] : last - 1; i < last; ++i) {
        const int64_t j = order[static_cast<size_t>(i)];
        run_serial(loop, static_cast<char*>(rest.data) + offsets[static_cast<size_t>(j)] * item, item,
                   from.at(j), item_size(v.dtype), function);
      }
    }
  });
}

void one_hot(const View& index, const View& y) {
  const int64_t classes = y.shape[y.rank() - 1], n = index.count();
  const int64_t* wanted = index.as<int64_t>();
  for (int64_t i = 0; i < n; ++i)
    if (wanted[i] < 0 || wanted[i] >= classes)
      throw IndexError(cat("[one_hot] index ", wanted[i], " is out of range for ", classes, " classes"));
  const int64_t zero = 0;
  fill(y, &zero);
  for (int64_t i = 0; i < n; ++i) y.as<int64_t>()[i * classes + wanted[i]] = 1;
}

}  // namespace pyconv
