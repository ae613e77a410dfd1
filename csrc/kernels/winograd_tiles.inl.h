// Tiles on their way into the planes and back: see winograd.inl.h for the mathematics.

// The two ways into the planes: C^T of 6 overlapping pixels, and E_M of a tile's own M pixels.
struct SourceWay {
  static constexpr int kPixels = 6;
  template <int kHalf>
  static void apply(const Vec (&d)[6], Vec (&t)[3]) {
    interpolate_adjoint<kHalf>(d, t);
  }
};
template <int M>
struct GradientWay {
  static constexpr int kPixels = M;
  template <int kHalf>
  static void apply(const Vec (&d)[M], Vec (&t)[3]) {
    evaluate<M, kHalf>(d, t);
  }
};

// Lanes [low, high) of a vector of n lanes at `offset` of a row that has floats [begin, end).
struct Inside {
  int low, high, n;
  Inside(int64_t offset, int n_, int64_t begin, int64_t end)
      : low(clamp(begin - offset, n_)), high(clamp(end - offset, n_)), n(n_) {}
  explicit Inside(int n_) : low(0), high(n_), n(n_) {}
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

// One tile, one vector of channels, at `offset` of the row. kInside: all of it lies inside.
//
// The columns are transformed in two halves of three rows each, and read for each of them: 18 values wait in
// registers. Spilled ones would queue for the first-level cache behind the 36 stores to the second (210 to
// 230 cycles per vector instead of 150 on a Xeon).
template <class Way, bool kBoth, bool kTail, bool kInside, int kHalf>
__attribute__((always_inline)) inline void lift_half(const TileRow& g, int64_t offset, float* plane, int n) {
  constexpr int kPixels = Way::kPixels, kHeight = kBoth ? 3 : 1, kRows = kBoth ? kPixels : 1;
  Vec half[kHeight][kPixels];
#pragma GCC unroll 6
  for (int j = 0; j < kPixels; ++j, offset += g.column_pitch) {
    const Inside lanes = kInside ? Inside(n) : Inside(offset, n, g.begin, g.end);
    Vec d[kRows], points[3];
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      if (!kInside && (lanes.none() || i < g.row_begin || i >= g.row_end)) {
        d[i] = zero();
        continue;
      }
      const float* p = g.image + (g.origin + offset + i * g.row_pitch);
      if (!kInside && !lanes.all()) d[i] = load_inside(p, lanes);
      else d[i] = kTail ? load_n(p, n) : load(p);
    }
    if constexpr (kBoth) Way::template apply<kHalf>(d, points);
    else points[0] = d[0];
    for (int i = 0; i < kHeight; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 3
  for (int i = 0; i < kHeight; ++i) {
    Vec v[2][3];
    Way::template apply<0>(half[i], v[0]);
    Way::template apply<1>(half[i], v[1]);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j, plane += g.plane_pitch) {
      if (kTail) store_n(plane, v[j / 3][j % 3], n);
      else store(plane, v[j / 3][j % 3]);
    }
  }
}
template <class Way, bool kBoth, bool kTail, bool kInside>
inline void lift_vector(const TileRow& g, int64_t offset, float* planes, int n) {
  lift_half<Way, kBoth, kTail, kInside, 0>(g, offset, planes, n);
  if constexpr (kBoth) lift_half<Way, kBoth, kTail, kInside, 1>(g, offset, planes + 3 * 6 * g.plane_pitch, n);
}

template <class Way, bool kBoth, bool kInside>
inline void lift_tile(const TileRow& g, int64_t offset, float* planes) {
  int64_t c = 0;
  for (; c + kLanes <= g.channels; c += kLanes)
    lift_vector<Way, kBoth, false, kInside>(g, offset + c, planes + c, kLanes);
  if (c < g.channels)
    lift_vector<Way, kBoth, true, kInside>(g, offset + c, planes + c, static_cast<int>(g.channels - c));
}

// Tile by tile, so that the source is read in its order. Neighbouring tiles could share the columns that they
// have in common, 120 vector operations instead of 144, but what counts is that loads and arithmetic go on
// while the 36 stores find their way into the second-level cache.
template <class Way, int M, bool kBoth>
void lift(const TileRow* a) {
  const TileRow g = *a;
  constexpr int kRows = kBoth ? Way::kPixels : 1;
  const bool all_rows = g.row_begin <= 0 && g.row_end >= kRows;
  const int64_t last = (Way::kPixels - 1) * g.column_pitch + g.channels;
  int64_t offset = 0;
  float* planes = g.planes;
  for (int64_t t = 0; t < g.tiles; ++t, offset += M * g.column_pitch, planes += g.tile_pitch) {
    if (all_rows && offset >= g.begin && offset + last <= g.end)
      lift_tile<Way, kBoth, true>(g, offset, planes);
    else lift_tile<Way, kBoth, false>(g, offset, planes);
  }
}

// What is done to finished outputs: nothing; bias, residual, mask and activation; and their statistics.
enum class Finishing { kNone, kValues, kSums };

// What finishes one vector of channels of output pixels.
template <bool kTail, Finishing kHow>
struct Finish {
  const Epilogue* e;
  int channel, n;
  bool streaming;
  Vec bias, shift, least, sum, squares;

