#include "bindings/families.h"

namespace pyconv {

void bind_random(pybind11::module_&) {}

}  // namespace pyconv
