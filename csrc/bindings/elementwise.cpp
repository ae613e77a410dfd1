// Elementwise operations by name.
#include "ops/elementwise.h"

#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"
#include "core/iterator.h"

namespace pyconv {
namespace {

// The operation of this name; throws ValueError with the known ones.
template <class Op, size_t N>
Op find(const char* function, const char* const (&names)[N], std::string_view wanted) {
  static const auto* const table = [&names] {
    auto* t = new std::unordered_map<std::string_view, Op>;
    for (size_t i = 0; i < N; ++i) t->emplace(names[i], static_cast<Op>(i));
    return t;
  }();
  const auto found = table->find(wanted);
  if (found != table->end()) return found->second;
  std::string known;
  for (const char* name : names) known += (known.empty() ? "" : ", ") + std::string(name);
  throw ValueError(cat("[", function, "] name is '", wanted, "', expected one of ", known));
}

bool is_comparison(Binary op) { return op >= Binary::kEq && op <= Binary::kGe; }

// An argument: an array, or a Python number, which has a kind but takes the arrays' type.
class Argument {
 public:
  Argument(const py::object& value, const char* op, const char* argument) : op_(op), argument_(argument) {
    if (py::isinstance<py::array>(value)) {
      array_ = py::reinterpret_borrow<py::array>(value);
      view_ = pyconv::view(array_, op, argument);
      return;
    }
    number_ = value;
    if (!PyFloat_Check(value.ptr()) && !PyLong_Check(value.ptr()) && py::hasattr(value, "dtype"))
      number_ = value.attr("item")();  // a numpy scalar
    if (PyBool_Check(number_.ptr())) kind_ = DType::kBool;
    else if (PyLong_Check(number_.ptr())) kind_ = DType::kInt64;
    else if (PyFloat_Check(number_.ptr())) kind_ = DType::kFloat32;
    else
      throw DTypeError(cat("[", op, "] ", argument, " is ",
                           py::str(py::type::of(value).attr("__name__")).cast<std::string>(),
                           ", expected an array or a number"));
  }

  void promote(Promotion& p) const {
    if (number_) p.number(kind_);
    else p.array(view_.dtype, view_.rank());
  }
  // Whether a whole number lies outside a whole-number type.
  bool fits(DType dtype) const {
    if (!number_ || kind_ != DType::kInt64) return true;
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(number_.ptr(), &overflow);
    switch (dtype) {
      case DType::kInt64: return !overflow;
      case DType::kInt32: return !overflow && v >= INT32_MIN && v <= INT32_MAX;
      case DType::kUInt8: return !overflow && v >= 0 && v <= 255;
      default: return true;
    }
  }
  bool is_negative_number() const {
    return number_ && PyObject_RichCompareBool(number_.ptr(), py::int_(0).ptr(), Py_LT) == 1;
  }
  // The argument as a view; of a number: on one element of type `dtype` in here.
  const View& view(DType dtype) {
    if (!number_) return view_;
    if (dtype == DType::kInt64 || dtype == DType::kInt32 || dtype == DType::kUInt8) make_whole(dtype);
    if (!fits(dtype))
      throw ValueError(cat("[", op_, "] ", argument_, " is ", py::str(number_).cast<std::string>(),
                           ", which does not fit ", name(dtype)));
    view_.dtype = dtype;
    view_.data = &storage_;
    const double as_double =
        PyFloat_Check(number_.ptr()) ? PyFloat_AS_DOUBLE(number_.ptr()) : PyLong_AsDouble(number_.ptr());
    if (as_double == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      throw ValueError(cat("[", op_, "] ", argument_, " is ", py::str(number_).cast<std::string>(),
                           ", which does not fit float64"));
    }
    switch (dtype) {
      case DType::kFloat32: storage_.f32 = static_cast<float>(as_double); break;
      case DType::kFloat64: storage_.f64 = as_double; break;
      case DType::kInt64: storage_.i64 = PyLong_AsLongLong(number_.ptr()); break;
      case DType::kInt32: storage_.i32 = static_cast<int32_t>(PyLong_AsLongLong(number_.ptr())); break;
      case DType::kUInt8: storage_.u8 = static_cast<uint8_t>(PyLong_AsLongLong(number_.ptr())); break;
      case DType::kBool: storage_.b = as_double != 0; break;
    }
    return view_;
  }
  Dims shape() const { return number_ ? Dims() : view_.shape; }

