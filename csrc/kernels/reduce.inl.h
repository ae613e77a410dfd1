// Reductions of float32. A fold is a vector of partial results per lane: step() takes one more vector of
// elements, pad() is a vector that changes nothing, and merge() adds one lane's result to the totals.

struct SumFold {
  static constexpr bool kShifted = false;
  Vec s = zero();
  static Vec pad(Vec) { return zero(); }
  void step(Vec x, Vec) { s = add(s, x); }
  void join(const SumFold& o) { s = add(s, o.s); }
  void put(float* lanes, float*) const { store(lanes, s); }
  static void merge(float s, float, double* total, double*) { *total += s; }
};

// Both sums of d = x - shift: the second alone would lose what the shift lacks to the mean.
struct SquaresFold {
  static constexpr bool kShifted = true;
  Vec s = zero(), q = zero();
  static Vec pad(Vec shift) { return shift; }
  void step(Vec x, Vec shift) {
    const Vec d = sub(x, shift);
    s = add(s, d);
    q = fma(d, d, q);
  }
  void join(const SquaresFold& o) {
    s = add(s, o.s);
    q = add(q, o.q);
  }
  void put(float* lanes, float* lanes2) const {
    store(lanes, s);
    store(lanes2, q);
  }
  static void merge(float s, float q, double* total, double* squares) {
    *total += s;
    *squares += q;
  }
};

template <bool kMax>
struct ExtremeFold {
  static constexpr bool kShifted = false;
  static constexpr float kWorst = kMax ? -kInf : kInf;
  Vec s = set1(kWorst);
  static Vec pad(Vec) { return set1(kWorst); }
  static Vec better(Vec a, Vec b) { return select(mask_or(kMax ? less(a, b) : less(b, a), is_nan(b)), b, a); }
  void step(Vec x, Vec) { s = better(s, x); }
  void join(const ExtremeFold& o) { s = better(s, o.s); }
  void put(float* lanes, float*) const { store(lanes, s); }
  static void merge(float s, float, double* total, double*) {
    if (s != s || (kMax ? *total < s : *total > s)) *total = s;
  }
};

constexpr int kRowTerms = 32;     // per lane between two merges
constexpr int kColumnTerms = 64;  // rows between two merges
constexpr int kFolds = 4;         // independent chains of additions

template <class F>
void fold_rows(const ReduceArgs* g) {
  constexpr int64_t kStep = kFolds * kLanes;
  for (int64_t o = 0; o < g->outputs; ++o) {
    const float* x = g->x + o * g->output_stride;
    const Vec shift = F::kShifted ? set1(g->shift[o]) : zero();
    for (int64_t i = 0; i < g->terms;) {
      const int64_t rest = g->terms - i;
      const int64_t end = rest > kStep * kRowTerms ? i + kStep * kRowTerms : g->terms;
      F f[kFolds];
      for (; i + kStep <= end; i += kStep)
        for (int j = 0; j < kFolds; ++j) f[j].step(load(x + i + j * kLanes), shift);
      for (; i + kLanes <= end; i += kLanes) f[0].step(load(x + i), shift);
      float lane[kLanes], lane2[kLanes];
      if (i < end) {
        store(lane, F::pad(shift));
        for (int l = 0; i + l < end; ++l) lane[l] = x[i + l];
        f[1].step(load(lane), shift);
        i = end;
      }
      f[0].join(f[1]);
      f[2].join(f[3]);
      f[0].join(f[2]);
      f[0].put(lane, lane2);
      for (int l = 0; l < kLanes; ++l)
        F::merge(lane[l], F::kShifted ? lane2[l] : 0.0f, g->total + o,
                 F::kShifted ? g->squares + o : nullptr);
    }
  }
}

template <class F>
inline void merge_lanes(const F& f, const ReduceArgs* g, int64_t first, int count) {
  float lane[kLanes], lane2[kLanes];
  f.put(lane, lane2);
  for (int l = 0; l < count; ++l)
    F::merge(lane[l], F::kShifted ? lane2[l] : 0.0f, g->total + first + l,
             F::kShifted ? g->squares + first + l : nullptr);
}

