"""PyTorch models with the state of ours: torchvision's where it has one of that name, else our own file run with PyTorch.

The files of `pyconv.models` use names that both libraries have. What they import from pyconv is exchanged for PyTorch's of the
same name; the code between stays as it is.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
import types
from collections import OrderedDict
from typing import Any

import numpy as np

from pyconv import models

#: Operators that torchvision's Python expects its compiled part to have defined; where that does not fit the installed PyTorch,
#: an empty definition lets the rest be imported.
_OPERATORS = ("nms", "qnms", "roi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_align",
              "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward", "qroi_align", "deform_conv2d",
              "_deform_conv2d_backward")


def twin(name: str, ours: Any, torch: Any) -> Any:
    """A PyTorch model in evaluation mode with the same state; ImportError and the like where it cannot be made."""
    with torch.device("meta"):
        theirs = build(name, torch)
    state = {k: torch.from_numpy(np.array(v.numpy(), order="C")) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    return theirs.eval()


def build(name: str, torch: Any) -> Any:
    """The PyTorch model of that name with fresh weights."""
    theirs = _torchvision(name, torch)
    return _own(name, torch) if theirs is None else theirs


@functools.cache
def _library(torch: Any) -> Any:
    try:
        import torchvision
    except ImportError:
        return None
    except RuntimeError:  # its compiled part does not fit
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _OPERATORS:
            library.define(f"{name}(Tensor x) -> Tensor")
        import torchvision

        torchvision._definitions = library  # they live as long as it does
    return torchvision


def _torchvision(name: str, torch: Any) -> Any:
    library = _library(torch)
    factory = getattr(library.models, name, None) if library is not None else None
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") or name.startswith("vgg") else {}
    return factory(**options) if callable(factory) else None


def _own(name: str, torch: Any) -> Any:
    return getattr(_module(inspect.getmodule(getattr(models, name)).__name__, torch), name)()  # type: ignore[union-attr]


class _Layers:
    """torch.nn, and what our layers of the same name can do besides."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.init = _Init(torch)

        class Sequential(torch.nn.Sequential):
            """Of a plain dict as well, whose order is as good."""

            def __init__(self, *layers: Any) -> None:
                super().__init__(*(OrderedDict(x) if isinstance(x, dict) else x for x in layers))

        self.Sequential = Sequential

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch.nn, name)

    def LocalResponseNorm(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0,
                          alpha_mode: str = "torch") -> Any:
        return self._torch.nn.LocalResponseNorm(size, alpha * size if alpha_mode == "paper" else alpha, beta, k)


class _Init:
    """torch.nn.init; the values come from our state anyway."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch.nn.init, name, lambda tensor: tensor)


@functools.cache
def _module(name: str, torch: Any) -> types.ModuleType:
    """A file of ours with PyTorch in place of pyconv."""
    exchanged = {("pyconv", "nn"): _Layers(torch), ("pyconv.nn", "functional"): torch.nn.functional,
                 ("pyconv.nn", "init"): _Init(torch), ("pyconv.ops.join", "cat"): torch.cat,
                 ("pyconv.tensor", "Tensor"): torch.Tensor, ("pyconv.grad_mode", "no_grad"): torch.no_grad,
                 ("pyconv.models.registry", "register"): lambda factory: factory}
    module = types.ModuleType(name.replace("pyconv", "torch_twins"))
    sys.modules[module.__name__] = module
    tree = ast.parse(inspect.getsource(importlib.import_module(name)))
    kept: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("pyconv"):
            for alias in statement.names:
                source = statement.module or ""
                value = exchanged.get((source, alias.name))
                if value is None:
                    family = source.startswith("pyconv.models.") and source not in ("pyconv.models.registry", "pyconv.models.sizes")
                    value = getattr(_module(source, torch) if family else importlib.import_module(source), alias.name)
                setattr(module, alias.asname or alias.name, value)
        else:
            kept.append(statement)
    exec(compile(ast.Module(kept, []), f"{name} with PyTorch", "exec"), module.__dict__)
    return module
