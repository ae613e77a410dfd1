// One step of an optimiser: the tensors of one parameter, and the rules' numbers. Formulas stand in
// ref/optim.cpp.
#pragma once

#include <cstdint>

#include "core/view.h"

namespace pyconv {

constexpr int kMaxStates = 3;

// All views have the parameter's shape and dtype; their strides may differ.
struct ParamStep {
  View param, grad;
  View state[kMaxStates];
  int states = 0;
  int64_t step = 1;  // counted from 1
};

struct SgdRule {  // state: momentum buffer, if momentum != 0
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first;  // the momentum buffers hold nothing yet
};

struct AdamRule {  // states: exp_avg, exp_avg_sq, and max_exp_avg_sq with amsgrad
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, amsgrad, maximize;
};

struct AdagradRule {  // state: sum
  double lr, lr_decay, weight_decay, eps;
  bool maximize;
};

struct AdadeltaRule {  // states: square_avg, acc_delta
  double lr, rho, eps, weight_decay;
  bool maximize;
};

struct RmspropRule {  // states: square_avg, then grad_avg if centered, then momentum_buffer if momentum != 0
  double lr, alpha, eps, weight_decay, momentum;
  bool centered, maximize;
};

}  // namespace pyconv
