// Weighted sums of pixels, vectorised over the channels.

template <int NV, bool kTail>
inline void weighted_vectors(const WeightedRow* g, int64_t pixel, int64_t channel, int n) {
  const int64_t begin = g->begin[pixel], end = g->begin[pixel + 1];
  Vec sum[NV];
  for (int j = 0; j < NV; ++j) sum[j] = zero();
  for (int64_t r = 0; r < g->row_count; ++r) {
    const float* const row = g->rows[r] + channel;
    Vec part[NV];
    for (int j = 0; j < NV; ++j) part[j] = zero();
    for (int64_t t = begin; t < end; ++t) {
      const float* const x = row + g->position[t] * g->pitch;
      const Vec w = set1(g->weight[t]);
      for (int j = 0; j < NV; ++j)
        part[j] = fma(w, kTail ? load_n(x + j * kLanes, n) : load(x + j * kLanes), part[j]);
    }
    const Vec w = set1(g->row_weights[r]);
    for (int j = 0; j < NV; ++j) sum[j] = fma(w, part[j], sum[j]);
  }
  float* const y = g->y + pixel * g->pitch + channel;
  for (int j = 0; j < NV; ++j) {
    if (kTail) store_n(y + j * kLanes, sum[j], n);
    else store(y + j * kLanes, sum[j]);
  }
}

void weighted_row(const WeightedRow* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= g->channels; c += 4 * kLanes) weighted_vectors<4, false>(g, pixel, c, kLanes);
    for (; c + kLanes <= g->channels; c += kLanes) weighted_vectors<1, false>(g, pixel, c, kLanes);
    if (c < g->channels) weighted_vectors<1, true>(g, pixel, c, static_cast<int>(g->channels - c));
  }
}

// Fewer channels than this are added one by one: what is stored with a mask cannot be loaded again at once,
// and the sum over lanes that are mostly empty takes longer than the products: 23 ms instead of 55 for the
// gradients of 200,000 points of an image of 3 channels.
constexpr int64_t kFewChannels = 8;

void scatter_pixels(const PixelScatter* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    const float* const gy = g->gy + pixel * g->pitch;
    for (int64_t t = g->begin[pixel]; t < g->begin[pixel + 1]; ++t) {
      float* const gx = g->gx + g->position[t] * g->pitch;
      if (g->channels < kFewChannels) {
        for (int64_t c = 0; c < g->channels; ++c) gx[c] += g->weight[t] * gy[c];
        continue;
      }
      const Vec w = set1(g->weight[t]);
      int64_t c = 0;
      for (; c + kLanes <= g->channels; c += kLanes) store(gx + c, fma(w, load(gy + c), load(gx + c)));
      if (c < g->channels) {
        const int n = static_cast<int>(g->channels - c);
        store_n(gx + c, fma(w, load_n(gy + c, n), load_n(gx + c, n)), n);
      }
    }
  }
}

void pixel_dots(const PixelDots* g) {
  for (int64_t pixel = 0; pixel < g->pixels; ++pixel) {
    const float* const gy = g->gy + pixel * g->pitch;
    for (int64_t t = g->begin[pixel]; t < g->begin[pixel + 1]; ++t) {
      const float* const x = g->x + g->position[t] * g->pitch;
      if (g->channels < kFewChannels) {
        float total = 0;
        for (int64_t c = 0; c < g->channels; ++c) total += gy[c] * x[c];
        g->dots[t] = total;
        continue;
      }
      Vec sum = zero();
      int64_t c = 0;
      for (; c + kLanes <= g->channels; c += kLanes) sum = fma(load(gy + c), load(x + c), sum);
      if (c < g->channels) {
        const int n = static_cast<int>(g->channels - c);
        sum = fma(load_n(gy + c, n), load_n(x + c, n), sum);
      }
      g->dots[t] = add_lanes(sum);
    }
  }
}

constexpr ResampleKernels kResample = {&weighted_row, &scatter_pixels, &pixel_dots};
