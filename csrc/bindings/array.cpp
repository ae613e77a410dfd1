// Allocation of arrays in the arena.
#include "bindings/arrays.h"
#include "bindings/families.h"

namespace pyconv {

void bind_array(py::module_& m) {
  m.def(
      "empty",
      [](const py::object& shape, const py::dtype& dtype, bool channels_last) {
        const py::array probe(dtype, std::vector<py::ssize_t>{0});
        return new_array(dtype_of(probe, "empty", "dtype"), dims(shape, "empty", "shape"), channels_last);
      },
      py::arg("shape"), py::arg("dtype"), py::arg("channels_last"));
  m.def("owns", &owns, py::arg("array"));
}

}  // namespace pyconv
