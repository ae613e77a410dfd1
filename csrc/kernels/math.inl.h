// Vector functions. "Error" is in units in the last place (ULP) of float32 against the exact value, the
// maximum that a sweep over millions of arguments of every magnitude found, on any instruction set;
// tests/core/test_math.py enforces it. Denormal results and arguments count as zero. All are polynomials
// after an exact reduction of the argument; the instruction sets differ only by the rounding of fma.

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

// e^(x + low), |low| tiny.
inline Vec exp_sum(Vec x, Vec low) {
  x = min(set1(89.0f), max(set1(-104.0f), x));  // in this order a NaN stays a NaN
  ExpParts e = reduce_exp(x);
  e.r = add(e.r, low);
  const Vec y = add(fma(mul(e.r, e.r), exp_tail(e.r), e.r), set1(1.0f));
  // 2^n in two factors: n reaches 128 and -150.
  const Vec half = round_nearest(mul(e.n, set1(0.5f)));
  return mul(mul(y, exp2_int(to_int(half))), exp2_int(to_int(sub(e.n, half))));
}

// e^x. Error at most 1.01.
inline Vec exp(Vec x) { return exp_sum(x, zero()); }

// e^x - 1 = 2^n (e^r - 1) + (2^n - 1). Error at most 1.6.
inline Vec expm1(Vec x) {
  x = min(set1(89.0f), max(set1(-20.0f), x));
  const ExpParts e = reduce_exp(x);
  const Vec small = fma(mul(e.r, e.r), exp_tail(e.r), e.r);
  // Half of everything: 2^128 is no float.
  const Vec scale = exp2_int(to_int(sub(e.n, set1(1.0f))));
  const Vec y = fma(scale, small, sub(scale, set1(0.5f)));
  return select(equal(e.n, zero()), small, add(y, y));
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

// y = log x computed for positive finite x, put right for the others.
inline Vec log_edges(Vec x, Vec y) {
  y = select(less(x, set1(kMinNormal)), set1(-kInf), y);
  y = select(less_equal(x, set1(-kMinNormal)), set1(kNan), y);
  y = select(equal(x, set1(kInf)), x, y);
  return select(is_nan(x), x, y);
}

// log x. Error at most 0.83.
inline Vec log(Vec x) {
  const LogParts parts = reduce_log(x);
  return log_edges(x, log_of(parts.f, parts.e));
}

// log(1 + x) = log(u) + c / u with u = 1 + x rounded and c what the rounding lost. Error at most 1.3.
inline Vec log1p(Vec x) {
  const Vec one = set1(1.0f), u = add(x, one);
  LogParts parts = reduce_log(u);
  const Mask near = equal(parts.e, zero());  // 1 + f is u, so f may as well be x itself
  const Vec c = select(less(abs(x), one), sub(x, sub(u, one)), sub(one, sub(u, x)));
  parts.f = select(near, x, parts.f);
  const Vec y = add(log_of(parts.f, parts.e), select(near, zero(), div(c, u)));
  return log_edges(u, y);
}

// 1 / (1 + e^-x). Error at most 2.5.
inline Vec sigmoid(Vec x) { return div(set1(1.0f), add(set1(1.0f), exp(neg(x)))); }

// tanh x: an odd polynomial below 0.625, 1 - 2 / (e^2x + 1) above. Error at most 1.3.
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

// erf x: x times a polynomial of x^2 below 0.92, 1 - e^-p(x) above. Both were fitted at Chebyshev nodes.
// Error at most 1.5.
inline Vec erf(Vec x) {
  const Vec a = abs(x), z = mul(x, x);
  Vec p = set1(8.404849579e-5f);
  p = fma(p, z, set1(-8.151340562e-4f));
  p = fma(p, z, set1(5.201837672e-3f));
  p = fma(p, z, set1(-2.685974483e-2f));
  p = fma(p, z, set1(1.128370225e-1f));
  p = fma(p, z, set1(-3.761263422e-1f));
  p = fma(p, z, set1(1.2837916709551257e-1f));  // 2 / sqrt(pi) - 1
  const Vec small = mul(x, add(p, set1(1.0f)));
  // In t = a - 1, where the terms do not cancel; beyond 4 erf rounds to 1.
  const Vec t = sub(min(set1(4.0f), a), set1(1.0f));
  Vec g = set1(2.110781528e-5f);
  g = fma(g, t, set1(-2.867234524e-4f));
  g = fma(g, t, set1(2.006909308e-3f));
  g = fma(g, t, set1(-1.004221502e-2f));
  g = fma(g, t, set1(4.156181171e-2f));
  g = fma(g, t, set1(8.431073501e-1f));
  g = fma(g, t, set1(2.638967505f));
  g = fma(g, t, set1(1.849605510f));
  const Vec large = copysign(sub(set1(1.0f), exp(neg(g))), x);
  return select(is_nan(x), x, select(less(a, set1(0.92f)), small, large));
}

// --- x^y = e^(y log x), with the logarithm and the product as sums of two floats ---

struct Pair {
  Vec high, low;
};
// a + b exactly, |a| >= |b| or a = 0.
inline Pair two_sum(Vec a, Vec b) {
  const Vec s = add(a, b);
  return {s, sub(b, sub(s, a))};
}
// a * b exactly, by halves of 12 bits: fma is no help where it rounds twice.
inline Pair two_product(Vec a, Vec b) {
  const VecI mask = set1_i(static_cast<int32_t>(0xfffff000u));
  const Vec p = mul(a, b), ah = as_float(and_i(as_int(a), mask)), bh = as_float(and_i(as_int(b), mask));
  const Vec al = sub(a, ah), bl = sub(b, bh);
  const Vec e = add(add(sub(mul(ah, bh), p), mul(ah, bl)), mul(al, bh));
  return {p, add(e, mul(al, bl))};
}

// log x for positive finite x, with an error of about 2^-31 of the result: with s = f / (2 + f),
// log(1 + f) = 2 s + s^3 (2/3 + 2/5 s^2 + 2/7 s^4 + ...).
inline Pair log_pair(Vec x) {
  const LogParts parts = reduce_log(x);
  const Vec f = parts.f, two = set1(2.0f), d = add(f, two), d_low = sub(f, sub(d, two));
  const Vec s = div(f, d);
  const Pair sd = two_product(s, d);
  const Vec s_low = div(sub(sub(sub(f, sd.high), sd.low), mul(s, d_low)), d);
  const Vec z = mul(s, s);
  Vec p = set1(2.0f / 11.0f);
  p = fma(p, z, set1(2.0f / 9.0f));
  p = fma(p, z, set1(2.0f / 7.0f));
  p = fma(p, z, set1(2.0f / 5.0f));
  p = fma(p, z, set1(2.0f / 3.0f));
  const Pair sum = two_sum(mul(parts.e, set1(0.693359375f)), add(s, s));
  // The derivative by s is 2 / (1 - s^2), about 2 (1 + s^2).
  Vec low = fma(mul(z, s), p, mul(add(s_low, s_low), add(z, set1(1.0f))));
  low = add(sum.low, fma(parts.e, set1(-2.12194440e-4f), low));
  return two_sum(sum.high, low);
}

// x^y with the special values of IEEE 754. Error at most 3.
inline Vec pow(Vec x, Vec y) {
  const Vec ax = abs(x), one = set1(1.0f);
  Pair l = log_pair(ax);
  l.high = select(less(ax, set1(kMinNormal)), set1(-kInf), l.high);
  l.high = select(equal(ax, set1(kInf)), ax, l.high);
  l.high = select(is_nan(x), x, l.high);
  const Pair product = two_product(l.high, y);
  const Vec low = select(less(abs(product.high), set1(200.0f)), fma(l.low, y, product.low), zero());
  Vec r = exp_sum(product.high, low);

  const Mask whole = equal(round_nearest(y), y);
  const Vec half = mul(y, set1(0.5f));
  const Mask odd =
      mask_and(mask_and(whole, mask_not(equal(round_nearest(half), half))), less(abs(y), set1(16777216.0f)));
  const Mask negative = mask_and(less_equal(x, set1(-kMinNormal)), less(ax, set1(kInf)));
  r = select(mask_and(negative, mask_not(whole)), set1(kNan), r);
  r = select(odd, copysign(r, x), r);
  const Mask unit = mask_and(equal(ax, one), equal(abs(y), set1(kInf)));
  return select(mask_or(mask_or(equal(y, zero()), equal(x, one)), unit), one, r);
}
