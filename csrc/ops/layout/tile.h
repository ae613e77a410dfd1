// What happens to one tile of a CopyLoop: a small matrix of elements at any steps.
#pragma once

#include "core/view.h"
#include "ops/layout/loop.h"

namespace pyconv {

// `rows` x `columns` elements at steps of `row_*` and `column_*` elements.
struct Tile {
  const void* src;
  void* dst;
  int64_t rows, row_s, row_d, columns, column_s, column_d;
};
using TileFunction = void (*)(const Tile&);

// dst = src, converted.
TileFunction copy_tile(DType dst, DType src);

// dst += src, of one number type; throws DTypeError for bool.
TileFunction add_tile(DType dtype, const char* op);

// The whole loop on this thread, from other base addresses than those of the views it was made of.
void run_serial(const CopyLoop& loop, void* dst, int64_t dst_item, const void* src, int64_t src_item,
                TileFunction function);

}  // namespace pyconv
