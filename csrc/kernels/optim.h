// Arguments and table of the optim kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// `count` elements of one parameter; states as the rule has them, null where it has none.
struct UpdateArgs {
  int64_t count;
  float* param;
  const float* grad;
  float* state[3];
};

struct SgdFactors {
  float lr, momentum, keep;  // keep: 1 - dampening
  float weight_decay;
  int nesterov, maximize, first;
};

struct AdamFactors {
  float shrink;        // 1 - lr * weight_decay (decoupled), or 1
  float weight_decay;  // L2, or 0
  float take1;         // 1 - beta1
  float beta2, take2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // 1 / sqrt(1 - beta2^t)
  float eps;
  int amsgrad, maximize;
};

struct AdagradFactors {
  float lr, weight_decay, eps;
  int maximize;
};

struct AdadeltaFactors {
  float lr, rho, take, eps, weight_decay;
  int maximize;
};

struct RmspropFactors {
  float lr, alpha, take, eps, weight_decay, momentum;
  int centered, maximize;
};

struct OptimKernels {
  void (*sgd)(const UpdateArgs*, const SgdFactors*);
  void (*adam)(const UpdateArgs*, const AdamFactors*);
  void (*adagrad)(const UpdateArgs*, const AdagradFactors*);
  void (*adadelta)(const UpdateArgs*, const AdadeltaFactors*);
  void (*rmsprop)(const UpdateArgs*, const RmspropFactors*);
};

}  // namespace pyconv
