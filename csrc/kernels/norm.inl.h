// Sums over rows per channel, and maps of rows with factors per channel. Both go through memory in its order,
// a few rows at a time: taking 64 rows for a few vectors of channels, and then the next vectors, kept the
// sums in registers but read 51 MB of 256 channels at 8 GB/s.

// Sums of this many rows are taken in float before they join the double total. Trees of kNormRows are added
// one after the other, so the rounding error is that of some 35 additions. Rows of 512 bytes to 1 KiB side by
// side defeat the processor's own prefetching: asking kNormAhead rows ahead doubles the speed there.
constexpr int64_t kNormFlush = 128;
constexpr int kNormRows = 4, kNormAhead = 8;

template <bool kTail>
inline Vec norm_load(const float* p, int n) {
  return kTail ? load_n(p, n) : load(p);
}

// What is done to a value: moments or the map of x alone, or with a gradient, or with the part of it that
// ReLU keeps.
enum class NormKind { kValue, kGradient, kMasked };

// gy where ReLU's input is not <= 0, else 0.
template <bool kTail>
inline Vec norm_masked(const ChannelMask* m, Vec gy, Vec x, int64_t c, int n) {
  const Vec v = fma(sub(x, norm_load<kTail>(m->center + c, n)), norm_load<kTail>(m->scale + c, n),
                    norm_load<kTail>(m->offset + c, n));
  return select(less_equal(v, zero()), zero(), gy);
}

// partial[c] += sum of the first terms of R rows, partial[channels + c] += that of the second.
template <int R, NormKind kKind, bool kTail>
inline void norm_add_vector(const ChannelSums* g, int64_t row, int64_t c, int n) {
  const int64_t start = row * g->pitch + c;
  const float* x = g->x + start;
  const Vec shift = norm_load<kTail>(g->shift + c, n);
  Vec first[R], second[R];
  for (int i = 0; i < R; ++i) {
    const Vec value = norm_load<kTail>(x + i * g->pitch, n), d = sub(value, shift);
    prefetch(x + (i + kNormAhead) * g->pitch);
    first[i] = d;
    if constexpr (kKind != NormKind::kValue) {
      prefetch(g->gy + start + (i + kNormAhead) * g->pitch);
      first[i] = norm_load<kTail>(g->gy + start + i * g->pitch, n);
      if constexpr (kKind == NormKind::kMasked) first[i] = norm_masked<kTail>(g->mask, first[i], value, c, n);
    }
    second[i] = mul(first[i], d);
  }
  for (int half = R / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) {
      first[i] = add(first[i], first[i + half]);
      second[i] = add(second[i], second[i + half]);
    }
  float *to_first = g->partial + c, *to_second = to_first + g->channels;
  first[0] = add(norm_load<kTail>(to_first, n), first[0]);
  second[0] = add(norm_load<kTail>(to_second, n), second[0]);
  if (kTail) {
    store_n(to_first, first[0], n);
    store_n(to_second, second[0], n);
  } else {
    store(to_first, first[0]);
    store(to_second, second[0]);
  }
}

template <int R, NormKind kKind>
inline void norm_add_rows(const ChannelSums* g, int64_t row) {
  int64_t c = 0;
  for (; c + kLanes <= g->channels; c += kLanes) norm_add_vector<R, kKind, false>(g, row, c, kLanes);
  if (c < g->channels) norm_add_vector<R, kKind, true>(g, row, c, static_cast<int>(g->channels - c));
}

template <NormKind kKind>
inline void norm_sum_rows(const ChannelSums* g) {
  for (int64_t row = 0; row < g->rows;) {
    const int64_t end = g->rows - row < kNormFlush ? g->rows : row + kNormFlush;
    for (int64_t i = 0; i < 2 * g->channels; ++i) g->partial[i] = 0.0f;
    for (; row + kNormRows <= end; row += kNormRows) norm_add_rows<kNormRows, kKind>(g, row);
    for (; row < end; ++row) norm_add_rows<1, kKind>(g, row);
    for (int64_t c = 0; c < g->channels; ++c) g->first[c] += static_cast<double>(g->partial[c]);
    const float* second = g->partial + g->channels;
    for (int64_t c = 0; c < g->channels; ++c) g->second[c] += static_cast<double>(second[c]);
  }
}
void norm_sums(const ChannelSums* g) {
  if (!g->gy) norm_sum_rows<NormKind::kValue>(g);
  else if (g->mask) norm_sum_rows<NormKind::kMasked>(g);
  else norm_sum_rows<NormKind::kGradient>(g);
}

enum class NormStore { kPlain, kStream, kTail };

template <int R, NormKind kKind, NormStore kStore>
inline void norm_map_vector(const ChannelMap* g, int64_t row, int64_t c, int n) {
  constexpr bool kTail = kStore == NormStore::kTail;
  const Vec center = norm_load<kTail>(g->center + c, n), scale = norm_load<kTail>(g->scale + c, n),
            offset = norm_load<kTail>(g->offset + c, n);
  const Vec gain = kKind == NormKind::kValue ? zero() : norm_load<kTail>(g->gain + c, n);
  for (int i = 0; i < R; ++i) {
    const int64_t at = (row + i) * g->pitch + c;
    const Vec x = norm_load<kTail>(g->x + at, n);
    Vec v = fma(sub(x, center), scale, offset);
    if constexpr (kKind != NormKind::kValue) {
      Vec gy = norm_load<kTail>(g->gy + at, n);
      if constexpr (kKind == NormKind::kMasked) gy = norm_masked<kTail>(g->mask, gy, x, c, n);
      v = fma(gy, gain, v);
    }
    if (g->residual) v = add(v, norm_load<kTail>(g->residual + (row + i) * g->residual_pitch + c, n));
    if constexpr (kKind == NormKind::kValue)
      if (g->relu) v = max(zero(), v);  // in this order a NaN stays a NaN
    if constexpr (kTail) store_n(g->y + at, v, n);
    else if constexpr (kStore == NormStore::kStream) stream(g->y + at, v);
    else store(g->y + at, v);
  }
}

template <int R, NormKind kKind, NormStore kStore>
inline void norm_map_group(const ChannelMap* g, int64_t row) {
  int64_t c = 0;
  for (; c + kLanes <= g->channels; c += kLanes) norm_map_vector<R, kKind, kStore>(g, row, c, kLanes);
  if (c < g->channels)
    norm_map_vector<R, kKind, NormStore::kTail>(g, row, c, static_cast<int>(g->channels - c));
}

template <NormKind kKind, NormStore kStore>
inline void norm_map_rows(const ChannelMap* g) {
  int64_t row = 0;
  if constexpr (kStore != NormStore::kStream)
    for (; row + 4 <= g->rows; row += 4) norm_map_group<4, kKind, kStore>(g, row);
  for (; row < g->rows; ++row) norm_map_group<1, kKind, kStore>(g, row);
}
template <NormKind kKind>
inline void norm_map_any(const ChannelMap* given) {
  const ChannelMap local = *given;  // stores to y might otherwise change it, as far as the compiler knows
  const ChannelMap* const g = &local;
  if (!g->streaming) return norm_map_rows<kKind, NormStore::kPlain>(g);
  norm_map_rows<kKind, NormStore::kStream>(g);
  stream_end();
}
void norm_map(const ChannelMap* g) {
  if (!g->gy) norm_map_any<NormKind::kValue>(g);
  else if (g->mask) norm_map_any<NormKind::kMasked>(g);
  else norm_map_any<NormKind::kGradient>(g);
}

constexpr NormKernels kNorm = {&norm_sums, &norm_map};
