// Vector functions. Errors are in units in the last place (ULP) of float32 against the exact value, the
// maximum over every representable argument class that the test sweeps; denormal results and arguments
// count as zero. All are plain polynomials after an exact reduction of the argument, so the three
// instruction sets differ only by the rounding of fma.

constexpr float kInf = __builtin_huge_valf();
constexpr float kNan = __builtin_nanf("");
constexpr float kMinNormal = 1.17549435e-38f;

inline Vec abs(Vec x) { return as_float(and_i(as_int(x), set1_i(0x7fffffff))); }
inline Vec neg(Vec x) { return as_float(xor_i(as_int(x), set1_i(INT32_MIN))); }
inline Vec copysign(Vec magnitude, Vec sign) {
  return as_float(or_i(as_int(abs(magnitude)), and_i(as_int(sign), set1_i(INT32_MIN))));
}
inline Mask is_nan(Vec x) { return mask_not(equal(x, x)); }

// 2^n for whole n in -126 ... 127.
inline Vec exp2_int(VecI n) { return as_float(shift_left_i<23>(add_i(n, set1_i(127)))); }

// e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 in two parts, the first short enough for
// n * part to be exact.
struct ExpParts {
  Vec n, r;
};
inline ExpParts reduce_exp(Vec x) {
  const Vec n = round_nearest(mul(x, set1(1.44269504088896341f)));
  Vec r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  return {n, r};
}
// (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2.
inline Vec exp_tail(Vec r) {
  Vec p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  return fma(p, r, set1(5.0000001201e-1f));
}

// e^x.
inline Vec exp(Vec x) {
  x = min(set1(89.0f), max(set1(-104.0f), x));  // in this order a NaN stays a NaN
  const ExpParts e = reduce_exp(x);
  const Vec y = add(fma(mul(e.r, e.r), exp_tail(e.r), e.r), set1(1.0f));
  // 2^n in two factors: n reaches 128 and -150.
  const Vec half = round_nearest(mul(e.n, set1(0.5f)));
  return mul(mul(y, exp2_int(to_int(half))), exp2_int(to_int(sub(e.n, half))));
}

// log(m 2^e) = log(m) + e ln 2, sqrt(1/2) <= m < sqrt(2).
inline Vec log_of(Vec f, Vec e) {
  // log(1 + f) = f - f^2 / 2 + f^3 p(f)
  const Vec f2 = mul(f, f);
  Vec p = set1(7.0376836292e-2f);
  p = fma(p, f, set1(-1.1514610310e-1f));
  p = fma(p, f, set1(1.1676998740e-1f));
  p = fma(p, f, set1(-1.2420140846e-1f));
  p = fma(p, f, set1(1.4249322787e-1f));
  p = fma(p, f, set1(-1.6668057665e-1f));
  p = fma(p, f, set1(2.0000714765e-1f));
  p = fma(p, f, set1(-2.4999993993e-1f));
  p = fma(p, f, set1(3.3333331174e-1f));
  Vec low = fma(mul(f2, f), p, mul(e, set1(-2.12194440e-4f)));
  low = fma(f2, set1(-0.5f), low);
  return fma(e, set1(0.693359375f), add(f, low));
}
struct LogParts {
  Vec f, e;  // x = (1 + f) 2^e
};
inline LogParts reduce_log(Vec x) {
  const VecI bits = as_int(x);
  // Subtracting the bits of sqrt(1/2) puts the exponent's boundary there.
  const VecI shifted = sub_i(bits, set1_i(0x3f3504f3));
  const VecI exponent = and_i(shifted, set1_i(static_cast<int32_t>(0xff800000u)));
  const Vec m = as_float(sub_i(bits, exponent));
  // Arithmetic shift right by 23, by way of the exact conversion of a multiple of 2^23.
  const Vec e = mul(to_float(exponent), set1(1.0f / 8388608.0f));
  return {sub(m, set1(1.0f)), e};
}

// log x.
inline Vec log(Vec x) {
  const LogParts parts = reduce_log(x);
  Vec y = log_of(parts.f, parts.e);
  y = select(less(x, set1(kMinNormal)), set1(-kInf), y);
  y = select(less_equal(x, set1(-kMinNormal)), set1(kNan), y);
  y = select(equal(x, set1(kInf)), x, y);
  return select(is_nan(x), x, y);
}

// 1 / (1 + e^-x).
inline Vec sigmoid(Vec x) { return div(set1(1.0f), add(set1(1.0f), exp(neg(x)))); }

// tanh x: an odd polynomial below 0.625, 1 - 2 / (e^2x + 1) above.
inline Vec tanh(Vec x) {
  const Vec a = abs(x), x2 = mul(x, x);
  Vec p = set1(-5.70498872745e-3f);
  p = fma(p, x2, set1(2.06390887954e-2f));
  p = fma(p, x2, set1(-5.37397155531e-2f));
  p = fma(p, x2, set1(1.33314422036e-1f));
  p = fma(p, x2, set1(-3.33332819422e-1f));
  const Vec small = fma(mul(p, x2), x, x);
  const Vec e = exp(add(a, a));
  const Vec large = sub(set1(1.0f), div(set1(2.0f), add(e, set1(1.0f))));
  return select(less(a, set1(0.625f)), small, copysign(large, x));
}
