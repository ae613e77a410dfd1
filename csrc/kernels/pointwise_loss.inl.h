// Losses of an input x and a target t, forward and gradient each in one pass. A loss is a struct that takes
// its numbers as vectors: y(x, t), and gx(gy, x, t). Tails use the same functions, so the bits of an element
// do not depend on where it stands.

struct SquareLoss {  // (x - t)^2
  explicit SquareLoss(const double*) {}
  Vec y(Vec x, Vec t) const {
    const Vec d = sub(x, t);
    return mul(d, d);
  }
  Vec gx(Vec gy, Vec x, Vec t) const {
    const Vec d = sub(x, t);
    return mul(gy, add(d, d));
  }
};

struct AbsoluteLoss {  // |x - t|; the slope at 0 is 0, a NaN stays
  explicit AbsoluteLoss(const double*) {}
  Vec y(Vec x, Vec t) const { return abs(sub(x, t)); }
  Vec gx(Vec gy, Vec x, Vec t) const {
    const Vec d = sub(x, t);
    return mul(gy, select(equal(d, d), sign(d), d));
  }
};

// c (|d| - c / 2) / divisor with c = min(|d|, delta): a square near 0, straight beyond.
struct HuberLoss {
  Vec delta, divisor;
  explicit HuberLoss(const double* p)
      : delta(set1(static_cast<float>(p[0]))), divisor(set1(static_cast<float>(p[1]))) {}
  Vec y(Vec x, Vec t) const {
    const Vec size = abs(sub(x, t)), near = select(less(delta, size), delta, size);
    return div(mul(near, fma(near, set1(-0.5f), size)), divisor);
  }
  Vec gx(Vec gy, Vec x, Vec t) const {
    const Vec d = sub(x, t);
    const Vec slope = select(less(delta, d), delta, select(less(d, neg(delta)), neg(delta), d));
    return mul(gy, div(slope, divisor));
  }
};

// -(t log x + (1 - t) log(1 - x)), logarithms at least -100; the slope is (x - t) / max(x (1 - x), 1e-12).
struct BceLoss {
  explicit BceLoss(const double*) {}
  Vec y(Vec x, Vec t) const {
    const Vec least = set1(-100.0f), low = max(log(x), least), high = max(log1p(neg(x)), least);
    return neg(fma(t, sub(low, high), high));
  }
  Vec gx(Vec gy, Vec x, Vec t) const {
    const Vec spread = max(mul(x, sub(set1(1.0f), x)), set1(1e-12f));
    return mul(gy, div(sub(x, t), spread));
  }
};

// (1 - t) x + log(1 + e^-x) without overflow; the slope is sigmoid(x) - t.
struct BceLogitsLoss {
  explicit BceLogitsLoss(const double*) {}
  Vec y(Vec x, Vec t) const {
    const Vec tail = log1p(exp(neg(abs(x))));  // log(1 + e^-x) = max(-x, 0) + this
    return fma(sub(set1(1.0f), t), x, add(max(neg(x), zero()), tail));
  }
  Vec gx(Vec gy, Vec x, Vec t) const { return mul(gy, sub(sigmoid(x), t)); }
};

template <class F>
inline void pointwise_loss_run(const PointwiseLossArgs* a, F f) {
  int64_t i = 0;
  for (; i + kLanes <= a->count; i += kLanes) store(a->y + i, f(i, kLanes));
  const int left = static_cast<int>(a->count - i);
  if (left > 0) store_n(a->y + i, f(i, left), left);
}

template <class F>
void pointwise_loss_forward(const PointwiseLossArgs* a) {
  const F f(a->param);
  pointwise_loss_run(a,
                     [a, f](int64_t i, int n) { return f.y(lanes_of(a->x + i, n), lanes_of(a->t + i, n)); });
}
template <class F>
void pointwise_loss_grad(const PointwiseLossArgs* a) {
  const F f(a->param);
  if (a->gy) {
    pointwise_loss_run(a, [a, f](int64_t i, int n) {
      return f.gx(lanes_of(a->gy + i, n), lanes_of(a->x + i, n), lanes_of(a->t + i, n));
    });
  } else {
    const Vec scale = set1(a->scale);
    pointwise_loss_run(a, [a, f, scale](int64_t i, int n) {
      return f.gx(scale, lanes_of(a->x + i, n), lanes_of(a->t + i, n));
    });
  }
}

template <class F>
constexpr void add_pointwise_loss(PointwiseLossKernels& k, PointwiseLoss op) {
  k.forward[static_cast<int>(op)] = &pointwise_loss_forward<F>;
  k.grad[static_cast<int>(op)] = &pointwise_loss_grad<F>;
}
constexpr PointwiseLossKernels pointwise_loss_kernels() {
  PointwiseLossKernels k = {};
  add_pointwise_loss<SquareLoss>(k, PointwiseLoss::kSquare);
  add_pointwise_loss<AbsoluteLoss>(k, PointwiseLoss::kAbsolute);
  add_pointwise_loss<HuberLoss>(k, PointwiseLoss::kHuber);
  add_pointwise_loss<BceLoss>(k, PointwiseLoss::kBce);
  add_pointwise_loss<BceLogitsLoss>(k, PointwiseLoss::kBceLogits);
  return k;
}
constexpr PointwiseLossKernels kPointwiseLoss = pointwise_loss_kernels();
