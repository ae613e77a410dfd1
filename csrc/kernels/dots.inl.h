// Dot products of a few rows with many: F x M accumulators in registers, one vector of each row per step. The
// many rows come from memory once, so a linear layer on a few rows runs as fast as its weight arrives.

// Rows of a tile. Measured on Zen 4 at 1000 x 2048 (GFLOP/s of 118): 4 x 6 110, 4 x 4 96, 6 x 4 74, 8 x 3 79:
// four rows stay in the first-level cache. With 16 registers 4 x 3.
constexpr int kFewTile = 4, kManyTile = kLanes == 16 ? 6 : 3;

// The sum of the lanes: halves are added until one is left.
inline float add_lanes(Vec v) {
  float s[kLanes];
  store(s, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) s[i] += s[i + width];
  return s[0];
}

template <int F, int M>
__attribute__((always_inline)) inline void dot_tile(const DotArgs* g, int64_t few, int64_t many) {
  const float *a[F], *b[M];
  for (int i = 0; i < F; ++i) a[i] = g->few + (few + i) * g->few_stride;
  for (int j = 0; j < M; ++j) b[j] = g->many + (many + j) * g->many_stride;
  Vec acc[F][M];
  for (int i = 0; i < F; ++i)
    for (int j = 0; j < M; ++j) acc[i][j] = zero();
  int64_t t = 0;
  for (; t + kLanes <= g->length; t += kLanes) {
    Vec bv[M];
    for (int j = 0; j < M; ++j) bv[j] = load(b[j] + t);
    for (int i = 0; i < F; ++i) {
      const Vec av = load(a[i] + t);
      for (int j = 0; j < M; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
    }
  }
  if (t < g->length) {
    const int tail = static_cast<int>(g->length - t);
    for (int j = 0; j < M; ++j) {
      const Vec bv = load_n(b[j] + t, tail);
      for (int i = 0; i < F; ++i) acc[i][j] = fma(load_n(a[i] + t, tail), bv, acc[i][j]);
    }
  }
  for (int i = 0; i < F; ++i)
    for (int j = 0; j < M; ++j) {
      float* c = g->c + (few + i) * g->c_few + (many + j) * g->c_many;
      const float sum = add_lanes(acc[i][j]);
      *c = g->first ? sum : *c + sum;
    }
}

// All of the many rows with F of the few.
template <int F>
inline void dot_rows(const DotArgs* g, int64_t few) {
  int64_t many = 0;
  for (; many + kManyTile <= g->many_rows; many += kManyTile) dot_tile<F, kManyTile>(g, few, many);
  for (; many < g->many_rows; ++many) dot_tile<F, 1>(g, few, many);
}

template <int F>
inline void dot_blocks(const DotArgs* g, int64_t few) {
  for (; few + F <= g->few_rows; few += F) dot_rows<F>(g, few);
  if constexpr (F > 1)
    if (few < g->few_rows) dot_blocks<F / 2>(g, few);
}

void dots(const DotArgs* g) { dot_blocks<kFewTile>(g, 0); }

// Nothing but multiply-adds, `steps` times 16 vectors in registers: what no product can exceed.
float multiply_adds(int64_t steps, float x) {
  Vec acc[16];
  for (int i = 0; i < 16; ++i) acc[i] = set1(x);
  const Vec a = set1(x), b = set1(1.0f - x);
  for (int64_t t = 0; t < steps; ++t)
    for (int i = 0; i < 16; ++i) acc[i] = fma(acc[i], a, b);
  for (int i = 1; i < 16; ++i) acc[0] = add(acc[0], acc[i]);
  return add_lanes(acc[0]);
}

constexpr GemmKernels kGemm = {kMaxVectors * kLanes, &row_gemm, &outer_gemm,
                               &block_gemm,          &dots,     &multiply_adds};
