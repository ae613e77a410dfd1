// Vec for AVX-512: 16 floats. The same names stand in vec_avx2.h and vec_scalar.h; the kernel bodies
// know no other vector type. Included inside an anonymous namespace, after <immintrin.h>.

constexpr int kLanes = 16;
using Vec = __m512;
using VecI = __m512i;  // 16 x int32
using Mask = __mmask16;

inline void prefetch(const float* p) { __builtin_prefetch(p, 0, 2); }  // into the second-level cache
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec set1(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline void stream(float* p, Vec v) { _mm512_stream_ps(p, v); }  // p aligned to 64 bytes
inline void stream_end() { _mm_sfence(); }  // before another thread may read what was streamed
// The first n lanes (0 <= n <= kLanes); the others read as zero and are not written.
inline Mask first(int n) { return static_cast<Mask>((1u << n) - 1u); }
inline Vec load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store_n(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }

// a, held in a register: gcc would otherwise load it again for each use, with a memory operand each.
inline Vec keep(Vec a) {
  __asm__("" : "+v"(a));
  return a;
}
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }  // a * b + c, rounded once
// As the processor does it: the second operand when either is NaN.
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
inline Vec round_nearest(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline Mask less(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask less_equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
inline Mask equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
inline Mask mask_and(Mask a, Mask b) { return static_cast<Mask>(a & b); }
inline Mask mask_or(Mask a, Mask b) { return static_cast<Mask>(a | b); }
inline Mask mask_not(Mask a) { return static_cast<Mask>(~a); }
inline Vec select(Mask m, Vec a, Vec b) { return _mm512_mask_blend_ps(m, b, a); }  // m ? a : b
inline unsigned mask_bits(Mask m) { return m; }

inline VecI set1_i(int32_t x) { return _mm512_set1_epi32(x); }
inline VecI load_i(const int32_t* p) { return _mm512_loadu_si512(p); }
inline void store_i(int32_t* p, VecI v) { _mm512_storeu_si512(p, v); }
inline VecI as_int(Vec a) { return _mm512_castps_si512(a); }
inline Vec as_float(VecI a) { return _mm512_castsi512_ps(a); }
inline VecI to_int(Vec a) { return _mm512_cvtps_epi32(a); }  // rounds to nearest even
inline Vec to_float(VecI a) { return _mm512_cvtepi32_ps(a); }
inline VecI add_i(VecI a, VecI b) { return _mm512_add_epi32(a, b); }
inline VecI sub_i(VecI a, VecI b) { return _mm512_sub_epi32(a, b); }
inline VecI and_i(VecI a, VecI b) { return _mm512_and_si512(a, b); }
inline VecI or_i(VecI a, VecI b) { return _mm512_or_si512(a, b); }
inline VecI xor_i(VecI a, VecI b) { return _mm512_xor_si512(a, b); }
inline Mask equal_i(VecI a, VecI b) { return _mm512_cmpeq_epi32_mask(a, b); }
// The first n lanes, from and to memory; bytes are zero-extended and cut off.
inline VecI load_i_n(const int32_t* p, int n) { return _mm512_maskz_loadu_epi32(first(n), p); }
inline void store_i_n(int32_t* p, VecI v, int n) { _mm512_mask_storeu_epi32(p, first(n), v); }
inline VecI load_u8_n(const uint8_t* p, int n) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p));
}
inline void store_u8_n(uint8_t* p, VecI v, int n) { _mm512_mask_cvtepi32_storeu_epi8(p, first(n), v); }
template <int N>
inline VecI shift_left_i(VecI a) {
  return _mm512_slli_epi32(a, N);
}
template <int N>
inline VecI shift_right_i(VecI a) {
  return _mm512_srli_epi32(a, N);
}  // zeros from the left
// The 64-bit products of unsigned lanes: low halves and high halves.
inline void mul_wide_u(VecI a, VecI b, VecI* low, VecI* high) {
  const VecI even = _mm512_mul_epu32(a, b),
             odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
  *low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
  *high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}
// Lane j of the result is lane index[j] of a.
inline Vec permute(Vec a, VecI index) { return _mm512_permutexvar_ps(index, a); }
// r[i] lane j becomes r[j] lane i: within 128-bit quarters as for 4 x 4 matrices, then the quarters.
inline void transpose_lanes(Vec (&r)[16]) {
  Vec u[16];
  for (int i = 0; i < 16; i += 4) {
    const Vec a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
    const Vec c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
    u[i] = _mm512_shuffle_ps(a, c, 0x44);
    u[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
    u[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
    u[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
  }
  // u[4 a + k], quarter q, holds column 4 q + k of rows 4 a ... 4 a + 3.
  for (int k = 0; k < 4; ++k) {
    const Vec a = _mm512_shuffle_f32x4(u[k], u[4 + k], 0x44), b = _mm512_shuffle_f32x4(u[k], u[4 + k], 0xEE);
    const Vec c = _mm512_shuffle_f32x4(u[8 + k], u[12 + k], 0x44),
              d = _mm512_shuffle_f32x4(u[8 + k], u[12 + k], 0xEE);
    r[k] = _mm512_shuffle_f32x4(a, c, 0x88);
    r[4 + k] = _mm512_shuffle_f32x4(a, c, 0xDD);
    r[8 + k] = _mm512_shuffle_f32x4(b, d, 0x88);
    r[12 + k] = _mm512_shuffle_f32x4(b, d, 0xDD);
  }
}
// Four floats of each of kLanes rows: out[j] lane i is p[i * stride + j]. Most of the work is the loads'.
inline void load_quads(const float* p, int64_t stride, Vec (&out)[4]) {
  Vec r[4];
  for (int i = 0; i < 4; ++i, p += stride) {
    r[i] = _mm512_castps128_ps512(_mm_loadu_ps(p));
    r[i] = _mm512_mask_broadcast_f32x4(r[i], 0x00F0, _mm_loadu_ps(p + 4 * stride));
    r[i] = _mm512_mask_broadcast_f32x4(r[i], 0x0F00, _mm_loadu_ps(p + 8 * stride));
    r[i] = _mm512_mask_broadcast_f32x4(r[i], 0xF000, _mm_loadu_ps(p + 12 * stride));
  }
  const Vec a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
  const Vec c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
  out[0] = _mm512_shuffle_ps(a, c, 0x44);
  out[1] = _mm512_shuffle_ps(a, c, 0xEE);
  out[2] = _mm512_shuffle_ps(b, d, 0x44);
  out[3] = _mm512_shuffle_ps(b, d, 0xEE);
}
