// Elementwise float32 loops. A loop knows three kinds of operand: consecutive floats, one repeated float,
// and any other stride, which is gathered into a vector lane by lane. Tails use the same vector function,
// so an element's bits do not depend on where it stands.

struct Consecutive {
  const float* p;
  explicit Consecutive(const char* data, int64_t) : p(reinterpret_cast<const float*>(data)) {}
  Vec at(int64_t i) const { return load(p + i); }
  Vec tail(int64_t i, int n) const { return load_n(p + i, n); }
};
struct Repeated {
  Vec v;
  explicit Repeated(const char* data, int64_t) : v(set1(*reinterpret_cast<const float*>(data))) {}
  Vec at(int64_t) const { return v; }
  Vec tail(int64_t, int) const { return v; }
};
struct Scattered {
  const float* p;
  int64_t stride;
  explicit Scattered(const char* data, int64_t s) : p(reinterpret_cast<const float*>(data)), stride(s) {}
  Vec at(int64_t i) const { return tail(i, kLanes); }
  Vec tail(int64_t i, int n) const {
    float lane[kLanes] = {};
    for (int j = 0; j < n; ++j) lane[j] = p[(i + j) * stride];
    return load(lane);
  }
};

inline void scatter(float* y, int64_t stride, Vec v, int n) {
  float lane[kLanes];
  store(lane, v);
  for (int j = 0; j < n; ++j) y[j * stride] = lane[j];
}

// y[i] = f(operands.at(i)...)
template <class F, class... Operands>
inline void map_run(int64_t n, char* out, int64_t stride, F f, Operands... x) {
  float* y = reinterpret_cast<float*>(out);
  int64_t i = 0;
  if (stride == 1) {
    for (; i + kLanes <= n; i += kLanes) store(y + i, f(x.at(i)...));
    if (i < n) store_n(y + i, f(x.tail(i, static_cast<int>(n - i))...), static_cast<int>(n - i));
    return;
  }
  for (; i < n; i += kLanes) {
    const int m = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    scatter(y + i * stride, stride, f(x.tail(i, m)...), m);
  }
}

template <Vec (*F)(Vec)>
void unary_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  const auto f = [](Vec x) { return F(x); };
  if (s[1] == 1) map_run(n, d[0], s[0], f, Consecutive(d[1], 1));
  else map_run(n, d[0], s[0], f, Scattered(d[1], s[1]));
}

template <Vec (*F)(Vec, Vec)>
void binary_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  const auto f = [](Vec a, Vec b) { return F(a, b); };
  if (s[1] == 1 && s[2] == 1) map_run(n, d[0], s[0], f, Consecutive(d[1], 1), Consecutive(d[2], 1));
  else if (s[1] == 1 && s[2] == 0) map_run(n, d[0], s[0], f, Consecutive(d[1], 1), Repeated(d[2], 0));
  else if (s[1] == 0 && s[2] == 1) map_run(n, d[0], s[0], f, Repeated(d[1], 0), Consecutive(d[2], 1));
  else map_run(n, d[0], s[0], f, Scattered(d[1], s[1]), Scattered(d[2], s[2]));
}

// As the loops above where y and all operands are consecutive, but past the caches.
template <class F, class... Operands>
inline void stream_run(int64_t n, char* out, F f, Operands... x) {
  float* y = reinterpret_cast<float*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) stream(y + i, f(x.at(i)...));
  if (i < n) store_n(y + i, f(x.tail(i, static_cast<int>(n - i))...), static_cast<int>(n - i));
  stream_end();
}
template <Vec (*F)(Vec)>
void unary_stream(int64_t n, char* const* d, const int64_t*, const double*) {
  stream_run(n, d[0], [](Vec x) { return F(x); }, Consecutive(d[1], 1));
}
template <Vec (*F)(Vec, Vec)>
void binary_stream(int64_t n, char* const* d, const int64_t*, const double*) {
  stream_run(n, d[0], [](Vec a, Vec b) { return F(a, b); }, Consecutive(d[1], 1), Consecutive(d[2], 1));
}

