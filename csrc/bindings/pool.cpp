#include "ops/pool.h"

#include <string>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/error.h"

namespace pyconv {
namespace {

View float_view(py::array& array, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  return v;
}

void expect_shape(const View& v, const Dims& shape, const char* op, const char* argument) {
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
}

// An argument without batch axis is a batch of one.
View batched(View v, int spatial) {
  if (v.rank() != spatial + 1) return v;
  for (int i = v.rank(); i > 0; --i) {
    v.shape[i] = v.shape[i - 1];
    v.strides[i] = v.strides[i - 1];
  }
  v.shape[0] = 1;
  v.strides[0] = 0;
  ++v.shape.rank;
  ++v.strides.rank;
  return v;
}

View input_view(py::array& array, const Dims& shape, const char* op, const char* argument) {
  const View v = batched(float_view(array, op, argument), shape.rank - 2);
  expect_shape(v, shape, op, argument);
  return v;
}

// A fresh array of the shape (n, c, spatial...), without its batch axis when the argument `like` has none.
struct Output {
  py::array array;
  View view;

  Output(DType dtype, const Dims& shape, const py::array& like, bool channels_last) {
    Dims own = shape;
    if (like.ndim() == shape.rank - 1) {
      own = Dims();
      for (int i = 1; i < shape.rank; ++i) own.push(shape[i]);
    }
    array = new_array(dtype, own, channels_last);
    view = batched(writable(array), shape.rank - 2);
  }
};

Dims tap_dims(const PoolShape& s) {
  Dims d{s.n};
  for (int i = 0; i < s.spatial; ++i) d.push(s.out[i]);
  d.push(s.c);
  return d;
}

DType tap_dtype(const PoolShape& s) { return tap_bytes(s) == 1 ? DType::kUInt8 : DType::kInt32; }

View tap_view(py::array& taps, const PoolShape& s, const char* op) {
  const View v = view(taps, tap_dtype(s), op, "taps");
  expect_shape(v, tap_dims(s), op, "taps");
  if (!is_dense(v, false)) throw ValueError(cat("[", op, "] taps is not contiguous"));
  return v;
}

py::tuple max_forward(const std::string& op, const PoolShape& shape, py::array x, bool want_taps,
                      bool channels_last) {
  const View vx = input_view(x, shape.input_shape(), op.c_str(), "x");
  Output y(vx.dtype, shape.output_shape(), x, channels_last);
  py::object taps = py::none();
  void* tap_data = nullptr;
  if (want_taps) {
    py::array kept = new_array(tap_dtype(shape), tap_dims(shape), false);
    tap_data = writable(kept).data;
    taps = kept;
  }
  {
    const py::gil_scoped_release release;
    max_pool_forward(shape, vx, y.view, tap_data);
  }
  return py::make_tuple(y.array, taps);
}

py::array max_backward(const std::string& op, const PoolShape& shape, py::array gy, py::array taps,
                       bool channels_last) {
  const View vg = input_view(gy, shape.output_shape(), op.c_str(), "gradient");
  const View vt = tap_view(taps, shape, op.c_str());
  Output gx(vg.dtype, shape.input_shape(), gy, channels_last);
  {
    const py::gil_scoped_release release;
    max_pool_grad_input(shape, vg, vt.data, gx.view);
  }
  return gx.array;
}

py::array indices(const std::string& op, const PoolShape& shape, py::array taps, const py::array& like,
                  bool channels_last) {
  const View vt = tap_view(taps, shape, op.c_str());
  Output out(DType::kInt64, shape.output_shape(), like, channels_last);
  {
    const py::gil_scoped_release release;
    max_pool_indices(shape, vt.data, out.view);
  }
  return out.array;
}

py::array average_forward(const std::string& op, const PoolShape& shape, py::array x, bool count_padding,
                          int64_t divisor, bool channels_last) {
  const View vx = input_view(x, shape.input_shape(), op.c_str(), "x");
  Output y(vx.dtype, shape.output_shape(), x, channels_last);
  {
    const py::gil_scoped_release release;
    average_pool_forward(shape, {count_padding, divisor}, vx, y.view);
  }
  return y.array;
}

py::array average_backward(const std::string& op, const PoolShape& shape, py::array gy, bool count_padding,
                           int64_t divisor, bool channels_last) {
  const View vg = input_view(gy, shape.output_shape(), op.c_str(), "gradient");
  Output gx(vg.dtype, shape.input_shape(), gy, channels_last);
  {
    const py::gil_scoped_release release;
    average_pool_grad_input(shape, {count_padding, divisor}, vg, gx.view);
  }
  return gx.array;
}

// (n, c, spatial...) of `like` with other spatial sizes.
Dims plane_dims(const Dims& like, const Dims& spatial) {
  Dims d{like[0], like[1]};
  for (int64_t v : spatial) d.push(v);
  return d;
}

py::array unpool_forward(const std::string& op, py::array x, py::array index_array, const py::object& size,
                         bool channels_last) {
  const Dims spatial = dims(size, op.c_str(), "output_size");
  const View given_x = float_view(x, op.c_str(), "x"),
             given_i = view(index_array, DType::kInt64, op.c_str(), "indices");
  expect_shape(given_i, given_x.shape, op.c_str(), "indices");
  const View vx = batched(given_x, spatial.rank), vi = batched(given_i, spatial.rank);
  if (vx.rank() != spatial.rank + 2)
    throw ShapeError(cat("[", op, "] x has shape ", text(vx.shape), " (", vx.rank(), " axes), expected ",
                         spatial.rank + 2));
  const Dims out = plane_dims(vx.shape, spatial);
  element_count(out, op.c_str());
  Output y(vx.dtype, out, x, channels_last);
  {
    const py::gil_scoped_release release;
    max_unpool_forward(op.c_str(), vx, vi, y.view);
  }
  return y.array;
}

py::array unpool_backward(const std::string& op, py::array gy, py::array index_array, int spatial,
                          bool channels_last) {
  const View vg = batched(float_view(gy, op.c_str(), "gradient"), spatial);
  const View vi = batched(view(index_array, DType::kInt64, op.c_str(), "indices"), spatial);
  if (vg.rank() != spatial + 2 || vi.rank() != spatial + 2 || vi.shape[0] != vg.shape[0] ||
      vi.shape[1] != vg.shape[1])
    throw ShapeError(cat("[", op, "] indices has shape ", text(vi.shape),
                         ", which does not fit the gradient's ", text(vg.shape)));
  Output gx(vg.dtype, vi.shape, gy, channels_last);
  {
    const py::gil_scoped_release release;
    max_unpool_grad_input(op.c_str(), vg, vi, gx.view);
  }
  return gx.array;
}

}  // namespace

void bind_pool(py::module_& m) {
  using namespace py::literals;
  py::class_<PoolShape>(m, "PoolShape")
      .def_property_readonly("input_shape", [](const PoolShape& s) { return tuple(s.input_shape()); })
      .def_property_readonly("output_shape", [](const PoolShape& s) { return tuple(s.output_shape()); })
      .def_property_readonly("taps", [](const PoolShape& s) { return s.taps(); });
  m.def(
      "pool_shape",
      [](const std::string& op, const py::object& x, const py::object& window, const py::object& stride,
         const py::object& padding, const py::object& dilation, bool ceil_mode) {
        const char* o = op.c_str();  // one statement each: the first bad argument is the one that is named
        const Dims in = dims(x, o, "x"), kernel = dims(window, o, "kernel_size"),
                   step = dims(stride, o, "stride");
        const Dims pad = dims(padding, o, "padding"), spread = dims(dilation, o, "dilation");
        return make_pool_shape(o, in, kernel, step, pad, spread, ceil_mode);
      },
      "op"_a, "x"_a, "window"_a, "stride"_a, "padding"_a, "dilation"_a, "ceil_mode"_a);
  m.def(
      "adaptive_pool_shape",
      [](const std::string& op, const py::object& x, const py::object& output) {
        return make_adaptive_pool_shape(op.c_str(), dims(x, op.c_str(), "x"),
                                        dims(output, op.c_str(), "output_size"));
      },
      "op"_a, "x"_a, "output"_a);
  m.def("max_pool_forward", &max_forward, "op"_a, "shape"_a, "x"_a, "want_taps"_a, "channels_last"_a);
  m.def("max_pool_backward", &max_backward, "op"_a, "shape"_a, "gy"_a, "taps"_a, "channels_last"_a);
  m.def("max_pool_indices", &indices, "op"_a, "shape"_a, "taps"_a, "like"_a, "channels_last"_a);
  m.def("average_pool_forward", &average_forward, "op"_a, "shape"_a, "x"_a, "count_padding"_a, "divisor"_a,
        "channels_last"_a);
  m.def("average_pool_backward", &average_backward, "op"_a, "shape"_a, "gy"_a, "count_padding"_a, "divisor"_a,
        "channels_last"_a);
  m.def("max_unpool_forward", &unpool_forward, "op"_a, "x"_a, "indices"_a, "output_size"_a,
        "channels_last"_a);
  m.def("max_unpool_backward", &unpool_backward, "op"_a, "gy"_a, "indices"_a, "spatial"_a, "channels_last"_a);
}

}  // namespace pyconv
