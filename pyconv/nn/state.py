"""State of modules: state_dict, load_state_dict, and conversion of parameters in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pyconv.device import chosen
from pyconv.nn import state_report
from pyconv.nn.parameter import Parameter
from pyconv.pending import settle
from pyconv.tensor import FLOATS, Tensor

if TYPE_CHECKING:
    from pyconv.nn.module import Module


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` returns."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def is_meta(device: Any, op: str) -> bool:
    """Whether a device argument, or for None the ``with`` block around, names the meta device. Raises ValueError for
    one that we don't have."""
    name = chosen(None).type if device is None else str(getattr(device, "type", device))
    if name not in ("cpu", "meta"):
        raise ValueError(f"[{op}] device is {device!r}, expected 'cpu' or 'meta'")
    return name == "meta"


def float_dtype(dtype: Any, op: str) -> np.dtype:
    """The numpy dtype of a dtype argument, float32 for None. Raises TypeError unless it is float32 or
    float64."""
    try:
        found = np.dtype("float32") if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in FLOATS:  # numpy takes None for float64
        raise TypeError(f"[{op}] dtype is {dtype!r}, expected float32 or float64")
    return found


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool | None, np.dtype | None]:
    """The arguments of `Module.to`: (meta or not, dtype), None where nothing is asked."""
    unknown = set(kwargs) - {"device", "dtype", "non_blocking"}
    if unknown:
        raise TypeError(f"[to] got an unexpected argument {sorted(unknown)[0]!r}")
    meta = None if kwargs.get("device") is None else is_meta(kwargs["device"], "to")
    dtype = None if kwargs.get("dtype") is None else float_dtype(kwargs["dtype"], "to")
    for value in args:
        if isinstance(value, Tensor):
            meta, dtype = value.is_meta, float_dtype(value.dtype, "to")
        elif value is None or isinstance(value, bool):  # torch's non_blocking
            continue
        elif isinstance(value, str) or isinstance(getattr(value, "type", None), str):
            meta = is_meta(value, "to")
        else:
            dtype = float_dtype(value, "to")
    return meta, dtype


def replace(tensor: Tensor, array: np.ndarray | None, meta: tuple[Any, Any]) -> None:
    """Give a tensor other memory (None: no memory); whoever saved the old one for a backward pass will
    notice."""
    tensor._array = array
    tensor._meta = meta if array is None else None
    tensor._version[0] += 1
    tensor._version = [tensor._version[0]]


def convert(tensor: Tensor, meta: bool | None, dtype: np.dtype | None) -> None:
    """Convert a parameter or buffer in place; integers keep their type."""
    target = dtype if dtype is not None and tensor.dtype in FLOATS else tensor.dtype
    if meta is False and tensor.is_meta:
        raise NotImplementedError(
            "[to] a meta tensor has no data to copy to the cpu; use to_empty(device='cpu')"
        )
    if meta or tensor.is_meta:
        if target != tensor.dtype or not tensor.is_meta:
            replace(tensor, None, (tensor.shape, target))
            tensor.grad = None
    elif target != tensor.dtype:
        replace(tensor, tensor.array.astype(target), (tensor.shape, target))
        if tensor.grad is not None:
            tensor.grad = Tensor(tensor.grad.array.astype(target))


def collect(module: Module, result: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Put the state of ``module`` and all below it into ``result``."""
    own = {
        **module._parameters,
        **{k: v for k, v in module._buffers.items() if k not in module._non_persistent},
    }
    for name, tensor in own.items():
        if tensor is not None:
            shared = (
                tensor if keep_vars else Tensor(tensor._array, meta=tensor._meta, version=tensor._version)
            )
            result[prefix + name] = shared
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=result, prefix=f"{prefix}{name}.", keep_vars=keep_vars)


def _targets(
    module: Module, prefix: str, found: dict[str, tuple[Module, str]]
) -> dict[str, tuple[Module, str]]:
    """Every state name of the model with the module and attribute behind it."""
    for name in [*module._parameters, *(b for b in module._buffers if b not in module._non_persistent)]:
        if getattr(module, name) is not None:
            found[prefix + name] = (module, name)
    for name, child in module._modules.items():
        if child is not None:
            _targets(child, f"{prefix}{name}.", found)
    return found


def _as_array(value: Any) -> np.ndarray | None:
    """The value's data; None for what is no array of numbers."""
    if isinstance(value, Tensor):
        return value.array
    if not (hasattr(value, "__array__") or isinstance(value, (bool, int, float))):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "fiub" else None


def load(root: Module, state_dict: Any, strict: bool, assign: bool) -> IncompatibleKeys:
    """See `Module.load_state_dict`."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"[load_state_dict] state_dict is {type(state_dict).__name__}, expected a mapping of names"
        )
    targets = _targets(root, "", {})
    missing = [
        name
        for name, (module, attribute) in targets.items()
        if name not in state_dict and attribute not in module._optional_state
    ]
    superfluous = {f"{path}.{name}" if path else name
                   for path, module in root.named_modules(remove_duplicate=False) for name in module._superfluous_state}
    unexpected = [name for name in state_dict if name not in targets and name not in superfluous]
    mismatched: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    for name, (module, attribute) in targets.items():
        if name in state_dict:
            arrays[name], problem = _fit(name, state_dict[name], getattr(module, attribute), assign)
            mismatched |= {name: problem} if problem else {}
    if mismatched or (strict and (missing or unexpected)):
        raise state_report.error(type(root).__name__, missing if strict else [], unexpected if strict else [], mismatched)
    for name, array in arrays.items():
        module, attribute = targets[name]
        _store(module, attribute, state_dict[name], array, assign)
    return IncompatibleKeys(missing, unexpected)


def _fit(name: str, value: Any, target: Tensor, assign: bool) -> tuple[np.ndarray | None, str | None]:
    """The value's array, and what speaks against loading it into ``target``."""
    if isinstance(value, Tensor) and value.is_meta:
        return None, f"no data for {name}: the value in state_dict is a meta tensor."
    if target.is_meta and not assign:
        return (
            None,
            f"no memory for {name}: the parameter is meta; load with assign=True or call to_empty first.",
        )
    if not assign and not target.array.flags.writeable:
        return None, f"{name} is read-only: load into the network that this one was made from."
    array = _as_array(value)
    if array is None:
        return (
            None,
            f"type mismatch for {name}: got {type(value).__name__}, expected a tensor or a numpy array.",
        )
    if array.shape != target.shape:
        return None, (
            f"size mismatch for {name}: copying a param with shape {_size(array.shape)} from checkpoint, "
            f"the shape in current model is {_size(target.shape)}."
        )
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return (
            None,
            f"dtype mismatch for {name}: cannot store {array.dtype} in a parameter of {target.dtype}.",
        )
    return array, None


def _size(shape: tuple[int, ...]) -> str:
    return str(list(shape))


def _store(module: Module, attribute: str, value: Any, array: np.ndarray, assign: bool) -> None:
    target = getattr(module, attribute)
    if not assign:
        settle()
        np.copyto(target.array, array, casting="same_kind")
        target._version[0] += 1
        return
    source = value if isinstance(value, Tensor) else Tensor(array)
    shared = Tensor(source.array, version=source._version)
    if isinstance(target, Parameter):
        shared = Parameter(shared, target.requires_grad and shared.dtype in FLOATS)
    setattr(module, attribute, shared)
