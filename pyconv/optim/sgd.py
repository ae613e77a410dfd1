"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyconv._backend import core
from pyconv.optim.optimizer import Optimizer, number, only_default
from pyconv.tensor import Array, Tensor


class SGD(Optimizer):
    """``g += weight_decay w; b = momentum b + (1 - dampening) g; w -= lr b`` (nesterov: ``w -= lr (g + momentum b)``).

    The first step sets ``b = g``. Robbins and Monro 1951; Polyak 1964; Nesterov 1983 in the form of Sutskever et al.
    2013. Raises ValueError for negative numbers, and for nesterov without momentum or with dampening.

    >>> import numpy as np
    >>> from pyconv import Tensor
    >>> w = Tensor(np.array([1.0]), requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> w.grad = Tensor(np.array([2.0]))
    >>> optimizer.step()
    >>> w.array.tolist()
    [0.8]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: None = None,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        only_default("SGD", foreach=foreach, differentiable=differentiable, fused=fused)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": None,
                "differentiable": False,
                "fused": None,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        number("SGD", "lr", group["lr"])
        momentum = number("SGD", "momentum", group["momentum"])
        dampening = number("SGD", "dampening", group["dampening"], low=-float("inf"))
        number("SGD", "weight_decay", group["weight_decay"])
        if group["nesterov"] and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"[SGD] nesterov needs momentum above 0 and dampening 0, got momentum {momentum:g} and "
                f"dampening {dampening:g}"
            )

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        momentum = group["momentum"]
        grad_of = dict(zip(map(id, params), grads, strict=True))
        new = [p for p in params if momentum != 0 and self.state[p].get("momentum_buffer") is None]
        fresh = {id(p) for p in new}
        old = [p for p in params if id(p) not in fresh]
        for chosen, first in ((new, True), (old, False)):
            if chosen:
                buffers = self._buffers("momentum_buffer", chosen) if momentum != 0 else []
                core.sgd_step(
                    [p.array for p in chosen],
                    [grad_of[id(p)] for p in chosen],
                    buffers,
                    group["lr"],
                    momentum,
                    group["dampening"],
                    group["weight_decay"],
                    group["nesterov"],
                    group["maximize"],
                    first,
                )
