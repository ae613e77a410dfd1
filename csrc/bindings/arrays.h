// Between numpy and View. The only conversions of arrays that happen in the bindings stand here.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>

#include "core/view.h"

namespace py = pybind11;

namespace pyconv {

using Array = py::array;
using OptionalArray = std::optional<py::array>;

// The array's memory as a View. Throws DTypeError for an element type that pyconv does not know (byte
// order included) and ShapeError beyond 8 axes, both naming op and argument. An array whose strides are
// no multiple of its item size, or that is not aligned, is first copied: `array` then holds the copy.
View view(py::array& array, const char* op, const char* argument);

// The same, and the element type must be `dtype`.
View view(py::array& array, DType dtype, const char* op, const char* argument);

// The same for an output that the caller gives: it must be writeable, and of this dtype and shape.
View output_view(py::array& array, DType dtype, const Dims& shape, const char* op, const char* argument);

// Whether the array is a whole block that new_array made.
bool owns(const py::array& array);

// An array in memory of the arena, which takes it back when numpy lets go. C order, or channels-last
// for ranks 4 and 5. Poisoned under PYCONV_POISON=1.
py::array new_array(DType dtype, const Dims& shape, bool channels_last);
View writable(py::array& array);  // of an array made by new_array

Dims dims(const py::handle& sequence, const char* op, const char* argument);  // from a sequence of ints
py::tuple tuple(const Dims& dims);

DType dtype_of(const py::array& array, const char* op, const char* argument);
py::dtype numpy_dtype(DType dtype);

}  // namespace pyconv
