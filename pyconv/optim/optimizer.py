"""The base of all optimisers: parameter groups, state, saving and loading."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.pending import settle
from pyconv.tensor import FLOATS, Array, Tensor, mode, raw

#: What a group may hold besides the optimiser's own options: a label, and what schedulers keep there.
_GROUP_KEYS = {"params", "name", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"}


def number(
    op: str, argument: str, value: Any, low: float = 0.0, high: float = math.inf, *, below: bool = False
) -> float:
    """``value`` as a float in [low, high], or [low, high) with ``below``; ValueError or TypeError otherwise."""
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__") or isinstance(value, Tensor):
        raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a number")
    x = float(value)
    if not (low <= x and (x < high if below or high == math.inf else x <= high)):
        upper = "a finite number" if high == math.inf else f"{'less than' if below else 'at most'} {high:g}"
        raise ValueError(f"[{op}] {argument} is {value}, expected at least {low:g} and {upper}")
    return x


def betas(op: str, value: Any) -> tuple[float, float]:
    """Two numbers in [0, 1)."""
    try:
        first, second = value
    except (TypeError, ValueError):
        raise ValueError(f"[{op}] betas is {value!r}, expected two numbers") from None
    return number(op, "betas[0]", first, high=1.0, below=True), number(op, "betas[1]", second, high=1.0, below=True)


def only_default(op: str, **arguments: Any) -> None:
    """Raise ValueError for an argument of PyTorch's that pyconv accepts at its default (None or False) only."""
    for name, value in arguments.items():
        if value not in (None, False):
            raise ValueError(f"[{op}] {name}={value!r} is not supported; leave it at its default")


