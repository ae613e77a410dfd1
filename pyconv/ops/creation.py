"""New tensors. Those of rank 4 and 5 are channels-last in memory, like every result on Tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.device import chosen
from pyconv.device import device as Device
from pyconv.ops.arguments import dtype_of, only, size_of, whole, wholes
from pyconv.tensor import FLOATS, Tensor, raw

_FLOAT32, _INT64 = np.dtype("float32"), np.dtype("int64")


def finish(array_or_shape: Any, dtype: np.dtype, op: str, requires_grad: bool) -> Tensor:
    """A leaf around an array, or a meta leaf of a shape."""
    if requires_grad and dtype not in FLOATS:
        raise RuntimeError(f"[{op}] only float32 and float64 tensors can require a gradient, dtype is {dtype}")
    if isinstance(array_or_shape, tuple):
        size_of(array_or_shape, op)
        return Tensor(None, bool(requires_grad), meta=(array_or_shape, dtype))
    return Tensor(array_or_shape, bool(requires_grad))


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, *,
           pin_memory: bool = False) -> Tensor:
    """A tensor with a copy of ``data``: numbers, nested lists, a numpy array, a Tensor.

    Python floats become float32, ints int64, bools bool; numpy arrays keep their dtype. Raises TypeError for data or
    a dtype that pyconv does not have, ValueError for ragged lists.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    only("tensor", pin_memory=(pin_memory, False))
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    else:
        array = _from_python(data, dtype)
    wanted = array.dtype if dtype is None else dtype_of(dtype, "tensor")
    if dtype is None:
        dtype_of(wanted, "tensor")
    if chosen(device).type == "meta":
        return finish(array.shape, wanted, "tensor", requires_grad)
    return finish(core.cast(array, wanted, True), wanted, "tensor", requires_grad)


def _from_python(data: Any, dtype: Any) -> np.ndarray:
    if isinstance(data, (list, tuple)) and any(isinstance(v, Tensor) for v in data):
        data = [v.tolist() if isinstance(v, Tensor) else v for v in data]
    try:
        array = np.array(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"[tensor] data is no rectangular array of numbers: {error}") from None
    if array.dtype.kind == "f":
        # Numbers of Python, rounded once, to what is wanted; arrays inside a list keep their type, as they do in torch.
        return array if dtype is not None or _holds_arrays(data) else array.astype(np.float32)
    if array.dtype.kind not in "iub" or array.dtype == np.uint64:
        raise TypeError(f"[tensor] data is {type(data).__name__} of {array.dtype}, expected numbers that fit a dtype "
                        "of pyconv")
    return array if _holds_arrays(data) or array.dtype.kind == "b" else array.astype(np.int64)


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic))


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory, in the order it has. Raises TypeError for anything else.

    >>> a = np.zeros(3, dtype=np.float32)
    >>> t = from_numpy(a)
    >>> a[0] = 1
    >>> t[0].item()
    1.0
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"[from_numpy] array is {type(array).__name__}, expected a numpy array")
    dtype_of(array.dtype, "from_numpy")
    if array.ndim > 8:
        raise ValueError(f"[from_numpy] array has {array.ndim} axes, expected at most 8")
    return Tensor(array if type(array) is np.ndarray else array.view(np.ndarray))


