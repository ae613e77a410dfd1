"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

from pyconv.nn import functional, init
from pyconv.nn.arguments import flag, parameter, whole
from pyconv.nn.module import Module


class Linear(Module):
    """``input @ weight.T + bias`` over the last axis: (..., in_features) to (..., out_features).

    Args:
        in_features, out_features: at least 0.
        bias: whether there is one.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` (out_features, in_features) and ``bias`` (out_features,), both drawn from U(-b, b) with
    b = 1 / sqrt(in_features), as in PyTorch. Raises TypeError and ValueError for arguments that can never work.

    >>> from pyconv import nn
    >>> nn.Linear(40000, 40000, device="meta").weight.shape  # costs no memory
    (40000, 40000)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        self.in_features = whole("Linear", "in_features", in_features, 0)
        self.out_features = whole("Linear", "out_features", out_features, 0)
        self.weight = parameter("Linear", (self.out_features, self.in_features), device, dtype)
        if flag("Linear", "bias", bias):
            self.bias = parameter("Linear", (self.out_features,), device, dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """(..., in_features) to (..., out_features)."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
