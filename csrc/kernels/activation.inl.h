// Activations of one input, forward and gradient each in one pass. An activation is a struct that takes its
// numbers as vectors: y(x), and gx(gy, s) with s what was saved. Tails use the same functions, so the bits of
// an element do not depend on where it stands.

inline Vec positive(Vec x, Vec yes, Vec no) { return select(less(zero(), x), yes, no); }

// x > 0 ? x : slope x. The gradient needs the sign alone, which for slope >= 0 y has, too.
struct LeakyRelu {
  Vec slope;
  explicit LeakyRelu(const double* p) : slope(set1(static_cast<float>(p[0]))) {}
  Vec y(Vec x) const { return positive(x, x, mul(x, slope)); }
  Vec gx(Vec gy, Vec s) const { return positive(s, gy, mul(gy, slope)); }
};

// x > 0 ? scale x : scale alpha (e^(inner x) - 1). For x <= 0 the slope is inner (y + scale alpha).
struct Elu {
  Vec down, scale, inner;
  explicit Elu(const double* p)
      : down(set1(static_cast<float>(p[0] * p[1]))),
        scale(set1(static_cast<float>(p[1]))),
        inner(set1(static_cast<float>(p[2]))) {}
  Vec y(Vec x) const { return positive(x, mul(x, scale), mul(expm1(mul(x, inner)), down)); }
  Vec gx(Vec gy, Vec s) const { return mul(gy, positive(s, scale, mul(inner, add(s, down)))); }
};
struct EluOfInput : Elu {
  explicit EluOfInput(const double* p) : Elu(p) {}
  Vec gx(Vec gy, Vec x) const {
    return mul(gy, positive(x, scale, mul(mul(inner, down), exp(mul(x, inner)))));
  }
};

// x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2, and its derivative Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi).
struct Gelu {
  explicit Gelu(const double*) {}
  static Vec phi(Vec x) { return fma(erf(mul(x, set1(0.70710678118654752f))), set1(0.5f), set1(0.5f)); }
  Vec y(Vec x) const { return mul(x, phi(x)); }
  Vec gx(Vec gy, Vec x) const {
    const Vec density = mul(exp(mul(mul(x, x), set1(-0.5f))), set1(0.39894228040143268f));
    return mul(gy, fma(x, density, phi(x)));
  }
};

// x (1 + t) / 2 with t = tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
struct GeluTanh {
  explicit GeluTanh(const double*) {}
  static Vec t(Vec x) {
    const Vec x2 = mul(x, x);
    return tanh(mul(mul(x, fma(x2, set1(0.044715f), set1(1.0f))), set1(0.79788456080286536f)));
  }
  Vec y(Vec x) const { return mul(x, fma(t(x), set1(0.5f), set1(0.5f))); }
  Vec gx(Vec gy, Vec x) const {
    const Vec v = t(x), one = set1(1.0f);
    const Vec inner =
        fma(mul(x, x), set1(3.0f * 0.044715f * 0.79788456080286536f), set1(0.79788456080286536f));
    const Vec slope = mul(mul(sub(one, v), add(one, v)), mul(x, inner));
    return mul(gy, mul(add(add(one, v), slope), set1(0.5f)));
  }
};

// x s with s = 1 / (1 + e^(-beta x)); s (1 + beta x (1 - s)).
inline Vec swish(Vec x, Vec beta) { return div(x, add(set1(1.0f), exp(neg(mul(x, beta))))); }
inline Vec swish_slope(Vec x, Vec beta) {
  const Vec bx = mul(x, beta), s = sigmoid(bx);
  return fma(mul(s, bx), sub(set1(1.0f), s), s);
}
struct Silu {
  Vec beta;
  explicit Silu(const double* p) : beta(set1(static_cast<float>(p[0]))) {}
  Vec y(Vec x) const { return swish(x, beta); }
  Vec gx(Vec gy, Vec x) const { return mul(gy, swish_slope(x, beta)); }
};

// min(max(x + 3, 0), 6); in this order a NaN stays a NaN.
inline Vec hard_step(Vec x) { return min(set1(6.0f), max(zero(), add(x, set1(3.0f)))); }

struct Hardswish {
  explicit Hardswish(const double*) {}
  Vec y(Vec x) const { return mul(mul(x, hard_step(x)), set1(1.0f / 6.0f)); }
  Vec gx(Vec gy, Vec x) const {
    const Vec inside = mul(gy, fma(x, set1(1.0f / 3.0f), set1(0.5f)));
    return select(less_equal(x, set1(-3.0f)), zero(), select(less(x, set1(3.0f)), inside, gy));
  }
};

struct Hardsigmoid {
  explicit Hardsigmoid(const double*) {}
  Vec y(Vec x) const { return mul(hard_step(x), set1(1.0f / 6.0f)); }
  Vec gx(Vec gy, Vec x) const {
    const Mask inside = mask_and(less(set1(-3.0f), x), less(x, set1(3.0f)));
    return select(inside, mul(gy, set1(1.0f / 6.0f)), zero());
  }
};

