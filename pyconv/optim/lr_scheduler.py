"""Learning-rate schedules, with PyTorch's names and formulas: call ``scheduler.step()`` once per epoch (or batch).

Like PyTorch's they change ``group["lr"]`` step by step, so that several may act on one optimiser.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyconv.optim.optimizer import Optimizer, number

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]


def _optimizer(op: str, optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"[{op}] optimizer is {type(optimizer).__name__}, expected an Optimizer")
    return optimizer


def _whole(op: str, argument: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a whole number")
    if value < low:
        raise ValueError(f"[{op}] {argument} is {value}, expected at least {low}")
    return value


def _per_group(op: str, argument: str, value: Any, groups: Sequence[Any]) -> list[Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(groups)
    if len(values) != len(groups):
        raise ValueError(
            f"[{op}] {argument} has {len(values)} entries, expected {len(groups)}, one per parameter group"
        )
    return values


class LRScheduler:
    """Base class: a subclass gives the rate of a group at ``self.last_epoch`` in ``_rate(group, base, number)``.

    ``last_epoch``: the epochs done before (-1: none); other values need groups that hold ``initial_lr``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._name = type(self).__name__
        self.optimizer = _optimizer(self._name, optimizer)
        self.last_epoch = _whole(self._name, "last_epoch", last_epoch, -1)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise KeyError(
                    f"[{self._name}] parameter group {i} has no initial_lr, which last_epoch={last_epoch} needs"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._resumed = last_epoch != -1
        self.step()
        self._resumed = False

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        raise NotImplementedError

    def step(self) -> None:
        """Go on by one epoch."""
        self.last_epoch += 1
        bases = zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        for i, (group, base) in enumerate(bases):
            group["lr"] = self._rate(group, base, i)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The rates set by the last step, one per parameter group."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser and functions."""
        return {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        unknown = sorted(set(state_dict) - set(self.state_dict()))
        if unknown:
            raise ValueError(f"[{self._name}] state_dict has the unknown keys {unknown}")
        self.__dict__.update(state_dict)


class LambdaLR(LRScheduler):
    """``lr = initial_lr * lr_lambda(epoch)``; one function, or one per parameter group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _per_group("LambdaLR", "lr_lambda", lr_lambda, _optimizer("LambdaLR", optimizer).param_groups)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"[LambdaLR] lr_lambda is {type(function).__name__}, expected a function of the epoch")
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        return base * self.lr_lambdas[number](self.last_epoch)


class StepLR(LRScheduler):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs.

    >>> import numpy as np
    >>> from pyconv import Tensor
    >>> from pyconv.optim import SGD
    >>> scheduler = StepLR(SGD([Tensor(np.zeros(1))], lr=1.0), step_size=2)
    >>> for _ in range(2):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = _whole("StepLR", "step_size", step_size, 1)
        self.gamma = number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return group["lr"] * self.gamma if due else group["lr"]


class MultiStepLR(LRScheduler):
    """Multiply the rate by ``gamma`` at each of the epochs in ``milestones``."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"[MultiStepLR] milestones is {type(milestones).__name__}, expected whole numbers")
        self.milestones = Counter(_whole("MultiStepLR", "milestones", m, 0) for m in milestones)
        self.gamma = number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        return group["lr"] * self.gamma ** self.milestones[self.last_epoch]


class ExponentialLR(LRScheduler):
    """Multiply the rate by ``gamma`` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        return group["lr"] * self.gamma if self.last_epoch > 0 else group["lr"]


class CosineAnnealingLR(LRScheduler):
    """``lr = eta_min + (initial_lr - eta_min)(1 + cos(pi epoch / T_max)) / 2``. Loshchilov and Hutter 2017.

    Computed as the ratio of neighbouring epochs times the present rate, as PyTorch does.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = _whole("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        t, span = self.last_epoch, base - self.eta_min
        if t == 0:
            return group["lr"]
        if self._resumed:
            return self.eta_min + span * self._height(t) / 2
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # the step before was at the bottom: the ratio is 0/0
            return group["lr"] + span * (1 - math.cos(math.pi / self.T_max)) / 2
        return self._height(t) / self._height(t - 1) * (group["lr"] - self.eta_min) + self.eta_min


class OneCycleLR(LRScheduler):
    """Up from ``max_lr / div_factor`` to ``max_lr`` in ``pct_start`` of the steps, then far down. Smith 2018.

    The end is ``max_lr / div_factor / final_div_factor``; with ``three_phase`` the way down first mirrors the way up.
    Momentum (or beta1) runs the other way, between ``max_momentum`` and ``base_momentum``. Step once per batch; raises
    ValueError past ``total_steps``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op = "OneCycleLR"
        groups = _optimizer(op, optimizer).param_groups
        if total_steps is not None:
            self.total_steps = _whole(op, "total_steps", total_steps, 1)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _whole(op, "epochs", epochs, 1) * _whole(op, "steps_per_epoch", steps_per_epoch, 1)
        else:
            raise ValueError(f"[{op}] got neither total_steps nor both of epochs and steps_per_epoch")
        number(op, "pct_start", pct_start, high=1.0)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"[{op}] anneal_strategy is {anneal_strategy!r}, expected 'cos' or 'linear'")
        self.anneal_strategy = anneal_strategy
        # Where each phase ends, and between which of the group's keys it runs.
        top = pct_start * self.total_steps - 1
        if three_phase:
            self._phases = [
                (top, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases = [
                (top, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        if last_epoch == -1:
            for group, rate in zip(groups, _per_group(op, "max_lr", max_lr, groups), strict=True):
                group["max_lr"] = number(op, "max_lr", rate)
                group["lr"] = group["max_lr"] / number(op, "div_factor", div_factor, low=1e-30)
                group["min_lr"] = group["lr"] / number(op, "final_div_factor", final_div_factor, low=1e-30)
        self.cycle_momentum = cycle_momentum
        self._use_beta1 = "betas" in optimizer.defaults
        if cycle_momentum:
            if not self._use_beta1 and "momentum" not in optimizer.defaults:
                raise ValueError(
                    f"[{op}] cycle_momentum needs an optimiser with momentum or betas, got {type(optimizer).__name__}"
                )
            if last_epoch == -1:
                lows = _per_group(op, "base_momentum", base_momentum, groups)
                highs = _per_group(op, "max_momentum", max_momentum, groups)
                for group, low, high in zip(groups, lows, highs, strict=True):
                    group["base_momentum"] = number(op, "base_momentum", low)
                    group["max_momentum"] = number(op, "max_momentum", high)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, fraction: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * fraction + start
        return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))

    def _rate(self, group: dict[str, Any], base: float, number: int) -> float:
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"[OneCycleLR] step {t} is past total_steps={self.total_steps}")
        start = 0.0
        for phase in self._phases:
            end = phase[0]
            if t <= end or phase is self._phases[-1]:
                break
            start = end
        _, lr_from, lr_to, momentum_from, momentum_to = phase
        fraction = (t - start) / (end - start) if end != start else 1.0  # a phase of one step
        if self.cycle_momentum:
            momentum = self._between(group[momentum_from], group[momentum_to], fraction)
            if self._use_beta1:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return self._between(group[lr_from], group[lr_to], fraction)


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by ``factor`` when ``step(metric)`` has seen no improvement for more than ``patience`` epochs.

    Better means below ``best * (1 - threshold)`` (mode ``min``, ``rel``), ``best - threshold`` (``abs``), or the same
    upwards (``max``). After a reduction ``cooldown`` epochs do not count; changes below ``eps`` are left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        op = self._name = "ReduceLROnPlateau"
        self.optimizer = _optimizer(op, optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"[{op}] mode is {mode!r}, expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"[{op}] threshold_mode is {threshold_mode!r}, expected 'rel' or 'abs'")
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = number(op, "factor", factor, high=1.0, below=True)
        self.patience = _whole(op, "patience", patience, 0)
        self.threshold = number(op, "threshold", threshold)
        self.cooldown = _whole(op, "cooldown", cooldown, 0)
        self.min_lrs = [number(op, "min_lr", m) for m in _per_group(op, "min_lr", min_lr, optimizer.param_groups)]
        self.eps = number(op, "eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        margin = self.threshold if self.threshold_mode == "abs" else self.best * self.threshold
        if math.isinf(self.best):
            return sign * value > sign * self.best
        return sign * value > sign * (self.best + sign * margin)

    def step(self, metrics: Any) -> None:
        """Go on by one epoch whose loss (or score) was ``metrics``."""
        value = float(metrics.item() if hasattr(metrics, "item") else metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lower = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
