// The micro-kernel of matrix products: tiles as in gemm.inl.h, for an A that lies either way round. The first
// tile of a panel reads B where it lies and packs it for the others, at the price of its stores; the first
// tiles also fetch the next panel from further away.

template <int MR, int NV, bool kTail, bool kPack>
__attribute__((always_inline)) inline void block_tile(const BlockGemmArgs* g, const float* a0, int64_t row,
                                                      const float* b, int64_t ldb, const float* next,
                                                      int64_t next_step) {
  const int64_t hold = g->next_every - 1;
  const int tail = g->columns - (NV - 1) * kLanes;
  float* c = g->c + row * g->ldc;
  Vec acc[MR][NV];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j)
      acc[i][j] = g->first ? zero() : load_column<NV, kTail>(c + i * g->ldc, j, tail);
  // Three rows share a pointer: the processor adds one or two times a_row while it loads.
  constexpr int kPointers = (MR + 2) / 3;
  const int64_t a_row = g->a_row, a_step = g->a_step;
  const float* a[kPointers];
  for (int i = 0; i < kPointers; ++i) a[i] = a0 + 3 * i * a_row;
  float* packed = g->packed;
  for (int64_t t = g->length; t > 0; --t) {
    Vec bv[NV];
    for (int j = 0; j < NV; ++j) bv[j] = kPack ? load_column<NV, kTail>(b, j, tail) : load(b + j * kLanes);
    b += ldb;
    if (kPack) {
      for (int j = 0; j < NV; ++j) store(packed + j * kLanes, bv[j]);
      packed += NV * kLanes;
    }
    prefetch(next);
    next += t & hold ? 0 : next_step;
    for (int i = 0; i < MR; ++i) {
      const Vec av = set1(a[i / 3][i % 3 * a_row]);
      for (int j = 0; j < NV; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
    }
    for (int i = 0; i < kPointers; ++i) a[i] += a_step;
  }
  if (g->bias)
    for (int j = 0; j < NV; ++j) {
      const Vec bias = load_column<NV, kTail>(g->bias, j, tail);
      for (int i = 0; i < MR; ++i) acc[i][j] = add(acc[i][j], bias);
    }
  if (!kTail && g->streaming) {
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NV; ++j) stream(c + i * g->ldc + j * kLanes, acc[i][j]);
    return;
  }
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) store_column<NV, kTail>(c + i * g->ldc, j, tail, acc[i][j]);
}

template <int NV, bool kTail>
inline void block_panel(const BlockGemmArgs* g) {
  constexpr int MR = block_tile_rows(kLanes, NV);
  const float* b = g->packed ? g->packed : g->b;
  const int64_t ldb = g->packed ? NV * kLanes : g->ldb;
  const float* a = g->a;
  int64_t row = 0;
  for (int64_t tile = 0; row + MR <= g->rows; row += MR, a += g->a_tile, ++tile) {
    const bool fetch = tile < g->next_tiles;
    const float* next = fetch ? g->next + tile % g->next_lines * 16 + tile / g->next_lines * g->next_jump : b;
    const int64_t next_step = fetch ? g->next_step : 0;
    // Sums that are read again travel while the tile before is computed. Those that are only written can
    // wait: fetching them, too, costs 2 % (1024 x 1024 x 1024) to 7 % (64 x 4096 x 64).
    if (!g->first && row + 2 * MR <= g->rows)
      for (int i = 0; i < MR; ++i)
        for (int j = 0; j < NV; ++j) prefetch(g->c + (row + MR + i) * g->ldc + j * kLanes);
    if (row == 0 && g->packed) block_tile<MR, NV, kTail, true>(g, a, row, g->b, g->ldb, next, next_step);
    else block_tile<MR, NV, kTail, false>(g, a, row, b, ldb, next, next_step);
  }
  for (; row + 4 <= g->rows; row += 4, a += 4 * g->a_row)
    block_tile<4, NV, kTail, false>(g, a, row, b, ldb, b, 0);
  for (; row + 2 <= g->rows; row += 2, a += 2 * g->a_row)
    block_tile<2, NV, kTail, false>(g, a, row, b, ldb, b, 0);
  for (; row < g->rows; ++row, a += g->a_row) block_tile<1, NV, kTail, false>(g, a, row, b, ldb, b, 0);
}

template <int NV>
inline void block_gemm_vectors(const BlockGemmArgs* g) {
  if (g->columns == NV * kLanes) block_panel<NV, false>(g);
  else if (g->columns > (NV - 1) * kLanes) block_panel<NV, true>(g);
  else if constexpr (NV > 1) block_gemm_vectors<NV - 1>(g);
}
void block_gemm(const BlockGemmArgs* g) {
  block_gemm_vectors<kMaxVectors>(g);
  if (g->streaming) stream_end();
}
