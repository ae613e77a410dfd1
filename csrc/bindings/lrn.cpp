// Local response normalisation.
#include "ops/lrn.h"

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"

namespace pyconv {
namespace {

constexpr const char* kOp = "local_response_norm";

View checked(py::array& array, const LrnShape& s, const char* argument) {
  const View v = view(array, kOp, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", kOp, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  if (v.shape != s.x)
    throw ShapeError(cat("[", kOp, "] ", argument, " has shape ", text(v.shape), ", expected ", text(s.x)));
  return v;
}

py::array forward(const LrnShape& s, py::array x, double scale, double beta, double k, bool channels_last) {
  const View in = checked(x, s, "input");
  py::array y = new_array(in.dtype, s.x, channels_last);
  const View out = writable(y);
  const py::gil_scoped_release release;
  lrn_forward(s, in, scale, beta, k, out);
  return y;
}

py::array backward(const LrnShape& s, py::array x, py::array gy, double scale, double beta, double k,
                   bool channels_last) {
  const View in = checked(x, s, "input"), g = checked(gy, s, "gradient");
  if (g.dtype != in.dtype)
    throw DTypeError(cat("[", kOp, "] gradient has dtype ", name(g.dtype), ", expected ", name(in.dtype)));
  py::array gx = new_array(in.dtype, s.x, channels_last);
  const View out = writable(gx);
  const py::gil_scoped_release release;
  lrn_backward(s, in, g, scale, beta, k, out);
  return gx;
}

}  // namespace

void bind_lrn(py::module_& m) {
  using namespace py::literals;
  py::class_<LrnShape>(m, "LrnShape").def_property_readonly("input_shape", [](const LrnShape& s) {
    return tuple(s.x);
  });
  m.def(
      "lrn_shape",
      [](const py::object& x, int64_t size) { return make_lrn_shape(kOp, dims(x, kOp, "input"), size); },
      "x"_a, "size"_a);
  m.def("lrn_forward", &forward, "shape"_a, "x"_a, "scale"_a, "beta"_a, "k"_a, "channels_last"_a);
  m.def("lrn_backward", &backward, "shape"_a, "x"_a, "gy"_a, "scale"_a, "beta"_a, "k"_a, "channels_last"_a);
}

}  // namespace pyconv
