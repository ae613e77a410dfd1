// Rows of neighbours: sums over a row, and maps with factors per row and weights per element. Sums are taken
// in two vectors of floats for kRowNormBlock elements and in double beyond.

constexpr int64_t kRowNormBlock = 2048;

// The sums of the two that terms(i, lanes) gives for the vectors of a row, in two chains each; unused lanes
// of the last must be zero.
struct TwoTerms {
  Vec first, second;
};
// In a tree: rows may be short, and a chain of additions of doubles would take longer than the row.
inline double tree_sum(Vec v) {
  float lane[kLanes];
  store(lane, v);
  double sum[kLanes];
  for (int i = 0; i < kLanes; ++i) sum[i] = static_cast<double>(lane[i]);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
  return sum[0];
}
inline void join(TwoTerms& sum, const TwoTerms& t) {
  sum.first = add(sum.first, t.first);
  sum.second = add(sum.second, t.second);
}
template <class F>
inline void row_norm_sums(int64_t n, F terms, double* first, double* second) {
  *first = *second = 0;
  for (int64_t begin = 0; begin < n; begin += kRowNormBlock) {
    const int64_t end = n - begin < kRowNormBlock ? n : begin + kRowNormBlock;
    TwoTerms even = {zero(), zero()}, odd = even;
    int64_t i = begin;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      join(even, terms(i, kLanes));
      join(odd, terms(i + kLanes, kLanes));
    }
    for (; i < end; i += kLanes) join(even, terms(i, lanes_left(i, end)));
    join(even, odd);
    *first += tree_sum(even.first);
    *second += tree_sum(even.second);
  }
}

void row_sums(const float* x, int64_t n, float shift, double* first, double* second) {
  const Vec s = set1(shift);
  const auto terms = [x, s, shift](int64_t i, int lanes) {
    const Vec d = lanes == kLanes ? sub(load(x + i), s) : sub(load_filled(x + i, lanes, shift), s);
    return TwoTerms{d, mul(d, d)};
  };
  row_norm_sums(n, terms, first, second);
}

// y[i] = value(i, lanes)
template <class F>
inline void row_norm_map(int64_t n, float* y, F value) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, value(i, kLanes));
  if (i < n) store_n(y + i, value(i, static_cast<int>(n - i)), static_cast<int>(n - i));
}
inline Vec row_norm_value(const RowNorm* r, int64_t i, int n) {
  return fma(sub(lanes_of(r->x + i, n), set1(r->center)), set1(r->scale), set1(r->offset));
}

void row_map(const RowNorm* r) {
  row_norm_map(r->count, r->y, [r](int64_t i, int n) {
    return fma(row_norm_value(r, i, n), lanes_of(r->w + i, n), lanes_of(r->b + i, n));
  });
}
void row_grad_sums(const RowNorm* r, double* first, double* second) {
  const Vec center = set1(r->center);
  const auto terms = [r, center](int64_t i, int n) {
    const Vec g = mul(lanes_of(r->gy + i, n), lanes_of(r->w + i, n));
    return TwoTerms{g, mul(g, sub(lanes_of(r->x + i, n), center))};
  };
  row_norm_sums(r->count, terms, first, second);
}
void row_grad_map(const RowNorm* r) {
  row_norm_map(r->count, r->y, [r](int64_t i, int n) {
    const Vec g = mul(lanes_of(r->gy + i, n), lanes_of(r->w + i, n));
    return fma(g, set1(r->gain), row_norm_value(r, i, n));
  });
}
void row_affine(const RowNorm* r, float* gw, float* gb) {
  row_norm_map(r->count, gw, [r, gw](int64_t i, int n) {
    return fma(lanes_of(r->gy + i, n), row_norm_value(r, i, n), lanes_of(gw + i, n));
  });
  row_norm_map(r->count, gb,
               [r, gb](int64_t i, int n) { return add(lanes_of(r->gy + i, n), lanes_of(gb + i, n)); });
}

constexpr LayerNormKernels kLayerNorm = {&row_sums, &row_map, &row_grad_sums, &row_grad_map, &row_affine};
