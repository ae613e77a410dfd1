// The product of one plane of tiles with the same plane of a filter: row_tile of gemm.inl.h for rows that lie
// at even distances, with the same bits. A plane's product is short, and the filter's next plane lies in the
// third-level cache or beyond: it is fetched meanwhile, for which the multiply-adds leave more than enough
// load slots idle. Share of the multiply-add limit on a Xeon (two threads) without and with that: 128
// channels 0.80 and 0.90, 256 channels 0.79 and 0.90, 512 channels 0.70 and 0.91. Only a fixed rhythm is that
// good: with a counter and a branch per fetch it was 0.85.

// What is fetched: a line (or two different ones) after every other step.
struct Fetch {
  static constexpr int64_t kLine = 16;  // floats
  const float* at;
  int64_t left;  // lines
  bool dense;    // two lines at a time
};

template <int MR, int NV, bool kTail>
__attribute__((always_inline)) inline void plane_tile(const PlaneProduct* g, int64_t row, Fetch& fetch) {
  const int tail = g->columns - (NV - 1) * kLanes;
  float* const c = g->m + row * g->m_pitch;
  Vec acc[MR][NV];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j)
      acc[i][j] = g->first ? zero() : load_column<NV, kTail>(c + i * g->m_pitch, j, tail);
  const float *a[MR], *b = g->u;
  for (int i = 0; i < MR; ++i) a[i] = g->v + (row + i) * g->v_pitch;
  const int64_t depth = g->depth, ld = g->ld;
  const auto step = [&](int64_t t) {
    Vec bv[NV];
    for (int j = 0; j < NV; ++j) bv[j] = load(b + j * kLanes);
    b += ld;
    for (int i = 0; i < MR; ++i) {
      const Vec av = set1(a[i][t]);
      for (int j = 0; j < NV; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
    }
  };
  // Where too little is left, the same line is fetched again and again, which costs nothing.
  const int64_t lines = depth / 2 * (fetch.dense ? 2 : 1);
  const bool enough = fetch.left >= lines;
  const int64_t second = enough && fetch.dense ? Fetch::kLine : 0;
  const int64_t stride = enough ? second + Fetch::kLine : 0;
  const float* ahead = fetch.at;
  const auto two_steps = [&](int64_t t) {
    step(t);
    prefetch(ahead);
    step(t + 1);
    prefetch(ahead + second);
    ahead += stride;
  };
  const int64_t rows_ahead = g->v_next - g->v;
  int64_t t = 0;
  while (t + Fetch::kLine <= depth) {
    for (int i = 0; i < MR; ++i) prefetch(a[i] + t + rows_ahead);
    for (const int64_t end = t + Fetch::kLine; t < end; t += 2) two_steps(t);
  }
  for (; t + 2 <= depth; t += 2) two_steps(t);
  if (t < depth) step(t);
  if (enough) {
    fetch.at = ahead;
    fetch.left -= lines;
  }
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) store_column<NV, kTail>(c + i * g->m_pitch, j, tail, acc[i][j]);
}

template <int NV, bool kTail>
inline void plane_panel(const PlaneProduct* g) {
  constexpr int MR = tile_rows(NV);
  const int64_t steps = (g->tiles + MR - 1) / MR * g->depth;
  Fetch fetch{g->next_lines > 0 ? g->next : g->u, g->next_lines, g->next_lines * 2 > steps};
  int64_t row = 0;
  for (; row + MR <= g->tiles; row += MR) plane_tile<MR, NV, kTail>(g, row, fetch);
  for (; row + 4 <= g->tiles; row += 4) plane_tile<4, NV, kTail>(g, row, fetch);
  for (; row + 2 <= g->tiles; row += 2) plane_tile<2, NV, kTail>(g, row, fetch);
  for (; row < g->tiles; ++row) plane_tile<1, NV, kTail>(g, row, fetch);
}

template <int NV>
inline void plane_vectors(const PlaneProduct* g) {
  if (g->columns == NV * kLanes) plane_panel<NV, false>(g);
  else if (g->columns > (NV - 1) * kLanes) plane_panel<NV, true>(g);
  else if constexpr (NV > 1) plane_vectors<NV - 1>(g);
}
void plane_product(const PlaneProduct* g) { plane_vectors<kMaxVectors>(g); }

// The same for the weight gradient: outer_tile of gemm.inl.h, which fetches its next plane. A line of a row
// of `a` or `b` is fetched by the first tile of rows that belongs to it.
template <int MR, int NV, bool kTail>
__attribute__((always_inline)) inline void sums_tile(const PlaneSums* g, int64_t row, Fetch& fetch) {
  const int tail = g->columns - (NV - 1) * kLanes;
  float* const c = g->c + row * g->ldc;
  Vec acc[MR][NV];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j)
      acc[i][j] = g->first ? zero() : load_column<NV, kTail>(c + i * g->ldc, j, tail);
  const float *a = g->a + row, *b = g->b;
  const int64_t a_pitch = g->a_pitch, b_pitch = g->b_pitch, tiles = g->tiles;
  const int64_t number = row / MR, a_line = row % Fetch::kLine < MR ? g->a_next - g->a : 0;
  const int64_t b_line = number < NV ? g->b_next - g->b + number * kLanes : 0;
  const int64_t lines = (tiles + 1) / 2;
  const bool enough = fetch.left >= lines;
  const int64_t stride = enough ? Fetch::kLine : 0;
  const float* ahead = fetch.at;
  const auto step = [&] {
    Vec bv[NV];
    for (int j = 0; j < NV; ++j) bv[j] = load_column<NV, kTail>(b, j, tail);
    for (int i = 0; i < MR; ++i) {
      const Vec av = set1(a[i]);
      for (int j = 0; j < NV; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
    }
    prefetch(a + a_line);
    prefetch(b + b_line);
    a += a_pitch;
    b += b_pitch;
  };
  for (int64_t t = 0; t < tiles; ++t) {
    step();
    prefetch(ahead);
    ahead += stride;
    if (++t < tiles) step();
  }
  if (enough) {
    fetch.at = ahead;
    fetch.left -= lines;
  }
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NV; ++j) store_column<NV, kTail>(c + i * g->ldc, j, tail, acc[i][j]);
}

template <int NV, bool kTail>
inline void sums_panel(const PlaneSums* g) {
  constexpr int MR = tile_rows(NV);
  Fetch fetch{g->next_lines > 0 ? g->c_next : g->c, g->next_lines, false};
  int64_t row = 0;
  for (; row + MR <= g->rows; row += MR) sums_tile<MR, NV, kTail>(g, row, fetch);
  for (; row + 4 <= g->rows; row += 4) sums_tile<4, NV, kTail>(g, row, fetch);
  for (; row + 2 <= g->rows; row += 2) sums_tile<2, NV, kTail>(g, row, fetch);
  for (; row < g->rows; ++row) sums_tile<1, NV, kTail>(g, row, fetch);
}

template <int NV>
inline void sums_vectors(const PlaneSums* g) {
  if (g->columns == NV * kLanes) sums_panel<NV, false>(g);
  else if (g->columns > (NV - 1) * kLanes) sums_panel<NV, true>(g);
  else if constexpr (NV > 1) sums_vectors<NV - 1>(g);
}
void plane_sums(const PlaneSums* g) { sums_vectors<kMaxVectors>(g); }
