// Drivers of copy, assign, fill and arange.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/layout.h"
#include "ops/layout/loop.h"

namespace pyconv {
namespace {

// One tile: `rows` x `columns` elements at steps of `row_*` and `column_*` elements.
struct Tile {
  const void* src;
  void* dst;
  int64_t rows, row_s, row_d, columns, column_s, column_d;
};
using TileFunction = void (*)(const Tile&);

template <class D, class S>
D convert(S x) {
  if constexpr (std::is_same_v<D, bool>) {
    return x != S(0);
  } else if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
    if (x != x) return D(0);
    constexpr S limit = S(9223372036854775808.0);  // 2^63
    const int64_t whole = x >= limit    ? std::numeric_limits<int64_t>::max()
                          : x < -limit ? std::numeric_limits<int64_t>::min()
                                       : static_cast<int64_t>(x);
    return static_cast<D>(whole);
  } else {
    return static_cast<D>(x);
  }
}

template <class D, class S>
void convert_tile(const Tile& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    const S* s = static_cast<const S*>(t.src) + r * t.row_s;
    D* d = static_cast<D*>(t.dst) + r * t.row_d;
    if (t.column_s == 1 && t.column_d == 1)
      for (int64_t c = 0; c < t.columns; ++c) d[c] = convert<D>(s[c]);
    else
      for (int64_t c = 0; c < t.columns; ++c) d[c * t.column_d] = convert<D>(s[c * t.column_s]);
  }
}

// The same type on both sides, moved as unsigned integers so that every NaN keeps its bits.
template <class T>
void move_tile(const Tile& t) {
  const T* src = static_cast<const T*>(t.src);
  T* dst = static_cast<T*>(t.dst);
  if (t.column_d == 1 && t.column_s == 1) {
    for (int64_t r = 0; r < t.rows; ++r)
      std::memcpy(dst + r * t.row_d, src + r * t.row_s, static_cast<size_t>(t.columns) * sizeof(T));
  } else if (t.column_d == 1 && t.column_s == 0) {
    for (int64_t r = 0; r < t.rows; ++r) std::fill_n(dst + r * t.row_d, t.columns, src[r * t.row_s]);
  } else {
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t c = 0; c < t.columns; ++c) dst[r * t.row_d + c * t.column_d] = src[r * t.row_s + c * t.column_s];
  }
}

template <class D>
TileFunction tile_from(DType src) {
  switch (src) {
    case DType::kFloat32: return convert_tile<D, float>;
    case DType::kFloat64: return convert_tile<D, double>;
    case DType::kInt64: return convert_tile<D, int64_t>;
    case DType::kInt32: return convert_tile<D, int32_t>;
    case DType::kUInt8: return convert_tile<D, uint8_t>;
    case DType::kBool: return convert_tile<D, bool>;
  }
  return nullptr;
}

TileFunction tile_function(DType dst, DType src) {
  if (dst == src) {
    const int64_t item = item_size(dst);
    return item == 4 ? move_tile<uint32_t> : item == 8 ? move_tile<uint64_t> : move_tile<uint8_t>;
  }
  switch (dst) {
    case DType::kFloat32: return tile_from<float>(src);
    case DType::kFloat64: return tile_from<double>(src);
    case DType::kInt64: return tile_from<int64_t>(src);
    case DType::kInt32: return tile_from<int32_t>(src);
    case DType::kUInt8: return tile_from<uint8_t>(src);
    case DType::kBool: return tile_from<bool>(src);
  }
  return nullptr;
}

constexpr int64_t kTileElements = 16384;  // 64 KiB of floats on each side

void run(const CopyLoop& loop, const View& dst, const View& src, TileFunction function) {
  // Where rows are contiguous on both sides a tile is long rows; else it is nearly square, so that the
  // lines that it touches on either side stay in the cache until they are used up.
  const bool long_rows = loop.column_s == 1 || loop.column_s == 0 || loop.rows == 1;
  const int64_t columns = std::min(loop.columns, long_rows ? kTileElements : int64_t{128});
  const int64_t rows = std::min(loop.rows, std::max<int64_t>(16, kTileElements / columns / 16 * 16));
  const int64_t column_tiles = ceil_div(loop.columns, columns), row_tiles = ceil_div(loop.rows, rows);
  const int64_t per_outer = column_tiles * row_tiles;
  const int64_t tiles = loop.outer_count * per_outer;
  const int64_t group = std::max<int64_t>(1, kTileElements / (rows * columns));
  const int64_t dst_item = item_size(dst.dtype), src_item = item_size(src.dtype);
  parallel_ranges(tiles, group, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      int64_t rest = tile / per_outer, d = 0, s = 0;
      for (int i = loop.outer - 1; i >= 0; --i) {
        const int64_t index = rest % loop.n[i];
        rest /= loop.n[i];
        d += index * loop.d[i];
        s += index * loop.s[i];
      }
      const int64_t r = tile % per_outer / column_tiles * rows, c = tile % column_tiles * columns;
      d += r * loop.row_d + c * loop.column_d;
      s += r * loop.row_s + c * loop.column_s;
      function({static_cast<const char*>(src.data) + s * src_item, static_cast<char*>(dst.data) + d * dst_item,
                std::min(rows, loop.rows - r), loop.row_s, loop.row_d, std::min(columns, loop.columns - c),
                loop.column_s, loop.column_d});
    }
  });
}

}  // namespace

void copy(const View& dst, const View& src) {
  if (dst.count() == 0) return;
  run(copy_loop(dst, src), dst, src, tile_function(dst.dtype, src.dtype));
}

void fill(const View& dst, const void* value) {
  View scalar;
  scalar.data = const_cast<void*>(value);
  scalar.dtype = dst.dtype;
  copy(dst, broadcast_to(scalar, dst.shape));
}

void arange(const View& dst, double start, double step) {
  parallel_ranges(dst.count(), kTileElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double x = start + static_cast<double>(i) * step;
      if (dst.dtype == DType::kFloat32) dst.as<float>()[i] = static_cast<float>(x);
      else dst.as<double>()[i] = x;
    }
  });
}

void arange(const View& dst, int64_t start, int64_t step) {
  parallel_ranges(dst.count(), kTileElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t x = start + i * step;
      if (dst.dtype == DType::kInt64) dst.as<int64_t>()[i] = x;
      else if (dst.dtype == DType::kInt32) dst.as<int32_t>()[i] = static_cast<int32_t>(x);
      else dst.as<uint8_t>()[i] = static_cast<uint8_t>(x);
    }
  });
}

}  // namespace pyconv
