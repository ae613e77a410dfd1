// Transposition in squares of kLanes x kLanes that are turned within registers, and concatenation.

// The square of `rows` x `columns` (at most kLanes each) whose corners src and dst are.
template <bool kPart>
inline void transpose_square(const float* src, int64_t src_stride, float* dst, int64_t dst_stride, int rows,
                             int columns) {
  Vec r[kLanes];
  for (int i = 0; i < kLanes; ++i)
    r[i] = kPart ? (i < rows ? load_n(src + i * src_stride, columns) : zero()) : load(src + i * src_stride);
  transpose_lanes(r);
  if (kPart) {
    for (int j = 0; j < columns; ++j) store_n(dst + j * dst_stride, r[j], rows);
  } else {
    for (int j = 0; j < kLanes; ++j) store(dst + j * dst_stride, r[j]);
  }
}

// Images of three channels: squares would be mostly empty. The compiler turns these two loops into shuffles.
inline void interleave_3(const float* __restrict src, int64_t src_stride, float* __restrict dst,
                         int64_t columns) {
  const float *a = src, *b = src + src_stride, *c = src + 2 * src_stride;
  for (int64_t j = 0; j < columns; ++j) {
    dst[3 * j] = a[j];
    dst[3 * j + 1] = b[j];
    dst[3 * j + 2] = c[j];
  }
}
inline void separate_3(const float* __restrict src, float* __restrict dst, int64_t dst_stride, int64_t rows) {
  float *a = dst, *b = dst + dst_stride, *c = dst + 2 * dst_stride;
  for (int64_t i = 0; i < rows; ++i) {
    a[i] = src[3 * i];
    b[i] = src[3 * i + 1];
    c[i] = src[3 * i + 2];
  }
}

inline void transpose(const float* src, int64_t src_stride, float* dst, int64_t dst_stride, int64_t rows,
                      int64_t columns) {
  if (rows == 3 && dst_stride == 3) {
    interleave_3(src, src_stride, dst, columns);
    return;
  }
  if (columns == 3 && src_stride == 3) {
    separate_3(src, dst, dst_stride, rows);
    return;
  }
  // Strips of 16 columns, one cache line, whatever the vector's width: the line is used up while it is there.
  constexpr int64_t kStrip = 16;
  for (int64_t strip = 0; strip < columns; strip += kStrip)
    for (int64_t i = 0; i < rows; i += kLanes)
      for (int64_t j = strip; j < columns && j < strip + kStrip; j += kLanes) {
        const int64_t left_i = rows - i, left_j = columns - j;
        const float* s = src + i * src_stride + j;
        float* d = dst + j * dst_stride + i;
        if (left_i >= kLanes && left_j >= kLanes)
          transpose_square<false>(s, src_stride, d, dst_stride, kLanes, kLanes);
        else
          transpose_square<true>(s, src_stride, d, dst_stride,
                                 left_i < kLanes ? static_cast<int>(left_i) : kLanes,
                                 left_j < kLanes ? static_cast<int>(left_j) : kLanes);
      }
}

inline void join_rows(const JoinRows* g) {
  float* out = g->out;
  for (int64_t row = 0; row < g->rows; ++row)
    for (int64_t k = 0; k < g->count; ++k) {
      const int64_t n = g->lengths[k];
      const float* const x = g->sources[k] + row * n;
      int64_t i = 0;
      if (g->streaming)
        for (; i < n; i += kLanes) stream(out + i, load(x + i));
      for (; i + kLanes <= n; i += kLanes) store(out + i, load(x + i));
      if (i < n) store_n(out + i, load_n(x + i, static_cast<int>(n - i)), static_cast<int>(n - i));
      out += n;
    }
  if (g->streaming) stream_end();
}

constexpr LayoutKernels kLayout = {transpose, join_rows};
