// Winograd convolution (Winograd 1980; Lavin and Gray 2016): 36 products give the 16 outputs of a 4 x 4
// tile under a 3 x 3 filter, where the sliding window takes 144.
//
// Multiply a polynomial of m coefficients by one of r: evaluate both at m + r - 1 points, multiply the
// values, interpolate. With E_n the evaluation of n coefficients at the points p, and C the matrix whose
// column for p holds the coefficients of the product of (x - q) over the other points q,
//     coefficients = C diag(1 / f) (E_m a * E_r g),     f(p) = product of (p - q) over q != p
// (the point infinity reads off the leading coefficient; its column is the product over all finite q and
// its f is 1). A correlation is the transpose of that product in the argument `a`, hence
//     y = E_m^T [ (E_r g / f) * (C^T d) ]
// with d the m + r - 1 inputs under a tile of m outputs. In two dimensions each matrix is applied to the
// columns and then to the rows. The weight gradient is a correlation, too, of d with the tile's m output
// gradients, and has r outputs: gw = E_r^T [ (E_m gy / f) * (C^T d) ]; 1 / f waits until all tiles are
// summed.
//
// One set of six points serves every m + r = 7. These, {0, +-2/3, +-3/2, infinity}, had the smallest
// rounding error in a scan of pairs +-a, +-b, a fifth of that of the usual {0, +-1, +-2, infinity};
// tests/ops/test_winograd.py derives the matrices from them and bounds the error. The products a^2 b^2 = 1
// and the pairing of +-p, which share their even and odd parts, are what the code below lives on.
//
// A vector holds kLanes channels of one pixel, so that all of this is vertical arithmetic.

constexpr double kPointA = 2.0 / 3.0, kPointB = 3.0 / 2.0;
constexpr double kSquareA = kPointA * kPointA, kSquareB = kPointB * kPointB;

// 1 / f at {0, a, -a, b, -b, infinity}
constexpr double kInverseA = 1 / (2 * kSquareA * (kSquareA - kSquareB));
constexpr double kInverseB = 1 / (2 * kSquareB * (kSquareB - kSquareA));
constexpr double kInverseF[6] = {1, kInverseA, kInverseA, kInverseB, kInverseB, 1};

// 1 / (f f^T), or 1 / f in the first row
struct InverseF {
  float at[6][6];
};
constexpr InverseF inverse_f(bool both) {
  InverseF r{};
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) r.at[i][j] = static_cast<float>((both ? kInverseF[i] : 1) * kInverseF[j]);
  return r;
}
template <bool kBoth>
constexpr InverseF kScale = inverse_f(kBoth);

inline Vec constant(double x) { return set1(static_cast<float>(x)); }

// C^T d
inline void interpolate_adjoint(const Vec (&d)[6], Vec (&t)[6]) {
  const Vec both = constant(-(kSquareA + kSquareB));
  const Vec even_a = fma(constant(-kSquareB), d[2], d[4]), odd_a = fma(constant(-kSquareB), d[1], d[3]);
  const Vec even_b = fma(constant(-kSquareA), d[2], d[4]), odd_b = fma(constant(-kSquareA), d[1], d[3]);
  t[0] = fma(both, d[2], add(d[0], d[4]));
  t[1] = fma(constant(kPointA), odd_a, even_a);
  t[2] = fma(constant(-kPointA), odd_a, even_a);
  t[3] = fma(constant(kPointB), odd_b, even_b);
  t[4] = fma(constant(-kPointB), odd_b, even_b);
  t[5] = fma(both, d[3], add(d[1], d[5]));
}

// The values of g at p and -p: even part plus and minus odd part, each by Horner's rule in p^2.
template <int N>
inline void evaluate_pair(const Vec (&g)[N], double p, Vec& plus, Vec& minus) {
  const Vec square = constant(p * p);
  Vec even = g[(N - 1) / 2 * 2], odd = g[N / 2 * 2 - 1];
  for (int i = (N - 1) / 2 * 2 - 2; i >= 0; i -= 2) even = fma(square, even, g[i]);
  for (int i = N / 2 * 2 - 3; i >= 1; i -= 2) odd = fma(square, odd, g[i]);
  plus = fma(constant(p), odd, even);
  minus = fma(constant(-p), odd, even);
}

