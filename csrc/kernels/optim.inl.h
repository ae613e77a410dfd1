// Optimiser steps on plain arrays; the formulas stand in ref/optim.cpp. One pass: every array is read and
// written once, so these run at the speed of memory.

// The gradient with its sign turned when maximizing, and with weight_decay * p added.
inline Vec effective_gradient(Vec g, Vec p, int maximize, float weight_decay) {
  if (maximize) g = sub(zero(), g);
  return weight_decay != 0.0f ? fma(set1(weight_decay), p, g) : g;
}

// Calls step(p, g, states) for every vector; `states` says how many state arrays there are.
template <class F>
inline void for_vectors(const UpdateArgs* a, int states, F step) {
  int64_t i = 0;
  for (; i + kLanes <= a->count; i += kLanes) {
    Vec p = load(a->param + i), s[3];
    for (int k = 0; k < 3; ++k) s[k] = k < states ? load(a->state[k] + i) : zero();
    step(p, load(a->grad + i), s);
    store(a->param + i, p);
    for (int k = 0; k < 3; ++k)
      if (k < states) store(a->state[k] + i, s[k]);
  }
  const int rest = static_cast<int>(a->count - i);
  if (rest == 0) return;
  Vec p = load_n(a->param + i, rest), s[3];
  for (int k = 0; k < 3; ++k) s[k] = k < states ? load_n(a->state[k] + i, rest) : zero();
  step(p, load_n(a->grad + i, rest), s);
  store_n(a->param + i, p, rest);
  for (int k = 0; k < 3; ++k)
    if (k < states) store_n(a->state[k] + i, s[k], rest);
}

void sgd_kernel(const UpdateArgs* a, const SgdFactors* f) {
  const int buffered = f->momentum != 0.0f;
  const Vec momentum = set1(f->momentum), keep = set1(f->keep), down = set1(-f->lr);
  for_vectors(a, buffered, [=](Vec& p, Vec g, Vec* s) {
    g = effective_gradient(g, p, f->maximize, f->weight_decay);
    if (buffered) {
      s[0] = f->first ? g : fma(keep, g, mul(momentum, s[0]));
      g = f->nesterov ? fma(momentum, s[0], g) : s[0];
    }
    p = fma(down, g, p);
  });
}

void adam_kernel(const UpdateArgs* a, const AdamFactors* f) {
  const Vec shrink = set1(f->shrink), take1 = set1(f->take1), beta2 = set1(f->beta2), take2 = set1(f->take2);
  const Vec down = set1(-f->step_size), correction = set1(f->correction), eps = set1(f->eps);
  for_vectors(a, f->amsgrad ? 3 : 2, [=](Vec& p, Vec g, Vec* s) {
    g = effective_gradient(g, p, f->maximize, f->weight_decay);
    p = mul(p, shrink);
    s[0] = fma(take1, sub(g, s[0]), s[0]);
    s[1] = fma(mul(take2, g), g, mul(beta2, s[1]));
    Vec u = s[1];
    if (f->amsgrad) u = s[2] = max(s[2], s[1]);
    p = fma(down, div(s[0], fma(sqrt(u), correction, eps)), p);
  });
}

void adagrad_kernel(const UpdateArgs* a, const AdagradFactors* f) {
  const Vec down = set1(-f->lr), eps = set1(f->eps);
  for_vectors(a, 1, [=](Vec& p, Vec g, Vec* s) {
    g = effective_gradient(g, p, f->maximize, f->weight_decay);
    s[0] = fma(g, g, s[0]);
    p = fma(down, div(g, add(sqrt(s[0]), eps)), p);
  });
}

void adadelta_kernel(const UpdateArgs* a, const AdadeltaFactors* f) {
  const Vec down = set1(-f->lr), rho = set1(f->rho), take = set1(f->take), eps = set1(f->eps);
  for_vectors(a, 2, [=](Vec& p, Vec g, Vec* s) {
    g = effective_gradient(g, p, f->maximize, f->weight_decay);
    s[0] = fma(mul(take, g), g, mul(rho, s[0]));
    const Vec d = mul(div(sqrt(add(s[1], eps)), sqrt(add(s[0], eps))), g);
    s[1] = fma(mul(take, d), d, mul(rho, s[1]));
    p = fma(down, d, p);
  });
}

void rmsprop_kernel(const UpdateArgs* a, const RmspropFactors* f) {
  const int buffered = f->momentum != 0.0f, buffer = f->centered ? 2 : 1;
  const Vec down = set1(-f->lr), alpha = set1(f->alpha), take = set1(f->take), eps = set1(f->eps);
  const Vec momentum = set1(f->momentum);
  for_vectors(a, buffer + buffered, [=](Vec& p, Vec g, Vec* s) {
    g = effective_gradient(g, p, f->maximize, f->weight_decay);
    s[0] = fma(mul(take, g), g, mul(alpha, s[0]));
    Vec u = s[0];
    if (f->centered) {
      s[1] = fma(take, sub(g, s[1]), s[1]);
      u = sub(u, mul(s[1], s[1]));
    }
    Vec d = div(g, add(sqrt(u), eps));
    if (buffered) d = s[buffer] = fma(momentum, s[buffer], d);
    p = fma(down, d, p);
  });
}

constexpr OptimKernels kOptim = {&sgd_kernel, &adam_kernel, &adagrad_kernel, &adadelta_kernel,
                                 &rmsprop_kernel};
