// Drivers of copy, fill and arange.
#include <algorithm>

#include "core/checked.h"
#include "core/parallel.h"
#include "ops/layout.h"
#include "ops/layout/tile.h"

namespace pyconv {
namespace {

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
      const CopyLoop::Offsets base = loop.offsets(tile / per_outer);
      const int64_t r = tile % per_outer / column_tiles * rows, c = tile % column_tiles * columns;
      const int64_t d = base.d + r * loop.row_d + c * loop.column_d,
                    s = base.s + r * loop.row_s + c * loop.column_s;
      function({static_cast<const char*>(src.data) + s * src_item,
                static_cast<char*>(dst.data) + d * dst_item, std::min(rows, loop.rows - r), loop.row_s,
                loop.row_d, std::min(columns, loop.columns - c), loop.column_s, loop.column_d});
    }
  });
}

}  // namespace

void copy(const View& dst, const View& src) {
  if (dst.count() == 0) return;
  run(copy_loop(dst, src), dst, src, copy_tile(dst.dtype, src.dtype));
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
