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
  int64_t t = 0;
  for (; t + 2 <= depth; t += 2) {
    step(t);
    prefetch(ahead);
    step(t + 1);
    prefetch(ahead + second);
    ahead += stride;
  }
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