 private:
  // A float that takes a whole-number type has to be whole.
  void make_whole(DType dtype) {
    if (!PyFloat_Check(number_.ptr())) return;
    const double value = PyFloat_AS_DOUBLE(number_.ptr());
    if (!std::isfinite(value) || std::floor(value) != value)
      throw ValueError(cat("[", op_, "] ", argument_, " is ", py::str(number_).cast<std::string>(),
                           ", expected a whole number for dtype ", name(dtype)));
    number_ = py::reinterpret_steal<py::object>(PyLong_FromDouble(value));
    if (!number_) throw py::error_already_set();
    kind_ = DType::kInt64;
  }

  const char *op_, *argument_;
  py::array array_;
  py::object number_;
  DType kind_ = DType::kFloat32;
  View view_;
  union {
    float f32;
    double f64;
    int64_t i64;
    int32_t i32;
    uint8_t u8;
    bool b;
  } storage_{};
};

// The result's array: a new one, or `out` if given.
py::array result_array(const py::object& out, DType dtype, const Dims& shape, bool channels_last,
                       const char* op, View& y) {
  if (out.is_none()) {
    py::array array = new_array(dtype, shape, channels_last);
    y = writable(array);
    return array;
  }
  if (!py::isinstance<py::array>(out))
    throw DTypeError(cat("[", op, "] out is ",
                         py::str(py::type::of(out).attr("__name__")).cast<std::string>(),
                         ", expected a numpy array"));
  py::array array = py::reinterpret_borrow<py::array>(out);
  y = output_view(array, dtype, shape, op, "out");
  if (overlaps_itself(y))
    throw ValueError(cat("[", op, "] out has elements that share memory (shape ", text(y.shape), ", strides ",
                         text(y.strides), ")"));
  return array;
}

py::array unary_by_name(const std::string& name, const py::object& x, bool channels_last,
                        const py::object& out, const py::object& lo, const py::object& hi) {
  const Unary op = find<Unary>("unary", kUnaryNames, name);
  Argument a(x, name.c_str(), "x");
  Promotion promotion;
  a.promote(promotion);
  double param[2] = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  const py::object* bounds[2] = {&lo, &hi};
  for (int i = 0; i < 2; ++i) {
    if (bounds[i]->is_none()) continue;
    Argument bound(*bounds[i], name.c_str(), i == 0 ? "min" : "max");
    bound.promote(promotion);
    if (bound.shape().rank)
      throw ShapeError(cat("[", name, "] ", i == 0 ? "min" : "max", " has shape ", text(bound.shape()),
                           ", expected a number"));
    param[i] = *bound.view(DType::kFloat64).as<double>();
  }
  const OpTypes t = types(op, promotion.result());
  const View& va = a.view(t.compute);
  View y;
  py::array result = result_array(out, t.result, va.shape, channels_last, name.c_str(), y);
  const py::gil_scoped_release release;
  unary(op, t.compute, va, y, param);
  return result;
}

py::array binary_by_name(const std::string& name, const py::object& left, const py::object& right,
                         bool channels_last, const py::object& out, double lo, double hi) {
  const Binary op = find<Binary>("binary", kBinaryNames, name);
  Argument a(left, name.c_str(), "a"), b(right, name.c_str(), "b");
  Promotion promotion;
  a.promote(promotion);
  b.promote(promotion);
  OpTypes t = types(op, promotion.result());
  if (is_comparison(op) && (!a.fits(t.compute) || !b.fits(t.compute))) t.compute = DType::kInt64;
  if (op == Binary::kPow && t.compute != DType::kFloat32 && t.compute != DType::kFloat64 &&
      b.is_negative_number())
    throw ValueError(
        cat("[pow] b is ", py::str(right).cast<std::string>(), ", expected at least 0 for whole numbers"));
  const View &va = a.view(t.compute), &vb = b.view(t.compute);
  View y;
  py::array result = result_array(out, t.result, broadcast_shape(va.shape, vb.shape, name.c_str()),
                                  channels_last, name.c_str(), y);
  const double param[2] = {lo, hi};
  const py::gil_scoped_release release;
  binary(op, t.compute, va, vb, y, param);
  return result;
}

py::array ternary_by_name(const std::string& name, const py::object& first, const py::object& second,
                          const py::object& third, bool channels_last, const py::object& out) {
  const Ternary op = find<Ternary>("ternary", kTernaryNames, name);
  const bool where = op == Ternary::kWhere;
  Argument a(first, name.c_str(), where ? "condition" : "a"), b(second, name.c_str(), where ? "a" : "b"),
      c(third, name.c_str(), where ? "b" : "c");
  Promotion promotion;
  if (!where) a.promote(promotion);
  b.promote(promotion);
  c.promote(promotion);
  const OpTypes t = types(op, promotion.result());
  const View &va = a.view(where ? DType::kBool : t.compute), &vb = b.view(t.compute), &vc = c.view(t.compute);
  if (where && va.dtype != DType::kBool)
    throw DTypeError(cat("[where] condition has dtype ", pyconv::name(va.dtype), ", expected bool"));
  const Dims shape =
      broadcast_shape(broadcast_shape(va.shape, vb.shape, name.c_str()), vc.shape, name.c_str());
  View y;
  py::array result = result_array(out, t.result, shape, channels_last, name.c_str(), y);
  const py::gil_scoped_release release;
  ternary(op, t.compute, va, vb, vc, y);
  return result;
}

void accumulate(py::array dst, py::array src) {
  const View s = view(src, "accumulate", "src");
  const View d = output_view(dst, s.dtype, s.shape, "accumulate", "dst");
  if (overlaps_itself(d)) throw ValueError("[accumulate] dst has elements that share memory");
  const OpTypes t = types(Binary::kAdd, d.dtype);
  const double param[2] = {};
  const py::gil_scoped_release release;
  binary(Binary::kAdd, t.compute, d, s, d, param);
}

// dst[...] = src, broadcast and converted to dst's type.
void assign_from(py::array dst, const py::object& src) {
  const View probe = view(dst, "assign", "dst");
  const View d = output_view(dst, probe.dtype, probe.shape, "assign", "dst");
  if (overlaps_itself(d)) throw ValueError("[assign] dst has elements that share memory");
  Argument value(src, "assign", "src");
  const View& s = value.view(d.dtype);
  bool fits = s.rank() <= d.rank();
  for (int i = 1; fits && i <= s.rank(); ++i)
    fits = s.shape[s.rank() - i] == 1 || s.shape[s.rank() - i] == d.shape[d.rank() - i];
  if (!fits)
    throw ShapeError(
        cat("[assign] src is ", text(s.shape), ", which does not broadcast to dst (", text(d.shape), ")"));
  const py::gil_scoped_release release;
  assign(s, d);
}

}  // namespace

void bind_elementwise(py::module_& m) {
  m.def("unary", &unary_by_name, py::arg("name"), py::arg("x"), py::arg("channels_last"),
        py::arg("out") = py::none(), py::arg("min") = py::none(), py::arg("max") = py::none());
  const double inf = std::numeric_limits<double>::infinity();
  m.def("binary", &binary_by_name, py::arg("name"), py::arg("a"), py::arg("b"), py::arg("channels_last"),
        py::arg("out") = py::none(), py::arg("min") = -inf, py::arg("max") = inf);
  m.def("ternary", &ternary_by_name, py::arg("name"), py::arg("a"), py::arg("b"), py::arg("c"),
        py::arg("channels_last"), py::arg("out") = py::none());
  m.def("accumulate", &accumulate, py::arg("dst"), py::arg("src"));
  m.def("assign", &assign_from, py::arg("dst"), py::arg("src"));
  m.def(
      "all_finite",
      [](py::array x) {
        const View v = view(x, "all_finite", "x");
        const py::gil_scoped_release release;
        return all_finite(v);
      },
      py::arg("x"));
}

}  // namespace pyconv
