"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyconv._backend import core
from pyconv.optim.optimizer import Optimizer, number, only_default
from pyconv.tensor import Array, Tensor


class Adagrad(Optimizer):
    """``s += g^2; w -= lr / (1 + (t-1) lr_decay) * g / (sqrt(s) + eps)``. Duchi, Hazan and Singer 2011.

    Raises ValueError for negative numbers.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        only_default("Adagrad", foreach=foreach, differentiable=differentiable, fused=fused)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": None,
                "maximize": maximize,
                "differentiable": False,
                "fused": None,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for argument in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            number("Adagrad", argument, group[argument])

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        sums = self._buffers("sum", params, float(group["initial_accumulator_value"]))
        core.adagrad_step(
            [p.array for p in params],
            grads,
            sums,
            self._count(params),
            group["lr"],
            group["lr_decay"],
            group["weight_decay"],
            group["eps"],
            group["maximize"],
        )
