#include "bindings/families.h"

namespace pyconv {

void bind_reduce(pybind11::module_&) {}

}  // namespace pyconv