struct Hardtanh {
  Vec lo, hi;
  explicit Hardtanh(const double* p)
      : lo(set1(static_cast<float>(p[0]))), hi(set1(static_cast<float>(p[1]))) {}
  Vec y(Vec x) const { return min(hi, max(lo, x)); }
  Vec gx(Vec gy, Vec s) const { return select(mask_or(less_equal(s, lo), less_equal(hi, s)), zero(), gy); }
};

// log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.
struct Softplus {
  Vec beta, share, threshold;
  explicit Softplus(const double* p)
      : beta(set1(static_cast<float>(p[0]))),
        share(set1(static_cast<float>(1.0 / p[0]))),
        threshold(set1(static_cast<float>(p[1]))) {}
  Vec y(Vec x) const {
    const Vec bx = mul(x, beta);
    return select(less(threshold, bx), x, mul(log1p(exp(bx)), share));
  }
  Vec gx(Vec gy, Vec x) const {
    const Vec bx = mul(x, beta);
    return select(less(threshold, bx), gy, mul(gy, sigmoid(bx)));
  }
};

struct Softsign {
  explicit Softsign(const double*) {}
  Vec y(Vec x) const { return div(x, add(set1(1.0f), abs(x))); }
  Vec gx(Vec gy, Vec x) const {
    const Vec d = add(set1(1.0f), abs(x));
    return div(gy, mul(d, d));
  }
};

// log(1 / (1 + e^-x)) = min(x, 0) - log(1 + e^-|x|); 1 / (1 + e^x).
struct LogSigmoid {
  explicit LogSigmoid(const double*) {}
  Vec y(Vec x) const { return sub(min(zero(), x), log1p(exp(neg(abs(x))))); }
  Vec gx(Vec gy, Vec x) const { return mul(gy, sigmoid(neg(x))); }
};

// x tanh(log(1 + e^x)) = x n / (n + 2) with e = e^x, n = e (e + 2): no cancellation. The derivative is
// n / (n + 2) + 4 x e (1 + e) / (n + 2)^2. Beyond 20 the quotient is 1.
struct Mish {
  explicit Mish(const double*) {}
  Vec y(Vec x) const {
    const Vec two = set1(2.0f), e = exp(min(set1(20.0f), x)), n = mul(e, add(e, two));
    return mul(x, div(n, add(n, two)));
  }
  Vec gx(Vec gy, Vec x) const {
    const Vec two = set1(2.0f), top = min(set1(20.0f), x), e = exp(top), n = mul(e, add(e, two)),
              d = div(set1(1.0f), add(n, two));
    const Vec bend = mul(mul(mul(top, set1(4.0f)), mul(e, d)), mul(add(set1(1.0f), e), d));
    return mul(gy, fma(n, d, bend));
  }
};

struct Threshold {
  Vec threshold, value;
  explicit Threshold(const double* p)
      : threshold(set1(static_cast<float>(p[0]))), value(set1(static_cast<float>(p[1]))) {}
  Vec y(Vec x) const { return select(less_equal(x, threshold), value, x); }
  Vec gx(Vec gy, Vec x) const { return select(less_equal(x, threshold), zero(), gy); }
};

struct Tanhshrink {
  explicit Tanhshrink(const double*) {}
  Vec y(Vec x) const { return sub(x, tanh(x)); }
  Vec gx(Vec gy, Vec x) const {
    const Vec t = tanh(x);
    return mul(gy, mul(t, t));
  }
};

// 0 on [-lambda, lambda]; outside x, or x drawn in by lambda.
struct Hardshrink {
  Vec lambda, minus;
  explicit Hardshrink(const double* p)
      : lambda(set1(static_cast<float>(p[0]))), minus(set1(static_cast<float>(-p[0]))) {}
  Vec outside(Vec x, Vec v) const {
    return select(mask_and(less_equal(minus, x), less_equal(x, lambda)), zero(), v);
  }
  Vec y(Vec x) const { return outside(x, x); }
  Vec gx(Vec gy, Vec x) const { return outside(x, gy); }
};
struct Softshrink : Hardshrink {
  explicit Softshrink(const double* p) : Hardshrink(p) {}
  Vec y(Vec x) const { return outside(x, positive(x, sub(x, lambda), add(x, lambda))); }
};

// --- The loops -----------------------------------------------------------------------------------------

template <class F>
inline void activation_run(const ActivationArgs* a, F f) {
  int64_t i = 0;
  if (a->streaming) {
    for (; i + kLanes <= a->count; i += kLanes) stream(a->y + i, f(i, kLanes));
    stream_end();
  } else {
    for (; i + kLanes <= a->count; i += kLanes) store(a->y + i, f(i, kLanes));
  }
  const int left = static_cast<int>(a->count - i);
  if (left > 0) store_n(a->y + i, f(i, left), left);
}
inline Vec lanes_of(const float* p, int n) { return n == kLanes ? load(p) : load_n(p, n); }

template <class F>
void activation_forward(const ActivationArgs* a) {
  const F f(a->param);
  activation_run(a, [a, f](int64_t i, int n) { return f.y(lanes_of(a->x + i, n)); });
}
template <class F>
void activation_grad(const ActivationArgs* a) {
  const F f(a->param);
  activation_run(a, [a, f](int64_t i, int n) { return f.gx(lanes_of(a->gy + i, n), lanes_of(a->x + i, n)); });
}
