"""Differentiable operations, one file per family; their methods are hung on Tensor from one table here."""

from __future__ import annotations

from pyconv.ops import (
    activation,
    compound,
    conv,
    convert,
    elementwise,
    gemm,
    indexing,
    norm,
    pool,
    random,
    reduce,
    shape,
    softmax,
)
from pyconv.tensor import Tensor

#: Every family lists its Tensor methods in METHODS: name -> function whose first argument is the tensor.
_FAMILIES = (elementwise, compound, activation, reduce, shape, indexing, convert, conv, gemm, pool, norm, softmax, random)

for _family in _FAMILIES:
    for _name, _function in getattr(_family, "METHODS", {}).items():
        setattr(Tensor, _name, _function)
