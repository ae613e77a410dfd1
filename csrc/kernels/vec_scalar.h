// Vec without an instruction set of its own: 4 lanes in the compiler's generic vector type, for processors
// that have neither AVX2 nor AVX-512, and as a check on the others. See vec_avx512.h, which has the same
// names. Here fma rounds twice: a fused one would be a library call per lane.

constexpr int kLanes = 4;
typedef float Vec __attribute__((vector_size(16)));
typedef int32_t VecI __attribute__((vector_size(16)));
typedef uint32_t VecU __attribute__((vector_size(16)));
using Mask = VecI;  // all bits of a lane set, or none

inline Vec set1(float x) { return Vec{x, x, x, x}; }
inline void prefetch(const float* p) { __builtin_prefetch(p, 0, 2); }  // into the second-level cache
inline Vec zero() { return set1(0.0f); }
inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec a) { __builtin_memcpy(p, &a, sizeof a); }
inline void stream(float* p, Vec a) { store(p, a); }
inline void stream_end() {}  // before another thread may read what was streamed
inline Vec load_n(const float* p, int n) {
  Vec v = zero();
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_n(float* p, Vec a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a[i];
}

inline VecI as_int(Vec a) { return reinterpret_cast<VecI>(a); }
inline Vec as_float(VecI a) { return reinterpret_cast<Vec>(a); }
inline Mask less(Vec a, Vec b) { return a < b; }
inline Mask less_equal(Vec a, Vec b) { return a <= b; }
inline Mask equal(Vec a, Vec b) { return a == b; }
inline Mask mask_and(Mask a, Mask b) { return a & b; }
inline Mask mask_or(Mask a, Mask b) { return a | b; }
inline Mask mask_not(Mask a) { return ~a; }
inline Vec select(Mask m, Vec a, Vec b) { return as_float((m & as_int(a)) | (~m & as_int(b))); }
inline unsigned mask_bits(Mask m) { return (m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8); }

inline Vec keep(Vec a) { return a; }
inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline Vec div(Vec a, Vec b) { return a / b; }
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec min(Vec a, Vec b) { return select(less(a, b), a, b); }
inline Vec max(Vec a, Vec b) { return select(less(b, a), a, b); }
inline Vec sqrt(Vec a) {
  return Vec{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}
inline Vec round_nearest(Vec a) {
  return Vec{__builtin_rintf(a[0]), __builtin_rintf(a[1]), __builtin_rintf(a[2]), __builtin_rintf(a[3])};
}

inline VecI set1_i(int32_t x) { return VecI{x, x, x, x}; }
inline VecI load_i(const int32_t* p) {
  VecI v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store_i(int32_t* p, VecI a) { __builtin_memcpy(p, &a, sizeof a); }
// Out of range and NaN give INT32_MIN, as the vector instructions do.
inline VecI to_int(Vec a) {
  VecI v;
  for (int i = 0; i < kLanes; ++i) {
    const float r = __builtin_rintf(a[i]);
    v[i] = r >= -2147483648.0f && r < 2147483648.0f ? static_cast<int32_t>(r) : INT32_MIN;
  }
  return v;
}
inline Vec to_float(VecI a) { return __builtin_convertvector(a, Vec); }
// Unsigned inside: whole numbers wrap.
inline VecU bits(VecI a) { return reinterpret_cast<VecU>(a); }
inline VecI add_i(VecI a, VecI b) { return reinterpret_cast<VecI>(bits(a) + bits(b)); }
inline VecI sub_i(VecI a, VecI b) { return reinterpret_cast<VecI>(bits(a) - bits(b)); }
inline VecI and_i(VecI a, VecI b) { return a & b; }
inline VecI or_i(VecI a, VecI b) { return a | b; }
inline VecI xor_i(VecI a, VecI b) { return a ^ b; }
inline Mask equal_i(VecI a, VecI b) { return a == b; }
inline VecI load_i_n(const int32_t* p, int n) {
  VecI v = set1_i(0);
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_i_n(int32_t* p, VecI a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a[i];
}
inline VecI load_u8_n(const uint8_t* p, int n) {
  VecI v = set1_i(0);
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_u8_n(uint8_t* p, VecI a, int n) {
  for (int i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(a[i]);
}
template <int N>
inline VecI shift_left_i(VecI a) {
  return reinterpret_cast<VecI>(bits(a) << N);
}
template <int N>
inline VecI shift_right_i(VecI a) {
  return reinterpret_cast<VecI>(bits(a) >> N);
}
inline void mul_wide_u(VecI a, VecI b, VecI* low, VecI* high) {
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t product = uint64_t(uint32_t(a[i])) * uint32_t(b[i]);
    (*low)[i] = static_cast<int32_t>(uint32_t(product));
    (*high)[i] = static_cast<int32_t>(uint32_t(product >> 32));
  }
}
inline Vec permute(Vec a, VecI index) { return Vec{a[index[0]], a[index[1]], a[index[2]], a[index[3]]}; }
// r[i] lane j becomes r[j] lane i.
inline void transpose_lanes(Vec (&r)[4]) {
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < i; ++j) {
      const float t = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = t;
    }
}
// Four floats of each of kLanes rows: out[j] lane i is p[i * stride + j].
inline void load_quads(const float* p, int64_t stride, Vec (&out)[4]) {
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 4; ++i) out[j][i] = p[i * stride + j];
}
