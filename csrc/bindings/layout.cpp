// Copies, conversions, fills: numpy arrays in, numpy arrays out.
#include "ops/layout.h"

#include <pybind11/stl.h>

#include <cmath>
#include <cstring>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/error.h"
#include "ops/elementwise.h"

namespace pyconv {
namespace {

// A Python number as the bytes of one element.
struct Element {
  char bytes[8] = {};
};

template <class T>
Element element(T value) {
  Element e;
  std::memcpy(e.bytes, &value, sizeof value);
  return e;
}

Element element_of(const py::handle& value, DType dtype, const char* op, const char* argument) {
  const auto wrong = [&](const char* expected) {
    return ValueError(cat("[", op, "] ", argument, " is ", py::repr(value).cast<std::string>(), ", expected ",
                          expected, " for dtype ", name(dtype)));
  };
  const double real = PyFloat_AsDouble(value.ptr());
  if (real == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      throw wrong("a number within the type's range");
    }
    PyErr_Clear();
    throw DTypeError(cat("[", op, "] ", argument, " is ",
                         py::str(py::type::of(value).attr("__name__")).cast<std::string>(),
                         ", expected a number"));
  }
  if (dtype == DType::kFloat32) return element(static_cast<float>(real));
  if (dtype == DType::kFloat64) return element(real);
  if (dtype == DType::kBool) return element(real != 0);
  if (std::floor(real) != real) throw wrong("a whole number");
  const py::object whole = py::reinterpret_steal<py::object>(PyNumber_Long(value.ptr()));
  if (!whole) {
    PyErr_Clear();
    throw wrong("a finite number");
  }
  int overflow = 0;
  const long long i = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  const bool fits =
      !overflow && (dtype == DType::kInt64 || (dtype == DType::kInt32 && i >= INT32_MIN && i <= INT32_MAX) ||
                    (dtype == DType::kUInt8 && i >= 0 && i <= 255));
  if (!fits) throw wrong("a number within the type's range");
  if (dtype == DType::kInt64) return element(static_cast<int64_t>(i));
  if (dtype == DType::kInt32) return element(static_cast<int32_t>(i));
  return element(static_cast<uint8_t>(i));
}

DType dtype_from(const py::dtype& dtype, const char* op) {
  return dtype_of(py::array(dtype, std::vector<py::ssize_t>{0}), op, "dtype");
}

py::array full(const py::object& shape, const py::dtype& dtype, const py::object& value, bool channels_last) {
  const DType type = dtype_from(dtype, "full");
  const Element e = element_of(value, type, "full", "value");
  py::array out = new_array(type, dims(shape, "full", "shape"), channels_last);
  const View v = writable(out);
  py::gil_scoped_release release;
  fill(v, e.bytes);
  return out;
}

py::array converted(py::array x, DType dtype, bool channels_last, const char* op) {
  const View from = view(x, op, "x");
  if (!is_dense(from, channels_last)) count_copy(x.nbytes());
  py::array out = new_array(dtype, from.shape, channels_last);
  const View to = writable(out);
  py::gil_scoped_release release;
  copy(to, from);
  return out;
}

py::array arange_array(const py::dtype& dtype, const py::object& start, const py::object& step,
                       int64_t count) {
  const DType type = dtype_from(dtype, "arange");
  if (type == DType::kBool) throw DTypeError("[arange] dtype is bool, expected a number type");
  py::array out = new_array(type, Dims{count}, false);
  const View v = writable(out);
  if (type == DType::kFloat32 || type == DType::kFloat64) {
    const double a = start.cast<double>(), b = step.cast<double>();
    py::gil_scoped_release release;
    arange(v, a, b);
  } else {
    const int64_t a = start.cast<int64_t>(), b = step.cast<int64_t>();
    py::gil_scoped_release release;
    arange(v, a, b);
  }
  return out;
}

// The same memory under another shape (C order of the elements), or None where strides cannot say it: each
// run of old axes that lies without gaps must be used up by whole new axes.
py::object reshaped(const py::array& x, const py::object& shape_object) {
  const Dims shape = dims(shape_object, "view", "shape");
  if (element_count(shape, "view") != x.size())
    throw ShapeError(cat("[view] shape ", text(shape), " does not have the ", x.size(), " elements of x"));
  std::vector<py::ssize_t> strides(static_cast<size_t>(shape.rank), x.itemsize());
  int next = shape.rank - 1;
  for (py::ssize_t axis = x.ndim() - 1; axis >= 0 && x.size() > 0;) {
    if (x.shape(axis) == 1) {
      --axis;
      continue;
    }
    const py::ssize_t step = x.strides(axis);
    int64_t run = 1;
    while (axis >= 0 && (x.shape(axis) == 1 || x.strides(axis) == step * run)) run *= x.shape(axis--);
    int64_t used = 1;
    for (; next >= 0 && (used < run || shape[next] == 1); --next) {
      strides[static_cast<size_t>(next)] = step * used;
      used *= shape[next];
    }
    if (used != run) return py::none();
  }
  return py::array(x.dtype(), std::vector<py::ssize_t>(shape.begin(), shape.end()), std::move(strides),
                   x.data(), x);
}

// The same memory with repeated axes (stride 0).
py::array expanded(const py::array& x, const py::object& shape_object) {
  const Dims shape = dims(shape_object, "expand", "shape");
  Dims own;
  for (py::ssize_t i = 0; i < x.ndim(); ++i) own.push(x.shape(i));
  element_count(shape, "expand");
  if (own.rank > shape.rank || broadcast_shape(own, shape, "expand") != shape)
    throw ShapeError(cat("[expand] x has shape ", text(own), ", which does not broadcast to ", text(shape)));
  std::vector<py::ssize_t> strides(static_cast<size_t>(shape.rank), 0);
  for (int i = 0; i < own.rank; ++i)
    if (own[i] != 1) strides[static_cast<size_t>(shape.rank - own.rank + i)] = x.strides(i);
  return py::array(x.dtype(), std::vector<py::ssize_t>(shape.begin(), shape.end()), std::move(strides),
                   x.data(), x);
}

py::array concat_arrays(const std::vector<py::array>& given, int axis, bool channels_last) {
  if (given.empty()) throw ValueError("[cat] tensors is an empty list, expected at least one");
  std::vector<py::array> arrays = given;
  std::vector<View> views;
  Dims shape;
  DType type = DType::kBool;
  for (size_t i = 0; i < arrays.size(); ++i) {
    views.push_back(view(arrays[i], "cat", "tensors"));
    const View& v = views.back();
    if (i == 0) {
      shape = v.shape;
      if (axis < 0 || axis >= shape.rank)
        throw IndexError(cat("[cat] dim is ", axis, ", expected 0 to ", shape.rank - 1));
    } else {
      Dims other = v.shape;
      if (other.rank == shape.rank) other[axis] = shape[axis];
      if (other != shape)
        throw ShapeError(cat("[cat] tensor ", i, " has shape ", text(v.shape), ", which differs from ",
                             text(views[0].shape), " (tensor 0) outside axis ", axis));
      shape[axis] = checked_add(shape[axis], v.shape[axis], "cat");
    }
    type = promote(type, v.dtype);
  }
  py::array out = new_array(type, shape, channels_last);
  const View to = writable(out);
  py::gil_scoped_release release;
  concat(views, axis, to);
  return out;
}

py::array pad_array(py::array x, const py::object& lo, const py::object& hi, const std::string& mode,
                    const py::object& value, bool channels_last) {
  const View from = view(x, "pad", "x");
  const PadMode kind = pad_mode(mode);
  const Dims before = dims(lo, "pad", "lo"), after = dims(hi, "pad", "hi");
  if (before.rank != from.rank() || after.rank != from.rank())
    throw ShapeError(cat("[pad] lo and hi have ", before.rank, " and ", after.rank,
                         " entries, expected one per axis of x (", text(from.shape), ")"));
  const Element e = element_of(value, from.dtype, "pad", "value");
  py::array out = new_array(from.dtype, padded_shape(from.shape, before, after, kind), channels_last);
  const View to = writable(out);
  py::gil_scoped_release release;
  pad(from, before, after, kind, e.bytes, to);
  return out;
}

py::array pad_grad_array(py::array gy, const py::object& shape, const py::object& lo, const py::object& hi,
                         const std::string& mode, bool channels_last) {
  const View from = view(gy, "pad", "gy");
  const PadMode kind = pad_mode(mode);
  const Dims x = dims(shape, "pad", "shape"), before = dims(lo, "pad", "lo"), after = dims(hi, "pad", "hi");
  if (kind == PadMode::kConstant) throw ValueError("[pad] the gradient of constant padding is a crop");
  if (before.rank != x.rank || after.rank != x.rank || padded_shape(x, before, after, kind) != from.shape)
    throw ShapeError(
        cat("[pad] gy has shape ", text(from.shape), ", which is not the padded shape of ", text(x)));
  py::array work = new_array(from.dtype, from.shape, channels_last),
            out = new_array(from.dtype, x, channels_last);
  const View w = writable(work), to = writable(out);
  py::gil_scoped_release release;
  copy(w, from);
  pad_grad(w, before, after, kind, to);
  return out;
}

}  // namespace

