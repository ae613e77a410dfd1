// Convolution of few channels per group: a vector holds the output channels of one or several groups, and P
// outputs of a row live in registers. Per tap and channel i of the group one vector of the filter is loaded,
// and one of the source in which every lane is channel i of its own group: nothing is multiplied by zeros.
// The usual numbers of taps have loops of their own: see grouped_fixed.inl.h.
//
// Three neighbouring taps of a row share the source vectors: P + 2 of them for 3 P multiply-adds. Where
// permutations have an execution port to themselves (Zen 4) they then cost nothing; where they share one with
// the multiply-adds (Intel), a group that has the vector to itself is broadcast from memory instead: 16
// channels per group 162 -> 207 GFLOP/s on two threads, with 14 outputs at a time.

// kWhole: full vectors, all columns inside. kTail: fewer channels. kEdge: also columns outside, or fewer
// outputs.
enum GroupedMode { kWhole, kTail, kEdge };
// Where the lanes find their source channel: at their own place (one channel per group), in a vector that has
// to be permuted (several groups), or all in the same (one group).
enum GroupedSource { kOwn, kPermuted, kShared };

struct GroupedTile {
  const GroupedRow* row;
  int64_t output, block;
  int64_t column, offset;  // of output 0, tap 0: column, and floats from the start of a source row
  int outputs, src_width, out_width;
  int out_row;  // of the call: the first of the tile
};

template <int kMode, int kSource>
inline Vec grouped_load(const GroupedTile& t, const float* src, int64_t column, int64_t offset) {
  if (kMode == kEdge && static_cast<uint64_t>(column) >= static_cast<uint64_t>(t.row->columns)) return zero();
  if constexpr (kSource == kShared) return set1(src[offset]);
  if constexpr (kMode == kWhole) return load(src + offset);
  return load_n(src + offset, t.src_width);
}

// acc[p] += sum over T taps from tap `tap` on, channels i, of source * filter. For T > 1 outputs are kStep
// taps apart.
template <int T, int P, int kStep, int kMode, int kSource>
inline void grouped_taps(const GroupedTile& t, const float* src, const float* w, int64_t tap, Vec (&acc)[P]) {
  const GroupedRow* g = t.row;
  const int64_t hop = T > 1 ? g->tap_step : g->src_step, pixel = g->src_pixel, floats = hop * pixel;
  const int64_t column = t.column + tap * g->tap_step, offset = t.offset + tap * g->tap_step * pixel;
  const int64_t depth = kSource == kOwn ? 1 : g->depth;
  for (int64_t i = 0; i < depth; ++i) {
    VecI lanes;
    if constexpr (kSource == kPermuted) lanes = load_i(g->lanes + i * kLanes);
    Vec wv[T];
#pragma GCC unroll 32
    for (int k = 0; k < T; ++k) wv[k] = load(w + (k * depth + i) * kLanes);
    constexpr int kSources = T > 1 ? (P - 1) * kStep + T : P;
#pragma GCC unroll 32
    for (int q = 0; q < kSources; ++q) {
      const int64_t channel = kSource == kShared ? i : 0;
      Vec x = grouped_load<kMode, kSource>(t, src, column + q * hop, offset + q * floats + channel);
      if constexpr (kSource == kPermuted) x = permute(x, lanes);
      else if constexpr (T > 1) x = keep(x);
#pragma GCC unroll 32
      for (int k = 0; k < T; ++k) {
        const int p = T > 1 ? (q - k) / kStep : q;
        if (T > 1 && (q < k || (q - k) % kStep != 0 || p >= P)) continue;
        acc[p] = fma(x, wv[k], acc[p]);
      }
    }
  }
}

