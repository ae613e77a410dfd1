// Arguments and table of the matrix kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// What happens to a finished output row on its way to memory:
//   y = acc + bias + residual;  y = 0 where mask <= 0 (the gradient of ReLU);  y = max(y, 0) if relu;
//   sum += y - shift, sum_squares += (y - shift)^2 per column, over the rows of the call.
// All pointers but `residual` and `mask` are indexed by column; null leaves the step out.
struct Epilogue {
  const float* bias;
  const float* const* residual;  // one row pointer per output row
  int relu;
  const float* shift;
  float* sum;
  float* sum_squares;
  const float* const* mask;  // as residual
};

// A stretch of the reduction: `length` consecutive floats, `offset` floats after the row's pointer.
struct Run {
  int64_t offset, length;
};

// Memory that the next products will read and write: stretches of lines that a product brings into the
// second-level cache while it computes, one per step of a tile's reduction. The kernel moves on in it.
struct Ahead {
  uintptr_t at[2];   // bytes
  int64_t lines[2];  // that are left; 0 or less: done
};

// c[i][j] = (first ? 0 : c[i][j]) + sum over runs, t of a[i][offset + t] * b[row][j], where the rows of b
// are numbered through all runs. Row pointers make a row of A any output pixel of a convolution: no
// im2col buffer is ever written.
struct RowGemmArgs {
  const float* const* a;  // `rows` pointers
  const Run* runs;
  int64_t run_count;
  const float* b;  // row r at b + r * ldb; readable up to the next multiple of the vector width
  int64_t ldb;
  float* const* c;  // `rows` pointers
  int64_t rows;
  int columns;  // 1 ... GemmKernels::panel
  int first;
  const Epilogue* epilogue;  // null: store the plain sums
  bool streaming;            // past the caches: rows of c are aligned to vectors
  Ahead* ahead;              // or null
};

// c[i][j] = (first ? 0 : c[i][j]) + sum over p, q of a[p * a_outer + q * a_inner + i] * b[p * b_outer +
// q * b_inner + j]: A is K-major, so a weight gradient needs no transposition.
struct OuterGemmArgs {
  const float* a;
  int64_t a_outer, a_inner;
  const float* b;
  int64_t b_outer, b_inner;
  int64_t outer, inner;  // sizes of the two reduction loops
  float* c;
  int64_t ldc;
  int64_t rows;
  int columns;
  int first;
  Ahead* ahead;  // or null
};

// Rows of block_gemm's tiles for panels of so many vectors.
constexpr int64_t block_tile_rows(int lanes, int64_t vectors) { return lanes == 16 && vectors == 1 ? 8 : 6; }

// c[i][j] = (first ? 0 : c[i][j]) + sum over t < length of A(i, t) * b[t * ldb + j] (+ bias[j]), for one
// panel of columns. A may lie either way round: row i of the tile at a + (number of the tile) * a_tile has
// its elements at i * a_row + t * a_step.
struct BlockGemmArgs {
  const float* a;
  int64_t a_tile, a_row, a_step;
  const float* b;
  int64_t ldb;
  // Null: all tiles read b where it lies, in whole vectors. Otherwise the first tile writes what it reads
  // here, in rows of whole vectors, where the others read it: there are at least 8 rows then.
  float* packed;
  float* c;
  int64_t ldc;
  int64_t rows, length;
  int columns;  // 1 ... GemmKernels::panel
  int first;
  const float* bias;  // or null
  bool streaming;     // past the caches: rows of c are aligned to vectors
  // What is wanted after this panel travels to the second-level cache meanwhile: of tile i < next_tiles the
  // line at next + i % next_lines * 16 + i / next_lines * next_jump, and, every next_every steps (a power of
  // two), the one next_step further on.
  const float* next;
  int64_t next_tiles, next_lines, next_jump, next_step, next_every;
};

// c[i * c_few + j * c_many] = (first ? 0 : itself) + sum over t < length of few[i][t] * many[j][t]. Each lane
// of a vector sums its own t in ascending order; then the lanes are added pairwise.
struct DotArgs {
  const float *few, *many;
  int64_t few_stride, many_stride;  // floats from row to row
  int64_t few_rows, many_rows, length;
  float* c;
  int64_t c_few, c_many;
  int first;
};

struct GemmKernels {
  int panel;  // columns per panel of packed B
  void (*row_gemm)(const RowGemmArgs*);
  void (*outer_gemm)(const OuterGemmArgs*);
  void (*block_gemm)(const BlockGemmArgs*);
  void (*dots)(const DotArgs*);
  float (*multiply_adds)(int64_t steps, float x);  // 16 vectors per step, in registers, for measurements
};

}  // namespace pyconv
