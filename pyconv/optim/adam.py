"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyconv._backend import core
from pyconv.optim.optimizer import Optimizer, betas, number, only_default
from pyconv.tensor import Array, Tensor


class Adam(Optimizer):
    """``m += (1-b1)(g-m); v = b2 v + (1-b2) g^2; w -= lr m / (1-b1^t) / (sqrt(v / (1-b2^t)) + eps)``.

    ``weight_decay`` is L2 (added to g), or with ``decoupled_weight_decay`` that of `AdamW`. ``amsgrad`` uses the
    largest v so far (Reddi et al. 2018). Kingma and Ba 2015. Raises ValueError for negative numbers and for betas
    outside [0, 1).

    >>> import numpy as np
    >>> from pyconv import Tensor
    >>> w = Tensor(np.array([1.0]), requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> w.grad = Tensor(np.array([1.0]))
    >>> optimizer.step()
    >>> print(f"{w.array[0]:.6f}")
    0.900000
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        only_default(
            type(self).__name__, foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused
        )
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": None,
                "capturable": False,
                "differentiable": False,
                "fused": None,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for argument in ("lr", "eps", "weight_decay"):
            number(self._name, argument, group[argument])
        betas(self._name, group["betas"])

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        beta1, beta2 = group["betas"]
        averages, squares = self._buffers("exp_avg", params), self._buffers("exp_avg_sq", params)
        largest = self._buffers("max_exp_avg_sq", params) if group["amsgrad"] else []
        core.adam_step(
            [p.array for p in params],
            grads,
            averages,
            squares,
            largest,
            self._count(params),
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["amsgrad"],
            group["maximize"],
        )


class AdamW(Adam):
    """`Adam` with ``w *= 1 - lr weight_decay`` before each step. Loshchilov and Hutter 2019.

    >>> import numpy as np
    >>> from pyconv import Tensor
    >>> w = Tensor(np.array([1.0]), requires_grad=True)
    >>> AdamW([w]).param_groups[0]["weight_decay"]
    0.01
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
