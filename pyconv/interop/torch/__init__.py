"""PyTorch models on pyconv's kernels: `accelerate`. Needs PyTorch; nothing is compiled against it."""

from importlib.util import find_spec

if find_spec("torch") is None:
    raise ImportError("pyconv.interop.torch needs PyTorch: pip install pyconv[torch]")

from pyconv.interop.torch.handle import Acceleration, accelerate
from pyconv.interop.torch.layer import LayerReport, Report

__all__ = ["Acceleration", "LayerReport", "Report", "accelerate"]
