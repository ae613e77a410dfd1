// Pooling over channels-last rows, vectorised over the channels.

template <bool kTail>
inline Vec pool_load(const float* p, int n) {
  return kTail ? load_n(p, n) : load(p);
}
template <bool kTail>
inline void pool_store(float* p, Vec v, int n) {
  if (kTail) store_n(p, v, n);
  else store(p, v);
}

template <int kTapBytes>
inline VecI pool_load_taps(const void* taps, int64_t i, int n) {
  if constexpr (kTapBytes == 1) return load_u8_n(static_cast<const uint8_t*>(taps) + i, n);
  else return load_i_n(static_cast<const int32_t*>(taps) + i, n);
}

// y = max of the window; a NaN wins, and of several NaNs or equal maxima: the last NaN, else the first
// maximum.
template <int kTapBytes, bool kTail>
inline void pool_max_vector(const PoolRow* g, int64_t pixel, int64_t channel, int n) {
  const int64_t begin = g->axis.begin[pixel], end = g->axis.end[pixel];
  const int64_t offset = (g->axis.origin[pixel] + begin * g->axis.step) * g->pitch + channel;
  const int64_t hop = g->axis.step * g->pitch;
  Vec best = set1(-__builtin_inff());
  VecI winner = set1_i(g->row_count ? static_cast<int32_t>(g->numbers[0] + begin) : 0);
  for (int64_t r = 0; r < g->row_count; ++r) {
    const float* x = g->rows[r] + offset;
    for (int64_t t = begin; t < end; ++t, x += hop) {
      const Vec v = pool_load<kTail>(x, n);
      const Mask wins = mask_or(less(best, v), mask_not(equal(v, v)));
      best = select(wins, v, best);
      if constexpr (kTapBytes != 0) {
        const VecI number = set1_i(static_cast<int32_t>(g->numbers[r] + t));
        winner = as_int(select(wins, as_float(number), as_float(winner)));
      }
    }
  }
  const int64_t at = pixel * g->pitch + channel;
  pool_store<kTail>(g->y + at, best, n);
  if constexpr (kTapBytes == 1) store_u8_n(static_cast<uint8_t*>(g->taps) + at, winner, n);
  if constexpr (kTapBytes == 4) store_i_n(static_cast<int32_t*>(g->taps) + at, winner, n);
}

template <int kTapBytes>
inline void pool_max_pixels(const PoolRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + kLanes <= g->channels; c += kLanes) pool_max_vector<kTapBytes, false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_max_vector<kTapBytes, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}
void pool_max_row(const PoolRow* g) {
  if (!g->taps) pool_max_pixels<0>(g);
  else if (g->tap_bytes == 1) pool_max_pixels<1>(g);
  else pool_max_pixels<4>(g);
}

// Sums of at most kPoolRun taps are added up in groups of kPoolGroup, and those to the total: the rounding
// error of a large window's average stays that of a few hundred additions, however many taps it has.
constexpr int64_t kPoolRun = 64, kPoolGroup = 32;

// y = sum of the window / divisor
template <int NV, bool kTail>
inline void pool_average_vectors(const PoolRow* g, int64_t pixel, int64_t channel, int n) {
  const int64_t begin = g->axis.begin[pixel], end = g->axis.end[pixel];
  const int64_t offset = (g->axis.origin[pixel] + begin * g->axis.step) * g->pitch + channel;
  const int64_t hop = g->axis.step * g->pitch;
  Vec total[NV], group[NV];
  for (int j = 0; j < NV; ++j) total[j] = group[j] = zero();
  int64_t runs = 0;
  for (int64_t r = 0; r < g->row_count; ++r) {
    const float* x = g->rows[r] + offset;
    for (int64_t t = begin; t < end;) {
      const int64_t stop = end - t > kPoolRun ? t + kPoolRun : end;
      Vec sum[NV];
      for (int j = 0; j < NV; ++j) sum[j] = zero();
      for (; t < stop; ++t, x += hop)
        for (int j = 0; j < NV; ++j) sum[j] = add(sum[j], pool_load<kTail>(x + j * kLanes, n));
      for (int j = 0; j < NV; ++j) group[j] = add(group[j], sum[j]);
      if (++runs % kPoolGroup != 0) continue;
      for (int j = 0; j < NV; ++j) {
        total[j] = add(total[j], group[j]);
        group[j] = zero();
      }
    }
  }
  const Vec divisor = set1(g->divisor * g->divisors[pixel]);
  for (int j = 0; j < NV; ++j)
    pool_store<kTail>(g->y + pixel * g->pitch + channel + j * kLanes, div(add(total[j], group[j]), divisor),
                      n);
}

void pool_average_row(const PoolRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes)
      pool_average_vectors<4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes) pool_average_vectors<1, false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_average_vectors<1, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}

// gx = sum of gy over the windows that this input won. Every input is written once, by a gather: no zeroing
// pass, and the order of the sum is that of the outputs.
template <int kTapBytes, bool kTail>
inline void pool_max_grad_vector(const PoolGradRow* g, int64_t pixel, int64_t channel, int n) {
  Vec sum = zero();
  for (int64_t r = 0; r < g->row_count; ++r)
    for (int64_t o = g->axis.first[pixel]; o < g->axis.last[pixel]; ++o) {
      int64_t tap = pixel - g->axis.origin[o];
      if (g->axis.step != 1) {
        if (tap % g->axis.step != 0) continue;
        tap /= g->axis.step;
      }
      const int64_t at = o * g->pitch + channel;
      const VecI winner = pool_load_taps<kTapBytes>(g->taps[r], at, n);
      const Mask won = equal_i(winner, set1_i(static_cast<int32_t>(g->numbers[r] + tap)));
      sum = add(sum, select(won, pool_load<kTail>(g->rows[r] + at, n), zero()));
    }
  pool_store<kTail>(g->gx + pixel * g->pitch + channel, sum, n);
}

template <int kTapBytes>
inline void pool_max_grad_pixels(const PoolGradRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + kLanes <= g->channels; c += kLanes)
      pool_max_grad_vector<kTapBytes, false>(g, pixel, c, kLanes);
    if (c < g->channels)
      pool_max_grad_vector<kTapBytes, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}
void pool_max_grad_row(const PoolGradRow* g) {
  if (g->tap_bytes == 1) pool_max_grad_pixels<1>(g);
  else pool_max_grad_pixels<4>(g);
}

// gx = sum of gy / divisor over the windows that span this input
template <bool kTail>
inline void pool_average_grad_vector(const PoolGradRow* g, int64_t pixel, int64_t channel, int n) {
  Vec sum = zero();
  for (int64_t r = 0; r < g->row_count; ++r)
    for (int64_t o = g->axis.first[pixel]; o < g->axis.last[pixel]; ++o) {
      const Vec scale = set1(1.0f / (g->divisor[r] * g->divisors[o]));
      sum = fma(pool_load<kTail>(g->rows[r] + o * g->pitch + channel, n), scale, sum);
    }
  pool_store<kTail>(g->gx + pixel * g->pitch + channel, sum, n);
}
void pool_average_grad_row(const PoolGradRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + kLanes <= g->channels; c += kLanes) pool_average_grad_vector<false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_average_grad_vector<true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}

constexpr PoolKernels kPool = {&pool_max_row, &pool_average_row, &pool_max_grad_row, &pool_average_grad_row};