// NV vectors of columns beginning at column c; the last one has `tail` valid lanes.
template <class F, int NV>
inline void fold_column_tile(const ReduceArgs* g, int64_t c, int tail) {
  Vec shift[NV];
  for (int j = 0; j < NV; ++j) {
    shift[j] = zero();
    if (F::kShifted) shift[j] = tail == kLanes ? load(g->shift + c + j * kLanes) : load_n(g->shift + c, tail);
  }
  for (int64_t t = 0; t < g->terms;) {
    const int64_t end = g->terms - t > kColumnTerms ? t + kColumnTerms : g->terms;
    F f[NV];
    for (; t < end; ++t) {
      const float* x = g->x + t * g->term_stride + c;
      for (int j = 0; j < NV; ++j)
        f[j].step(tail == kLanes ? load(x + j * kLanes) : load_n(x, tail), shift[j]);
    }
    for (int j = 0; j < NV; ++j) merge_lanes(f[j], g, c + j * kLanes, tail);
  }
}

// Fewer columns than lanes, rows without gaps: kLanes rows fill a whole number of vectors, and lane l of
// vector j always holds column (j kLanes + l) mod columns.
template <class F>
void fold_narrow_columns(const ReduceArgs* g) {
  const int columns = static_cast<int>(g->outputs);
  Vec shift[kLanes];
  float lane[kLanes], lane2[kLanes];
  for (int j = 0; j < columns; ++j) {
    for (int l = 0; l < kLanes; ++l) lane[l] = F::kShifted ? g->shift[(j * kLanes + l) % columns] : 0.0f;
    shift[j] = load(lane);
  }
  int64_t t = 0;
  while (t + kLanes <= g->terms) {
    F f[kLanes];
    for (int step = 0; step < kColumnTerms && t + kLanes <= g->terms; ++step, t += kLanes)
      for (int j = 0; j < columns; ++j) f[j].step(load(g->x + t * columns + j * kLanes), shift[j]);
    for (int j = 0; j < columns; ++j) {
      f[j].put(lane, lane2);
      for (int l = 0; l < kLanes; ++l) {
        const int c = (j * kLanes + l) % columns;
        F::merge(lane[l], F::kShifted ? lane2[l] : 0.0f, g->total + c,
                 F::kShifted ? g->squares + c : nullptr);
      }
    }
  }
  if (t == g->terms) return;
  ReduceArgs rest = *g;
  rest.x += t * columns;
  rest.terms -= t;
  fold_column_tile<F, 1>(&rest, 0, columns);
}

template <class F>
void fold_columns(const ReduceArgs* g) {
  if (g->outputs < kLanes && g->term_stride == g->outputs) return fold_narrow_columns<F>(g);
  int64_t c = 0;
  for (; c + kFolds * kLanes <= g->outputs; c += kFolds * kLanes) fold_column_tile<F, kFolds>(g, c, kLanes);
  for (; c + kLanes <= g->outputs; c += kLanes) fold_column_tile<F, 1>(g, c, kLanes);
  if (c < g->outputs) fold_column_tile<F, 1>(g, c, static_cast<int>(g->outputs - c));
}

// Whether x is the value looked for: equal to it, or a NaN as it is.
inline bool is_match(float x, double value) { return x == value || (x != x && value != value); }

void find(const FindArgs* g) {
  if (g->term_stride != 1) {
    for (int64_t t = 0; t < g->terms; ++t)
      for (int64_t o = 0; o < g->outputs; ++o)
        if (g->index[o] < 0 && is_match(g->x[t * g->term_stride + o * g->output_stride], g->value[o]))
          g->index[o] = g->base + t;
    return;
  }
  for (int64_t o = 0; o < g->outputs; ++o) {
    if (g->index[o] >= 0) continue;
    const float* x = g->x + o * g->output_stride;
    const Vec value = set1(static_cast<float>(g->value[o]));
    int64_t t = 0;
    for (; t + kLanes <= g->terms; t += kLanes) {
      const Vec v = load(x + t);
      if (mask_bits(mask_or(equal(v, value), is_nan(v)))) break;
    }
    for (; t < g->terms; ++t)
      if (is_match(x[t], g->value[o])) {
        g->index[o] = g->base + t;
        break;
      }
  }
}

constexpr ReduceKernels kReduce = {{&fold_rows<SumFold>, &fold_rows<SquaresFold>,
                                    &fold_rows<ExtremeFold<true>>, &fold_rows<ExtremeFold<false>>},
                                   {&fold_columns<SumFold>, &fold_columns<SquaresFold>,
                                    &fold_columns<ExtremeFold<true>>, &fold_columns<ExtremeFold<false>>},
                                   &find};
