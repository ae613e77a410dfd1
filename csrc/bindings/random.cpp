// Draws from the counter-based generator; `seed`, `stream` and `position` (in groups) come from
// pyconv.random.
#include "ops/random.h"

#include <pybind11/stl.h>

#include <array>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/checked.h"
#include "core/error.h"
#include "ref/random.h"

namespace pyconv {
namespace {

DType float_type(const py::dtype& dtype, const char* op) {
  const DType type = dtype_of(py::array(dtype, std::vector<py::ssize_t>{0}), op, "dtype");
  if (type != DType::kFloat32 && type != DType::kFloat64)
    throw DTypeError(cat("[", op, "] dtype is ", name(type), ", expected float32 or float64"));
  return type;
}

template <class F>
py::array drawn(const py::object& shape, DType type, bool channels_last, const char* op, F draw) {
  py::array out = new_array(type, dims(shape, op, "shape"), channels_last);
  const View v = writable(out);
  py::gil_scoped_release release;
  draw(v);
  return out;
}

py::array integers(const py::object& shape, const py::dtype& dtype, int64_t low, int64_t high, uint64_t seed,
                   uint64_t stream, uint64_t position, bool channels_last) {
  const DType type = dtype_of(py::array(dtype, std::vector<py::ssize_t>{0}), "randint", "dtype");
  int64_t least = INT64_MIN, most = INT64_MAX;
  if (type == DType::kInt32) least = INT32_MIN, most = INT32_MAX;
  else if (type == DType::kUInt8) least = 0, most = 255;
  else if (type != DType::kInt64)
    throw DTypeError(cat("[randint] dtype is ", name(type), ", expected int64, int32 or uint8"));
  if (low >= high) throw ValueError(cat("[randint] high is ", high, ", expected more than low (", low, ")"));
  if (low < least || high - 1 > most)
    throw ValueError(cat("[randint] the range ", low, " ... ", high - 1, " does not fit dtype ", name(type)));
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return drawn(shape, type, channels_last, "randint",
               [&](const View& v) { random_integers(v, low, range, {seed, stream, position}); });
}

py::array dropout_array(py::array x, double keep, uint64_t seed, uint64_t stream, uint64_t position,
                        bool channels_last) {
  const View from = view(x, "dropout", "x");
  if (from.dtype != DType::kFloat32 && from.dtype != DType::kFloat64)
    throw DTypeError(cat("[dropout] x has dtype ", name(from.dtype), ", expected float32 or float64"));
  if (!is_dense(from, channels_last)) throw ValueError("[dropout] x is not dense in the order asked for");
  py::array out = new_array(from.dtype, from.shape, channels_last);
  const View to = writable(out);
  py::gil_scoped_release release;
  dropout(from, to, keep, {seed, stream, position});
  return out;
}

}  // namespace

void bind_random(py::module_& m) {
  m.attr("random_group") = kRandomGroup;
  m.def(
      "philox",
      [](const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key) {
        std::array<uint32_t, 4> out;
        ref::philox(counter.data(), key.data(), out.data());
        return out;
      },
      py::arg("counter"), py::arg("key"));
  m.def(
      "random_words",
      [](int64_t count, uint64_t seed, uint64_t stream, uint64_t position) {
        py::array out = new_array(DType::kInt32, Dims{count}, false);
        random_words(static_cast<uint32_t*>(out.mutable_data()), count, {seed, stream, position});
        return out.attr("view")("uint32");
      },
      py::arg("count"), py::arg("seed"), py::arg("stream"), py::arg("position"));
  m.def(
      "random_uniform",
      [](const py::object& shape, const py::dtype& dtype, double low, double high, uint64_t seed,
         uint64_t stream, uint64_t position, bool channels_last) {
        return drawn(shape, float_type(dtype, "rand"), channels_last, "rand",
                     [&](const View& v) { random_uniform(v, low, high, {seed, stream, position}); });
      },
      py::arg("shape"), py::arg("dtype"), py::arg("low"), py::arg("high"), py::arg("seed"), py::arg("stream"),
      py::arg("position"), py::arg("channels_last"));
  m.def(
      "random_normal",
      [](const py::object& shape, const py::dtype& dtype, double mean, double deviation, uint64_t seed,
         uint64_t stream, uint64_t position, bool channels_last) {
        return drawn(shape, float_type(dtype, "randn"), channels_last, "randn",
                     [&](const View& v) { random_normal(v, mean, deviation, {seed, stream, position}); });
      },
      py::arg("shape"), py::arg("dtype"), py::arg("mean"), py::arg("deviation"), py::arg("seed"),
      py::arg("stream"), py::arg("position"), py::arg("channels_last"));
  m.def("random_integers", &integers, py::arg("shape"), py::arg("dtype"), py::arg("low"), py::arg("high"),
        py::arg("seed"), py::arg("stream"), py::arg("position"), py::arg("channels_last"));
  m.def(
      "random_permutation",
      [](int64_t n, uint64_t seed, uint64_t stream, uint64_t position) {
        py::array out = new_array(DType::kInt64, Dims{n}, false);
        int64_t* data = static_cast<int64_t*>(out.mutable_data());
        py::gil_scoped_release release;
        random_permutation(data, n, {seed, stream, position});
        return out;
      },
      py::arg("n"), py::arg("seed"), py::arg("stream"), py::arg("position"));
  m.def("dropout", &dropout_array, py::arg("x"), py::arg("keep"), py::arg("seed"), py::arg("stream"),
        py::arg("position"), py::arg("channels_last"));
}

}  // namespace pyconv
