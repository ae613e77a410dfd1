// How a matrix product is cut into tasks, from its shape and memory order alone.
#pragma once

#include <cstdint>

namespace pyconv {

struct ProductShape {
  int64_t m, k, n;
  bool a_rows, b_rows;         // whether rows are contiguous; otherwise columns are
  int64_t a_stride, b_stride;  // floats from one to the next
};

struct BlockPlan {
  // Panels of B: n in `vectors` vectors, as evenly as whole vectors allow.
  int64_t lanes, vectors, panels;
  // A task multiplies a block of rows with a group of panels over a chunk of the reduction, in passes of
  // `depth`.
  int64_t tile, rows, row_blocks, group, groups, chunk, chunks, depth;
  bool direct;     // B is read where it lies
  bool share_b;    // all of B is packed beforehand; otherwise by each task, which needs it only once
  bool copy_b;     // B is packed by copying it; otherwise by the first tile that reads it
  bool slivers;    // A, whose columns are contiguous, is copied to slivers of `tile` rows beforehand
  bool streaming;  // C goes past the caches, where its rows are aligned to lines

  int64_t column(int64_t panel) const { return vectors * panel / panels * lanes; }
  // Columns of a packed panel, in whole vectors. In a whole packed B panel p begins at column(p) * k.
  int64_t width(int64_t panel) const { return column(panel + 1) - column(panel); }
};

BlockPlan block_plan(const ProductShape& s);

}  // namespace pyconv