// E_N g
template <int N>
inline void evaluate(const Vec (&g)[N], Vec (&t)[6]) {
  t[0] = g[0];
  evaluate_pair<N>(g, kPointA, t[1], t[2]);
  evaluate_pair<N>(g, kPointB, t[3], t[4]);
  t[5] = g[N - 1];
}

// E_N^T t: y[i] = sum over points of p^i t[p]
template <int N>
inline void evaluate_adjoint(const Vec (&t)[6], Vec (&y)[N]) {
  const Vec sum_a = add(t[1], t[2]), difference_a = sub(t[1], t[2]);
  const Vec sum_b = add(t[3], t[4]), difference_b = sub(t[3], t[4]);
  double power_a = 1, power_b = 1;
  y[0] = add(t[0], add(sum_a, sum_b));
  for (int i = 1; i < N; ++i) {
    power_a *= kPointA;
    power_b *= kPointB;
    const Vec from_b = mul(constant(power_b), i % 2 ? difference_b : sum_b);
    y[i] = fma(constant(power_a), i % 2 ? difference_a : sum_a, from_b);
  }
  y[N - 1] = add(y[N - 1], t[5]);
}

// The two ways into the planes: C^T of 6 overlapping pixels, and E_M of a tile's own M pixels.
struct SourceWay {
  static constexpr int kPixels = 6;
  static void apply(const Vec (&d)[6], Vec (&t)[6]) { interpolate_adjoint(d, t); }
};
template <int M>
struct GradientWay {
  static constexpr int kPixels = M;
  static void apply(const Vec (&d)[M], Vec (&t)[6]) { evaluate<M>(d, t); }
};

// Lanes [low, high) of a vector of n lanes at `offset` of a row that has floats [begin, end).
struct Inside {
  int low, high, n;
  Inside(int64_t offset, int n_, int64_t begin, int64_t end)
      : low(clamp(begin - offset, n_)), high(clamp(end - offset, n_)), n(n_) {}
  bool all() const { return low == 0 && high == n; }
  bool none() const { return low >= high; }

 private:
  static int clamp(int64_t x, int n) { return x < 0 ? 0 : x > n ? n : static_cast<int>(x); }
};

inline Vec load_inside(const float* p, const Inside& lanes) {
  float v[kLanes] = {};
  for (int i = lanes.low; i < lanes.high; ++i) v[i] = p[i];
  return load(v);
}
inline void store_inside(float* p, const Inside& lanes, Vec x) {
  float v[kLanes];
  store(v, x);
  for (int i = lanes.low; i < lanes.high; ++i) p[i] = v[i];
}

// Up to kTilesAtOnce tiles of a row, one vector of channels. The columns are transformed once, for all the
// tiles that they belong to, and wait in the first-level cache.
constexpr int kTilesAtOnce = 8;

template <class Way, int M, bool kBoth, bool kTail>
inline void lift_tiles(const TileRow g, int64_t first, int64_t tiles, int64_t channel, int n) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? Way::kPixels : 1;
  Vec columns[(kTilesAtOnce - 1) * M + Way::kPixels][kHeight];
  const int64_t width = (tiles - 1) * M + Way::kPixels;
  int64_t offset = first * M * g.column_pitch + channel;
  for (int64_t x = 0; x < width; ++x, offset += g.column_pitch) {
    const Inside lanes(offset, n, g.begin, g.end);
    if (lanes.none()) {
      for (int i = 0; i < kHeight; ++i) columns[x][i] = zero();
      continue;
    }
    Vec d[kRows];
    for (int i = 0; i < kRows; ++i) {
      const float* p = g.image + g.origin + offset + i * g.row_pitch;
      if (i < g.row_begin || i >= g.row_end) d[i] = zero();
      else if (!lanes.all()) d[i] = load_inside(p, lanes);
      else d[i] = kTail ? load_n(p, n) : load(p);
    }
    if constexpr (kBoth) Way::apply(d, columns[x]);
    else columns[x][0] = d[0];
  }
  float* to = g.planes + first * g.tile_pitch + channel;
  for (int64_t t = 0; t < tiles; ++t, to += g.tile_pitch) {
    float* plane = to;
#pragma GCC unroll 6
    for (int i = 0; i < kHeight; ++i) {
      Vec d[Way::kPixels], v[6];
      for (int j = 0; j < Way::kPixels; ++j) d[j] = columns[t * M + j][i];
      Way::apply(d, v);
      for (int j = 0; j < 6; ++j, plane += g.plane_pitch) {
        if (kTail) store_n(plane, v[j], n);
        else store(plane, v[j]);
      }
    }
  }
}

