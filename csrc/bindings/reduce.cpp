// Reductions by name.
#include "ops/reduce.h"

#include <string_view>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "ops/elementwise.h"

namespace pyconv {
namespace {

Reduction find(std::string_view wanted) {
  std::string known;
  for (int i = 0; i < static_cast<int>(Reduction::kCount); ++i) {
    if (wanted == kReductionNames[i]) return static_cast<Reduction>(i);
    known += (known.empty() ? "" : ", ") + std::string(kReductionNames[i]);
  }
  throw ValueError(cat("[reduce] name is '", wanted, "', expected one of ", known));
}

// A new array of the shape `shown`, and a view of it with the shape `kept`. `shown` lacks the first `lead`
// axes of `kept`, or, if `squeezed`, the reduced ones.
py::array result_array(const Dims& shown, const ReduceShape& s, bool squeezed, int lead, bool channels_last,
                       View& y) {
  py::array array = new_array(s.dtype, shown, channels_last);
  const View v = writable(array);
  y = v;
  y.shape = s.kept;
  y.strides = Dims();
  int next = 0;
  for (int i = 0; i < s.kept.rank; ++i)
    y.strides.push(s.reduced[i] ? 0 : v.strides[squeezed ? next++ : i - lead]);
  return array;
}

py::array reduce_by_name(const std::string& name, py::array x, const py::object& axes, bool keepdim,
                         bool channels_last, double correction) {
  const Reduction op = find(name);
  const View v = view(x, name.c_str(), "x");
  const ReduceShape s = make_reduce(op, v.dtype, v.shape,
                                    axes.is_none() ? Dims() : dims(axes, name.c_str(), "dim"), correction);
  View y;
  py::array result = result_array(keepdim ? s.kept : s.squeezed, s, !keepdim, 0, channels_last, y);
  const py::gil_scoped_release release;
  reduce(s, v, y);
  return result;
}

py::array sum_to_shape(py::array x, const py::object& shape, bool channels_last) {
  const View v = view(x, "sum_to_shape", "x");
  const Dims to = dims(shape, "sum_to_shape", "shape");
  const ReduceShape s = make_sum_to(v.dtype, v.shape, to);
  View y;
  py::array result = result_array(to, s, false, v.rank() - to.rank, channels_last, y);
  const py::gil_scoped_release release;
  reduce(s, v, y);
  return result;
}

// gx of the given shape: zero, and gy at `index` along `axis`. gy and index have size 1 there.
py::array put_along_axis_of(py::array gy, py::array index, const py::object& shape, int axis,
                            bool channels_last) {
  const View g = view(gy, "put_along_axis", "gy"), at = view(index, DType::kInt64, "put_along_axis", "index");
  const Dims to = dims(shape, "put_along_axis", "shape");
  Dims expected = to;
  if (axis < 0 || axis >= to.rank)
    throw IndexError(cat("[put_along_axis] axis is ", axis, ", expected 0 to ", to.rank - 1));
  expected[axis] = 1;
  if (g.shape != expected || at.shape != expected)
    throw ShapeError(cat("[put_along_axis] gy is ", text(g.shape), " and index ", text(at.shape),
                         ", expected ", text(expected)));
  py::array result = new_array(g.dtype, to, channels_last);
  const View gx = writable(result);
  const py::gil_scoped_release release;
  put_along_axis(g, at, axis, gx);
  return result;
}

}  // namespace

void bind_reduce(py::module_& m) {
  m.def("sum_to_shape", &sum_to_shape, py::arg("x"), py::arg("shape"), py::arg("channels_last"));
  m.def("put_along_axis", &put_along_axis_of, py::arg("gy"), py::arg("index"), py::arg("shape"),
        py::arg("axis"), py::arg("channels_last"));
  m.def("reduce", &reduce_by_name, py::arg("name"), py::arg("x"), py::arg("axes"), py::arg("keepdim"),
        py::arg("channels_last"), py::arg("correction") = 1.0);
}

}  // namespace pyconv