template <Vec (*F)(Vec, Vec, Vec)>
void ternary_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  const auto f = [](Vec a, Vec b, Vec c) { return F(a, b, c); };
  if (s[1] == 1 && s[2] == 1 && s[3] == 1)
    map_run(n, d[0], s[0], f, Consecutive(d[1], 1), Consecutive(d[2], 1), Consecutive(d[3], 1));
  else map_run(n, d[0], s[0], f, Scattered(d[1], s[1]), Scattered(d[2], s[2]), Scattered(d[3], s[3]));
}

// --- The functions ------------------------------------------------------------------------------------

inline Vec relu(Vec x) { return max(zero(), x); }  // in this order a NaN stays a NaN
inline Vec square(Vec x) { return mul(x, x); }
inline Vec reciprocal(Vec x) { return div(set1(1.0f), x); }
inline Vec rsqrt(Vec x) { return div(set1(1.0f), sqrt(x)); }
inline Vec sign(Vec x) {
  const Vec one = copysign(set1(1.0f), x);
  return select(equal(x, zero()), zero(), select(is_nan(x), zero(), one));
}
inline Vec floor(Vec x) {
  const Vec r = round_nearest(x);
  return select(less(x, r), sub(r, set1(1.0f)), r);
}
inline Vec ceil(Vec x) {
  const Vec r = round_nearest(x);
  return select(less(r, x), add(r, set1(1.0f)), r);
}
// A NaN on either side stays.
inline Vec maximum(Vec a, Vec b) { return select(is_nan(a), a, max(a, b)); }
inline Vec minimum(Vec a, Vec b) { return select(is_nan(a), a, min(a, b)); }

inline Vec relu_grad(Vec gy, Vec x) { return select(less_equal(x, zero()), zero(), gy); }
inline Vec abs_grad(Vec gy, Vec x) { return mul(gy, sign(x)); }
inline Vec square_grad(Vec gy, Vec x) { return mul(add(gy, gy), x); }
inline Vec log1p_grad(Vec gy, Vec x) { return div(gy, add(x, set1(1.0f))); }
inline Vec expm1_grad(Vec gy, Vec y) { return mul(gy, add(y, set1(1.0f))); }
inline Vec sqrt_grad(Vec gy, Vec y) { return div(gy, add(y, y)); }
inline Vec rsqrt_grad(Vec gy, Vec y) { return mul(mul(mul(gy, set1(-0.5f)), y), mul(y, y)); }
inline Vec reciprocal_grad(Vec gy, Vec y) { return mul(neg(gy), mul(y, y)); }
inline Vec sigmoid_grad(Vec gy, Vec y) { return mul(gy, mul(y, sub(set1(1.0f), y))); }
inline Vec tanh_grad(Vec gy, Vec y) { return mul(gy, mul(sub(set1(1.0f), y), add(set1(1.0f), y))); }
// 2 / sqrt(pi) e^(-x^2)
inline Vec erf_grad(Vec gy, Vec x) { return mul(mul(gy, set1(1.1283791670955126f)), exp(neg(mul(x, x)))); }
// b a^(b-1), which is 0 for b = 0 whatever a.
inline Vec pow_grad_base(Vec gy, Vec a, Vec b) {
  return select(equal(b, zero()), zero(), mul(gy, mul(b, pow(a, sub(b, set1(1.0f))))));
}
// a^b log a, which is 0 for a = 0 and b >= 0.
inline Vec pow_grad_exponent(Vec gy, Vec a, Vec b) {
  const Mask none = mask_and(equal(a, zero()), less_equal(zero(), b));
  return select(none, zero(), mul(gy, mul(pow(a, b), log(a))));
}
inline Vec div_grad(Vec gy, Vec y, Vec b) { return div(mul(neg(gy), y), b); }
inline Vec maximum_grad(Vec gy, Vec a, Vec b) {
  return select(less(a, b), zero(), select(equal(a, b), mul(gy, set1(0.5f)), gy));
}
inline Vec minimum_grad(Vec gy, Vec a, Vec b) { return maximum_grad(gy, b, a); }

