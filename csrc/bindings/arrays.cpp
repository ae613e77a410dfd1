#include "bindings/arrays.h"

#include "core/arena.h"
#include "core/error.h"

namespace pyconv {
namespace {

bool usable_strides(const py::array& array) {
  const int64_t item = array.itemsize();
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (array.strides(i) % item != 0) return false;
  return reinterpret_cast<uintptr_t>(array.data()) % static_cast<uintptr_t>(item) == 0;
}

View plain_view(const py::array& array, DType dtype) {
  View v;
  v.data = const_cast<void*>(array.data());
  v.dtype = dtype;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    v.shape.push(array.shape(i));
    v.strides.push(array.strides(i) / array.itemsize());
  }
  return v;
}

}  // namespace

DType dtype_of(const py::array& array, const char* op, const char* argument) {
  const py::dtype d = array.dtype();
  if (d.byteorder() != '>') {
    switch (d.kind()) {
      case 'f':
        if (d.itemsize() == 4) return DType::kFloat32;
        if (d.itemsize() == 8) return DType::kFloat64;
        break;
      case 'i':
        if (d.itemsize() == 4) return DType::kInt32;
        if (d.itemsize() == 8) return DType::kInt64;
        break;
      case 'u':
        if (d.itemsize() == 1) return DType::kUInt8;
        break;
      case 'b': return DType::kBool;
      default: break;
    }
  }
  throw DTypeError(cat("[", op, "] ", argument, " has dtype ", py::str(d).cast<std::string>(),
                       ", expected float32, float64, int64, int32, uint8 or bool"));
}

View view(py::array& array, const char* op, const char* argument) {
  const DType dtype = dtype_of(array, op, argument);
  if (array.ndim() > kMaxRank)
    throw ShapeError(
        cat("[", op, "] ", argument, " has ", array.ndim(), " axes, expected at most ", kMaxRank));
  if (!usable_strides(array)) {
    count_copy(array.nbytes());
    array = py::array(array.attr("copy")());
  }
  return plain_view(array, dtype);
}

View view(py::array& array, DType dtype, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != dtype)
    throw DTypeError(cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected ", name(dtype)));
  return v;
}

View output_view(py::array& array, DType dtype, const Dims& shape, const char* op, const char* argument) {
  if (!array.writeable()) throw ValueError(cat("[", op, "] ", argument, " is read-only"));
  if (!usable_strides(array))
    throw ValueError(cat("[", op, "] ", argument, " is not aligned to its element size"));
  const View v = view(array, dtype, op, argument);
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

namespace {

void free_block(PyObject* capsule) {
  arena_free(PyCapsule_GetPointer(capsule, nullptr),
             reinterpret_cast<intptr_t>(PyCapsule_GetContext(capsule)));
}

}  // namespace

bool owns(const py::array& array) {
  PyObject* const base = array.base().ptr();
  return base && PyCapsule_CheckExact(base) && PyCapsule_GetDestructor(base) == free_block;
}

py::array new_array(DType dtype, const Dims& shape, bool channels_last) {
  const int64_t item = item_size(dtype);
  const int64_t bytes = element_count(shape, "allocate") * item;
  void* data = arena_allocate(bytes);
  poison_output(data, bytes);
  // The capsule carries the size in its context, so that no record per array is needed.
  py::capsule owner(data, nullptr, free_block);
  PyCapsule_SetContext(owner.ptr(), reinterpret_cast<void*>(static_cast<intptr_t>(bytes)));
  const Dims strides = dense_strides(shape, channels_last);
  std::vector<py::ssize_t> np_shape(shape.begin(), shape.end()), np_strides;
  for (int64_t stride : strides) np_strides.push_back(stride * item);
  return py::array(numpy_dtype(dtype), std::move(np_shape), std::move(np_strides), data, owner);
}

View writable(py::array& array) { return plain_view(array, dtype_of(array, "internal", "output")); }

Dims dims(const py::handle& sequence, const char* op, const char* argument) {
  Dims out;
  if (!PySequence_Check(sequence.ptr()))
    throw DTypeError(cat("[", op, "] ", argument, " is ",
                         py::str(py::type::of(sequence).attr("__name__")).cast<std::string>(),
                         ", expected a sequence of whole numbers"));
  const Py_ssize_t size = PySequence_Size(sequence.ptr());
  if (size < 0) throw py::error_already_set();
  if (size > kMaxRank)
    throw ShapeError(cat("[", op, "] ", argument, " has ", size, " entries, expected at most ", kMaxRank));
  for (Py_ssize_t i = 0; i < size; ++i) {
    const py::object item = py::reinterpret_steal<py::object>(PySequence_GetItem(sequence.ptr(), i));
    if (!item) throw py::error_already_set();
    const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!index) {
      PyErr_Clear();
      throw DTypeError(cat("[", op, "] ", argument, " holds ", py::repr(item).cast<std::string>(),
                           ", expected whole numbers"));
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    if (overflow)
      throw ValueError(cat("[", op, "] ", argument, " is ", py::str(index).cast<std::string>(),
                           ", which does not fit 64 bits"));
    out.push(value);
  }
  return out;
}

py::tuple tuple(const Dims& d) {
  py::tuple out(d.rank);
  for (int i = 0; i < d.rank; ++i) out[static_cast<size_t>(i)] = d[i];
  return out;
}

py::dtype numpy_dtype(DType dtype) {
  static const py::dtype* const table = [] {
    return new py::dtype[6]{py::dtype("float32"), py::dtype("float64"), py::dtype("int64"),
                            py::dtype("int32"),   py::dtype("uint8"),   py::dtype("bool")};
  }();
  return table[static_cast<int>(dtype)];
}

}  // namespace pyconv