template <class Way, int M, bool kBoth>
void lift(const TileRow* g) {
  for (int64_t first = 0; first < g->tiles; first += kTilesAtOnce) {
    const int64_t tiles = g->tiles - first < kTilesAtOnce ? g->tiles - first : kTilesAtOnce;
    int64_t c = 0;
    for (; c + kLanes <= g->channels; c += kLanes)
      lift_tiles<Way, M, kBoth, false>(*g, first, tiles, c, kLanes);
    if (c < g->channels)
      lift_tiles<Way, M, kBoth, true>(*g, first, tiles, c, static_cast<int>(g->channels - c));
  }
}

// What finishes one vector of channels of an output pixel.
template <bool kTail, bool kSums>
struct Finish {
  const Epilogue* e;
  int n;
  bool streaming;
  Vec bias, shift, least, sum, squares;

  Vec read(const float* p) const { return kTail ? load_n(p, n) : load(p); }
  void write(float* p, Vec v) const {
    if (kTail) store_n(p, v, n);
    else if (streaming) stream(p, v);
    else store(p, v);
  }
  Finish(const Epilogue* e_, int channel, int n_, bool streaming_) : e(e_), n(n_), streaming(streaming_) {
    bias = e && e->bias ? read(e->bias + channel) : zero();
    shift = kSums && e->shift ? read(e->shift + channel) : zero();
    least = e && e->relu ? zero() : set1(-__builtin_inff());
    sum = squares = zero();
  }
  Vec value(Vec y) {              // with bias and residual
    const Vec v = max(least, y);  // in this order a NaN stays a NaN
    if constexpr (kSums) {
      const Vec d = sub(v, shift);
      sum = add(sum, d);
      squares = fma(d, d, squares);
    }
    return v;
  }
  void add_sums(int channel) const {
    store_n(e->sum + channel, add(read(e->sum + channel), sum), n);
    store_n(e->sum_squares + channel, add(read(e->sum_squares + channel), squares), n);
  }
};

// y = E_M^T m E_M, and the epilogue, for one vector of channels.
template <int M, bool kBoth, bool kTail, bool kSums>
inline void lower_tiles(const TileOutput g, int channel, int n) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? M : 1;
  Finish<kTail, kSums> finish(g.epilogue, channel, n, g.streaming);
  const bool all_rows = g.row_begin <= 0 && g.row_end >= kRows;
  const float* from = g.planes + channel;
  int64_t offset = channel;
  for (int64_t t = 0; t < g.tiles; ++t, from += g.tile_pitch, offset += M * g.column_pitch) {
    Vec half[kRows][6];

    for (int j = 0; j < 6; ++j) {
      Vec m[kHeight], column[kRows];
      for (int i = 0; i < kHeight; ++i) m[i] = finish.read(from + (i * 6 + j) * g.plane_pitch);
      if constexpr (kBoth) evaluate_adjoint<M>(m, column);
      else column[0] = m[0];
      for (int i = 0; i < kRows; ++i) half[i][j] = column[i];
    }
    const bool whole = all_rows && offset >= g.begin && offset + (M - 1) * g.column_pitch + n <= g.end;
    for (int i = 0; i < kRows; ++i) {
      if (i < g.row_begin || i >= g.row_end) continue;
      Vec y[M];
      evaluate_adjoint<M>(half[i], y);
      float* pixel = g.image + g.origin + i * g.row_pitch + offset;
      const float* residual = g.residual ? g.residual + g.origin + i * g.row_pitch + offset : nullptr;
      if (whole) {
        for (int j = 0; j < M; ++j) {
          const int64_t at = j * g.column_pitch;
          Vec v = add(y[j], finish.bias);
          if (residual) v = add(v, finish.read(residual + at));
          finish.write(pixel + at, finish.value(v));
        }
        continue;
      }
      for (int j = 0; j < M; ++j) {
        const int64_t at = j * g.column_pitch;
        const Inside lanes(offset + at, n, g.begin, g.end);
        if (lanes.none()) continue;
        Vec v = add(y[j], finish.bias);
        if (residual) v = add(v, load_inside(residual + at, lanes));
        v = finish.value(v);
        store_inside(pixel + at, lanes, v);
      }
    }
  }
  if constexpr (kSums) finish.add_sums(channel);
}