def from_dlpack(source: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__``: of numpy, PyTorch, JAX and others.

    Args:
        source: lives in the CPU's memory; its dtype is one that pyconv has. It may be deleted: its memory stays.
        device: None or "cpu".
        copy: True copies the values into new memory; None and False share it.

    Returns:
        A Tensor without gradient, in the memory order of the source; read-only if the source says that it is (and with
        numpy older than 2.1, which takes everything for read-only).

    Raises:
        TypeError: no ``__dlpack__``, or another dtype. BufferError: another device, or a source that refuses (it
        requires a gradient, say). ValueError: what ``__dlpack__`` returns is no capsule, or one that was used before.

    Source: the DLPack protocol, https://dmlc.github.io/dlpack/latest/python_spec.html.

    >>> a = np.zeros(2)
    >>> x = from_dlpack(a)
    >>> a[0] = 7
    >>> x.tolist()
    [7.0, 0.0]
    """
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(f"[from_dlpack] source is {type(source).__name__}, which has no __dlpack__")
    if device is not None and Device(device).type != "cpu":
        raise BufferError(f"[from_dlpack] device is {device!r}, expected None or 'cpu'")
    if copy not in (None, True, False):
        raise TypeError(f"[from_dlpack] copy is {copy!r}, expected None, True or False")
    where = source.__dlpack_device__()
    if not isinstance(where, tuple) or len(where) != 2 or where[0] != 1:
        raise BufferError(f"[from_dlpack] source is on device {where!r}, expected the CPU, (1, 0)")
    try:
        array = np.from_dlpack(source)
    except (BufferError, RuntimeError) as error:
        raise BufferError(f"[from_dlpack] source cannot be shared: {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"[from_dlpack] source gives no usable capsule: {error}") from error
    dtype_of(array.dtype, "from_dlpack")
    return from_numpy(core.copy(array, True) if copy else array)


def _filled(op: str, shape: tuple[int, ...], value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    kind = _FLOAT32 if dtype is None else dtype_of(dtype, op)
    if chosen(device).type == "meta":
        return finish(shape, kind, op, requires_grad)
    return finish(core.full(shape, kind, value, True), kind, op, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, out: None = None,
          layout: None = None) -> Tensor:
    """Zeros of a shape, ``zeros(2, 3)`` or ``zeros((2, 3))``; float32 by default.

    >>> zeros(2, 3).shape
    (2, 3)
    """
    only("zeros", out=(out, None), layout=(layout, None))
    return _filled("zeros", wholes(size, "zeros"), 0, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, out: None = None,
         layout: None = None) -> Tensor:
    """Ones of a shape; see `zeros`."""
    only("ones", out=(out, None), layout=(layout, None))
    return _filled("ones", wholes(size, "ones"), 1, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, out: None = None,
          layout: None = None) -> Tensor:
    """A tensor whose values are whatever the memory held; see `zeros`."""
    only("empty", out=(out, None), layout=(layout, None))
    shape, kind = wholes(size, "empty"), _FLOAT32 if dtype is None else dtype_of(dtype, "empty")
    if chosen(device).type == "meta":
        return finish(shape, kind, "empty", requires_grad)
    return finish(core.empty(shape, kind, True), kind, "empty", requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
         out: None = None, layout: None = None) -> Tensor:
    """``fill_value`` everywhere. Its type gives the dtype: float32, int64 or bool.

    >>> full((2,), 7).dtype
    dtype('int64')
    """
    only("full", out=(out, None), layout=(layout, None))
    if dtype is None:
        dtype = _number_dtype(fill_value)
    shape = wholes((size,), "full", "size")
    return _filled("full", shape, fill_value, dtype, device, requires_grad)


def _number_dtype(value: Any) -> np.dtype:
    if isinstance(value, (bool, np.bool_)):
        return np.dtype("bool")
    return _INT64 if isinstance(value, (int, np.integer)) else _FLOAT32


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """``start, start + step, ...`` below ``end`` (above it for a negative step); ``arange(end)`` starts at 0.

    int64 when all arguments are whole numbers, else float32. Raises ValueError for a step of 0, for one that leads
    away from ``end``, and for numbers that are not finite.

    >>> arange(3).tolist()
    [0, 1, 2]
    """
    only("arange", out=(out, None), layout=(layout, None))
    if end is None:
        start, end = 0, start
    numbers = (start, end, step)
    for name, value in zip(("start", "end", "step"), numbers, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"[arange] {name} is {value!r}, expected a number")
        if not math.isfinite(value):
            raise ValueError(f"[arange] {name} is {value}, expected a finite number")
    is_whole = all(isinstance(v, (int, np.integer)) for v in numbers)
    if step == 0:
        raise ValueError("[arange] step is 0, expected any other number")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise ValueError(f"[arange] a step of {step} does not lead from {start} to {end}")
    kind = dtype_of(dtype, "arange") if dtype is not None else _INT64 if is_whole else _FLOAT32
    count = -((start - end) // step) if is_whole else math.ceil((end - start) / step)
    if kind not in FLOATS and not is_whole:
        raise TypeError(f"[arange] dtype is {kind}, expected float32 or float64 for a start or step with a fraction")
    if kind not in FLOATS and count:
        limits = np.iinfo(kind) if kind != np.bool_ else None
        last = start + (count - 1) * step
        if limits is not None and not (limits.min <= min(start, last) and max(start, last) <= limits.max):
            raise ValueError(f"[arange] the numbers from {start} to {last} do not fit dtype {kind}")
    if count > 2**63 - 1:
        raise ValueError(f"[arange] {count} numbers are more than memory holds")
    if chosen(device).type == "meta":
        return finish((int(count),), kind, "arange", requires_grad)
    return finish(core.arange(kind, start, step, int(count)), kind, "arange", requires_grad)


def _like(op: str, x: Any, value: Any, dtype: Any, requires_grad: bool, device: Any) -> Any:
    if not isinstance(x, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] input is {type(x).__name__}, expected a Tensor or a numpy array")
    kind = x.dtype if dtype is None else dtype_of(dtype, op)
    if isinstance(x, np.ndarray):
        return core.full(x.shape, kind, value, False)
    return _filled(op, x.shape, value, kind, device or ("meta" if x.is_meta else "cpu"), requires_grad)


def zeros_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Zeros with the shape and dtype of ``input``."""
    return _like("zeros_like", input, 0, dtype, requires_grad, device)


def ones_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Ones with the shape and dtype of ``input``."""
    return _like("ones_like", input, 1, dtype, requires_grad, device)


def full_like(input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False) -> Any:
    """``fill_value`` everywhere, with the shape and dtype of ``input``."""
    return _like("full_like", input, fill_value, dtype, requires_grad, device)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """int64 rows of zeros with a one at each index: (...) to (..., num_classes); -1: the largest index plus one.

    Raises IndexError for an index outside [0, num_classes), TypeError for a dtype other than int64.

    >>> one_hot(arange(2), 3).tolist()
    [[1, 0, 0], [0, 1, 0]]
    """
    array = raw(tensor, "one_hot", "tensor")
    out = core.one_hot(array, whole(num_classes, "one_hot", "num_classes"), isinstance(tensor, Tensor))
    return Tensor(out) if isinstance(tensor, Tensor) else out
