"""What of ours an entry of PyTorch's databases stands for. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

import pyconv
from pyconv.tensor import Tensor

torch.set_num_threads(2)


class Form(NamedTuple):
    """One way to write the call: a function, a method, or a method that changes its tensor."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]


def forms(op: Any) -> Iterator[Form]:
    """Each public name of ours that one of PyTorch's entries is about."""
    name = op.name
    if name.startswith("nn.functional."):
        function = getattr(pyconv.nn.functional, name.removeprefix("nn.functional."), None)
        if function is not None:
            yield Form("function", function, op.op)
        return
    if "." in name:
        return
    function, method = getattr(pyconv, name, None), getattr(Tensor, name, None)
    if name == "where":  # PyTorch's entry has the condition second
        yield Form("function", lambda a, condition, b: pyconv.where(condition, a, b), op.op)
    elif callable(function) and not isinstance(function, (np.dtype, type)) and op.variant_test_name != "in_place":
        yield Form("function", function, op.op)
    if name.endswith("_") and not name.endswith("__"):
        if method is not None:
            yield Form("inplace", method, getattr(torch.Tensor, name))
        return
    if isinstance(method, property):
        yield Form("method", lambda x: getattr(x, name), op.op)
    elif method is not None and method is not function:
        yield Form("method", method, op.method_variant or op.op)
    changing = getattr(Tensor, name + "_", None)
    if changing is not None and op.inplace_variant is not None:
        yield Form("inplace", changing, op.inplace_variant)


OPS = [op for op in op_db if torch.float32 in op.dtypes and any(forms(op))]
MODULES = [m for m in module_db if hasattr(pyconv.nn, m.module_cls.__name__)]


def entry(op: Any) -> str:
    """PyTorch's name of an entry: the operation's and the variant's."""
    return ".".join(filter(None, (op.name, op.variant_test_name)))