// The epilogue; many short loops, since the compiler unrolls only those and keeps acc in registers.
template <int P, int kMode>
__attribute__((always_inline)) inline void grouped_finish(const GroupedTile& t, Vec (&acc)[P]) {
  const GroupedRow* g = t.row;
  const int n = kMode == kWhole ? kLanes : t.out_width, count = kMode == kEdge ? t.outputs : P;
  const int64_t channel = t.block * g->out_width, hop = g->out_pixel;
  const int64_t at = t.out_row * g->out_row + t.output * hop + channel;
  if (g->bias) {
    const Vec bias = load_n(g->bias + channel, n);
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) acc[p] = add(acc[p], bias);
  }
  if (g->residual)
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p)
      if (p < count) acc[p] = add(acc[p], load_n(g->residual + at + p * hop, n));
  if (g->mask)
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p)
      if (p < count) acc[p] = masked(acc[p], load_n(g->mask + at + p * hop, n));
  if (g->relu)
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) acc[p] = max(zero(), acc[p]);  // in this order a NaN stays a NaN
  float* out = g->out + at;
  const bool streaming = g->streaming;
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
    if constexpr (kMode == kWhole) {
      if (streaming) stream(out + p * hop, acc[p]);
      else store(out + p * hop, acc[p]);
    } else if (p < count) store_n(out + p * hop, acc[p], n);
  }
  if (!g->sum) return;
  const Vec shift = g->shift ? load_n(g->shift + channel, n) : zero();
  Vec sum = load_n(g->sum + channel, n), squares = load_n(g->sum_squares + channel, n);
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
    if (p < count) {
      const Vec d = sub(acc[p], shift);
      sum = add(sum, d);
      squares = fma(d, d, squares);
    }
  store_n(g->sum + channel, sum, n);
  store_n(g->sum_squares + channel, squares, n);
}

// P outputs of blocks [begin, end): neighbouring channels are read one after the other, as they lie in
// memory. kStep 0: the taps one by one, whatever the steps.
template <int P, int kStep, int kMode, int kSource>
inline void grouped_tile(GroupedTile t, int64_t begin, int64_t end) {
  const GroupedRow* g = t.row;
  const int64_t tap_floats = (kSource == kOwn ? 1 : g->depth) * kLanes;
  t.offset += begin * g->src_width;
  for (t.block = begin; t.block < end; ++t.block, t.offset += g->src_width) {
    Vec acc[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) acc[p] = zero();
    for (int64_t r = 0; r < g->row_count; ++r) {
      const float* src = g->rows[r];
      const float* w = g->filters[r * kGroupedOutRows + t.out_row];
      if (!w) continue;
      w += t.block * g->filter_block;
      int64_t tap = 0;
      if constexpr (kStep > 0) {
        for (; tap + 3 <= g->taps; tap += 3, w += 3 * tap_floats)
          grouped_taps<3, P, kStep, kMode, kSource>(t, src, w, tap, acc);
        if (tap + 2 == g->taps) grouped_taps<2, P, kStep, kMode, kSource>(t, src, w, tap, acc);
        else if (tap + 1 == g->taps) grouped_taps<1, P, kStep, kMode, kSource>(t, src, w, tap, acc);
      } else {
        for (; tap < g->taps; ++tap, w += tap_floats)
          grouped_taps<1, P, 0, kMode, kSource>(t, src, w, tap, acc);
      }
    }
    if (kSource == kOwn && g->row_count > 0) {  // what the next tile reads
      const float* next = g->rows[g->row_count - 1] + t.offset +
                          (P * g->src_step + (g->taps - 1) * g->tap_step) * g->src_pixel;
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) __builtin_prefetch(next + p * g->src_step * g->src_pixel);
    }
    grouped_finish<P, kMode>(t, acc);
  }
}

#include "kernels/grouped_fixed.inl.h"

// K: see grouped_fixed.inl.h; 0: the number of taps is not known here, and kStep says how many of them
// outputs are apart (0: any distance).
template <int K, int kStep, int P, int kMode, int kSource>
inline void grouped_tile_of(const GroupedTile& t, int64_t begin, int64_t end) {
  if constexpr (K > 0) grouped_fixed_tile<K, P, kStep, kMode, kSource>(t, begin, end);
  else grouped_tile<P, kStep, kMode, kSource>(t, begin, end);
}

