// Optimiser steps on float32 parameters: one parallel pass over the blocks of all tensors.
#pragma once

#include <vector>

#include "core/optim.h"

namespace pyconv {

void sgd_step(const std::vector<ParamStep>& steps, const SgdRule& rule);
void adam_step(const std::vector<ParamStep>& steps, const AdamRule& rule);
void adagrad_step(const std::vector<ParamStep>& steps, const AdagradRule& rule);
void adadelta_step(const std::vector<ParamStep>& steps, const AdadeltaRule& rule);
void rmsprop_step(const std::vector<ParamStep>& steps, const RmspropRule& rule);

}  // namespace pyconv