class Optimizer:
    """Base class. A subclass passes its defaults here and implements ``_update(group, params)``.

    ``params`` is an iterable of leaf Tensors, or of dicts with the key ``params`` and options of their own. ``state``
    maps each parameter to its buffers. Raises TypeError for other things, ValueError for an empty list, a tensor that
    is no leaf, one listed twice.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._name = type(self).__name__
        if isinstance(params, (Tensor, dict)) or not isinstance(params, Iterable):
            raise TypeError(
                f"[{self._name}] params is {type(params).__name__}, expected an iterable of Tensors or of dicts"
            )
        self.defaults = defaults
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError(f"[{self._name}] params is empty, expected at least one Tensor")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a dict with ``params`` and any options that differ from the defaults."""
        op = self._name
        if not isinstance(param_group, dict):
            raise TypeError(f"[{op}] param_group is {type(param_group).__name__}, expected a dict")
        if "params" not in param_group:
            raise ValueError(f"[{op}] param_group has the keys {sorted(param_group)}, expected one named params")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                f"[{op}] params is a set, expected an ordered collection: a set's order changes between runs"
            )
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for i, p in enumerate(group["params"]):
            if not isinstance(p, Tensor):
                raise TypeError(f"[{op}] params[{i}] is {type(p).__name__}, expected a Tensor")
            if not p.is_leaf:
                raise ValueError(f"[{op}] params[{i}] is the result of an operation, expected a leaf Tensor")
            if p.dtype not in FLOATS:
                raise TypeError(f"[{op}] params[{i}] has dtype {p.dtype}, expected float32 or float64")
            if id(p) in known:
                raise ValueError(f"[{op}] params[{i}] is listed twice")
            known.add(id(p))
        unknown = sorted(set(group) - set(self.defaults) - _GROUP_KEYS)
        if unknown:
            raise ValueError(
                f"[{op}] param_group has the unknown options {unknown}, expected some of {sorted(self.defaults)}"
            )
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self._check(group)
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Validate a group's options."""
        raise NotImplementedError

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Array]) -> None:
        """Step these parameters, all of which have a gradient."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; ``closure``, if given, first computes the loss to return."""
        loss = None
        if closure is not None:
            if not callable(closure):
                raise TypeError(
                    f"[{self._name}] closure is {type(closure).__name__}, expected a function without arguments"
                )
            before, mode.grad = mode.grad, True
            try:
                loss = closure()
            finally:
                mode.grad = before
        for group in self.param_groups:
            params, grads = [], []
            for i, p in enumerate(group["params"]):
                if p.grad is None:
                    continue
                grad = raw(p.grad, self._name, "grad")
                if grad.shape != p.shape:
                    raise ShapeError(f"[{self._name}] params[{i}].grad has shape {grad.shape}, expected {p.shape}")
                if grad.dtype != p.dtype:
                    raise TypeError(f"[{self._name}] params[{i}].grad has dtype {grad.dtype}, expected {p.dtype}")
                params.append(p)
                grads.append(grad)
            if params:
                self._check(group)
                settle()
                self._update(group, params, grads)
                for p in params:
                    p._version[0] += 1
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero where they are."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.zero_()

    def _buffers(self, name: str, params: list[Tensor], value: float = 0.0) -> list[Array]:
        """Per parameter the state array ``name``, made and filled with ``value`` where there is none yet."""
        out = []
        for p in params:
            state = self.state[p]
            if state.get(name) is None:
                array = p.array
                last = array.ndim in (4, 5) and not array.flags.c_contiguous
                state[name] = Tensor(core.full(array.shape, array.dtype, value, last))
            out.append(state[name].array)
        return out

    def _count(self, params: list[Tensor]) -> list[int]:
        """Count this step for each parameter and return the numbers, the first being 1."""
        numbers = []
        for p in params:
            self.state[p]["step"] = self.state[p].get("step", 0) + 1
            numbers.append(self.state[p]["step"])
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: buffers}, "param_groups": [...]}``: parameters are replaced by their numbers."""
        numbers = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**g, "params": [numbers[id(p)] for p in g["params"]]} for g in self.param_groups]
        return {"state": {numbers[id(p)]: dict(s) for p, s in self.state.items() if s}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned for the same parameters in the same order (buffers are copied).

        Raises ValueError when the number of groups or of parameters differs, ShapeError for a buffer of another shape.
        """
        op = self._name
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"[{op}] state_dict lacks the keys state and param_groups")
        groups = state_dict["param_groups"]
        if len(groups) != len(self.param_groups):
            raise ValueError(f"[{op}] state_dict has {len(groups)} parameter groups, expected {len(self.param_groups)}")
        by_number: dict[Any, Tensor] = {}
        fresh = []
        for i, (ours, theirs) in enumerate(zip(self.param_groups, groups, strict=True)):
            if len(ours["params"]) != len(theirs["params"]):
                raise ValueError(
                    f"[{op}] group {i} of state_dict has {len(theirs['params'])} parameters, "
                    f"expected {len(ours['params'])}"
                )
            by_number.update(zip(theirs["params"], ours["params"], strict=True))
            group = {**ours, **{k: v for k, v in theirs.items() if k != "params"}}
            self._check(group)
            fresh.append(group)
        state: dict[Any, dict[str, Any]] = defaultdict(dict)
        for key, entry in state_dict["state"].items():
            if key not in by_number:
                raise ValueError(f"[{op}] state_dict has state for parameter {key}, which is in no group")
            state[by_number[key]] = {name: self._adopt(by_number[key], name, value) for name, value in entry.items()}
        self.param_groups, self.state = fresh, state

    def _adopt(self, param: Tensor, name: str, value: Any) -> Any:
        if name == "step":
            return int(value)
        if value is None:
            return None
        array = raw(value, self._name, f"state {name}")
        if array.shape != param.shape:
            raise ShapeError(f"[{self._name}] state {name} has shape {array.shape}, expected {param.shape}")
        if array.dtype != param.dtype:
            raise TypeError(f"[{self._name}] state {name} has dtype {array.dtype}, expected {param.dtype}")
        return Tensor(core.copy(array, array.ndim in (4, 5) and not param.array.flags.c_contiguous))

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}"] + [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])
