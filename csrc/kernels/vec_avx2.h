// Vec for AVX2 with FMA: 8 floats. See vec_avx512.h, which has the same names.

constexpr int kLanes = 8;
using Vec = __m256;
using VecI = __m256i;  // 8 x int32
using Mask = __m256;   // all bits of a lane set, or none

inline void prefetch(const float* p) { __builtin_prefetch(p, 0, 2); }  // into the second-level cache
inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec set1(float x) { return _mm256_set1_ps(x); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline void stream(float* p, Vec v) { _mm256_stream_ps(p, v); }  // p aligned to 32 bytes
inline void stream_end() { _mm_sfence(); }  // before another thread may read what was streamed
inline __m256i first_i(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_n(const float* p, int n) { return _mm256_maskload_ps(p, first_i(n)); }
inline void store_n(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_i(n), v); }

inline Vec keep(Vec a) {
  __asm__("" : "+x"(a));
  return a;
}
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
inline Vec round_nearest(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

inline Mask less(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
inline Mask less_equal(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
inline Mask equal(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
inline Mask mask_and(Mask a, Mask b) { return _mm256_and_ps(a, b); }
inline Mask mask_or(Mask a, Mask b) { return _mm256_or_ps(a, b); }
inline Mask mask_not(Mask a) { return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1))); }
inline Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_ps(b, a, m); }
inline unsigned mask_bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_ps(m)); }

inline VecI set1_i(int32_t x) { return _mm256_set1_epi32(x); }
inline VecI load_i(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_i(int32_t* p, VecI v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
inline VecI as_int(Vec a) { return _mm256_castps_si256(a); }
inline Vec as_float(VecI a) { return _mm256_castsi256_ps(a); }
inline VecI to_int(Vec a) { return _mm256_cvtps_epi32(a); }
inline Vec to_float(VecI a) { return _mm256_cvtepi32_ps(a); }
inline VecI add_i(VecI a, VecI b) { return _mm256_add_epi32(a, b); }
inline VecI sub_i(VecI a, VecI b) { return _mm256_sub_epi32(a, b); }
inline VecI and_i(VecI a, VecI b) { return _mm256_and_si256(a, b); }
inline VecI or_i(VecI a, VecI b) { return _mm256_or_si256(a, b); }
inline VecI xor_i(VecI a, VecI b) { return _mm256_xor_si256(a, b); }
inline Mask equal_i(VecI a, VecI b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
inline VecI load_i_n(const int32_t* p, int n) { return _mm256_maskload_epi32(p, first_i(n)); }
inline void store_i_n(int32_t* p, VecI v, int n) { _mm256_maskstore_epi32(p, first_i(n), v); }
inline VecI load_u8_n(const uint8_t* p, int n) {
  uint64_t bytes = 0;
  if (n == kLanes) __builtin_memcpy(&bytes, p, 8);
  else __builtin_memcpy(&bytes, p, static_cast<uint64_t>(n));
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes)));
}
inline void store_u8_n(uint8_t* p, VecI v, int n) {
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
  if (n == kLanes) __builtin_memcpy(p, &bytes, 8);
  else __builtin_memcpy(p, &bytes, static_cast<uint64_t>(n));
}
template <int N>
inline VecI shift_left_i(VecI a) {
  return _mm256_slli_epi32(a, N);
}
template <int N>
inline VecI shift_right_i(VecI a) {
  return _mm256_srli_epi32(a, N);
}
inline void mul_wide_u(VecI a, VecI b, VecI* low, VecI* high) {
  const VecI even = _mm256_mul_epu32(a, b),
             odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}
inline Vec permute(Vec a, VecI index) { return _mm256_permutevar8x32_ps(a, index); }
// r[i] lane j becomes r[j] lane i: pairs of rows, then pairs of pairs, then halves.
inline void transpose_lanes(Vec (&r)[8]) {
  Vec t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  Vec u[8];
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}
// Four floats of each of kLanes rows: out[j] lane i is p[i * stride + j].
inline void load_quads(const float* p, int64_t stride, Vec (&out)[4]) {
  Vec r[4];
  for (int i = 0; i < 4; ++i, p += stride)
    r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * stride), 1);
  const Vec a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
  const Vec c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
  out[0] = _mm256_shuffle_ps(a, c, 0x44);
  out[1] = _mm256_shuffle_ps(a, c, 0xEE);
  out[2] = _mm256_shuffle_ps(b, d, 0x44);
  out[3] = _mm256_shuffle_ps(b, d, 0xEE);
}
