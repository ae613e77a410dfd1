#include "bindings/families.h"

namespace pyconv {

void bind_softmax(pybind11::module_&) {}

}  // namespace pyconv
