"""The operators, one file per family; importing them fills the table of `pyconv.interop.onnx.registry`."""

from pyconv.interop.onnx.operators import (
    activation,
    arithmetic,
    control,
    conv,
    create,
    indexing,
    layout,
    logic,
    matmul,
    norm,
    pool,
    reduce,
    resize,
    sample,
    shape,
)

__all__ = [
    "activation", "arithmetic", "control", "conv", "create", "indexing", "layout", "logic", "matmul",
    "norm", "pool", "reduce", "resize", "sample", "shape",
]
