"""Other libraries that tests compare with, imported where they are installed and skipped with a reason where not."""

from __future__ import annotations

import functools
from typing import Any

import pytest

#: Operators that torchvision's Python expects its compiled part to have defined. On a build of PyTorch that the
#: compiled part does not fit, an empty definition lets the rest, which is all that we compare with, be imported.
_OPERATORS = ("nms", "qnms", "roi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_align",
              "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward", "qroi_align", "deform_conv2d",
              "_deform_conv2d_backward")


@functools.cache
def _defined(torch: Any) -> Any:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor x) -> Tensor")
    return library  # the definitions live as long as it does


def torchvision() -> Any:
    """torchvision, of which only Python code can be relied upon; skips without it or PyTorch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    try:
        import torchvision
    except ImportError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:  # its compiled part does not fit
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _defined(torch)
        import torchvision
    return torchvision


def timm() -> Any:
    """timm; skips without it, PyTorch or torchvision."""
    torchvision()
    return pytest.importorskip("timm", reason="timm is not installed")
