// Tiles of kGroupedTileRows x P outputs, kStep taps apart, under filter rows of K taps, a number known here.
// Every source vector is loaded (and permuted) once for all taps and rows of the tile that see it, and the
// sums in flight hide the latency of a multiply-add. Without loops over taps, and with a row's sums written
// where they are, depthwise 3x3 in the first-level cache went from 18 to 7.5 cycles per vector of outputs on
// a Xeon (4.5 is what two multiply-adds per cycle allow); fetching ahead by instruction cost 1 to 3 of them
// and gained nothing on 14 MB. Whole convolutions on two threads, ms before and after: 144 channels on 56x56,
// 8 images 0.77 and 0.66 to 0.72 (a copy takes 0.39); 7x7 taps on 96 channels, 8 images 1.77 and 1.12.

constexpr int kGroupedTileRows = kLanes == 16 ? kGroupedOutRows : 1;  // two have to have registers

// What the loops need, away from the memory that stores of vectors might change.
struct GroupedFixed {
  int64_t pixel, step, column, columns, depth;  // step: columns from one tap to the next
  const int32_t* lanes;
  int src_width;
};

// Source vector q, counted in taps from tap 0 of output 0. `src` points to the first.
template <int kMode, int kSource>
inline Vec grouped_fixed_load(const GroupedFixed& g, const float* src, int q, VecI lanes) {
  const int64_t at = q * g.step;
  if (kMode == kEdge && static_cast<uint64_t>(g.column + at) >= static_cast<uint64_t>(g.columns))
    return zero();
  const float* from = src + at * g.pixel;
  const Vec x = kMode == kWhole ? load(from) : load_n(from, g.src_width);
  if constexpr (kSource == kPermuted) return permute(x, lanes);
  else return keep(x);
}

// acc[r][p] += sum over taps first ... first + T - 1 of channel i, of source * filter[r].
template <int T, int P, int kStep, int kMode, int kSource>
__attribute__((always_inline)) inline void grouped_fixed_chunk(const GroupedFixed& g, const float* src,
                                                               const float* const (&filter)[kGroupedTileRows],
                                                               int first, int64_t i,
                                                               Vec (&acc)[kGroupedTileRows][P]) {
  constexpr int kSources = (P - 1) * kStep + T;
  const int64_t depth = kSource == kOwn ? 1 : g.depth;
  VecI lanes = VecI();
  if constexpr (kSource == kPermuted) lanes = load_i(g.lanes + i * kLanes);
  if constexpr (kGroupedTileRows == 1) {
    Vec w[T];
#pragma GCC unroll 8
    for (int k = 0; k < T; ++k) w[k] = load(filter[0] + ((first + k) * depth + i) * kLanes);
#pragma GCC unroll 32
    for (int q = 0; q < kSources; ++q) {
      const Vec x = grouped_fixed_load<kMode, kSource>(g, src, first + q, lanes);
#pragma GCC unroll 8
      for (int k = 0; k < T; ++k) {
        const int p = (q - k) / kStep;
        if (q < k || (q - k) % kStep != 0 || p >= P) continue;
        acc[0][p] = fma(x, w[k], acc[0][p]);
      }
    }
  } else {
    Vec x[kSources];
#pragma GCC unroll 32
    for (int q = 0; q < kSources; ++q) x[q] = grouped_fixed_load<kMode, kSource>(g, src, first + q, lanes);
#pragma GCC unroll 2
    for (int r = 0; r < kGroupedTileRows; ++r) {
      if (!filter[r]) continue;
#pragma GCC unroll 8
      for (int k = 0; k < T; ++k) {
        const Vec w = load(filter[r] + ((first + k) * depth + i) * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) acc[r][p] = fma(x[p * kStep + k], w, acc[r][p]);
      }
    }
  }
}

template <int K, int P, int kStep, int kMode, int kSource>
__attribute__((always_inline)) inline void grouped_fixed_taps(const GroupedFixed& g, const float* src,
                                                              const float* const (&filter)[kGroupedTileRows],
                                                              Vec (&acc)[kGroupedTileRows][P]) {
  const int64_t depth = kSource == kOwn ? 1 : g.depth;
#pragma GCC unroll 4
  for (int first = 0; first + 3 <= K; first += 3)
    for (int64_t i = 0; i < depth; ++i)
      grouped_fixed_chunk<3, P, kStep, kMode, kSource>(g, src, filter, first, i, acc);
  if constexpr (K % 3 > 0)
    for (int64_t i = 0; i < depth; ++i)
      grouped_fixed_chunk<K % 3, P, kStep, kMode, kSource>(g, src, filter, K / 3 * 3, i, acc);
}

// P outputs of each row, as they are.
template <int P, int kMode>
inline void grouped_fixed_store(float* out, int64_t pixel, bool streaming, int width, const Vec (&acc)[P]) {
  if (kMode == kWhole && streaming) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) stream(out + p * pixel, acc[p]);
  } else {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p)
      if constexpr (kMode == kWhole) store(out + p * pixel, acc[p]);
      else store_n(out + p * pixel, acc[p], width);
  }
}

// The tile of t over blocks [begin, end), for output rows t.out_row on.
template <int K, int P, int kStep, int kMode, int kSource>
inline void grouped_fixed_tile(GroupedTile t, int64_t begin, int64_t end) {
  const GroupedRow* g = t.row;
  const GroupedFixed f = {g->src_pixel, g->tap_step, t.column, g->columns, g->depth, g->lanes, t.src_width};
  const float* const* rows = g->rows;
  const float* const* filters = g->filters + t.out_row;
  const int64_t row_count = g->row_count, filter_block = g->filter_block, src_width = g->src_width,
                out_width = g->out_width, out_row = g->out_row, out_pixel = g->out_pixel;
  const bool second = kGroupedTileRows > 1 && t.out_row + 1 < g->out_rows, streaming = g->streaming;
  const bool plain = kMode != kEdge && !g->bias && !g->residual && !g->mask && !g->relu && !g->sum;
  float* out = g->out + t.out_row * out_row + t.output * out_pixel + begin * out_width;
  int64_t offset = t.offset + begin * src_width, filter_at = begin * filter_block;
  for (t.block = begin; t.block < end; ++t.block) {
    Vec acc[kGroupedTileRows][P];
#pragma GCC unroll 2
    for (int r = 0; r < kGroupedTileRows; ++r)
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) acc[r][p] = zero();
    for (int64_t s = 0; s < row_count; ++s) {
      const float* filter[kGroupedTileRows];
#pragma GCC unroll 2
      for (int r = 0; r < kGroupedTileRows; ++r) {
        filter[r] = filters[s * kGroupedOutRows + r];
        if (filter[r]) filter[r] += filter_at;
      }
      if (kGroupedTileRows == 1 && !filter[0]) continue;
      grouped_fixed_taps<K, P, kStep, kMode, kSource>(f, rows[s] + offset, filter, acc);
    }
    if (plain) grouped_fixed_store<P, kMode>(out, out_pixel, streaming, t.out_width, acc[0]);
    else grouped_finish<P, kMode>(t, acc[0]);
    if constexpr (kGroupedTileRows > 1) {
      if (second && plain) {
        grouped_fixed_store<P, kMode>(out + out_row, out_pixel, streaming, t.out_width, acc[1]);
      } else if (second) {
        ++t.out_row;
        grouped_finish<P, kMode>(t, acc[1]);
        --t.out_row;
      }
    }
    offset += src_width;
    filter_at += filter_block;
    out += out_width;
  }
}
