// Vec without vector instructions of its own: 4 lanes in a plain array, for processors that have neither
// AVX2 nor AVX-512, and as a check on the others. See vec_avx512.h, which has the same names.
// Here fma rounds twice: a fused one would be a library call per lane.

constexpr int kLanes = 4;
struct Vec {
  float v[4];
};
struct VecI {
  int32_t v[4];
};
struct Mask {
  bool v[4];
};

template <class F>
inline Vec lanes(F f) { return Vec{{f(0), f(1), f(2), f(3)}}; }
template <class F>
inline VecI lanes_i(F f) { return VecI{{f(0), f(1), f(2), f(3)}}; }
template <class F>
inline Mask lanes_m(F f) { return Mask{{f(0), f(1), f(2), f(3)}}; }

inline Vec set1(float x) { return Vec{{x, x, x, x}}; }
inline Vec zero() { return set1(0.0f); }
inline Vec load(const float* p) { return lanes([&](int i) { return p[i]; }); }
inline void store(float* p, Vec a) { for (int i = 0; i < 4; ++i) p[i] = a.v[i]; }
inline void stream(float* p, Vec a) { store(p, a); }
inline Vec load_n(const float* p, int n) { return lanes([&](int i) { return i < n ? p[i] : 0.0f; }); }
inline void store_n(float* p, Vec a, int n) { for (int i = 0; i < n; ++i) p[i] = a.v[i]; }

inline Vec add(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] + b.v[i]; }); }
inline Vec sub(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] - b.v[i]; }); }
inline Vec mul(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] * b.v[i]; }); }
inline Vec div(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] / b.v[i]; }); }
inline Vec fma(Vec a, Vec b, Vec c) { return lanes([&](int i) { return a.v[i] * b.v[i] + c.v[i]; }); }
inline Vec min(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
inline Vec max(Vec a, Vec b) { return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
inline Vec sqrt(Vec a) { return lanes([&](int i) { return __builtin_sqrtf(a.v[i]); }); }
inline Vec round_nearest(Vec a) { return lanes([&](int i) { return __builtin_rintf(a.v[i]); }); }

inline Mask less(Vec a, Vec b) { return lanes_m([&](int i) { return a.v[i] < b.v[i]; }); }
inline Mask less_equal(Vec a, Vec b) { return lanes_m([&](int i) { return a.v[i] <= b.v[i]; }); }
inline Mask equal(Vec a, Vec b) { return lanes_m([&](int i) { return a.v[i] == b.v[i]; }); }
inline Mask mask_and(Mask a, Mask b) { return lanes_m([&](int i) { return a.v[i] && b.v[i]; }); }
inline Mask mask_or(Mask a, Mask b) { return lanes_m([&](int i) { return a.v[i] || b.v[i]; }); }
inline Mask mask_not(Mask a) { return lanes_m([&](int i) { return !a.v[i]; }); }
inline Vec select(Mask m, Vec a, Vec b) { return lanes([&](int i) { return m.v[i] ? a.v[i] : b.v[i]; }); }
inline unsigned mask_bits(Mask m) { return m.v[0] | m.v[1] << 1 | m.v[2] << 2 | m.v[3] << 3; }

inline VecI set1_i(int32_t x) { return VecI{{x, x, x, x}}; }
inline VecI load_i(const int32_t* p) { return lanes_i([&](int i) { return p[i]; }); }
inline void store_i(int32_t* p, VecI a) { for (int i = 0; i < 4; ++i) p[i] = a.v[i]; }
inline VecI as_int(Vec a) { VecI r; __builtin_memcpy(&r, &a, sizeof r); return r; }
inline Vec as_float(VecI a) { Vec r; __builtin_memcpy(&r, &a, sizeof r); return r; }
// Out of range and NaN give INT32_MIN, as the vector instructions do.
inline VecI to_int(Vec a) {
  return lanes_i([&](int i) {
    const float r = __builtin_rintf(a.v[i]);
    return r >= -2147483648.0f && r < 2147483648.0f ? static_cast<int32_t>(r) : INT32_MIN;
  });
}
inline Vec to_float(VecI a) { return lanes([&](int i) { return static_cast<float>(a.v[i]); }); }
inline int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
inline VecI add_i(VecI a, VecI b) { return lanes_i([&](int i) { return wrap(uint32_t(a.v[i]) + uint32_t(b.v[i])); }); }
inline VecI sub_i(VecI a, VecI b) { return lanes_i([&](int i) { return wrap(uint32_t(a.v[i]) - uint32_t(b.v[i])); }); }
inline VecI and_i(VecI a, VecI b) { return lanes_i([&](int i) { return a.v[i] & b.v[i]; }); }
inline VecI or_i(VecI a, VecI b) { return lanes_i([&](int i) { return a.v[i] | b.v[i]; }); }
inline VecI xor_i(VecI a, VecI b) { return lanes_i([&](int i) { return a.v[i] ^ b.v[i]; }); }
template <int N>
inline VecI shift_left_i(VecI a) { return lanes_i([&](int i) { return wrap(uint32_t(a.v[i]) << N); }); }
template <int N>
inline VecI shift_right_i(VecI a) { return lanes_i([&](int i) { return wrap(uint32_t(a.v[i]) >> N); }); }
inline void mul_wide_u(VecI a, VecI b, VecI* low, VecI* high) {
  for (int i = 0; i < 4; ++i) {
    const uint64_t product = uint64_t(uint32_t(a.v[i])) * uint32_t(b.v[i]);
    low->v[i] = wrap(uint32_t(product));
    high->v[i] = wrap(uint32_t(product >> 32));
  }
}
