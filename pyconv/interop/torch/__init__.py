"""PyTorch models on pyconv's kernels: `accelerate`. Needs PyTorch; nothing is compiled against it."""

try:
    import torch as _torch
except ImportError:
    raise ImportError('pyconv.interop.torch needs PyTorch: pip install "pyconv[torch]"') from None

from pyconv.interop.torch.handle import Acceleration, accelerate
from pyconv.interop.torch.layer import LayerReport, Report

__all__ = ["Acceleration", "LayerReport", "Report", "accelerate"]
