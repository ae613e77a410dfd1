#include "ref/optim.h"

#include <algorithm>
#include <cmath>

#include "core/chunks.h"
#include "core/parallel.h"

namespace pyconv::ref {
namespace {

constexpr int64_t kPiece = 4096;

// Calls f(param, gradient, states) for every element; the gradient has its sign turned when maximizing and
// weight_decay * param added (L2).
template <class F>
void for_each(const ParamStep& s, double weight_decay, bool maximize, F&& f) {
  const Dims order = memory_order(s.param);
  const ChunkOperand param = make_operand(s.param, order), grad = make_operand(s.grad, order);
  ChunkOperand state[kMaxStates];
  for (int k = 0; k < s.states; ++k) state[k] = make_operand(s.state[k], order);
  std::vector<double> buffer(static_cast<size_t>(kPiece) * (2 + kMaxStates));
  const int64_t total = s.param.count();
  for (int64_t begin = 0; begin < total; begin += kPiece) {
    poll_interrupt();
    const int64_t count = std::min(kPiece, total - begin);
    double* const p = read_chunk(param, begin, count, buffer.data());
    const double* const g = read_chunk(grad, begin, count, buffer.data() + kPiece);
    double* v[kMaxStates] = {};
    for (int k = 0; k < s.states; ++k)
      v[k] = read_chunk(state[k], begin, count, buffer.data() + kPiece * (2 + k));
    for (int64_t i = 0; i < count; ++i) {
      double gradient = maximize ? -g[i] : g[i];
      if (weight_decay != 0) gradient += weight_decay * p[i];
      double value[kMaxStates] = {};
      for (int k = 0; k < s.states; ++k) value[k] = v[k][i];
      f(p[i], gradient, value);
      for (int k = 0; k < s.states; ++k) v[k][i] = value[k];
    }
    write_chunk(param, begin, count, p);
    for (int k = 0; k < s.states; ++k) write_chunk(state[k], begin, count, v[k]);
  }
}

}  // namespace

// b = mu b + (1 - dampening) g (the first time b = g); d = g + mu b (nesterov), b, or g without momentum; p
// -= lr d.
void sgd_step(const std::vector<ParamStep>& steps, const SgdRule& r) {
  for (const ParamStep& s : steps)
    for_each(s, r.weight_decay, r.maximize, [&](double& p, double g, double* b) {
      double d = g;
      if (r.momentum != 0) {
        b[0] = r.first ? g : r.momentum * b[0] + (1 - r.dampening) * g;
        d = r.nesterov ? g + r.momentum * b[0] : b[0];
      }
      p -= r.lr * d;
    });
}

// m += (1 - b1)(g - m); v = b2 v + (1 - b2) g^2; u = v, or the largest v so far (amsgrad);
// p -= lr / (1 - b1^t) * m / (sqrt(u / (1 - b2^t)) + eps). Decoupled decay (AdamW) first: p *= 1 - lr wd.
void adam_step(const std::vector<ParamStep>& steps, const AdamRule& r) {
  for (const ParamStep& s : steps) {
    const double t = static_cast<double>(s.step);
    const double step_size = r.lr / (1 - std::pow(r.beta1, t)), root = std::sqrt(1 - std::pow(r.beta2, t));
    for_each(s, r.decoupled ? 0 : r.weight_decay, r.maximize, [&](double& p, double g, double* b) {
      if (r.decoupled) p *= 1 - r.lr * r.weight_decay;
      b[0] += (1 - r.beta1) * (g - b[0]);
      b[1] = r.beta2 * b[1] + (1 - r.beta2) * g * g;
      double u = b[1];
      if (r.amsgrad) u = b[2] = std::max(b[2], b[1]);
      p -= step_size * b[0] / (std::sqrt(u) / root + r.eps);
    });
  }
}

// s += g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps).
void adagrad_step(const std::vector<ParamStep>& steps, const AdagradRule& r) {
  for (const ParamStep& s : steps) {
    const double lr = r.lr / (1 + static_cast<double>(s.step - 1) * r.lr_decay);
    for_each(s, r.weight_decay, r.maximize, [&](double& p, double g, double* b) {
      b[0] += g * g;
      p -= lr * g / (std::sqrt(b[0]) + r.eps);
    });
  }
}

// v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) * g; u = rho u + (1 - rho) d^2; p -= lr d.
void adadelta_step(const std::vector<ParamStep>& steps, const AdadeltaRule& r) {
  for (const ParamStep& s : steps)
    for_each(s, r.weight_decay, r.maximize, [&](double& p, double g, double* b) {
      b[0] = r.rho * b[0] + (1 - r.rho) * g * g;
      const double d = std::sqrt(b[1] + r.eps) / std::sqrt(b[0] + r.eps) * g;
      b[1] = r.rho * b[1] + (1 - r.rho) * d * d;
      p -= r.lr * d;
    });
}

// v = a v + (1 - a) g^2; centered: m += (1 - a)(g - m), u = v - m^2, else u = v;
// d = g / (sqrt(u) + eps); momentum: b = mu b + d, d = b; p -= lr d.
void rmsprop_step(const std::vector<ParamStep>& steps, const RmspropRule& r) {
  for (const ParamStep& s : steps)
    for_each(s, r.weight_decay, r.maximize, [&](double& p, double g, double* b) {
      b[0] = r.alpha * b[0] + (1 - r.alpha) * g * g;
      double u = b[0];
      if (r.centered) {
        b[1] += (1 - r.alpha) * (g - b[1]);
        u -= b[1] * b[1];
      }
      double d = g / (std::sqrt(u) + r.eps);
      if (r.momentum != 0) {
        double& buffer = b[r.centered ? 2 : 1];
        d = buffer = r.momentum * buffer + d;
      }
      p -= r.lr * d;
    });
}

}  // namespace pyconv::ref
