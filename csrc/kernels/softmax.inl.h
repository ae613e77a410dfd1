// Softmax over rows (neighbours in memory) and over columns (vectors of neighbouring columns at once).
// Sums over a row are taken in float for kSumBlock elements and in double beyond.

constexpr int64_t kSumBlock = 2048;

// The first n lanes from memory, `fill` in the others.
inline Vec load_filled(const float* p, int n, float fill) {
  if (n == kLanes) return load(p);
  float lane[kLanes];
  for (int i = 0; i < kLanes; ++i) lane[i] = i < n ? p[i] : fill;
  return load(lane);
}
inline int lanes_left(int64_t i, int64_t n) { return n - i < kLanes ? static_cast<int>(n - i) : kLanes; }

inline double sum_lanes(Vec v) {
  float lane[kLanes];
  store(lane, v);
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += static_cast<double>(lane[i]);
  return sum;
}

// The sum of term(i, lanes) over the vectors of a row; unused lanes must be zero.
template <class F>
inline double sum_row(int64_t n, F term) {
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = begin + kSumBlock < n ? begin + kSumBlock : n;
    Vec partial = zero();
    for (int64_t i = begin; i < end; i += kLanes) partial = add(partial, term(i, lanes_left(i, end)));
    sum += sum_lanes(partial);
  }
  return sum;
}

// y[i] = value(i, lanes).
template <class F>
inline void map_row(int64_t n, float* y, F value) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, value(i, kLanes));
  if (i < n) store_n(y + i, value(i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

double exp_row(const float* x, int64_t n, float* e, float* m) {
  Vec top = set1(-kInf);
  for (int64_t i = 0; i < n; i += kLanes) top = max(top, load_filled(x + i, lanes_left(i, n), -kInf));
  float lane[kLanes];
  store(lane, top);
  float largest = lane[0];
  for (int i = 1; i < kLanes; ++i) largest = lane[i] > largest ? lane[i] : largest;
  *m = largest;
  const Vec shift = set1(largest);
  return sum_row(n, [=](int64_t i, int lanes) {
    const Vec value = exp(sub(load_filled(x + i, lanes, -kInf), shift));
    if (e) store_n(e + i, value, lanes);
    return value;
  });
}

void scale_row(const float* x, int64_t n, float s, float* y) {
  map_row(n, y, [=](int64_t i, int lanes) { return mul(load_n(x + i, lanes), set1(s)); });
}

void shift_row(const float* x, int64_t n, float m, float s, float* y) {
  map_row(n, y, [=](int64_t i, int lanes) { return sub(sub(load_n(x + i, lanes), set1(m)), set1(s)); });
}

double dot_row(const float* a, const float* b, int64_t n, float shift) {
  return sum_row(n, [=](int64_t i, int lanes) {
    const Vec difference = sub(load_filled(b + i, lanes, shift), set1(shift));
    return a ? mul(load_n(a + i, lanes), difference) : difference;
  });
}

void softmax_grad_row(const float* y, const float* g, int64_t n, float s, float* gx) {
  map_row(n, gx, [=](int64_t i, int lanes) {
    return mul(load_n(y + i, lanes), sub(load_n(g + i, lanes), set1(s)));
  });
}

void log_softmax_grad_row(const float* y, const float* g, int64_t n, float s, float* gx) {
  map_row(n, gx, [=](int64_t i, int lanes) {
    return fma(exp(load_n(y + i, lanes)), set1(-s), load_n(g + i, lanes));
  });
}

double mix_row(const float* q, const float* w, int64_t n, float keep, float more, float* a) {
  map_row(n, a, [=](int64_t i, int lanes) {
    const Vec mixed = fma(set1(keep), load_n(q + i, lanes), set1(more));
    return w ? mul(mixed, load_n(w + i, lanes)) : mixed;
  });
  return sum_row(n, [=](int64_t i, int lanes) { return load_n(a + i, lanes); });
}

void subtract_row(const float* a, int64_t n, float* y) {
  map_row(n, y, [=](int64_t i, int lanes) { return sub(load_n(y + i, lanes), load_n(a + i, lanes)); });
}

void class_tile(const ClassTile* t) {
  for (int64_t i = 0; i < t->width; i += kLanes) {
    const int lanes = lanes_left(i, t->width);
    Vec top = set1(-kInf), sum = zero();
    for (int64_t l = 0; l < t->length; ++l) top = max(top, load_n(t->x + l * t->step + i, lanes));
    for (int64_t l = 0; l < t->length; ++l) {
      const Vec e = exp(sub(load_n(t->x + l * t->step + i, lanes), top));
      if (t->e) store_n(t->e + l * t->step + i, e, lanes);
      sum = add(sum, e);
    }
    store_n(t->top + i, top, lanes);
    store_n(t->log_sum + i, log(sum), lanes);
    if (!t->e) continue;
    const Vec scale = div(load_n(t->mass + i, lanes), sum);
    for (int64_t l = 0; l < t->length; ++l) {
      float* const e = t->e + l * t->step + i;
      store_n(e, mul(load_n(e, lanes), scale), lanes);
    }
  }
}

void softmax_columns(const ColumnArgs* a) {
  for (int64_t i = 0; i < a->width; i += kLanes) {
    const int lanes = lanes_left(i, a->width);
    Vec top = set1(-kInf), sum = zero();
    for (int64_t l = 0; l < a->length; ++l) top = max(top, load_n(a->x + l * a->x_step + i, lanes));
    for (int64_t l = 0; l < a->length; ++l) {
      const Vec e = exp(sub(load_n(a->x + l * a->x_step + i, lanes), top));
      if (!a->logarithm) store_n(a->y + l * a->y_step + i, e, lanes);
      sum = add(sum, e);
    }
    const Vec scale = a->logarithm ? log(sum) : div(set1(1.0f), sum);
    for (int64_t l = 0; l < a->length; ++l) {
      float* const y = a->y + l * a->y_step + i;
      if (a->logarithm) store_n(y, sub(sub(load_n(a->x + l * a->x_step + i, lanes), top), scale), lanes);
      else store_n(y, mul(load_n(y, lanes), scale), lanes);
    }
  }
}

void softmax_columns_grad(const ColumnArgs* a) {
  for (int64_t i = 0; i < a->width; i += kLanes) {
    const int lanes = lanes_left(i, a->width);
    Vec sum = zero();
    for (int64_t l = 0; l < a->length; ++l) {
      const Vec g = load_n(a->g + l * a->g_step + i, lanes);
      sum = a->logarithm ? add(sum, g) : fma(g, load_n(a->x + l * a->x_step + i, lanes), sum);
    }
    for (int64_t l = 0; l < a->length; ++l) {
      const Vec g = load_n(a->g + l * a->g_step + i, lanes), y = load_n(a->x + l * a->x_step + i, lanes);
      const Vec gx = a->logarithm ? sub(g, mul(exp(y), sum)) : mul(y, sub(g, sum));
      store_n(a->y + l * a->y_step + i, gx, lanes);
    }
  }
}

constexpr SoftmaxKernels kSoftmax = {
    &exp_row, &scale_row,    &shift_row,  &dot_row,         &softmax_grad_row,    &log_softmax_grad_row,
    &mix_row, &subtract_row, &class_tile, &softmax_columns, &softmax_columns_grad};
