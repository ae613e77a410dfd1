#include "ops/optim.h"

#include <algorithm>
#include <cmath>

#include "core/chunks.h"
#include "core/parallel.h"
#include "kernels/select.h"

namespace pyconv {
namespace {

constexpr int64_t kBlock = 16384;  // elements that one thread takes at a time
constexpr int64_t kPiece = 1024;   // elements gathered at a time where strides differ

struct Operands {
  ChunkOperand param, grad, state[kMaxStates];
  int states = 0;
  bool flat = false;  // all of them
};

void make_operands(const ParamStep& s, Operands& o) {
  const Dims order = memory_order(s.param);
  o.param = make_operand(s.param, order);
  o.grad = make_operand(s.grad, order);
  o.states = s.states;
  o.flat = o.param.flat && o.grad.flat;
  for (int k = 0; k < s.states; ++k) {
    o.state[k] = make_operand(s.state[k], order);
    o.flat = o.flat && o.state[k].flat;
  }
}

template <class Kernel>
void run_piece(const Operands& o, int64_t begin, int64_t count, const Kernel& kernel) {
  float buffer[(2 + kMaxStates) * kPiece];
  UpdateArgs args{};
  args.count = count;
  args.param = read_chunk(o.param, begin, count, buffer);
  args.grad = read_chunk(o.grad, begin, count, buffer + kPiece);
  for (int k = 0; k < o.states; ++k)
    args.state[k] = read_chunk(o.state[k], begin, count, buffer + (2 + k) * kPiece);
  kernel(&args);
  write_chunk(o.param, begin, count, args.param);
  for (int k = 0; k < o.states; ++k) write_chunk(o.state[k], begin, count, args.state[k]);
}

// Calls kernel(number of the tensor, arguments) over all elements of all tensors.
template <class Kernel>
void run(const std::vector<ParamStep>& steps, const Kernel& kernel) {
  struct Block {
    size_t tensor;
    int64_t begin, end;
  };
  std::vector<Operands> operands(steps.size());
  std::vector<Block> blocks;
  for (size_t t = 0; t < steps.size(); ++t) {
    make_operands(steps[t], operands[t]);
    const int64_t total = steps[t].param.count();
    for (int64_t begin = 0; begin < total; begin += kBlock)
      blocks.push_back({t, begin, std::min(begin + kBlock, total)});
  }
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t number) {
    const Block& block = blocks[static_cast<size_t>(number)];
    const Operands& o = operands[block.tensor];
    const int64_t piece = o.flat ? kBlock : kPiece;
    for (int64_t begin = block.begin; begin < block.end; begin += piece)
      run_piece(o, begin, std::min(piece, block.end - begin),
                [&](const UpdateArgs* args) { kernel(block.tensor, args); });
  });
}

float f32(double x) { return static_cast<float>(x); }

}  // namespace

void sgd_step(const std::vector<ParamStep>& steps, const SgdRule& r) {
  const SgdFactors f{f32(r.lr),  f32(r.momentum), f32(1 - r.dampening), f32(r.weight_decay), r.nesterov,
                     r.maximize, r.first};
  const OptimKernels& k = kernels().optim;
  run(steps, [&](size_t, const UpdateArgs* args) { k.sgd(args, &f); });
}

void adam_step(const std::vector<ParamStep>& steps, const AdamRule& r) {
  std::vector<AdamFactors> factors;
  for (const ParamStep& s : steps) {
    const double t = static_cast<double>(s.step);
    AdamFactors f;
    f.shrink = r.decoupled ? f32(1 - r.lr * r.weight_decay) : 1.0f;
    f.weight_decay = r.decoupled ? 0.0f : f32(r.weight_decay);
    f.take1 = f32(1 - r.beta1);
    f.beta2 = f32(r.beta2);
    f.take2 = f32(1 - r.beta2);
    f.step_size = f32(r.lr / (1 - std::pow(r.beta1, t)));
    f.correction = f32(1 / std::sqrt(1 - std::pow(r.beta2, t)));
    f.eps = f32(r.eps);
    f.amsgrad = r.amsgrad;
    f.maximize = r.maximize;
    factors.push_back(f);
  }
  const OptimKernels& k = kernels().optim;
  run(steps, [&](size_t tensor, const UpdateArgs* args) { k.adam(args, &factors[tensor]); });
}

void adagrad_step(const std::vector<ParamStep>& steps, const AdagradRule& r) {
  std::vector<AdagradFactors> factors;
  for (const ParamStep& s : steps)
    factors.push_back({f32(r.lr / (1 + static_cast<double>(s.step - 1) * r.lr_decay)), f32(r.weight_decay),
                       f32(r.eps), r.maximize});
  const OptimKernels& k = kernels().optim;
  run(steps, [&](size_t tensor, const UpdateArgs* args) { k.adagrad(args, &factors[tensor]); });
}

void adadelta_step(const std::vector<ParamStep>& steps, const AdadeltaRule& r) {
  const AdadeltaFactors f{f32(r.lr), f32(r.rho), f32(1 - r.rho), f32(r.eps), f32(r.weight_decay), r.maximize};
  const OptimKernels& k = kernels().optim;
  run(steps, [&](size_t, const UpdateArgs* args) { k.adadelta(args, &f); });
}

void rmsprop_step(const std::vector<ParamStep>& steps, const RmspropRule& r) {
  const RmspropFactors f{f32(r.lr),           f32(r.alpha),    f32(1 - r.alpha), f32(r.eps),
                         f32(r.weight_decay), f32(r.momentum), r.centered,       r.maximize};
  const OptimKernels& k = kernels().optim;
  run(steps, [&](size_t, const UpdateArgs* args) { k.rmsprop(args, &f); });
}

}  // namespace pyconv
