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

// The taps of one filter, and how many of them.
template <int R, bool kBoth>
constexpr int kTapCount = kBoth ? R * R : R;

// Whether the taps are all of a filter's, in their order (step 1) or the other way round (step -1).
template <int kTaps>
inline bool in_order(const FilterTransform& a, int step) {
  if (a.filter_taps != kTaps) return false;
  for (int i = 0; i < kTaps; ++i)
    if (a.taps[i] != (step > 0 ? i : kTaps - 1 - i)) return false;
  return true;
}

// All taps of kLanes filters, from memory straight into registers: four neighbouring ones at a time.
template <int kTaps, int kStep>
__attribute__((always_inline)) inline void load_taps(const float* w, int64_t stride, Vec (&g)[kTaps]) {
#pragma GCC unroll 7
  for (int first = 0; first < kTaps; first += 4) {
    const int at = first + 4 <= kTaps ? first : kTaps - 4;
    Vec quad[4];
    load_quads(w + at, stride, quad);
    for (int j = 0; j < 4; ++j) g[kStep > 0 ? at + j : kTaps - 1 - at - j] = quad[j];
  }
}

// u = E_R g E_R^T / (f f^T), for one source channel and one vector of output channels
template <int R, bool kBoth>
__attribute__((always_inline)) inline void transform_taps(const Vec (&taps)[kTapCount<R, kBoth>], float* to,
                                                          int64_t pitch) {
  constexpr int kHeight = kBoth ? 6 : 1, kRows = kBoth ? R : 1;
  Vec half[kHeight][R];
#pragma GCC unroll 5
  for (int j = 0; j < R; ++j) {
    Vec g[kRows], points[6];
    for (int i = 0; i < kRows; ++i) g[i] = taps[i * R + j];
    if constexpr (kBoth) evaluate_over_f<R>(g, points);
    else points[0] = g[0];
    for (int i = 0; i < kHeight; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kHeight; ++i) {
    Vec u[6];
    evaluate_over_f<R>(half[i], u);
    for (int j = 0; j < 6; ++j, to += pitch) store(to, u[j]);
  }
}

// kStep: of in_order(), or 0 for taps picked from among others, or for fewer than kLanes filters.
template <int R, bool kBoth, int kStep>
inline void transform_column(const FilterTransform& a, int64_t column) {
  constexpr int kTaps = kTapCount<R, kBoth>;
  const int64_t left = a.columns - column;
  const int n = left < kLanes ? static_cast<int>(left) : kLanes;
  const float* w = a.w + column * a.column_stride;
  // What the next vector of columns will read, or the next call: kLanes distant filters at a time are too
  // many streams for the processor to see coming (512 x 512 channels: 140 ns per vector without, 75 with).
  const float* ahead =
      column + kLanes < a.columns ? w + kLanes * a.column_stride : a.w + a.sources * a.source_stride;
  for (int64_t c = 0; c < a.sources; ++c, w += a.source_stride, ahead += a.source_stride) {
    for (int i = 0; i < n; ++i) prefetch(ahead + i * a.column_stride + (kLanes - 1));
    Vec g[kTaps];
    if constexpr (kStep != 0) {
      load_taps<kTaps, kStep>(w, a.column_stride, g);
    } else {
      Vec taps[kMaxFilterTaps];
      load_filters(w, a.column_stride, n, a.filter_taps, taps);
      for (int i = 0; i < kTaps; ++i) g[i] = taps[a.taps[i]];
    }
    transform_taps<R, kBoth>(g, a.u + c * a.ld + column, a.plane_pitch);
  }
}

template <int R, bool kBoth>
void transform_filter(const FilterTransform* g) {
  const FilterTransform a = *g;  // a copy: nothing else can point to it
  constexpr int kTaps = kTapCount<R, kBoth>;
  const bool forward = kTaps >= 4 && in_order<kTaps>(a, 1), backward = kTaps >= 4 && in_order<kTaps>(a, -1);
  for (int64_t column = 0; column < a.ld; column += kLanes) {
    if constexpr (kTaps >= 4) {
      if (column + kLanes <= a.columns && (forward || backward)) {
        if (forward) transform_column<R, kBoth, 1>(a, column);
        else transform_column<R, kBoth, -1>(a, column);
        continue;
      }
    }
    transform_column<R, kBoth, 0>(a, column);
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
    &plane_product,
    &plane_sums};
