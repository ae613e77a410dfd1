#include "ops/layout/tile.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/error.h"
#include "kernels/select.h"

namespace pyconv {
namespace {

template <class D, class S>
D convert(S x) {
  if constexpr (std::is_same_v<D, bool>) {
    return x != S(0);
  } else if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
    if (x != x) return D(0);
    constexpr S limit = S(9223372036854775808.0);  // 2^63
    const int64_t whole = x >= limit   ? std::numeric_limits<int64_t>::max()
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
      for (int64_t c = 0; c < t.columns; ++c)
        dst[r * t.row_d + c * t.column_d] = src[r * t.row_s + c * t.column_s];
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

// Where rows are contiguous in src and columns in dst it is a transposition.
void move_words_tile(const Tile& t) {
  if (t.row_s == 1 && t.column_d == 1 && t.column_s > 1)
    kernels().layout.transpose(static_cast<const float*>(t.src), t.column_s, static_cast<float*>(t.dst),
                               t.row_d, t.columns, t.rows);
  else move_tile<uint32_t>(t);
}

template <class T>
void accumulate_tile(const Tile& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    const T* s = static_cast<const T*>(t.src) + r * t.row_s;
    T* d = static_cast<T*>(t.dst) + r * t.row_d;
    for (int64_t c = 0; c < t.columns; ++c)
      d[c * t.column_d] = static_cast<T>(d[c * t.column_d] + s[c * t.column_s]);
  }
}

}  // namespace

TileFunction copy_tile(DType dst, DType src) {
  if (dst == src) {
    const int64_t item = item_size(dst);
    return item == 4 ? move_words_tile : item == 8 ? move_tile<uint64_t> : move_tile<uint8_t>;
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

TileFunction add_tile(DType dtype, const char* op) {
  switch (dtype) {
    case DType::kFloat32: return accumulate_tile<float>;
    case DType::kFloat64: return accumulate_tile<double>;
    case DType::kInt64: return accumulate_tile<uint64_t>;
    case DType::kInt32: return accumulate_tile<uint32_t>;
    case DType::kUInt8: return accumulate_tile<uint8_t>;
    case DType::kBool: break;
  }
  throw DTypeError(cat("[", op, "] dtype is bool, which has no sum"));
}

void run_serial(const CopyLoop& loop, void* dst, int64_t dst_item, const void* src, int64_t src_item,
                TileFunction function) {
  for (int64_t i = 0; i < loop.outer_count; ++i) {
    const CopyLoop::Offsets at = loop.offsets(i);
    function({static_cast<const char*>(src) + at.s * src_item, static_cast<char*>(dst) + at.d * dst_item,
              loop.rows, loop.row_s, loop.row_d, loop.columns, loop.column_s, loop.column_d});
  }
}

}  // namespace pyconv
