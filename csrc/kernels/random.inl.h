// Philox 4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011. A block cipher of the counter: any draw can be computed alone, so threads need no state.
//
// What turns words into floats uses only +, -, *, / and sqrt, which round the same way everywhere, and never
// the fused multiply-add: a seed gives the same draws on every instruction set.

constexpr uint32_t kPhiloxM0 = 0xD2511F53u, kPhiloxM1 = 0xCD9E8D57u;
constexpr uint32_t kPhiloxW0 = 0x9E3779B9u, kPhiloxW1 = 0xBB67AE85u;
constexpr int kCounters = kRandomGroup / 4;

alignas(64) constexpr int32_t kIota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The kRandomGroup words of one group.
inline void philox_group(const RandomPosition& at, int32_t* out) {
  // A group's counters share their upper 60 bits: the addition of 0 ... 15 carries nowhere.
  const uint64_t base = at.group * kCounters;
  const VecI m0 = set1_i(static_cast<int32_t>(kPhiloxM0)), m1 = set1_i(static_cast<int32_t>(kPhiloxM1));
  for (int first_lane = 0; first_lane < kCounters; first_lane += kLanes) {
    VecI c0 = add_i(set1_i(static_cast<int32_t>(base)), load_i(kIota + first_lane));
    VecI c1 = set1_i(static_cast<int32_t>(base >> 32));
    VecI c2 = set1_i(static_cast<int32_t>(at.stream)), c3 = set1_i(static_cast<int32_t>(at.stream >> 32));
    uint32_t k0 = static_cast<uint32_t>(at.seed), k1 = static_cast<uint32_t>(at.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      VecI low0, high0, low1, high1;
      mul_wide_u(c0, m0, &low0, &high0);
      mul_wide_u(c2, m1, &low1, &high1);
      c0 = xor_i(xor_i(high1, c1), set1_i(static_cast<int32_t>(k0)));
      c2 = xor_i(xor_i(high0, c3), set1_i(static_cast<int32_t>(k1)));
      c1 = low1;
      c3 = low0;
      k0 += kPhiloxW0;
      k1 += kPhiloxW1;
    }
    store_i(out + first_lane, c0);
    store_i(out + kCounters + first_lane, c1);
    store_i(out + 2 * kCounters + first_lane, c2);
    store_i(out + 3 * kCounters + first_lane, c3);
  }
}

// The upper 24 bits as a number in [0, 1).
inline Vec unit(VecI word) { return mul(to_float(shift_right_i<8>(word)), set1(0x1p-24f)); }

// ln(x) for x in [2^-24, 1]: x = 2^e m with m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1), |s| < 0.172,
// and ln m = 2 (s + s^3/3 + s^5/5 + s^7/7 + s^9/9); the next term is below 1e-9.
inline Vec plain_log(Vec x) {
  const VecI bits = sub_i(as_int(x), set1_i(0x3F3504F3));  // minus the bits of sqrt(1/2)
  const VecI exponent_bits = and_i(bits, set1_i(static_cast<int32_t>(0xFF800000u)));
  const Vec m = as_float(sub_i(as_int(x), exponent_bits));
  // exponent_bits / 2^23, exact: the value is a multiple of 2^23 below 2^31.
  const Vec e = mul(to_float(exponent_bits), set1(0x1p-23f));
  const Vec s = div(sub(m, set1(1.0f)), add(m, set1(1.0f)));
  const Vec q = mul(s, s);
  Vec p = set1(2.0f / 9.0f);
  p = add(mul(p, q), set1(2.0f / 7.0f));
  p = add(mul(p, q), set1(2.0f / 5.0f));
  p = add(mul(p, q), set1(2.0f / 3.0f));
  p = mul(mul(p, q), s);
  return add(add(p, add(s, s)), mul(e, set1(0.693147180559945f)));
}

