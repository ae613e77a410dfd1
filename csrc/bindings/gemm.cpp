// Matrix product.
#include "ops/gemm/gemm.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "ops/gemm/batch.h"
#include "ref/gemm.h"

namespace pyconv {
namespace {

// op(a) op(b) + bias: a transposition is a swap of strides.
py::array product(const char* op, const char* a_name, const char* b_name, Array a, Array b,
                  OptionalArray bias, bool transpose_a, bool transpose_b) {
  View va = view(a, op, a_name), vb = view(b, op, b_name);
  if (va.dtype != DType::kFloat32 && va.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", a_name, " has dtype ", name(va.dtype), ", expected float32 or float64"));
  if (vb.dtype != va.dtype)
    throw DTypeError(
        cat("[", op, "] ", b_name, " has dtype ", name(vb.dtype), " but ", a_name, " has ", name(va.dtype)));
  for (const auto& [v, argument] : {std::pair{&va, a_name}, {&vb, b_name}})
    if (v->rank() != 2)
      throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v->shape), ", expected 2 axes"));
  if (transpose_a) va = permute(va, {1, 0});
  if (transpose_b) vb = permute(vb, {1, 0});
  if (va.shape[1] != vb.shape[0])
    throw ShapeError(cat("[", op, "] inner sizes differ: ", text(va.shape), " times ", text(vb.shape)));
  const int64_t n = vb.shape[1];
  View vbias;
  if (bias) {
    vbias = view(*bias, va.dtype, op, "bias");
    if (vbias.shape != Dims{n})
      throw ShapeError(cat("[", op, "] bias has shape ", text(vbias.shape), ", expected ", n));
    if (!is_dense(vbias, false)) {
      *bias = py::array(bias->attr("copy")());
      vbias = view(*bias, op, "bias");
    }
  }
  py::array out = new_array(va.dtype, {va.shape[0], n}, false);
  const View vout = writable(out);
  const py::gil_scoped_release release;
  if (va.dtype == DType::kFloat32) gemm(va, vb, vbias.as<float>(), vout.as<float>());
  else ref::gemm(va, vb, vbias.as<double>(), vout.as<double>());
  return out;
}

// a b of two stacks with the same leading axes.
py::array products(Array a, Array b) {
  const char* op = "matmul";
  const View va = view(a, op, "a"), vb = view(b, op, "b");
  if (va.dtype != DType::kFloat32 && va.dtype != DType::kFloat64)
    throw DTypeError(cat("[", op, "] a has dtype ", name(va.dtype), ", expected float32 or float64"));
  if (vb.dtype != va.dtype)
    throw DTypeError(cat("[", op, "] b has dtype ", name(vb.dtype), " but a has ", name(va.dtype)));
  const int last = va.rank() - 1;
  bool fits = last >= 1 && vb.rank() == va.rank() && va.shape[last] == vb.shape[last - 1];
  for (int axis = 0; fits && axis < last - 1; ++axis) fits = va.shape[axis] == vb.shape[axis];
  if (!fits)
    throw ShapeError(cat("[", op, "] cannot multiply stacks ", text(va.shape), " and ", text(vb.shape)));
  Dims shape = va.shape;
  shape[last] = vb.shape[last];
  py::array out = new_array(va.dtype, shape, false);
  const View vout = writable(out);
  const py::gil_scoped_release release;
  gemm_batch(va, vb, vout.data);
  return out;
}

}  // namespace

void bind_gemm(py::module_& m) {
  m.def(
      "gemm",
      [](Array a, Array b, bool transpose_a, bool transpose_b) {
        return product("matmul", "a", "b", a, b, std::nullopt, transpose_a, transpose_b);
      },
      py::arg("a"), py::arg("b"), py::arg("transpose_a") = false, py::arg("transpose_b") = false);
  m.def("gemm_batch", &products, py::arg("a"), py::arg("b"));
  m.def(
      "linear",
      [](Array x, Array weight, OptionalArray bias) {
        return product("linear", "input", "weight", x, weight, bias, false, true);
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"));
  m.def("multiply_adds", &multiply_adds, py::arg("steps"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace pyconv
