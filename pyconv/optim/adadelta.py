"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyconv._backend import core
from pyconv.optim.optimizer import Optimizer, number, only_default
from pyconv.tensor import Array, Tensor


class Adadelta(Optimizer):
    """``v = rho v + (1-rho) g^2; d = sqrt(u+eps) / sqrt(v+eps) g; u = rho u + (1-rho) d^2; w -= lr d``. Zeiler 2012.

    Raises ValueError for negative numbers and for rho above 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        only_default("Adadelta", foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": False,
                "foreach": None,
                "differentiable": False,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for argument in ("lr", "eps", "weight_decay"):
            number("Adadelta", argument, group[argument])
        number("Adadelta", "rho", group["rho"], high=1.0)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        self._count(params)
        core.adadelta_step(
            [p.array for p in params],
            grads,
            self._buffers("square_avg", params),
            self._buffers("acc_delta", params),
            group["lr"],
            group["rho"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
