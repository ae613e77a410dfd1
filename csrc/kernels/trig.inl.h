// Sine and cosine, by plain loops over doubles that the compiler vectorises: the reduction of the argument
// would take more steps in floats than the functions themselves. Error at most 0.51 units in the last place.

constexpr int kTrigBlock = 128;     // elements at a time
constexpr float kTrigReach = 1e6f;  // beyond it arguments are reduced by whole numbers, one by one

// 2 / pi in bits, after a word of zeros.
constexpr uint32_t kTwoOverPi[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                   0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};

// x = m pi / 2 + r with |r| <= pi / 4.
struct Turn {
  double r;
  int32_t m;  // but for multiples of 4
};

// For finite |x| above 2: x is a whole number of 24 bits times 2^e, and of its product with 2 / pi only what
// lies below 4 counts. So it is enough to multiply with 96 bits of 2 / pi, the first of which weighs 2^(1 -
// e).
inline Turn reduce_far(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  const uint64_t whole = (bits & 0x7fffffu) | 0x800000u;
  const int at = static_cast<int>(bits >> 23 & 255) - 150 - 2 + 32, word = at >> 5, shift = at & 31;
  const uint64_t w0 = kTwoOverPi[word], w1 = kTwoOverPi[word + 1], w2 = kTwoOverPi[word + 2],
                 w3 = kTwoOverPi[word + 3];
  const uint64_t first = (w0 << 32 | w1) << shift | w2 << shift >> 32,
                 rest = (w2 << shift | w3 << shift >> 32) & 0xffffffffu;
  const uint64_t product = whole * first + (whole * rest >> 32);  // in units of 2^-62
  const uint64_t nearest = (product + (uint64_t{1} << 61)) >> 62;
  const double part = static_cast<double>(static_cast<int64_t>(product - (nearest << 62)));
  const Turn t = {part * 0x1p-62 * 1.57079632679489661923, static_cast<int32_t>(nearest)};
  return bits >> 31 ? Turn{-t.r, -t.m} : t;
}

// y[i] = sin(x[i] + quarter pi / 2) for n <= kTrigBlock values: the last two bits of m tell which of sin r
// and cos r it is, and its sign.
inline void trig_block(const float* x, int n, int quarter, float* y) {
  // pi / 2 in three parts, of which two have 33 bits: their products with m, below 2^20, are exact.
  constexpr double kHigh = 0x1.921fb544p+0, kMiddle = 0x1.0b4611a6p-34, kLow = 0x1.3198a2e037073p-69;
  constexpr double kRound = 0x1.8p52;  // added and taken away again it leaves the nearest whole number
  double r[kTrigBlock];
  float sine[kTrigBlock], cosine[kTrigBlock];
  int32_t turn[kTrigBlock];
  int far = 0;
  for (int i = 0; i < n; ++i) far |= !(__builtin_fabsf(x[i]) <= kTrigReach);
  for (int i = 0; i < n; ++i) {
    const float near = __builtin_fabsf(x[i]) <= kTrigReach ? x[i] : 0.0f;
    const double v = static_cast<double>(near), m = v * 0.63661977236758134308 + kRound - kRound;
    r[i] = v - m * kHigh - m * kMiddle - m * kLow;
    turn[i] = static_cast<int32_t>(m) + quarter;
  }
  for (int i = 0; far && i < n; ++i) {
    if (__builtin_fabsf(x[i]) <= kTrigReach) continue;
    const bool finite = __builtin_fabsf(x[i]) < kInf;
    const Turn t = finite ? reduce_far(x[i]) : Turn{static_cast<double>(kNan), 0};
    r[i] = t.r;
    turn[i] = t.m + quarter;
  }
  for (int i = 0; i < n; ++i) {
    const double z = r[i] * r[i];
    double s = -1.0 / 39916800, c = 1.0 / 479001600;
    s = s * z + 1.0 / 362880;
    c = c * z - 1.0 / 3628800;
    s = s * z - 1.0 / 5040;
    c = c * z + 1.0 / 40320;
    s = s * z + 1.0 / 120;
    c = c * z - 1.0 / 720;
    s = s * z - 1.0 / 6;
    c = c * z + 1.0 / 24;
    c = c * z - 0.5;
    sine[i] = static_cast<float>(r[i] + r[i] * z * s);
    cosine[i] = static_cast<float>(1.0 + z * c);
  }
  for (int i = 0; i < n; ++i) {
    const float v = turn[i] & 1 ? cosine[i] : sine[i];
    y[i] = turn[i] & 2 ? -v : v;
  }
}

// y = factor[i] sin(x + quarter pi / 2), factor null for 1 and negated with kNegate; d = {y, (factor,) x}.
template <int kQuarter, bool kGradient, bool kNegate>
void trig_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  constexpr int kX = kGradient ? 2 : 1;
  float* const y = reinterpret_cast<float*>(d[0]);
  const float* const x = reinterpret_cast<const float*>(d[kX]);
  const float* const factor = reinterpret_cast<const float*>(d[1]);
  float in[kTrigBlock], out[kTrigBlock];
  for (int64_t begin = 0; begin < n; begin += kTrigBlock) {
    const int count = n - begin < kTrigBlock ? static_cast<int>(n - begin) : kTrigBlock;
    if (s[kX] == 1) __builtin_memcpy(in, x + begin, sizeof(float) * static_cast<uint64_t>(count));
    else
      for (int i = 0; i < count; ++i) in[i] = x[(begin + i) * s[kX]];
    trig_block(in, count, kQuarter, out);
    if constexpr (kGradient)
      for (int i = 0; i < count; ++i)
        out[i] *= kNegate ? -factor[(begin + i) * s[1]] : factor[(begin + i) * s[1]];
    if (s[0] == 1) __builtin_memcpy(y + begin, out, sizeof(float) * static_cast<uint64_t>(count));
    else
      for (int i = 0; i < count; ++i) y[(begin + i) * s[0]] = out[i];
  }
}