void clamp_loop(int64_t n, char* const* d, const int64_t* s, const double* param) {
  const Vec lo = set1(static_cast<float>(param[0])), hi = set1(static_cast<float>(param[1]));
  const auto f = [lo, hi](Vec x) { return min(hi, max(lo, x)); };  // in this order a NaN stays a NaN
  if (s[1] == 1) map_run(n, d[0], s[0], f, Consecutive(d[1], 1));
  else map_run(n, d[0], s[0], f, Scattered(d[1], s[1]));
}

void clamp_grad_loop(int64_t n, char* const* d, const int64_t* s, const double* param) {
  const Vec lo = set1(static_cast<float>(param[0])), hi = set1(static_cast<float>(param[1]));
  const auto f = [lo, hi](Vec gy, Vec x) {
    return select(mask_and(less_equal(lo, x), less_equal(x, hi)), gy, zero());
  };
  if (s[1] == 1 && s[2] == 1) map_run(n, d[0], s[0], f, Consecutive(d[1], 1), Consecutive(d[2], 1));
  else map_run(n, d[0], s[0], f, Scattered(d[1], s[1]), Scattered(d[2], s[2]));
}

// Comparisons and where mix floats with bytes: plain loops that the compiler vectorises.
enum class Compare { kEq, kNe, kLt, kLe };
template <Compare kOp>
inline unsigned char compare(float a, float b) {
  return kOp == Compare::kEq ? a == b : kOp == Compare::kNe ? a != b : kOp == Compare::kLt ? a < b : a <= b;
}
template <Compare kOp>
inline void compare_run(int64_t n, char* out, int64_t sy, const char* x1, int64_t sa, const char* x2,
                        int64_t sb) {
  unsigned char* y = reinterpret_cast<unsigned char*>(out);
  const float *a = reinterpret_cast<const float*>(x1), *b = reinterpret_cast<const float*>(x2);
  const float b0 = *b;
  if (sy == 1 && sa == 1 && sb == 1)
    for (int64_t i = 0; i < n; ++i) y[i] = compare<kOp>(a[i], b[i]);
  else if (sy == 1 && sa == 1 && sb == 0)
    for (int64_t i = 0; i < n; ++i) y[i] = compare<kOp>(a[i], b0);
  else
    for (int64_t i = 0; i < n; ++i) y[i * sy] = compare<kOp>(a[i * sa], b[i * sb]);
}
template <Compare kOp, bool kSwap>
void compare_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  constexpr int a = kSwap ? 2 : 1, b = kSwap ? 1 : 2;
  compare_run<kOp>(n, d[0], s[0], d[a], s[a], d[b], s[b]);
}

void where_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  float* y = reinterpret_cast<float*>(d[0]);
  const unsigned char* c = reinterpret_cast<const unsigned char*>(d[1]);
  const float *a = reinterpret_cast<const float*>(d[2]), *b = reinterpret_cast<const float*>(d[3]);
  if (s[0] == 1 && s[1] == 1 && s[2] == 1 && s[3] == 1)
    for (int64_t i = 0; i < n; ++i) y[i] = c[i] ? a[i] : b[i];
  else
    for (int64_t i = 0; i < n; ++i) y[i * s[0]] = c[i * s[1]] ? a[i * s[2]] : b[i * s[3]];
}

