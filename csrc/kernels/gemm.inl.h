// The two matrix micro-kernels. A tile of MR rows by NV vectors of columns lives in registers; per step of
// the reduction one row of B is loaded (NV vectors) and MR scalars of A are broadcast: MR * NV fused
// multiply-adds for MR + NV loads.
//
// With 32 registers 6 x 4 vectors is the best tile (measured on Zen 4: 6x64 99.9 % of the multiply-add
// limit, 14x32 95 %, 28x16 91 %); with 16 registers 6 x 2. Narrower tiles serve the last columns. Each
// element's sum runs over the reduction in ascending order whatever the tile, so tails have the same bits.
//
// The tiles are inlined into the loops over rows by force: at the top level of a function gcc unrolls the
// loops over a tile too late to keep its beginning and its end in registers (6 % at a reduction of 64).

constexpr int kMaxVectors = kLanes == 16 ? 4 : 2;
// Rows of the tile that has NV vectors of columns: at least 8 accumulators to hide the latency of an FMA.
constexpr int tile_rows(int nv) { return kLanes == 16 ? (nv == 4 ? 6 : 8) : (nv == 2 ? 6 : 8); }

// Loads vector j of a row with `tail` valid lanes in the last vector (tail == kLanes: all).
template <int NV, bool kTail>
inline Vec load_column(const float* row, int j, int tail) {
  return kTail && j == NV - 1 ? load_n(row + j * kLanes, tail) : load(row + j * kLanes);
}
template <int NV, bool kTail>
inline void store_column(float* row, int j, int tail, Vec v) {
  if (kTail && j == NV - 1) store_n(row + j * kLanes, v, tail);
  else store(row + j * kLanes, v);
}

// The gradient of ReLU for an output of y. A NaN does not mask.
inline Vec masked(Vec v, Vec y) { return select(less_equal(y, zero()), zero(), v); }

// One step of the epilogue after the other over the whole tile: small loops, which the compiler unrolls, so
// that the tile stays in registers.
template <int MR, int NV, bool kTail>
__attribute__((always_inline)) inline void finish_tile(Vec (&acc)[MR][NV], int64_t row, int tail,
                                                       const Epilogue* e) {
  if (e->bias)
    for (int j = 0; j < NV; ++j) {
      const Vec bias = load_column<NV, kTail>(e->bias, j, tail);
      for (int i = 0; i < MR; ++i) acc[i][j] = add(acc[i][j], bias);
    }
  if (e->residual)
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NV; ++j)
        acc[i][j] = add(acc[i][j], load_column<NV, kTail>(e->residual[row + i], j, tail));
  if (e->mask)
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NV; ++j)
        acc[i][j] = masked(acc[i][j], load_column<NV, kTail>(e->mask[row + i], j, tail));
  if (e->relu)
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NV; ++j) acc[i][j] = max(zero(), acc[i][j]);  // in this order a NaN stays a NaN
  if (!e->sum) return;
  for (int j = 0; j < NV; ++j) {
    const Vec shift = e->shift ? load_column<NV, kTail>(e->shift, j, tail) : zero();
    Vec sum = zero(), squares = zero();
    for (int i = 0; i < MR; ++i) {
      const Vec d = sub(acc[i][j], shift);
      sum = add(sum, d);
      squares = fma(d, d, squares);
    }
    store_column<NV, kTail>(e->sum, j, tail, add(load_column<NV, kTail>(e->sum, j, tail), sum));
    store_column<NV, kTail>(e->sum_squares, j, tail,
                            add(load_column<NV, kTail>(e->sum_squares, j, tail), squares));
  }
}

// Narrow tiles have their hands full with loads: they ask for their own outputs, and for nothing else.
constexpr bool looks_ahead(int nv) { return nv == kMaxVectors; }

// Where a tile of that many steps looks ahead, and by how many bytes per step.
struct AheadOfTile {
  uintptr_t at;
  int64_t step;
};
inline AheadOfTile look_ahead(Ahead* ahead, const float* otherwise, int64_t steps) {
  constexpr int64_t kLine = 64;
  for (int i = 0; ahead && i < 2; ++i) {
    if (ahead->lines[i] <= 0) continue;
    const uintptr_t at = ahead->at[i];
    ahead->at[i] += static_cast<uintptr_t>(steps * kLine);
    ahead->lines[i] -= steps;
    return {at, kLine};
  }
  return {reinterpret_cast<uintptr_t>(otherwise), 0};
}

