"""What a Tensor tells and gives away: numbers, numpy arrays, text; and `to`."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.device import device as Device
from pyconv.errors import NoDataError
from pyconv.ops.arguments import axis_of, dtype_of, only
from pyconv.ops.binary import add
from pyconv.ops.shape import Cast, clone, detach
from pyconv.pending import settle
from pyconv.tensor import FLOATS, Tensor, apply

#: numpy knows of versions, copies and read-only memory since 2.1.
_VERSIONED_DLPACK = tuple(map(int, np.__version__.split(".")[:2])) >= (2, 1)


def numpy(x: Tensor, *, force: bool = False) -> np.ndarray:
    """The values as a numpy array that shares the tensor's memory.

    Raises RuntimeError for a tensor that requires a gradient (use ``detach()`` first) unless ``force``, and for a
    meta tensor.
    """
    if x.requires_grad and not force:
        raise RuntimeError("[numpy] the tensor requires a gradient; use tensor.detach().numpy()")
    settle()  # the caller may write into it
    return x.array


def item(x: Tensor) -> Any:
    """The one element as a Python number; RuntimeError if there are more or fewer."""
    array = x.array
    if array.size != 1:
        raise RuntimeError(f"[item] the tensor has shape {x.shape}, expected one element")
    return array.item()


def tolist(x: Tensor) -> Any:
    """Nested lists of Python numbers (a number for a tensor without axes)."""
    return x.array.tolist()


def as_array(x: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """numpy's protocol: ``np.asarray(tensor)`` shares memory where dtype and ``copy`` allow."""
    array = numpy(x)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError(f"[__array__] dtype {array.dtype} cannot become {np.dtype(dtype)} without a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def dlpack(x: Tensor, *, stream: Any = None, max_version: tuple[int, int] | None = None,
           dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
    """DLPack's capsule of the tensor's memory, for ``from_dlpack`` of another library.

    ``max_version`` (1, 0) and above asks for the versioned form, which can say that memory is read-only; without it
    read-only memory raises BufferError. ``copy=True`` exports a copy. Raises RuntimeError for a tensor that requires a
    gradient, BufferError for a ``dl_device`` other than (1, 0), ValueError for a stream: the CPU has none.
    """
    if x.requires_grad:
        raise RuntimeError("[__dlpack__] the tensor requires a gradient; use tensor.detach()")
    if stream is not None:
        raise ValueError(f"[__dlpack__] stream is {stream!r}, expected None on the CPU")
    if dl_device is not None and tuple(dl_device) != (1, 0):
        raise BufferError(f"[__dlpack__] dl_device is {dl_device!r}, expected the CPU, (1, 0)")
    settle()  # the receiver may write into it
    if _VERSIONED_DLPACK:
        return x.array.__dlpack__(max_version=max_version, copy=copy)  # type: ignore[call-arg, unused-ignore]
    return (core.copy(x.array, True) if copy else x.array).__dlpack__()


def size(x: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one axis."""
    return x.shape if dim is None else x.shape[axis_of(dim, len(x.shape), "size")]


def numel(x: Tensor) -> int:
    """The number of elements."""
    return math.prod(x.shape)


def requires_grad_(x: Tensor, requires_grad: bool = True) -> Tensor:
    """Switch the gradient of a leaf on or off, and return it. RuntimeError for whole numbers or for a result."""
    if requires_grad and x.dtype not in FLOATS:
        raise RuntimeError(f"[requires_grad_] only float32 and float64 tensors can, dtype is {x.dtype}")
    if not requires_grad and not x.is_leaf:
        raise RuntimeError("[requires_grad_] the tensor is the result of a recorded operation; use detach()")
    x.requires_grad = bool(requires_grad)
    return x


def retain_grad(x: Tensor) -> None:
    """Let backward passes put this result's gradient into ``.grad``, as they do for leaves (which stay as they are)."""
    if not x.requires_grad:
        raise RuntimeError("[retain_grad] the tensor does not require a gradient")
    if x.is_leaf:
        return
    owner = weakref.ref(x)  # the graph holds the hook: it must not hold the tensor in turn

    def keep(gradient: Tensor) -> None:
        tensor = owner()
        if tensor is not None:
            tensor.grad = clone(gradient) if tensor.grad is None else add(tensor.grad, gradient)

    x.register_hook(keep)


def _data(x: Tensor) -> Tensor:
    return detach(x)


def _set_data(x: Tensor, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"[data] value is {type(value).__name__}, expected a Tensor")
    x._array, x._meta = value._array, value._meta
    x._version[0] += 1


def to(x: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False,
       memory_format: str = "preserve_format") -> Tensor:
    """In another dtype, or on another device (``meta``): ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    Returns x itself if nothing changes, unless ``copy``.

    >>> import pyconv
    >>> pyconv.ones(2).to(pyconv.int64).tolist()
    [1, 1]
    """
    only("to", memory_format=(memory_format, "preserve_format"))
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, "meta" if arg.is_meta else "cpu"
        elif isinstance(arg, (str, Device)) and not _is_dtype_name(arg):
            device = arg
        elif isinstance(arg, bool):
            continue  # torch's non_blocking: nothing here waits
        else:
            dtype = arg
    wanted = x.dtype if dtype is None else dtype_of(dtype, "to")
    target = ("meta" if x.is_meta else "cpu") if device is None else Device(device).type
    if target == "meta" and not x.is_meta:
        return Tensor(None, x.requires_grad, meta=(x.shape, wanted))
    if target == "cpu" and x.is_meta:
        raise NoDataError(f"[to] a meta tensor of shape {x.shape} has no data to move")
    if wanted != x.dtype:
        return apply(Cast, x, dtype=wanted.name)
    return clone(x) if copy else x


def _is_dtype_name(value: Any) -> bool:
    return isinstance(value, str) and value in ("float32", "float64", "int64", "int32", "uint8", "bool")


def _converter(dtype: str) -> Any:
    def convert(x: Tensor, memory_format: str = "preserve_format") -> Tensor:
        return to(x, dtype=dtype, memory_format=memory_format)

    convert.__doc__ = f"In {dtype}; x itself if it has that type."
    return convert


def _length(x: Tensor) -> int:
    if not x.shape:
        raise TypeError("[len] the tensor has no axes")
    return x.shape[0]


def _number(kind: type) -> Any:
    return lambda x: kind(item(x))


def _index(x: Tensor) -> int:
    if x.dtype in FLOATS or numel(x) != 1:
        raise TypeError(f"[index] a tensor of shape {x.shape} and dtype {x.dtype} is no index, expected one integer")
    return int(item(x))


def _text(x: Tensor) -> str:
    if x.is_meta:
        parts = ["...", "device='meta'", f"size={x.shape}", f"dtype={x.dtype}"]
    else:
        array = x.array
        body = np.array2string(array, separator=", ", prefix="tensor(", precision=4, threshold=1000)
        parts = [body if array.size else "[]"]
        if array.size == 0 and array.ndim != 1:
            parts.append(f"size={x.shape}")
        if x.dtype not in (np.float32, np.int64, np.bool_):
            parts.append(f"dtype={x.dtype}")
    if x._node is not None:
        parts.append(f"grad_fn=<{x._node.name}>")
    elif x.requires_grad:
        parts.append("requires_grad=True")
    return f"tensor({', '.join(parts)})"


def _format(x: Tensor, spec: str) -> str:
    if spec and not x.shape and not x.is_meta:
        return format(item(x), spec)
    return format(repr(x), spec)


def _deepcopy(x: Tensor, memo: dict) -> Tensor:
    if not x.is_leaf:
        raise RuntimeError("[deepcopy] only leaves can be copied deeply, this is the result of a recorded operation")
    array = None if x.is_meta else core.copy(x.array, True)
    copied = memo[id(x)] = Tensor(array, x.requires_grad, meta=x._meta)
    copied.grad = None if x.grad is None else _deepcopy(x.grad, memo)
    return copied


def _rebuild(array: Any, meta: Any, requires_grad: bool) -> Tensor:
    return Tensor(array, requires_grad, meta=meta)


def _reduce(x: Tensor) -> Any:
    if not x.is_leaf:
        raise RuntimeError("[pickle] only leaves can be pickled, this is the result of a recorded operation")
    return _rebuild, (x._array, x._meta, x.requires_grad)


METHODS: dict = {
    "numpy": numpy, "item": item, "tolist": tolist, "size": size, "numel": numel, "to": to,
    "dim": lambda x: len(x.shape), "ndim": property(lambda x: len(x.shape)), "nelement": numel,
    "element_size": lambda x: x.dtype.itemsize, "data": property(_data, _set_data),
    "device": property(lambda x: Device("meta" if x.is_meta else "cpu")), "cpu": lambda x: to(x, device="cpu"),
    "requires_grad_": requires_grad_, "retain_grad": retain_grad, "is_floating_point": lambda x: x.dtype in FLOATS,
    "float": _converter("float32"), "double": _converter("float64"), "long": _converter("int64"),
    "int": _converter("int32"), "byte": _converter("uint8"), "bool": _converter("bool"),
    "__array__": as_array, "__dlpack__": dlpack, "__dlpack_device__": lambda x: x.array.__dlpack_device__(),
    "__len__": _length, "__float__": _number(float), "__int__": _number(int),
    "__index__": _index, "__repr__": _text, "__format__": _format, "__deepcopy__": _deepcopy, "__reduce__": _reduce,
}
