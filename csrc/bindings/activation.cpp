// Activations by name.
#include "ops/activation.h"

#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/activation_shape.h"
#include "core/error.h"
#include "core/iterator.h"

namespace pyconv {
namespace {

template <class Op, size_t N>
Op find(const char* const (&names)[N], const char* function, const std::string& wanted) {
  std::string known;
  for (size_t i = 0; i < N; ++i) {
    if (wanted == names[i]) return static_cast<Op>(i);
    known += (i ? ", " : "") + std::string(names[i]);
  }
  throw ValueError(cat("[", function, "] name is '", wanted, "', expected one of ", known));
}

View float_view(py::array& array, const std::string& op, const char* argument) {
  const View v = view(array, op.c_str(), argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  return v;
}

View like(py::array& array, const View& x, const std::string& op, const char* argument) {
  const View v = view(array, op.c_str(), argument);
  if (v.dtype != x.dtype)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected x's, ", name(x.dtype)));
  if (v.shape != x.shape)
    throw ShapeError(
        cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(x.shape)));
  return v;
}

using Params = std::vector<double>;
Params checked(Params params) {
  if (params.size() > kActivationParams)
    throw ValueError(
        cat("[activation] params has ", params.size(), " numbers, expected at most ", kActivationParams));
  params.resize(kActivationParams, 0.0);
  return params;
}

py::array forward(const std::string& name, py::array x, const Params& params, bool channels_last,
                  OptionalArray out) {
  const Activation op = find<Activation>(kActivationNames, "activation_forward", name);
  const Params p = checked(params);
  const View in = float_view(x, name, "x");
  py::array y = out ? *out : new_array(in.dtype, in.shape, channels_last);
  const View to = out ? output_view(y, in.dtype, in.shape, name.c_str(), "out") : writable(y);
  if (out && (overlaps_itself(to) || overlap(to, in) == Overlap::kPartial))
    throw ValueError(cat("[", name, "] out has elements that share memory, with each other or with x"));
  const py::gil_scoped_release release;
  activation_forward(op, in, to, p.data());
  return y;
}

py::array backward(const std::string& name, py::array gy, py::array saved, const Params& params,
                   bool channels_last) {
  const Activation op = find<Activation>(kActivationNames, "activation_backward", name);
  const Params p = checked(params);
  const View s = float_view(saved, name, "saved"), g = like(gy, s, name, "gradient");
  py::array gx = new_array(s.dtype, s.shape, channels_last);
  const View to = writable(gx);
  const py::gil_scoped_release release;
  activation_backward(op, g, s, to, p.data());
  return gx;
}

const char* weight_name(Parametric op) { return op == Parametric::kPrelu ? "weight" : "beta"; }

// The numbers in double.
std::vector<double> numbers(const std::string& name, Parametric op, py::array& weight, const View& x) {
  const View w = view(weight, name.c_str(), weight_name(op));
  if (w.dtype != x.dtype)
    throw DTypeError(cat("[", name, "] ", weight_name(op), " has dtype ", pyconv::name(w.dtype),
                         ", expected x's, ", pyconv::name(x.dtype)));
  const int64_t count = parametric_channels(name.c_str(), weight_name(op), x.shape, w.shape);
  const int64_t step = w.rank() ? w.strides[0] : 1;
  std::vector<double> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    out[i] =
        w.dtype == DType::kFloat64 ? w.as<double>()[i * step] : static_cast<double>(w.as<float>()[i * step]);
  return out;
}

py::array parametric(const std::string& name, py::array x, py::array weight, bool channels_last) {
  const Parametric op = find<Parametric>(kParametricNames, "parametric_forward", name);
  const View in = float_view(x, name, "x");
  const std::vector<double> w = numbers(name, op, weight, in);
  py::array y = new_array(in.dtype, in.shape, channels_last);
  const View to = writable(y);
  const py::gil_scoped_release release;
  parametric_forward(op, in, w.data(), static_cast<int64_t>(w.size()), to);
  return y;
}

// (gx or None, gw in the weight's shape)
py::tuple parametric_gradients(const std::string& name, py::array x, py::array weight, py::array gy,
                               bool want_gx, bool channels_last) {
  const Parametric op = find<Parametric>(kParametricNames, "parametric_backward", name);
  const View in = float_view(x, name, "x"), g = like(gy, in, name, "gradient");
  const std::vector<double> w = numbers(name, op, weight, in);
  std::vector<double> gw(w.size());
  py::object gx = py::none();
  View to;
  if (want_gx) {
    py::array made = new_array(in.dtype, in.shape, channels_last);
    to = writable(made);
    gx = made;
  }
  {
    const py::gil_scoped_release release;
    parametric_backward(op, in, g, w.data(), static_cast<int64_t>(w.size()), want_gx ? &to : nullptr,
                        gw.data());
  }
  py::array out = new_array(in.dtype, view(weight, name.c_str(), "weight").shape, false);
  const View v = writable(out);
  for (size_t i = 0; i < gw.size(); ++i) {
    if (in.dtype == DType::kFloat64) v.as<double>()[i] = gw[i];
    else v.as<float>()[i] = static_cast<float>(gw[i]);
  }
  return py::make_tuple(gx, out);
}

}  // namespace

void bind_activation(py::module_& m) {
  using namespace py::literals;
  m.def("activation_forward", &forward, "name"_a, "x"_a, "params"_a, "channels_last"_a, "out"_a = py::none());
  m.def("activation_backward", &backward, "name"_a, "gy"_a, "saved"_a, "params"_a, "channels_last"_a);
  m.def("parametric_forward", &parametric, "name"_a, "x"_a, "weight"_a, "channels_last"_a);
  m.def("parametric_backward", &parametric_gradients, "name"_a, "x"_a, "weight"_a, "gy"_a, "want_gx"_a,
        "channels_last"_a);
  m.def(
      "parametric_channels",
      [](const std::string& name, const py::object& x, const py::object& weight) {
        const Parametric op = find<Parametric>(kParametricNames, "parametric_channels", name);
        return parametric_channels(name.c_str(), weight_name(op), dims(x, name.c_str(), "x"),
                                   dims(weight, name.c_str(), weight_name(op)));
      },
      "name"_a, "x"_a, "weight"_a);
}

}  // namespace pyconv