void bind_layout(py::module_& m) {
  m.def("full", &full, py::arg("shape"), py::arg("dtype"), py::arg("value"), py::arg("channels_last"));
  m.def(
      "copy",
      [](py::array x, bool channels_last) {
        const DType type = dtype_of(x, "copy", "x");
        return converted(std::move(x), type, channels_last, "copy");
      },
      py::arg("x"), py::arg("channels_last"));
  m.def(
      "cast",
      [](py::array x, const py::dtype& dtype, bool channels_last) {
        return converted(std::move(x), dtype_from(dtype, "cast"), channels_last, "cast");
      },
      py::arg("x"), py::arg("dtype"), py::arg("channels_last"));
  m.def("arange", &arange_array, py::arg("dtype"), py::arg("start"), py::arg("step"), py::arg("count"));
  m.def("concat", &concat_arrays, py::arg("arrays"), py::arg("axis"), py::arg("channels_last"));
  m.def("pad", &pad_array, py::arg("x"), py::arg("lo"), py::arg("hi"), py::arg("mode"), py::arg("value"),
        py::arg("channels_last"));
  m.def("pad_grad", &pad_grad_array, py::arg("gy"), py::arg("shape"), py::arg("lo"), py::arg("hi"),
        py::arg("mode"), py::arg("channels_last"));
  m.def("reshaped", &reshaped, py::arg("x"), py::arg("shape"));
  m.def("expanded", &expanded, py::arg("x"), py::arg("shape"));
}

}  // namespace pyconv
