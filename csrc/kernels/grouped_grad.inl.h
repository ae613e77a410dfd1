// Weight gradient of few channels per group: lanes are source channels, and R rows by T taps of sums live in
// registers. For each output channel j of a group the gradient's vector is permuted so that every lane sees
// channel j of its own group: one permutation serves R * T multiply-adds.

template <bool kTail>
inline Vec grouped_part(const float* p, int n) {
  if constexpr (kTail) return load_n(p, n);
  else return load(p);
}

template <int R, int T>
struct GroupedSums {
  Vec v[R][T];
};

// One output, of which taps may lie outside.
template <int R, int T, bool kTail, bool kEdge>
inline void grouped_grad_pixel(const GroupedGrad* g, const float* const* rows, int64_t column, Vec gy,
                               GroupedSums<R, T>& sums) {
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    const int64_t at = column + t * g->tap_step;
    if (kEdge && static_cast<uint64_t>(at) >= static_cast<uint64_t>(g->columns)) continue;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      sums.v[r][t] = fma(grouped_part<kTail>(rows[r] + at * g->src_pixel + g->src_channel, g->src_width), gy,
                         sums.v[r][t]);
  }
}

// Outputs [begin, end), taps that lie outside left out.
template <int R, int T, bool kTail>
inline void grouped_grad_edge(const GroupedGrad* g, const float* const* rows, const float* gy, int64_t column,
                              VecI lanes, int64_t begin, int64_t end, GroupedSums<R, T>& sums) {
  for (int64_t o = begin; o < end; ++o) {
    const Vec v = permute(grouped_part<kTail>(gy + o * g->gy_pixel, g->gy_width), lanes);
    grouped_grad_pixel<R, T, kTail, true>(g, rows, column + o * g->src_step, v, sums);
  }
}

// Outputs [begin, end), all taps inside. Four neighbours share the source vectors where the taps allow it
// (kStep: the outputs are so many taps apart; 0: any distance).
template <int R, int T, int kStep, bool kTail>
inline void grouped_grad_inside(const GroupedGrad* g, const float* const* rows, const float* gy,
                                int64_t column, VecI lanes, bool ahead, int64_t begin, int64_t end,
                                GroupedSums<R, T>& sums) {
  const int64_t pixel = g->src_pixel;
  int64_t o = begin;
  if constexpr (kStep > 0) {
    constexpr int U = 4;
    for (; o + U <= end; o += U) {
      const int64_t at = (column + o * g->src_step) * pixel + g->src_channel;
      Vec v[U];
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        const float* from = gy + (o + u) * g->gy_pixel;
        v[u] = permute(grouped_part<kTail>(from, g->gy_width), lanes);
        if (!ahead) continue;  // what the next block reads
        __builtin_prefetch(from + g->gy_width);
        __builtin_prefetch(rows[R - 1] + at + u * g->src_step * pixel + g->src_width);
      }
#pragma GCC unroll 32
      for (int q = 0; q < (U - 1) * kStep + T; ++q)
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const Vec x = keep(grouped_part<kTail>(rows[r] + at + q * g->tap_step * pixel, g->src_width));
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) {
            const int u = (q - t) / kStep;
            if (q < t || (q - t) % kStep != 0 || u >= U) continue;
            sums.v[r][t] = fma(x, v[u], sums.v[r][t]);
          }
        }
    }
  }
  for (; o < end; ++o) {
    const float* from = gy + o * g->gy_pixel;
    if (ahead) {
      __builtin_prefetch(from + g->gy_width);
      __builtin_prefetch(rows[R - 1] + (column + o * g->src_step) * pixel + g->src_channel + g->src_width);
    }
    const Vec v = permute(grouped_part<kTail>(from, g->gy_width), lanes);
    grouped_grad_pixel<R, T, kTail, false>(g, rows, column + o * g->src_step, v, sums);
  }
}

// Channel j of each group, taps [tap, tap + T), over all lines.
template <int R, int T, int kStep, bool kTail>
inline void grouped_grad_taps(const GroupedGrad* g, int64_t j, int64_t tap) {
  const VecI lanes = load_i(g->lanes + j * kLanes);
  const int64_t at = (j * g->taps + tap) * kLanes;
  GroupedSums<R, T> sums;
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums.v[r][t] = load(g->sums[r] + at + t * kLanes);
  for (int64_t l = 0; l < g->line_count; ++l) {
    const GroupedLine& line = g->lines[l];
    const float* const* rows = g->rows + l * kGroupedRows;
    const float* gy = line.gy + g->gy_channel;
    const int64_t column = line.low + tap * g->tap_step;
    // Outputs [begin, end) have all taps inside.
    const int64_t room = g->columns - 1 - (T - 1) * g->tap_step - column;
    int64_t begin = column < 0 ? (g->src_step - 1 - column) / g->src_step : 0;
    int64_t end = room < 0 ? 0 : room / g->src_step + 1;
    begin = begin < line.outputs ? begin : line.outputs;
    end = end < line.outputs ? end : line.outputs;
    end = end > begin ? end : begin;
    grouped_grad_edge<R, T, kTail>(g, rows, gy, column, lanes, 0, begin, sums);
    grouped_grad_inside<R, T, kStep, kTail>(g, rows, gy, column, lanes, j + tap == 0, begin, end, sums);
    grouped_grad_edge<R, T, kTail>(g, rows, gy, column, lanes, end, line.outputs, sums);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) store(g->sums[r] + at + t * kLanes, sums.v[r][t]);
}

template <int R, int kStep, bool kTail>
inline void grouped_grad_steps(const GroupedGrad* g) {
  for (int64_t j = 0; j < g->depth; ++j) {
    int64_t tap = 0;
    for (; tap + 3 <= g->taps; tap += 3) grouped_grad_taps<R, 3, kStep, kTail>(g, j, tap);
    if (tap + 2 == g->taps) grouped_grad_taps<R, 2, kStep, kTail>(g, j, tap);
    else if (tap + 1 == g->taps) grouped_grad_taps<R, 1, 0, kTail>(g, j, tap);
  }
}

template <int R, bool kTail>
inline void grouped_grad_rows(const GroupedGrad* g) {
  if (g->src_step == g->tap_step) grouped_grad_steps<R, 1, kTail>(g);
  else if (g->src_step == 2 * g->tap_step) grouped_grad_steps<R, 2, kTail>(g);
  else grouped_grad_steps<R, 0, kTail>(g);
}

template <bool kTail>
inline void grouped_grad_vectors(const GroupedGrad* g) {
  if (g->row_count == 1) grouped_grad_rows<1, kTail>(g);
  else if (g->row_count == 2) grouped_grad_rows<2, kTail>(g);
  else grouped_grad_rows<3, kTail>(g);
}

void grouped_grad(const GroupedGrad* g) {
  if (g->src_width < kLanes || g->gy_width < kLanes) grouped_grad_vectors<true>(g);
  else grouped_grad_vectors<false>(g);
}

constexpr GroupedKernels kGrouped = {&grouped_row, &grouped_grad, &grouped_copy};
