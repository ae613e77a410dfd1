#include "bindings/families.h"

namespace pyconv {

void bind_optim(pybind11::module_&) {}

}  // namespace pyconv
