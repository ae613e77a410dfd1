// Local response normalisation, a row of channels at a time: squares into a row with zeros on both sides,
// sums of its windows, a power. beta = 0.75, as everywhere, takes two square roots.

template <bool kThreeQuarters>
inline Vec lrn_power(Vec d, Vec beta) {
  if constexpr (!kThreeQuarters) return pow(d, neg(beta));
  const Vec root = sqrt(d);
  return div(set1(1.0f), mul(root, sqrt(root)));
}

// The sum of `count` neighbours that begin at p.
inline Vec lrn_window(const float* p, int64_t count) {
  Vec sum = load(p);
  for (int64_t j = 1; j < count; ++j) sum = add(sum, load(p + j));
  return sum;
}

template <bool kThreeQuarters>
inline void lrn_rows(const LrnArgs* a) {
  const int64_t n = a->channels, taps = a->before + 1 + a->after, width = n + taps - 1 + kLrnSpare;
  float *const squares = a->scratch, *const terms = squares + width;
  for (int64_t i = 0; i < 2 * width; ++i) squares[i] = 0.0f;
  const Vec k = set1(a->k), scale = set1(a->scale), beta = set1(a->beta);
  const Vec slope = mul(mul(scale, beta), set1(-2.0f));
  for (int64_t row = 0; row < a->rows; ++row) {
    const float* const x = a->x + row * n;
    const float* const gy = a->gy ? a->gy + row * n : nullptr;
    float* const y = a->y + row * n;
    for (int64_t c = 0; c < n; c += kLanes) {
      const int lanes = lanes_left(c, n);
      const Vec v = lanes_of(x + c, lanes);
      store_n(squares + a->before + c, mul(v, v), lanes);
    }
    for (int64_t c = 0; c < n; c += kLanes) {
      const int lanes = lanes_left(c, n);
      const Vec d = fma(scale, lrn_window(squares + c, taps), k), power = lrn_power<kThreeQuarters>(d, beta);
      const Vec v = lanes_of(x + c, lanes);
      if (!gy) {
        store_n(y + c, mul(v, power), lanes);
        continue;
      }
      const Vec g = mul(lanes_of(gy + c, lanes), power);
      store_n(y + c, g, lanes);
      store_n(terms + a->after + c, div(mul(g, v), d), lanes);
    }
    if (!gy) continue;
    for (int64_t c = 0; c < n; c += kLanes) {
      const int lanes = lanes_left(c, n);
      const Vec sum = mul(mul(slope, lanes_of(x + c, lanes)), lrn_window(terms + c, taps));
      store_n(y + c, add(lanes_of(y + c, lanes), sum), lanes);
    }
  }
}

void lrn_run(const LrnArgs* a) {
  if (a->beta == 0.75f) lrn_rows<true>(a);
  else lrn_rows<false>(a);
}

constexpr LrnKernels kLrn = {&lrn_run};