constexpr ElementwiseKernels elementwise_kernels() {
  ElementwiseKernels k = {};
  const auto u = [&k](Unary op, MapLoop loop) { k.unary[static_cast<int>(op)] = loop; };
  u(Unary::kNeg, &unary_loop<neg>);
  u(Unary::kAbs, &unary_loop<abs>);
  u(Unary::kSign, &unary_loop<sign>);
  u(Unary::kSquare, &unary_loop<square>);
  u(Unary::kRelu, &unary_loop<relu>);
  u(Unary::kClamp, &clamp_loop);
  u(Unary::kExp, &unary_loop<exp>);
  u(Unary::kExpm1, &unary_loop<expm1>);
  u(Unary::kLog1p, &unary_loop<log1p>);
  u(Unary::kErf, &unary_loop<erf>);
  u(Unary::kLog, &unary_loop<log>);
  u(Unary::kSqrt, &unary_loop<sqrt>);
  u(Unary::kRsqrt, &unary_loop<rsqrt>);
  u(Unary::kReciprocal, &unary_loop<reciprocal>);
  u(Unary::kFloor, &unary_loop<floor>);
  u(Unary::kCeil, &unary_loop<ceil>);
  u(Unary::kRound, &unary_loop<round_nearest>);
  u(Unary::kSin, &trig_loop<0, false, false>);
  u(Unary::kCos, &trig_loop<1, false, false>);
  u(Unary::kSigmoid, &unary_loop<sigmoid>);
  u(Unary::kTanh, &unary_loop<tanh>);
  const auto b = [&k](Binary op, MapLoop loop) { k.binary[static_cast<int>(op)] = loop; };
  b(Binary::kAdd, &binary_loop<add>);
  b(Binary::kSub, &binary_loop<sub>);
  b(Binary::kMul, &binary_loop<mul>);
  b(Binary::kDiv, &binary_loop<div>);
  b(Binary::kPow, &binary_loop<pow>);
  b(Binary::kSinGrad, &trig_loop<1, true, false>);
  b(Binary::kCosGrad, &trig_loop<0, true, true>);
  b(Binary::kErfGrad, &binary_loop<erf_grad>);
  b(Binary::kMinimum, &binary_loop<minimum>);
  b(Binary::kMaximum, &binary_loop<maximum>);
  b(Binary::kEq, &compare_loop<Compare::kEq, false>);
  b(Binary::kNe, &compare_loop<Compare::kNe, false>);
  b(Binary::kLt, &compare_loop<Compare::kLt, false>);
  b(Binary::kLe, &compare_loop<Compare::kLe, false>);
  b(Binary::kGt, &compare_loop<Compare::kLt, true>);
  b(Binary::kGe, &compare_loop<Compare::kLe, true>);
  b(Binary::kReluGrad, &binary_loop<relu_grad>);
  b(Binary::kClampGrad, &clamp_grad_loop);
  b(Binary::kAbsGrad, &binary_loop<abs_grad>);
  b(Binary::kSquareGrad, &binary_loop<square_grad>);
  b(Binary::kLogGrad, &binary_loop<div>);
  b(Binary::kLog1pGrad, &binary_loop<log1p_grad>);
  b(Binary::kExpm1Grad, &binary_loop<expm1_grad>);
  b(Binary::kSqrtGrad, &binary_loop<sqrt_grad>);
  b(Binary::kRsqrtGrad, &binary_loop<rsqrt_grad>);
  b(Binary::kReciprocalGrad, &binary_loop<reciprocal_grad>);
  b(Binary::kSigmoidGrad, &binary_loop<sigmoid_grad>);
  b(Binary::kTanhGrad, &binary_loop<tanh_grad>);
  k.unary_stream[static_cast<int>(Unary::kRelu)] = &unary_stream<relu>;
  const auto bs = [&k](Binary op, MapLoop loop) { k.binary_stream[static_cast<int>(op)] = loop; };
  bs(Binary::kAdd, &binary_stream<add>);
  bs(Binary::kMul, &binary_stream<mul>);
  bs(Binary::kReluGrad, &binary_stream<relu_grad>);
  const auto t = [&k](Ternary op, MapLoop loop) { k.ternary[static_cast<int>(op)] = loop; };
  t(Ternary::kWhere, &where_loop);
  t(Ternary::kDivGrad, &ternary_loop<div_grad>);
  t(Ternary::kPowGradBase, &ternary_loop<pow_grad_base>);
  t(Ternary::kPowGradExponent, &ternary_loop<pow_grad_exponent>);
  t(Ternary::kMinimumGrad, &ternary_loop<minimum_grad>);
  t(Ternary::kMaximumGrad, &ternary_loop<maximum_grad>);
  return k;
}
constexpr ElementwiseKernels kElementwise = elementwise_kernels();
