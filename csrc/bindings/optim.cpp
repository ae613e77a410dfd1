// Steps of the optimisers: lists of arrays in, parameters and states changed in place.
#include "ops/optim.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "core/iterator.h"
#include "ref/optim.h"

namespace pyconv {
namespace {

using Arrays = std::vector<py::array>;

// The tensors of a step, by dtype: float32 runs the kernels, float64 the reference.
struct Steps {
  std::vector<ParamStep> f32, f64;
};

// `extra` names what else there is per parameter. `numbers`: how often each parameter was stepped, this step
// included.
Steps collect(const char* op, Arrays& params, Arrays& grads, std::initializer_list<Arrays*> states,
              const std::vector<int64_t>* numbers) {
  const size_t count = params.size();
  if (grads.size() != count)
    throw ValueError(
        cat("[", op, "] got ", grads.size(), " gradients, expected ", count, ", one per parameter"));
  if (numbers && numbers->size() != count)
    throw ValueError(cat("[", op, "] got ", numbers->size(), " step numbers, expected ", count));
  for (const Arrays* s : states)
    if (s->size() != count && !s->empty())
      throw ValueError(
          cat("[", op, "] got ", s->size(), " state arrays, expected ", count, ", one per parameter"));
  Steps out;
  for (size_t i = 0; i < count; ++i) {
    const std::string param = cat("parameter ", i), grad = cat("gradient ", i), state = cat("state ", i);
    const DType dtype = dtype_of(params[i], op, param.c_str());
    if (dtype != DType::kFloat32 && dtype != DType::kFloat64)
      throw DTypeError(
          cat("[", op, "] ", param, " has dtype ", name(dtype), ", expected float32 or float64"));
    ParamStep s;
    const View seen = view(params[i], op, param.c_str());
    s.param = output_view(params[i], dtype, seen.shape, op, param.c_str());
    if (overlaps_itself(s.param))
      throw ValueError(cat("[", op, "] ", param,
                           " is a broadcast view: several of its elements share one place in memory"));
    s.grad = view(grads[i], dtype, op, grad.c_str());
    if (s.grad.shape != s.param.shape)
      throw ShapeError(cat("[", op, "] ", grad, " has shape ", text(s.grad.shape),
                           ", expected its parameter's, ", text(s.param.shape)));
    for (Arrays* list : states)
      if (!list->empty())
        s.state[s.states++] = output_view((*list)[i], dtype, s.param.shape, op, state.c_str());
    if (numbers) s.step = (*numbers)[i];
    (dtype == DType::kFloat32 ? out.f32 : out.f64).push_back(s);
  }
  return out;
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def(
      "sgd_step",
      [](Arrays params, Arrays grads, Arrays momentum_buffers, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize, bool first) {
        const Steps s = collect("sgd", params, grads, {&momentum_buffers}, nullptr);
        if (momentum != 0 && momentum_buffers.size() != params.size())
          throw ValueError("[sgd] momentum needs one momentum buffer per parameter");
        const SgdRule rule{lr, momentum, dampening, weight_decay, nesterov, maximize, first};
        const py::gil_scoped_release release;
        sgd_step(s.f32, rule);
        ref::sgd_step(s.f64, rule);
      },
      py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"), py::arg("lr"), py::arg("momentum"),
      py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"), py::arg("maximize"),
      py::arg("first"));
  m.def(
      "adam_step",
      [](Arrays params, Arrays grads, Arrays exp_avgs, Arrays exp_avg_sqs, Arrays max_exp_avg_sqs,
         const std::vector<int64_t>& steps, double lr, double beta1, double beta2, double eps,
         double weight_decay, bool decoupled, bool amsgrad, bool maximize) {
        const Steps s = collect("adam", params, grads, {&exp_avgs, &exp_avg_sqs, &max_exp_avg_sqs}, &steps);
        const size_t n = params.size();
        if (exp_avgs.size() != n || exp_avg_sqs.size() != n || (amsgrad && max_exp_avg_sqs.size() != n))
          throw ValueError("[adam] expected one array of each state per parameter");
        const AdamRule rule{lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize};
        const py::gil_scoped_release release;
        adam_step(s.f32, rule);
        ref::adam_step(s.f64, rule);
      },
      py::arg("params"), py::arg("grads"), py::arg("exp_avgs"), py::arg("exp_avg_sqs"),
      py::arg("max_exp_avg_sqs"), py::arg("steps"), py::arg("lr"), py::arg("beta1"), py::arg("beta2"),
      py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"), py::arg("amsgrad"), py::arg("maximize"));
  m.def(
      "adagrad_step",
      [](Arrays params, Arrays grads, Arrays sums, const std::vector<int64_t>& steps, double lr,
         double lr_decay, double weight_decay, double eps, bool maximize) {
        const Steps s = collect("adagrad", params, grads, {&sums}, &steps);
        if (sums.size() != params.size()) throw ValueError("[adagrad] expected one sum per parameter");
        const AdagradRule rule{lr, lr_decay, weight_decay, eps, maximize};
        const py::gil_scoped_release release;
        adagrad_step(s.f32, rule);
        ref::adagrad_step(s.f64, rule);
      },
      py::arg("params"), py::arg("grads"), py::arg("sums"), py::arg("steps"), py::arg("lr"),
      py::arg("lr_decay"), py::arg("weight_decay"), py::arg("eps"), py::arg("maximize"));
  m.def(
      "adadelta_step",
      [](Arrays params, Arrays grads, Arrays square_avgs, Arrays acc_deltas, double lr, double rho,
         double eps, double weight_decay, bool maximize) {
        const Steps s = collect("adadelta", params, grads, {&square_avgs, &acc_deltas}, nullptr);
        if (square_avgs.size() != params.size() || acc_deltas.size() != params.size())
          throw ValueError("[adadelta] expected one array of each state per parameter");
        const AdadeltaRule rule{lr, rho, eps, weight_decay, maximize};
        const py::gil_scoped_release release;
        adadelta_step(s.f32, rule);
        ref::adadelta_step(s.f64, rule);
      },
      py::arg("params"), py::arg("grads"), py::arg("square_avgs"), py::arg("acc_deltas"), py::arg("lr"),
      py::arg("rho"), py::arg("eps"), py::arg("weight_decay"), py::arg("maximize"));
  m.def(
      "rmsprop_step",
      [](Arrays params, Arrays grads, Arrays square_avgs, Arrays grad_avgs, Arrays momentum_buffers,
         double lr, double alpha, double eps, double weight_decay, double momentum, bool centered,
         bool maximize) {
        const Steps s =
            collect("rmsprop", params, grads, {&square_avgs, &grad_avgs, &momentum_buffers}, nullptr);
        const size_t n = params.size();
        if (square_avgs.size() != n || grad_avgs.size() != (centered ? n : 0) ||
            momentum_buffers.size() != (momentum != 0 ? n : 0))
          throw ValueError("[rmsprop] expected one array of each state per parameter");
        const RmspropRule rule{lr, alpha, eps, weight_decay, momentum, centered, maximize};
        const py::gil_scoped_release release;
        rmsprop_step(s.f32, rule);
        ref::rmsprop_step(s.f64, rule);
      },
      py::arg("params"), py::arg("grads"), py::arg("square_avgs"), py::arg("grad_avgs"),
      py::arg("momentum_buffers"), py::arg("lr"), py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"),
      py::arg("momentum"), py::arg("centered"), py::arg("maximize"));
}

}  // namespace pyconv
