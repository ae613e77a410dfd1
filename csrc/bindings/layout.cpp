#include "bindings/families.h"

namespace pyconv {

void bind_layout(pybind11::module_&) {}

}  // namespace pyconv
