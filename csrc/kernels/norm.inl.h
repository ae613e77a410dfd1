// Sums over rows per channel, and maps of rows with factors per channel.

// Sums of this many rows are taken in float before they join the double total: few enough for the rounding
// error to stay at that of a few additions, enough to hide the cost of the conversion.
constexpr int64_t kNormFlush = 64;

template <int NV, bool kGradient, bool kTail>
inline void norm_sum_vectors(const ChannelSums* g, int64_t row, int64_t rows, int64_t channel, int n) {
  Vec shift[NV], first_sum[NV], second_sum[NV];
  for (int j = 0; j < NV; ++j) {
    const float* p = g->shift + channel + j * kLanes;
    shift[j] = kTail ? load_n(p, n) : load(p);
    first_sum[j] = second_sum[j] = zero();
  }
  const int64_t start = row * g->pitch + channel;
  const float* x = g->x + start;
  const float* gy = kGradient ? g->gy + start : nullptr;
  for (int64_t r = 0; r < rows; ++r, x += g->pitch) {
    for (int j = 0; j < NV; ++j) {
      const Vec d = sub(kTail ? load_n(x, n) : load(x + j * kLanes), shift[j]);
      if constexpr (kGradient) {
        const Vec v = kTail ? load_n(gy, n) : load(gy + j * kLanes);
        first_sum[j] = add(first_sum[j], v);
        second_sum[j] = fma(v, d, second_sum[j]);
      } else {
        first_sum[j] = add(first_sum[j], d);
        second_sum[j] = fma(d, d, second_sum[j]);
      }
    }
    if constexpr (kGradient) gy += g->pitch;
  }
  float lane_first[kLanes], lane_second[kLanes];
  for (int j = 0; j < NV; ++j) {
    store(lane_first, first_sum[j]);
    store(lane_second, second_sum[j]);
    double* to_first = g->first + channel + j * kLanes;
    double* to_second = g->second + channel + j * kLanes;
    for (int i = 0; i < n; ++i) {
      to_first[i] += static_cast<double>(lane_first[i]);
      to_second[i] += static_cast<double>(lane_second[i]);
    }
  }
}

template <bool kGradient>
inline void norm_sum_rows(const ChannelSums* g) {
  for (int64_t row = 0; row < g->rows; row += kNormFlush) {
    const int64_t rows = g->rows - row < kNormFlush ? g->rows - row : kNormFlush;
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes)
      norm_sum_vectors<4, kGradient, false>(g, row, rows, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes)
      norm_sum_vectors<1, kGradient, false>(g, row, rows, c, kLanes);
    if (c < g->channels)
      norm_sum_vectors<1, kGradient, true>(g, row, rows, c, static_cast<int>(g->channels - c));
  }
}
void norm_sums(const ChannelSums* g) {
  if (g->gy) norm_sum_rows<true>(g);
  else norm_sum_rows<false>(g);
}

template <bool kGradient, bool kTail>
inline void norm_map_vector(const ChannelMap* g, int64_t at, int64_t c, int n) {
  const auto read = [&](const float* p) { return kTail ? load_n(p, n) : load(p); };
  Vec v = fma(sub(read(g->x + at), read(g->center + c)), read(g->scale + c), read(g->offset + c));
  if constexpr (kGradient) v = fma(read(g->gy + at), read(g->gain + c), v);
  if (kTail) store_n(g->y + at, v, n);
  else store(g->y + at, v);
}

template <bool kGradient>
inline void norm_map_rows(const ChannelMap* g) {
  for (int64_t row = 0; row < g->rows; ++row) {
    const int64_t start = row * g->pitch;
    int64_t c = 0;
    for (; c + kLanes <= g->channels; c += kLanes) norm_map_vector<kGradient, false>(g, start + c, c, kLanes);
    if (c < g->channels) norm_map_vector<kGradient, true>(g, start + c, c, static_cast<int>(g->channels - c));
  }
}
void norm_map(const ChannelMap* g) {
  if (g->gy) norm_map_rows<true>(g);
  else norm_map_rows<false>(g);
}

constexpr NormKernels kNorm = {&norm_sums, &norm_map};
