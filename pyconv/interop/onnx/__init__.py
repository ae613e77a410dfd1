"""ONNX models: read them as Modules, write Modules as models, run the onnx package's conformance suite.

`load` makes a Module from a file, which is checked before anything runs; `export` writes a Module; `backend` is
pyconv behind the interface of ``onnx.backend.base``. Needs the extra ``onnx``.
"""

try:
    import onnx as _onnx  # noqa: F401 (asked for first, so that every module of this room gives the same advice)
except ImportError as _error:
    raise ImportError(f"pyconv.interop.onnx needs the package onnx: pip install pyconv[onnx] ({_error})") from _error

from pyconv.interop.onnx import backend
from pyconv.interop.onnx.export import export
from pyconv.interop.onnx.module import OnnxModule, load
from pyconv.interop.onnx.proto import OnnxError

__all__ = ["OnnxError", "OnnxModule", "backend", "export", "load"]
