#include "bindings/families.h"

namespace pyconv {

void bind_norm(pybind11::module_&) {}

}  // namespace pyconv