template <int M, bool kBoth, bool kSums>
inline void lower_channels(const TileOutput* g) {
  int c = 0;
  for (; c + kLanes <= g->channels; c += kLanes) lower_tiles<M, kBoth, false, kSums>(*g, c, kLanes);
  if (c < g->channels) lower_tiles<M, kBoth, true, kSums>(*g, c, g->channels - c);
}
template <int M, bool kBoth>
void lower(const TileOutput* g) {
  if (g->epilogue && g->epilogue->sum) lower_channels<M, kBoth, true>(g);
  else lower_channels<M, kBoth, false>(g);
  if (g->streaming) stream_end();
}

// The taps of kLanes filters, one vector per tap, from filters whose taps lie next to each other; `n` of the
// filters exist.
inline void load_filters(const float* w, int64_t stride, int n, int taps, Vec (&out)[kMaxFilterTaps]) {
  for (int first = 0; first < taps; first += kLanes) {
    const int count = taps - first < kLanes ? taps - first : kLanes;
    Vec r[kLanes];
    for (int i = 0; i < kLanes; ++i) r[i] = i < n ? load_n(w + i * stride + first, count) : zero();
    transpose_lanes(r);
    for (int i = 0; i < count; ++i) out[first + i] = r[i];
  }
}

// The same, backwards.
template <int kTaps>
inline void store_filters(float* w, int64_t stride, int n, const Vec (&from)[kTaps]) {
  for (int first = 0; first < kTaps; first += kLanes) {
    const int count = kTaps - first < kLanes ? kTaps - first : kLanes;
    Vec r[kLanes];
    for (int i = 0; i < kLanes; ++i) r[i] = i < count ? from[first + i] : zero();
    transpose_lanes(r);
    for (int i = 0; i < n; ++i) store_n(w + i * stride + first, r[i], count);
  }
}

// u = E_R g E_R^T / (f f^T), for one source channel and one vector of output channels
template <int R, bool kBoth>
inline void transform_filters(const Vec (&taps)[kMaxFilterTaps], const int* where, float* to, int64_t pitch) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? R : 1;
  Vec half[6][R];
#pragma GCC unroll 5
  for (int j = 0; j < R; ++j) {
    Vec g[kRows], points[6];
    for (int i = 0; i < kRows; ++i) g[i] = taps[where[i * R + j]];
    if constexpr (kBoth) evaluate<R>(g, points);
    else points[0] = g[0];
    for (int i = 0; i < kHeight; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kHeight; ++i) {
    Vec u[6];
    evaluate<R>(half[i], u);
    for (int j = 0; j < 6; ++j, to += pitch) store(to, mul(set1(kScale<kBoth>.at[i][j]), u[j]));
  }
}