  Vec read(const float* p) const { return kTail ? load_n(p, n) : load(p); }
  void write(float* p, Vec v) const {
    if (kTail) store_n(p, v, n);
    else if (streaming) stream(p, v);
    else store(p, v);
  }
  Finish(const Epilogue* e_, int channel_, int n_, bool streaming_)
      : e(e_), channel(channel_), n(n_), streaming(streaming_) {
    if constexpr (kHow == Finishing::kNone) return;
    bias = e->bias ? read(e->bias + channel) : zero();
    shift = kHow == Finishing::kSums && e->shift ? read(e->shift + channel) : zero();
    least = e->relu ? zero() : set1(-__builtin_inff());
    sum = squares = zero();
  }
  Vec value(Vec y) {
    if constexpr (kHow == Finishing::kNone) return y;
    const Vec v = max(least, y);  // in this order a NaN stays a NaN
    if constexpr (kHow == Finishing::kSums) {
      const Vec d = sub(v, shift);
      sum = add(sum, d);
      squares = fma(d, d, squares);
    }
    return v;
  }
  Vec with_bias(Vec y) const { return kHow == Finishing::kNone ? y : add(y, bias); }
  void add_sums() const {
    if constexpr (kHow != Finishing::kSums) return;
    store_n(e->sum + channel, add(read(e->sum + channel), sum), n);
    store_n(e->sum_squares + channel, add(read(e->sum_squares + channel), squares), n);
  }
};

// y = E_M^T m E_M, and the epilogue, for one vector of channels of a tile. kInside: all of it lies inside.
template <int M, bool kBoth, bool kTail, Finishing kHow, bool kInside>
__attribute__((always_inline)) inline void lower_vector(const TileOutput& g, const float* from,
                                                        int64_t offset, int channel, int n) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? M : 1;
  Finish<kTail, kHow> finish(g.epilogue, channel, n, g.streaming);
  Vec half[kRows][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    Vec m[kHeight], column[kRows];
#pragma GCC unroll 6
    for (int i = 0; i < kHeight; ++i) m[i] = finish.read(from + (i * 6 + j) * g.plane_pitch);
    if constexpr (kBoth) evaluate_adjoint<M>(m, column);
    else column[0] = m[0];
    for (int i = 0; i < kRows; ++i) half[i][j] = column[i];
  }
#pragma GCC unroll 5
  for (int i = 0; i < kRows; ++i) {
    if (!kInside && (i < g.row_begin || i >= g.row_end)) continue;
    Vec y[M];
    evaluate_adjoint<M>(half[i], y);
    int64_t at = g.origin + i * g.row_pitch + offset;
#pragma GCC unroll 5
    for (int j = 0; j < M; ++j, at += g.column_pitch) {
      const Inside lanes = kInside ? Inside(n) : Inside(offset + j * g.column_pitch, n, g.begin, g.end);
      if (!kInside && lanes.none()) continue;
      Vec v = finish.with_bias(y[j]);
      if (kInside || lanes.all()) {
        if (kHow != Finishing::kNone && g.residual) v = add(v, finish.read(g.residual + at));
        if (kHow != Finishing::kNone && g.mask) v = masked(v, finish.read(g.mask + at));
        finish.write(g.image + at, finish.value(v));
      } else {
        if (kHow != Finishing::kNone && g.residual) v = add(v, load_inside(g.residual + at, lanes));
        if (kHow != Finishing::kNone && g.mask) v = masked(v, load_inside(g.mask + at, lanes));
        store_inside(g.image + at, lanes, finish.value(v));
      }
    }
  }
  finish.add_sums();
}

template <int M, bool kBoth, Finishing kHow, bool kInside>
inline void lower_tile(const TileOutput& g, const float* from, int64_t offset) {
  int c = 0;
  for (; c + kLanes <= g.channels; c += kLanes)
    lower_vector<M, kBoth, false, kHow, kInside>(g, from + c, offset + c, c, kLanes);
  if (c < g.channels) lower_vector<M, kBoth, true, kHow, kInside>(g, from + c, offset + c, c, g.channels - c);
}

template <int M, bool kBoth, Finishing kHow>
inline void lower_tiles(const TileOutput& g) {
  const bool all_rows = g.row_begin <= 0 && g.row_end >= (kBoth ? M : 1);
  const int64_t last = (M - 1) * g.column_pitch + g.channels;
  const float* from = g.planes;
  int64_t offset = 0;
  for (int64_t t = 0; t < g.tiles; ++t, from += g.tile_pitch, offset += M * g.column_pitch) {
    if (all_rows && offset >= g.begin && offset + last <= g.end)
      lower_tile<M, kBoth, kHow, true>(g, from, offset);
    else lower_tile<M, kBoth, kHow, false>(g, from, offset);
  }
}

template <int M, bool kBoth>
void lower(const TileOutput* a) {
  const TileOutput g = *a;
  const Epilogue* e = g.epilogue;
  if (e && e->sum) lower_tiles<M, kBoth, Finishing::kSums>(g);
  else if (e && (e->bias || e->relu || g.residual || g.mask)) lower_tiles<M, kBoth, Finishing::kValues>(g);
  else lower_tiles<M, kBoth, Finishing::kNone>(g);
  if (g.streaming) stream_end();
}
