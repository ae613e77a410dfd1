"""ONNX forms of pyconv's operations, one file per family; importing them fills the table of the trace."""

from pyconv.interop.onnx.forms import elementwise, layers, reduce, shape

__all__ = ["elementwise", "layers", "reduce", "shape"]
