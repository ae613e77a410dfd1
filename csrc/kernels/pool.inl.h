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
template <int kTapBytes, int NV, bool kTail>
inline void pool_max_vectors(const PoolRow* g, int64_t pixel, int64_t channel, int n) {
  const int64_t begin = g->axis.begin[pixel], end = g->axis.end[pixel];
  const int64_t offset = (g->axis.origin[pixel] + begin * g->axis.step) * g->pitch + channel;
  const int64_t hop = g->axis.step * g->pitch;
  Vec best[NV];
  VecI winner[NV];
  for (int j = 0; j < NV; ++j) {
    best[j] = set1(-__builtin_inff());
    winner[j] = set1_i(g->row_count ? static_cast<int32_t>(g->numbers[0] + begin) : 0);
  }
  for (int64_t r = 0; r < g->row_count; ++r) {
    const float* x = g->rows[r] + offset;
    for (int64_t t = begin; t < end; ++t, x += hop) {
      const VecI number = set1_i(static_cast<int32_t>(g->numbers[r] + t));
      for (int j = 0; j < NV; ++j) {
        const Vec v = pool_load<kTail>(x + j * kLanes, n);
        const Mask wins = mask_or(less(best[j], v), mask_not(equal(v, v)));
        best[j] = select(wins, v, best[j]);
        if constexpr (kTapBytes != 0) winner[j] = as_int(select(wins, as_float(number), as_float(winner[j])));
      }
    }
  }
  for (int j = 0; j < NV; ++j) {
    const int64_t at = pixel * g->pitch + channel + j * kLanes;
    pool_store<kTail>(g->y + at, best[j], n);
    if constexpr (kTapBytes == 1) store_u8_n(static_cast<uint8_t*>(g->taps) + at, winner[j], n);
    if constexpr (kTapBytes == 4) store_i_n(static_cast<int32_t*>(g->taps) + at, winner[j], n);
  }
}

template <int kTapBytes>
inline void pool_max_pixels(const PoolRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes)
      pool_max_vectors<kTapBytes, 4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes) pool_max_vectors<kTapBytes, 1, false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_max_vectors<kTapBytes, 1, true>(g, pixel, c, static_cast<int>(g->channels - c));
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

// The average of up to kPoolRun taps: one sum.
template <int NV, bool kTail>
inline void pool_small_average_vectors(const PoolRow* g, int64_t pixel, int64_t channel, int n) {
  const int64_t begin = g->axis.begin[pixel], taps = g->axis.end[pixel] - begin;
  const int64_t offset = (g->axis.origin[pixel] + begin * g->axis.step) * g->pitch + channel;
  const int64_t hop = g->axis.step * g->pitch;
  Vec sum[NV];
  for (int j = 0; j < NV; ++j) sum[j] = zero();
  for (int64_t r = 0; r < g->row_count; ++r) {
    const float* x = g->rows[r] + offset;
    for (int64_t t = 0; t < taps; ++t, x += hop)
      for (int j = 0; j < NV; ++j) sum[j] = add(sum[j], pool_load<kTail>(x + j * kLanes, n));
  }
  const Vec divisor = set1(g->divisor * g->divisors[pixel]);
  for (int j = 0; j < NV; ++j)
    pool_store<kTail>(g->y + pixel * g->pitch + channel + j * kLanes, div(sum[j], divisor), n);
}

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

template <int NV, bool kTail>
inline void pool_average_any(const PoolRow* g, int64_t pixel, int64_t channel, int n) {
  if (g->row_count * (g->axis.end[pixel] - g->axis.begin[pixel]) <= kPoolRun)
    pool_small_average_vectors<NV, kTail>(g, pixel, channel, n);
  else pool_average_vectors<NV, kTail>(g, pixel, channel, n);
}

void pool_average_row(const PoolRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes) pool_average_any<4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes) pool_average_any<1, false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_average_any<1, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}

// gx = sum of gy over the windows that this input won. Every input is written once, by a gather: no zeroing
// pass, and the order of the sum is that of the outputs.
template <int kTapBytes, int NV, bool kTail>
inline void pool_max_grad_vectors(const PoolGradRow* g, int64_t pixel, int64_t channel, int n) {
  Vec sum[NV];
  for (int j = 0; j < NV; ++j) sum[j] = zero();
  for (int64_t r = 0; r < g->row_count; ++r)
    for (int64_t o = g->axis.first[pixel]; o < g->axis.last[pixel]; ++o) {
      int64_t tap = pixel - g->axis.origin[o];
      if (g->axis.step != 1) {
        if (tap % g->axis.step != 0) continue;
        tap /= g->axis.step;
      }
      const VecI number = set1_i(static_cast<int32_t>(g->numbers[r] + tap));
      for (int j = 0; j < NV; ++j) {
        const int64_t at = o * g->pitch + channel + j * kLanes;
        const Mask won = equal_i(pool_load_taps<kTapBytes>(g->taps[r], at, n), number);
        sum[j] = add(sum[j], select(won, pool_load<kTail>(g->rows[r] + at, n), zero()));
      }
    }
  float* gx = g->gx + pixel * g->pitch + channel;
  for (int j = 0; j < NV; ++j) {
    if (!kTail && g->streaming) stream(gx + j * kLanes, sum[j]);
    else pool_store<kTail>(gx + j * kLanes, sum[j], n);
  }
}

template <int kTapBytes>
inline void pool_max_grad_pixels(const PoolGradRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes)
      pool_max_grad_vectors<kTapBytes, 4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes)
      pool_max_grad_vectors<kTapBytes, 1, false>(g, pixel, c, kLanes);
    if (c < g->channels)
      pool_max_grad_vectors<kTapBytes, 1, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}
void pool_max_grad_row(const PoolGradRow* g) {
  if (g->tap_bytes == 1) pool_max_grad_pixels<1>(g);
  else pool_max_grad_pixels<4>(g);
  if (g->streaming) stream_end();
}

// gx = sum of gy / divisor over the windows that span this input. With eight vectors at a time gcc leaves the
// loops over them rolled: half the speed.
template <int NV, bool kTail>
inline void pool_average_grad_vectors(const PoolGradRow* g, int64_t pixel, int64_t channel, int n) {
  Vec sum[NV];
  for (int j = 0; j < NV; ++j) sum[j] = zero();
  for (int64_t r = 0; r < g->row_count; ++r)
    for (int64_t o = g->axis.first[pixel]; o < g->axis.last[pixel]; ++o) {
      const Vec scale = set1(1.0f / (g->divisor[r] * g->divisors[o]));
      const float* gy = g->rows[r] + o * g->pitch + channel;
      for (int j = 0; j < NV; ++j) sum[j] = fma(pool_load<kTail>(gy + j * kLanes, n), scale, sum[j]);
    }
  float* gx = g->gx + pixel * g->pitch + channel;
  for (int j = 0; j < NV; ++j) {
    if (!kTail && g->streaming) stream(gx + j * kLanes, sum[j]);
    else pool_store<kTail>(gx + j * kLanes, sum[j], n);
  }
}
void pool_average_grad_row(const PoolGradRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes)
      pool_average_grad_vectors<4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes) pool_average_grad_vectors<1, false>(g, pixel, c, kLanes);
    if (c < g->channels) pool_average_grad_vectors<1, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
  if (g->streaming) stream_end();
}

constexpr PoolKernels kPool = {&pool_max_row, &pool_average_row, &pool_max_grad_row, &pool_average_grad_row};
