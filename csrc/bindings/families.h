// One function per family: it adds the family's functions to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace pyconv {

void bind_runtime(pybind11::module_& m);
void bind_array(pybind11::module_& m);
void bind_conv(pybind11::module_& m);
void bind_gemm(pybind11::module_& m);
void bind_elementwise(pybind11::module_& m);
void bind_activation(pybind11::module_& m);
void bind_pointwise_loss(pybind11::module_& m);
void bind_reduce(pybind11::module_& m);
void bind_layout(pybind11::module_& m);
void bind_indexing(pybind11::module_& m);
void bind_pool(pybind11::module_& m);
void bind_norm(pybind11::module_& m);
void bind_group_norm(pybind11::module_& m);
void bind_lrn(pybind11::module_& m);
void bind_softmax(pybind11::module_& m);
void bind_random(pybind11::module_& m);
void bind_resample(pybind11::module_& m);
void bind_unfold(pybind11::module_& m);
void bind_local_conv(pybind11::module_& m);
void bind_optim(pybind11::module_& m);
void bind_regions(pybind11::module_& m);

}  // namespace pyconv
