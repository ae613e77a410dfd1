// Products of Winograd tiles of few channels. The sums of a plane are short (16 terms), so that neither the
// call of a matrix kernel per plane nor a trip of each plane to the second-level cache is worth its cost: a
// handful of tiles passes through all planes, in place, in memory of the first-level cache.
//
// Where one vector holds all columns there is a load to each multiply-add; the rows of U then are loaded 16
// at a time, and stay in registers while the tiles pass by: 330 cycles per tile for 16 x 16 channels, where
// rows loaded in turn, from the second-level cache, took 450.

// Tiles that go together: as many as leave registers for a row of U and one broadcast.
constexpr int few_tiles(int vectors) {
  if (kLanes == 16) return vectors <= 2 ? 8 : 4;
  return vectors <= 2 ? 4 : 2;
}
constexpr int kHeldRows = 16;

// T tiles: sums of channels [begin, end). The pitch is a constant so that one register addresses them all.
template <int T, int NV, int kPitch>
__attribute__((always_inline)) inline void few_sums(const float* v, const float* u, int64_t begin,
                                                    int64_t end, Vec (&acc)[T][NV]) {
  u += begin * NV * kLanes;
  for (int64_t c = begin; c < end; ++c, u += NV * kLanes) {
    Vec row[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) row[j] = load(u + j * kLanes);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      Vec x = set1(v[t * kPitch + c]);
      if (NV > 1) x = keep(x);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[t][j] = fma(x, row[j], acc[t][j]);
    }
  }
}

template <int T, int NV, int kPitch>
__attribute__((always_inline)) inline void few_tile(float* v, const float* u, int64_t depth) {
  Vec acc[T][NV];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) acc[t][j] = zero();
  few_sums<T, NV, kPitch>(v, u, 0, depth, acc);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) store(v + t * kPitch + j * kLanes, acc[t][j]);
}

// The same with the first kHeldRows rows of U in registers, and one vector of columns.
template <int T, int kPitch>
__attribute__((always_inline)) inline void few_tile_held(float* v, const Vec (&rows)[kHeldRows],
                                                         const float* u, int64_t depth) {
  Vec acc[T][1];
#pragma GCC unroll 16
  for (int c = 0; c < kHeldRows; ++c)
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const Vec x = set1(v[t * kPitch + c]);
      acc[t][0] = c == 0 ? mul(x, rows[c]) : fma(x, rows[c], acc[t][0]);
    }
  if (kPitch > kHeldRows) few_sums<T, 1, kPitch>(v, u, kHeldRows, depth, acc);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) store(v + t * kPitch, acc[t][0]);
}

template <int N>
struct Count {
  static constexpr int n = N;
};

// All tiles of a plane, T, 4, 2, 1 at a time.
template <int T, int kPitch, class F>
__attribute__((always_inline)) inline void few_split(float* v, int64_t count, F&& f) {
  for (; count >= T; count -= T, v += T * kPitch) f(v, Count<T>());
  if constexpr (T > 1) few_split<T / 2, kPitch>(v, count, f);
}

// Hands out the lines of what will be needed soon, a few at a time.
struct FewAhead {
  static constexpr int64_t kLine = 16;  // floats
  const FewStretches *piece, *end;
  int64_t stretch = 0, line = 0;

  void fetch(int lines) {
    for (; lines > 0 && piece < end; --lines) {
      prefetch(piece->from + stretch * piece->pitch + line * kLine);
      if (++line < piece->lines) continue;
      line = 0;
      if (++stretch < piece->count) continue;
      stretch = 0;
      ++piece;
    }
  }
};
constexpr int kFetchedLines = 6;  // for each plane of a few tiles: what they read takes some 200

template <int NV, int kPitch>
inline void few_planes(const FewProduct g) {
  constexpr int T = few_tiles(NV);
  FewAhead ahead{g.ahead, g.ahead + g.ahead_count};
  for (int64_t plane = 0; plane < g.planes; ++plane) {
    ahead.fetch(kFetchedLines);
    float* v = g.tiles + plane * g.plane_pitch;
    const float* u = g.u + plane * g.u_pitch;
    if constexpr (NV == 1 && kLanes == 16) {
      if (g.depth >= kHeldRows) {
        Vec rows[kHeldRows];
#pragma GCC unroll 16
        for (int c = 0; c < kHeldRows; ++c) rows[c] = keep(load(u + c * kLanes));
        few_split<T, kPitch>(v, g.count,
                             [&](float* p, auto t) { few_tile_held<t.n, kPitch>(p, rows, u, g.depth); });
        continue;
      }
    }
    few_split<T, kPitch>(v, g.count, [&](float* p, auto t) { few_tile<t.n, NV, kPitch>(p, u, g.depth); });
  }
}

template <int kPitch, int NV = kPitch / kLanes>
inline void few_vectors(const FewProduct* g) {
  if (g->vectors == NV) few_planes<NV, kPitch>(*g);
  else if constexpr (NV > 1) few_vectors<kPitch, NV - 1>(g);
}
void few_product(const FewProduct* g) {
  if (g->tile_pitch == 16) few_vectors<16>(g);
  else few_vectors<kFewChannels>(g);
}

// R rows of a plane's sums.
template <int R, int NV, bool kTail>
__attribute__((always_inline)) inline void few_outer_rows(const FewOuter& g, const float* a, const float* b,
                                                          float* sums, int tail) {
  Vec acc[R][NV];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) acc[r][j] = load(sums + (r * NV + j) * kLanes);
  for (int64_t t = 0; t < g.count; ++t, a += g.tile_pitch, b += g.tile_pitch) {
    Vec row[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) row[j] = load_column<NV, kTail>(b, j, tail);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      Vec v = set1(a[r]);
      if (NV > 1) v = keep(v);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[r][j] = fma(v, row[j], acc[r][j]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) store(sums + (r * NV + j) * kLanes, acc[r][j]);
}

template <int NV, bool kTail>
inline void few_outer_planes(const FewOuter g) {
  constexpr int R = kLanes == 16 ? 16 / NV : 8 / NV;
  const int tail = g.columns - (NV - 1) * kLanes;
  for (int64_t plane = 0; plane < g.planes; ++plane) {
    const float *a = g.a + plane * g.plane_pitch, *b = g.b + plane * g.plane_pitch;
    float* sums = g.sums + plane * g.sums_pitch;
    int64_t r = 0;
    for (; r + R <= g.rows; r += R) few_outer_rows<R, NV, kTail>(g, a + r, b, sums + r * NV * kLanes, tail);
    if constexpr (R > 4)
      for (; r + 4 <= g.rows; r += 4) few_outer_rows<4, NV, kTail>(g, a + r, b, sums + r * NV * kLanes, tail);
    for (; r < g.rows; ++r) few_outer_rows<1, NV, kTail>(g, a + r, b, sums + r * NV * kLanes, tail);
  }
}

template <int NV>
inline void few_outer_vectors(const FewOuter* g) {
  if (g->columns == NV * kLanes) few_outer_planes<NV, false>(*g);
  else if (g->columns > (NV - 1) * kLanes) few_outer_planes<NV, true>(*g);
  else if constexpr (NV > 1) few_outer_vectors<NV - 1>(g);
}
void few_outer(const FewOuter* g) { few_outer_vectors<kFewChannels / kLanes>(g); }

constexpr WinogradFewKernels kWinogradFew = {&few_product, &few_outer};
