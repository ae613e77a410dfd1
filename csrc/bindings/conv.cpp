#include "bindings/families.h"
namespace pyconv {
void bind_conv(pybind11::module_&) {}
}  // namespace pyconv
