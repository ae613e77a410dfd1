// The inner part of every dense product: rows of A (given by pointers) times packed panels of B.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "core/view.h"
#include "kernels/gemm.h"

namespace pyconv {

// The shape of a packed B, k rows by n columns: panels of `width` columns (the last one rounded up to whole
// vectors and filled with zeros), each panel k rows of its own width, one after the other.
struct PanelLayout {
  int64_t k, n;
  int64_t width, lanes;

  PanelLayout(int64_t k_, int64_t n_);
  int64_t panels() const { return (n + width - 1) / width; }
  int64_t columns(int64_t panel) const;  // in use
  int64_t ld(int64_t panel) const;       // floats per row
  int64_t offset(int64_t panel) const { return panel * width * k; }
  int64_t floats() const;
};

// dst[i * ld + j] = src[i * row_stride + j * column_stride] for i < rows, j < columns.
void copy_matrix(const float* src, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                 float* dst, int64_t ld);

// The matrix with contiguous rows: itself where it has them, else a dense copy in `memory`, made by all
// threads.
View with_rows(const View& a, Scratch<float>& memory);

// The same, and zeros from there to ld.
void pack_columns(const float* b, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                  float* packed, int64_t ld);

// Packs rows [k0, k1) of one panel of b, element (row, column) at b[row * row_stride + column *
// column_stride]; `packed` is where row k0 goes.
void pack_panel(const PanelLayout& layout, int64_t panel, int64_t k0, int64_t k1, const float* b,
                int64_t row_stride, int64_t column_stride, float* packed);

// The reduction as runs, cut into equal chunks of at most kLongest rows of B, so that a chunk of a panel
// stays in the second-level cache while the rows of A pass by. 1152 rows as one: 5 % faster than chunks of
// 512.
class RunChunks {
 public:
  static constexpr int64_t kChunk = 512;  // of a plane of Winograd tiles
  static constexpr int64_t kLongest = 1280;

  explicit RunChunks(const std::vector<Run>& runs);
  struct Chunk {
    int64_t first_run, run_count, b_row;
  };
  const std::vector<Chunk>& chunks() const { return chunks_; }
  const Run* runs(const Chunk& chunk) const { return runs_.data() + chunk.first_run; }

 private:
  std::vector<Run> runs_;
  std::vector<Chunk> chunks_;
};

// What finishes an output row; pointers are to column 0 of the whole output. See Epilogue.
struct RowEpilogue {
  const float* bias = nullptr;
  const float* residual = nullptr;  // same layout as the output: residual + (c[i] - output)
  bool relu = false;
  const float* shift = nullptr;
  float* sum = nullptr;  // of this block of rows
  float* sum_squares = nullptr;
  const float* mask = nullptr;  // as residual
  bool streaming = false;       // past the caches, unless partial sums have to be read again

  bool any() const { return bias || residual || mask || relu || sum; }
};

// c[i][column] for `rows` rows and panels [panel_begin, panel_end); c holds pointers to column 0 of each
// row (it is restored), `output` is where they point into (to find the same place of a residual). `ahead` as
// in RowGemmArgs.
void multiply_rows(const PanelLayout& layout, const float* packed, const RunChunks& reduction,
                   const float* const* a, float** c, int64_t rows, int64_t panel_begin, int64_t panel_end,
                   const float* output, const RowEpilogue& epilogue, Ahead* ahead);

}  // namespace pyconv
