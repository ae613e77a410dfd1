#include "bindings/families.h"

namespace pyconv {

void bind_pool(pybind11::module_&) {}

}  // namespace pyconv
