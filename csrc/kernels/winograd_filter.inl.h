// Filters on their way into the planes, their gradients on the way back, and the table of all Winograd
// kernels.

// The taps of kLanes filters, one vector per tap, from filters whose taps lie next to each other; `n` of the
// filters exist.
inline void load_filters(const float* w, int64_t stride, int n, int taps, Vec (&out)[kMaxFilterTaps]) {
  for (int first = 0; first < taps; first += kLanes) {
    const int count = taps - first < kLanes ? taps - first : kLanes;
    Vec r[kLanes];
    for (int i = 0; i < kLanes; ++i) r[i] = i < n ? load_n(w + i * stride + first, count) : zero();
    transpose_lanes(r);
    for (int i = 0; i < count; ++i) out[first + i] = r[i];
  }
}

// The same, backwards.
template <int kTaps>
inline void store_filters(float* w, int64_t stride, int n, const Vec (&from)[kTaps]) {
  for (int first = 0; first < kTaps; first += kLanes) {
    const int count = kTaps - first < kLanes ? kTaps - first : kLanes;
    Vec r[kLanes];
    for (int i = 0; i < kLanes; ++i) r[i] = i < count ? from[first + i] : zero();
    transpose_lanes(r);
    for (int i = 0; i < n; ++i) store_n(w + i * stride + first, r[i], count);
  }
}

// u = E_R g E_R^T / (f f^T), for one source channel and one vector of output channels
template <int R, bool kBoth>
inline void transform_filters(const Vec (&taps)[kMaxFilterTaps], const int* where, float* to, int64_t pitch) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? R : 1;
  Vec half[6][R];
#pragma GCC unroll 5
  for (int j = 0; j < R; ++j) {
    Vec g[kRows], points[6];
    for (int i = 0; i < kRows; ++i) g[i] = taps[where[i * R + j]];
    if constexpr (kBoth) evaluate<R>(g, points);
    else points[0] = g[0];
    for (int i = 0; i < kHeight; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kHeight; ++i) {
    Vec u[6];
    evaluate<R>(half[i], u);
    for (int j = 0; j < 6; ++j, to += pitch) store(to, mul(set1(kScale<kBoth>.at[i][j]), u[j]));
  }
}

template <int R, bool kBoth>
void transform_filter(const FilterTransform* g) {
  const FilterTransform a = *g;  // a copy: nothing else can point to it
  for (int64_t column = 0; column < a.ld; column += kLanes) {
    const int64_t left = a.columns - column;
    const int n = left < kLanes ? static_cast<int>(left) : kLanes;
    const float* w = a.w + column * a.column_stride;
    // What the next vector of columns will read, or the next call: kLanes distant filters at a time are too
    // many streams for the processor to see coming (512 x 512 channels: 140 ns per vector without, 75 with).
    const float* ahead =
        column + kLanes < a.columns ? w + kLanes * a.column_stride : a.w + a.sources * a.source_stride;
    for (int64_t c = 0; c < a.sources; ++c, w += a.source_stride, ahead += a.source_stride) {
      Vec taps[kMaxFilterTaps];
      for (int i = 0; i < n; ++i) prefetch(ahead + i * a.column_stride + (kLanes - 1));
      load_filters(w, a.column_stride, n, a.filter_taps, taps);
      transform_filters<R, kBoth>(taps, a.taps, a.u + c * a.ld + column, a.plane_pitch);
    }
  }
}

// gw = E_R^T (m / (f f^T)) E_R
template <int R, bool kBoth>
void transform_filter_gradient(const FilterGradient* g) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? R : 1;
  const FilterGradient a = *g;
  for (int64_t column = 0; column < a.columns; column += kLanes) {
    const int64_t left = a.columns - column;
    const int n = left < kLanes ? static_cast<int>(left) : kLanes;
    float* gw = a.gw + column * a.column_stride;
    for (int64_t c = 0; c < a.sources; ++c, gw += a.source_stride) {
      Vec half[kRows][6], taps[kRows * R];
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) {
        const float* m = a.m + c * a.ld + column + j * a.plane_pitch;
        Vec points[kHeight], rows[kRows];
        for (int i = 0; i < kHeight; ++i, m += 6 * a.plane_pitch)
          points[i] = mul(set1(kScale<kBoth>.at[i][j]), load_n(m, n));
        if constexpr (kBoth) evaluate_adjoint<R>(points, rows);
        else rows[0] = points[0];
        for (int i = 0; i < kRows; ++i) half[i][j] = rows[i];
      }
#pragma GCC unroll 5
      for (int i = 0; i < kRows; ++i) {
        Vec y[R];
        evaluate_adjoint<R>(half[i], y);
        for (int j = 0; j < R; ++j) taps[i * R + j] = y[j];
      }
      store_filters<kRows * R>(gw, a.column_stride, n, taps);
    }
  }
}

constexpr WinogradKernels kWinograd = {
    {{nullptr, nullptr, &lift<SourceWay, 2, false>, &lift<SourceWay, 3, false>, &lift<SourceWay, 4, false>,
      &lift<SourceWay, 5, false>},
     {nullptr, nullptr, &lift<SourceWay, 2, true>, &lift<SourceWay, 3, true>, &lift<SourceWay, 4, true>,
      &lift<SourceWay, 5, true>}},
    {{nullptr, nullptr, &lift<GradientWay<2>, 2, false>, &lift<GradientWay<3>, 3, false>,
      &lift<GradientWay<4>, 4, false>, &lift<GradientWay<5>, 5, false>},
     {nullptr, nullptr, &lift<GradientWay<2>, 2, true>, &lift<GradientWay<3>, 3, true>,
      &lift<GradientWay<4>, 4, true>, &lift<GradientWay<5>, 5, true>}},
    {{nullptr, nullptr, &lower<2, false>, &lower<3, false>, &lower<4, false>, &lower<5, false>},
     {nullptr, nullptr, &lower<2, true>, &lower<3, true>, &lower<4, true>, &lower<5, true>}},
    {{nullptr, nullptr, &transform_filter<5, false>, &transform_filter<4, false>, &transform_filter<3, false>,
      &transform_filter<2, false>},
     {nullptr, nullptr, &transform_filter<5, true>, &transform_filter<4, true>, &transform_filter<3, true>,
      &transform_filter<2, true>}},
    {{nullptr, nullptr, &transform_filter_gradient<5, false>, &transform_filter_gradient<4, false>,
      &transform_filter_gradient<3, false>, &transform_filter_gradient<2, false>},
     {nullptr, nullptr, &transform_filter_gradient<5, true>, &transform_filter_gradient<4, true>,
      &transform_filter_gradient<3, true>, &transform_filter_gradient<2, true>}},
    &plane_product};