template <int R, bool kBoth>
void transform_filter(const FilterTransform* g) {
  const FilterTransform a = *g;  // a copy: nothing else can point to it
  for (int64_t column = 0; column < a.ld; column += kLanes) {
    const int64_t left = a.columns - column;
    const int n = left < kLanes ? static_cast<int>(left) : kLanes;
    const float* w = a.w + column * a.column_stride;
    // What the next vector of columns will read, or the next call: kLanes distant filters at a time are too
    // many streams for the processor to see coming (512 x 512 channels: 140 ns per vector without, 75 with).
    const float* ahead =
        column + kLanes < a.columns ? w + kLanes * a.column_stride : a.w + a.sources * a.source_stride;
    for (int64_t c = 0; c < a.sources; ++c, w += a.source_stride, ahead += a.source_stride) {
      Vec taps[kMaxFilterTaps];
      for (int i = 0; i < n; ++i) prefetch(ahead + i * a.column_stride + (kLanes - 1));
      load_filters(w, a.column_stride, n, a.filter_taps, taps);
      transform_filters<R, kBoth>(taps, a.taps, a.u + c * a.ld + column, a.plane_pitch);
    }
  }
}

// gw = E_R^T (m / (f f^T)) E_R
template <int R, bool kBoth>
void transform_filter_gradient(const FilterGradient* g) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? R : 1;
  const FilterGradient a = *g;
  for (int64_t column = 0; column < a.columns; column += kLanes) {
    const int64_t left = a.columns - column;
    const int n = left < kLanes ? static_cast<int>(left) : kLanes;
    float* gw = a.gw + column * a.column_stride;
    for (int64_t c = 0; c < a.sources; ++c, gw += a.source_stride) {
      Vec half[kRows][6], taps[kRows * R];
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) {
        const float* m = a.m + c * a.ld + column + j * a.plane_pitch;
        Vec points[kHeight], rows[kRows];
        for (int i = 0; i < kHeight; ++i, m += 6 * a.plane_pitch)
          points[i] = mul(set1(kScale<kBoth>.at[i][j]), load_n(m, n));
        if constexpr (kBoth) evaluate_adjoint<R>(points, rows);
        else rows[0] = points[0];
        for (int i = 0; i < kRows; ++i) half[i][j] = rows[i];
      }
#pragma GCC unroll 5
      for (int i = 0; i < kRows; ++i) {
        Vec y[R];
        evaluate_adjoint<R>(half[i], y);
        for (int j = 0; j < R; ++j) taps[i * R + j] = y[j];
      }
      store_filters<kRows * R>(gw, a.column_stride, n, taps);
    }
  }
}

constexpr WinogradKernels kWinograd = {
    {{nullptr, nullptr, &lift<SourceWay, 2, false>, &lift<SourceWay, 3, false>, &lift<SourceWay, 4, false>,
      &lift<SourceWay, 5, false>},
     {nullptr, nullptr, &lift<SourceWay, 2, true>, &lift<SourceWay, 3, true>, &lift<SourceWay, 4, true>,
      &lift<SourceWay, 5, true>}},
    {{nullptr, nullptr, &lift<GradientWay<2>, 2, false>, &lift<GradientWay<3>, 3, false>,
      &lift<GradientWay<4>, 4, false>, &lift<GradientWay<5>, 5, false>},
     {nullptr, nullptr, &lift<GradientWay<2>, 2, true>, &lift<GradientWay<3>, 3, true>,
      &lift<GradientWay<4>, 4, true>, &lift<GradientWay<5>, 5, true>}},
    {{nullptr, nullptr, &lower<2, false>, &lower<3, false>, &lower<4, false>, &lower<5, false>},
     {nullptr, nullptr, &lower<2, true>, &lower<3, true>, &lower<4, true>, &lower<5, true>}},
    {{nullptr, nullptr, &transform_filter<5, false>, &transform_filter<4, false>, &transform_filter<3, false>,
      &transform_filter<2, false>},
     {nullptr, nullptr, &transform_filter<5, true>, &transform_filter<4, true>, &transform_filter<3, true>,
      &transform_filter<2, true>}},
    {{nullptr, nullptr, &transform_filter_gradient<5, false>, &transform_filter_gradient<4, false>,
      &transform_filter_gradient<3, false>, &transform_filter_gradient<2, false>},
     {nullptr, nullptr, &transform_filter_gradient<5, true>, &transform_filter_gradient<4, true>,
      &transform_filter_gradient<3, true>, &transform_filter_gradient<2, true>}}};
