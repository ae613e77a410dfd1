// The loop over two views of one shape, reordered for memory.
#pragma once

#include "core/view.h"

namespace pyconv {

// Axes in the order of dst's memory (largest stride first) without those of size 1, neighbours merged where
// both views allow. The last two axes are the tile: `rows` and `columns`; the rest are the outer loop.
struct CopyLoop {
  int outer = 0;
  int64_t n[kMaxRank] = {}, d[kMaxRank] = {}, s[kMaxRank] = {};
  int64_t outer_count = 1;
  int64_t rows = 1, row_d = 0, row_s = 0;
  int64_t columns = 1, column_d = 1, column_s = 1;

  struct Offsets {
    int64_t d, s;
  };
  Offsets offsets(int64_t index) const;  // of step `index` of the outer loop, in elements
};

// When the columns are not contiguous in src but another axis is, that axis becomes the rows, so that a tile
// is a small matrix transposition.
CopyLoop copy_loop(const View& dst, const View& src);

}  // namespace pyconv