template <int K, int kStep, int P, int kSource>
inline void grouped_outputs(const GroupedRow* g, int out_row, int64_t output, int outputs) {
  const int64_t first = g->low + output * g->src_step;
  const int64_t last = first + (P - 1) * g->src_step + (g->taps - 1) * g->tap_step;
  const bool whole = outputs == P && first >= 0 && last < g->columns && g->row_count > 0;
  GroupedTile t = {g, output, 0, first, first * g->src_pixel, outputs, g->src_width, g->out_width, out_row};
  // Blocks with the same number of channels.
  const int64_t equal = g->out_last == g->out_width ? g->blocks : g->blocks - 1;
  for (int64_t begin = 0; begin < g->blocks;) {
    const int64_t end = begin < equal ? equal : g->blocks;
    if (begin == equal) {
      t.src_width = g->src_last;
      t.out_width = g->out_last;
    }
    if (P < 7 || !whole) grouped_tile_of<K, kStep, P, kEdge, kSource>(t, begin, end);
    else if ((kSource != kShared && t.src_width < kLanes) || t.out_width < kLanes)
      grouped_tile_of<K, kStep, P, kTail, kSource>(t, begin, end);
    else grouped_tile_of<K, kStep, P, kWhole, kSource>(t, begin, end);
    begin = end;
  }
}

// Tiles of 7 or 8 outputs: they fill rows of 7, 14, 28, 56, and of any length from 42 on. Where there are
// registers for it 14 of one group: twice as many sums in flight as it takes to hide a multiply-add.
template <int K, int kStep, int kSource>
inline void grouped_steps(const GroupedRow* g) {
  for (int out_row = 0; out_row < g->out_rows; out_row += K > 0 ? kGroupedTileRows : 1)
    for (int64_t output = 0; output < g->outputs;) {
      const int64_t left = g->outputs - output;
      const int64_t tiles = K > 0 && kStep == 2 ? left : (left + 7) / 8;  // those hold twice the source
      int n = left <= 4 ? 4 : left <= 7 * tiles ? 7 : 8;
      if (kSource == kShared && kLanes == 16 && left >= 14) n = 14;
      const int outputs = static_cast<int>(left < n ? left : n);
      if (n == 4) grouped_outputs<K, kStep, 4, kSource>(g, out_row, output, outputs);
      else if (n == 7) grouped_outputs<K, kStep, 7, kSource>(g, out_row, output, outputs);
      else if (n == 8) grouped_outputs<K, kStep, 8, kSource>(g, out_row, output, outputs);
      else if constexpr (kSource == kShared && kLanes == 16)
        grouped_outputs<K, kStep, 14, kSource>(g, out_row, output, outputs);
      output += outputs;
    }
}

template <int kSource>
inline void grouped_any(const GroupedRow* g) {
  if (g->src_step == g->tap_step) {
    if constexpr (kSource != kShared) {
      if (g->taps == 3) return grouped_steps<3, 1, kSource>(g);
    }
    if constexpr (kSource == kOwn) {
      if (g->taps == 1) return grouped_steps<1, 1, kSource>(g);
      if (g->taps == 2) return grouped_steps<2, 1, kSource>(g);
      if (g->taps == 5) return grouped_steps<5, 1, kSource>(g);
      if (g->taps == 7) return grouped_steps<7, 1, kSource>(g);
    }
    return grouped_steps<0, 1, kSource>(g);
  }
  if (g->src_step == 2 * g->tap_step) {
    if constexpr (kSource != kOwn) return grouped_steps<0, 2, kSource>(g);
    if constexpr (kGroupedTileRows > 1) {
      if (g->taps == 3) return grouped_steps<3, 2, kSource>(g);
      if (g->taps == 5) return grouped_steps<5, 2, kSource>(g);
    }
  }
  grouped_steps<0, 0, kSource>(g);
}

void grouped_row(const GroupedRow* g) {
  if (g->one_group) grouped_any<kShared>(g);
  else if (g->lanes) grouped_any<kPermuted>(g);
  else grouped_any<kOwn>(g);
  if (g->streaming) stream_end();
}

void grouped_copy(const float* from, int64_t pixel, int width, int64_t size, int64_t low, int64_t columns,
                  float* to) {
  int64_t c = 0;
  for (; c < columns && low + c < 0; ++c) store(to + c * kLanes, zero());
  for (; c < columns && low + c < size; ++c) {
    const float* p = from + (low + c) * pixel;
    __builtin_prefetch(p + width, 0, 2);  // the next block's
    store(to + c * kLanes, width == kLanes ? load(p) : load_n(p, width));
  }
  for (; c < columns; ++c) store(to + c * kLanes, zero());
}