template <int MR, int NV, bool kTail>
__attribute__((always_inline)) inline void row_tile(const RowGemmArgs* g, int64_t row, AheadOfTile ahead) {
  constexpr bool kAhead = looks_ahead(NV) && MR == tile_rows(NV);
  const int tail = g->columns - (NV - 1) * kLanes;
  Vec acc[MR][NV];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j)
      acc[i][j] = g->first ? zero() : load_column<NV, kTail>(g->c[row + i], j, tail);
  const float* b = g->b;
  for (int64_t run = 0; run < g->run_count; ++run) {
    const int64_t length = g->runs[run].length;
    const float* a[MR];
    for (int i = 0; i < MR; ++i) a[i] = g->a[row + i] + g->runs[run].offset;
    for (int64_t t = 0; t < length; ++t) {
      Vec bv[NV];
      for (int j = 0; j < NV; ++j) bv[j] = load(b + j * kLanes);
      b += g->ldb;
      if (kAhead) {
        prefetch(reinterpret_cast<const float*>(ahead.at));
        ahead.at += static_cast<uintptr_t>(ahead.step);
      }
      for (int i = 0; i < MR; ++i) {
        const Vec av = set1(a[i][t]);
        for (int j = 0; j < NV; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
    }
  }
  if (g->epilogue) finish_tile<MR, NV, kTail>(acc, row, tail, g->epilogue);
  if (!kTail && g->streaming) {
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NV; ++j) stream(g->c[row + i] + j * kLanes, acc[i][j]);
    return;
  }
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) store_column<NV, kTail>(g->c[row + i], j, tail, acc[i][j]);
}

// The lines that a tile will be stored in travel here while it is computed. Not a part of row_tile, where the
// pointers would drive vectors out of the registers (6 % slower).
template <int MR, int NV>
inline void prefetch_tile(float* const* c, int64_t row) {
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) __builtin_prefetch(c[row + i] + j * kLanes, 1);
}

template <int NV, bool kTail>
inline void row_panel(const RowGemmArgs* g) {
  constexpr int MR = tile_rows(NV);
  int64_t row = 0, steps = 0;
  for (int64_t run = 0; run < g->run_count; ++run) steps += g->runs[run].length;
  for (; row + MR <= g->rows; row += MR) {
    if (!g->streaming && !(g->ahead && looks_ahead(NV))) prefetch_tile<MR, NV>(g->c, row);
    row_tile<MR, NV, kTail>(g, row, look_ahead(g->ahead, g->b, steps));
  }
  const AheadOfTile none = look_ahead(nullptr, g->b, 0);
  for (; row + 4 <= g->rows; row += 4) row_tile<4, NV, kTail>(g, row, none);
  for (; row + 2 <= g->rows; row += 2) row_tile<2, NV, kTail>(g, row, none);
  for (; row < g->rows; ++row) row_tile<1, NV, kTail>(g, row, none);
}

template <int MR, int NV, bool kTail>
__attribute__((always_inline)) inline void outer_tile(const OuterGemmArgs* g, int64_t row,
                                                      AheadOfTile ahead) {
  constexpr bool kAhead = looks_ahead(NV) && MR == tile_rows(NV);
  const int tail = g->columns - (NV - 1) * kLanes;
  Vec acc[MR][NV];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j)
      acc[i][j] = g->first ? zero() : load_column<NV, kTail>(g->c + (row + i) * g->ldc, j, tail);
  for (int64_t p = 0; p < g->outer; ++p) {
    const float* a = g->a + p * g->a_outer + row;
    const float* b = g->b + p * g->b_outer;
    for (int64_t q = 0; q < g->inner; ++q) {
      Vec bv[NV];
      for (int j = 0; j < NV; ++j) bv[j] = load_column<NV, kTail>(b, j, tail);
      for (int i = 0; i < MR; ++i) {
        const Vec av = set1(a[i]);
        for (int j = 0; j < NV; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
      if (kAhead) {
        prefetch(reinterpret_cast<const float*>(ahead.at));
        ahead.at += static_cast<uintptr_t>(ahead.step);
      }
      a += g->a_inner;
      b += g->b_inner;
    }
  }
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) store_column<NV, kTail>(g->c + (row + i) * g->ldc, j, tail, acc[i][j]);
}

template <int NV, bool kTail>
inline void outer_panel(const OuterGemmArgs* g) {
  constexpr int MR = tile_rows(NV);
  int64_t row = 0;
  const int64_t steps = g->outer * g->inner;
  for (; row + MR <= g->rows; row += MR) outer_tile<MR, NV, kTail>(g, row, look_ahead(g->ahead, g->b, steps));
  const AheadOfTile none = look_ahead(nullptr, g->b, 0);
  for (; row + 4 <= g->rows; row += 4) outer_tile<4, NV, kTail>(g, row, none);
  for (; row + 2 <= g->rows; row += 2) outer_tile<2, NV, kTail>(g, row, none);
  for (; row < g->rows; ++row) outer_tile<1, NV, kTail>(g, row, none);
}

template <int NV>
inline void row_gemm_vectors(const RowGemmArgs* g) {
  if (g->columns == NV * kLanes) row_panel<NV, false>(g);
  else if (g->columns > (NV - 1) * kLanes) row_panel<NV, true>(g);
  else if constexpr (NV > 1) row_gemm_vectors<NV - 1>(g);
}
void row_gemm(const RowGemmArgs* g) {
  row_gemm_vectors<kMaxVectors>(g);
  if (g->streaming) stream_end();
}

template <int NV>
inline void outer_gemm_vectors(const OuterGemmArgs* g) {
  if (g->columns == NV * kLanes) outer_panel<NV, false>(g);
  else if (g->columns > (NV - 1) * kLanes) outer_panel<NV, true>(g);
  else if constexpr (NV > 1) outer_gemm_vectors<NV - 1>(g);
}
void outer_gemm(const OuterGemmArgs* g) { outer_gemm_vectors<kMaxVectors>(g); }
