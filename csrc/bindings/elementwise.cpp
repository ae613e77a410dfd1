#include "bindings/families.h"

namespace pyconv {

void bind_elementwise(pybind11::module_&) {}

}  // namespace pyconv
