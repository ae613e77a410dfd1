// Activations with a learned number per channel, and the table of all activations.

// x > 0 ? x : w x.
struct Prelu {
  static Vec y(Vec x, Vec w) { return positive(x, x, mul(x, w)); }
  static Vec gx(Vec gy, Vec x, Vec w) { return positive(x, gy, mul(gy, w)); }
  static Vec gw(Vec gy, Vec x, Vec) { return positive(x, zero(), mul(gy, x)); }
};
// x s, s = 1 / (1 + e^(-w x)); dy/dw = x^2 s (1 - s).
struct Swish {
  static Vec y(Vec x, Vec w) { return swish(x, w); }
  static Vec gx(Vec gy, Vec x, Vec w) { return mul(gy, swish_slope(x, w)); }
  static Vec gw(Vec gy, Vec x, Vec w) {
    const Vec wx = mul(x, w);
    return mul(mul(mul(gy, x), mul(x, sigmoid(wx))), sigmoid(neg(wx)));
  }
};

template <class F, bool kStream>
inline void parametric_rows(const ParametricArgs* a) {
  for (int64_t row = 0; row < a->rows; ++row) {
    const float* x = a->x + row * a->channels;
    float* y = a->y + row * a->channels;
    int64_t c = 0;
    for (; c + kLanes <= a->channels; c += kLanes) {
      const Vec v = F::y(load(x + c), load(a->w + c));
      if constexpr (kStream) stream(y + c, v);
      else store(y + c, v);
    }
    const int left = static_cast<int>(a->channels - c);
    if (left > 0) store_n(y + c, F::y(load_n(x + c, left), load_n(a->w + c, left)), left);
  }
}
template <class F>
void parametric_forward(const ParametricArgs* a) {
  if (!a->streaming) return parametric_rows<F, false>(a);
  parametric_rows<F, true>(a);
  stream_end();
}

// Sums of this many rows are taken in float before they join the double total.
constexpr int64_t kParametricFlush = 64;

template <class F>
inline void parametric_grad_lanes(const ParametricArgs* a, int64_t at, int64_t c, int n) {
  const Vec gy = lanes_of(a->gy + at, n), x = lanes_of(a->x + at, n), w = lanes_of(a->w + c, n);
  const Vec sum = add(lanes_of(a->partial + c, n), F::gw(gy, x, w));
  if (n < kLanes) {
    store_n(a->partial + c, sum, n);
    if (a->y) store_n(a->y + at, F::gx(gy, x, w), n);
    return;
  }
  store(a->partial + c, sum);
  if (!a->y) return;
  if (a->streaming) stream(a->y + at, F::gx(gy, x, w));
  else store(a->y + at, F::gx(gy, x, w));
}

template <class F>
void parametric_grad(const ParametricArgs* a) {
  for (int64_t row = 0; row < a->rows;) {
    const int64_t end = a->rows - row < kParametricFlush ? a->rows : row + kParametricFlush;
    for (int64_t c = 0; c < a->channels; ++c) a->partial[c] = 0.0f;
    for (; row < end; ++row) {
      const int64_t start = row * a->channels;
      int64_t c = 0;
      for (; c + kLanes <= a->channels; c += kLanes) parametric_grad_lanes<F>(a, start + c, c, kLanes);
      if (c < a->channels) parametric_grad_lanes<F>(a, start + c, c, static_cast<int>(a->channels - c));
    }
    for (int64_t c = 0; c < a->channels; ++c) a->gw[c] += static_cast<double>(a->partial[c]);
  }
  if (a->streaming) stream_end();
}

template <class F>
constexpr void add_activation(ActivationKernels& k, Activation op) {
  k.forward[static_cast<int>(op)] = &activation_forward<F>;
  k.grad[static_cast<int>(op)] = &activation_grad<F>;
}
template <class F>
constexpr void add_parametric(ActivationKernels& k, Parametric op) {
  k.parametric[static_cast<int>(op)] = &parametric_forward<F>;
  k.parametric_grad[static_cast<int>(op)] = &parametric_grad<F>;
}
constexpr ActivationKernels activation_kernels() {
  ActivationKernels k = {};
  add_activation<LeakyRelu>(k, Activation::kLeakyRelu);
  add_activation<Elu>(k, Activation::kElu);
  add_activation<EluOfInput>(k, Activation::kEluOfInput);
  add_activation<Gelu>(k, Activation::kGelu);
  add_activation<GeluTanh>(k, Activation::kGeluTanh);
  add_activation<Silu>(k, Activation::kSilu);
  add_activation<Hardswish>(k, Activation::kHardswish);
  add_activation<Hardsigmoid>(k, Activation::kHardsigmoid);
  add_activation<Hardtanh>(k, Activation::kHardtanh);
  add_activation<Softplus>(k, Activation::kSoftplus);
  add_activation<Softsign>(k, Activation::kSoftsign);
  add_activation<LogSigmoid>(k, Activation::kLogSigmoid);
  add_activation<Mish>(k, Activation::kMish);
  add_activation<Threshold>(k, Activation::kThreshold);
  add_activation<Tanhshrink>(k, Activation::kTanhshrink);
  add_activation<Hardshrink>(k, Activation::kHardshrink);
  add_activation<Softshrink>(k, Activation::kSoftshrink);
  add_parametric<Prelu>(k, Parametric::kPrelu);
  add_parametric<Swish>(k, Parametric::kSwish);
  return k;
}
constexpr ActivationKernels kActivation = activation_kernels();