// sin and cos of 2 pi u for u in [0, 1): u is taken to the nearest quarter turn, the rest (at most an eighth)
// goes into the Taylor series up to x^9 and x^8, whose next terms are below 2e-9 and 3e-8.
inline void plain_sincos_turn(Vec u, Vec* sine, Vec* cosine) {
  const Vec quarters = round_nearest(mul(u, set1(4.0f)));
  const Vec x = mul(sub(mul(u, set1(4.0f)), quarters), set1(1.5707963267948966f));
  const Vec q = mul(x, x);
  Vec s = set1(1.0f / 362880.0f);
  s = add(mul(s, q), set1(-1.0f / 5040.0f));
  s = add(mul(s, q), set1(1.0f / 120.0f));
  s = add(mul(s, q), set1(-1.0f / 6.0f));
  s = add(mul(mul(s, q), x), x);
  Vec c = set1(1.0f / 40320.0f);
  c = add(mul(c, q), set1(-1.0f / 720.0f));
  c = add(mul(c, q), set1(1.0f / 24.0f));
  c = add(mul(c, q), set1(-0.5f));
  c = add(mul(c, q), set1(1.0f));
  const VecI n = to_int(quarters);
  const Mask odd = equal(to_float(and_i(n, set1_i(1))), set1(1.0f));
  const VecI two = set1_i(2);
  const Vec a = select(odd, c, s), b = select(odd, s, c);
  // sin changes sign in quarters 2 and 3, cos in 1 and 2.
  *sine = as_float(xor_i(as_int(a), shift_left_i<30>(and_i(n, two))));
  *cosine = as_float(xor_i(as_int(b), shift_left_i<30>(and_i(add_i(n, set1_i(1)), two))));
}

// Calls finish(words, out) for each group; the last, partial one goes through a buffer.
template <class T, class Finish>
inline void each_group(RandomPosition at, T* out, int64_t n, Finish finish) {
  alignas(64) int32_t words[kRandomGroup];
  for (int64_t i = 0; i < n; i += kRandomGroup, ++at.group) {
    philox_group(at, words);
    if (i + kRandomGroup <= n) {
      finish(words, out + i);
    } else {
      alignas(64) T last[kRandomGroup];
      finish(words, last);
      for (int64_t j = i; j < n; ++j) out[j] = last[j - i];
    }
  }
}

inline void random_words(RandomPosition at, uint32_t* out, int64_t n) {
  each_group(at, out, n, [](const int32_t* words, uint32_t* y) {
    for (int j = 0; j < kRandomGroup; ++j) y[j] = static_cast<uint32_t>(words[j]);
  });
}

inline void random_uniform(RandomPosition at, float* out, int64_t n, float low, float width) {
  each_group(at, out, n, [=](const int32_t* words, float* y) {
    for (int j = 0; j < kRandomGroup; j += kLanes)
      store(y + j, add(set1(low), mul(unit(load_i(words + j)), set1(width))));
  });
}

// z1 = sqrt(-2 ln u1) cos(2 pi u2), z2 = sqrt(-2 ln u1) sin(2 pi u2), u1 in (0, 1]: |z| is at most 5.77.
inline void random_normal(RandomPosition at, float* out, int64_t n, float mean, float deviation) {
  each_group(at, out, n, [=](const int32_t* words, float* y) {
    for (int half = 0; half < kRandomGroup; half += 2 * kCounters) {
      for (int j = half; j < half + kCounters; j += kLanes) {
        const Vec u1 = add(unit(load_i(words + j)), set1(0x1p-24f));
        const Vec radius = sqrt(mul(set1(-2.0f), min(plain_log(u1), zero())));
        Vec sine, cosine;
        plain_sincos_turn(unit(load_i(words + j + kCounters)), &sine, &cosine);
        store(y + j, add(set1(mean), mul(mul(radius, cosine), set1(deviation))));
        store(y + j + kCounters, add(set1(mean), mul(mul(radius, sine), set1(deviation))));
      }
    }
  });
}

inline void random_dropout(RandomPosition at, const float* x, float* y, int64_t n, float keep, float scale) {
  alignas(64) int32_t words[kRandomGroup];
  for (int64_t i = 0; i < n; i += kRandomGroup, ++at.group) {
    philox_group(at, words);
    for (int64_t j = i; j < n && j < i + kRandomGroup; j += kLanes) {
      const int count = n - j < kLanes ? static_cast<int>(n - j) : kLanes;
      const Vec kept = mul(load_n(x + j, count), set1(scale));
      store_n(y + j, select(less(unit(load_i(words + (j - i))), set1(keep)), kept, zero()), count);
    }
  }
}

constexpr RandomKernels kRandom = {random_words, random_uniform, random_normal, random_dropout};
