"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyconv._backend import core
from pyconv.optim.optimizer import Optimizer, number, only_default
from pyconv.tensor import Array, Tensor


class RMSprop(Optimizer):
    """``v = alpha v + (1-alpha) g^2; d = g / (sqrt(v) + eps); w -= lr d``.

    With momentum ``b = momentum b + d; w -= lr b``.
    ``centered`` subtracts the square of the gradient's running mean from v (Graves 2013). Tieleman and Hinton 2012.
    Raises ValueError for negative numbers.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        only_default("RMSprop", capturable=capturable, foreach=foreach, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": False,
                "foreach": None,
                "maximize": maximize,
                "differentiable": False,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for argument in ("lr", "momentum", "alpha", "eps", "weight_decay"):
            number("RMSprop", argument, group[argument])

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        self._count(params)
        means = self._buffers("grad_avg", params) if group["centered"] else []
        buffers = self._buffers("momentum_buffer", params) if group["momentum"] != 0 else []
        core.rmsprop_step(
            [p.array for p in params],
            grads,
            self._buffers("square_avg", params),
            means,
            buffers,
            group["lr"],
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )
