"""Tensors as windows on storages, and structures of them as flat names: what both kinds of PyTorch's files share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pyconv.io.opcodes import PickleError
from pyconv.io.source import Source, short
from pyconv.io.stored import converted, stored_dtype
from pyconv.tensor import Tensor

MAX_RANK = 32
MAX_DEPTH = 32
MAX_NAMES = 100_000
MAX_VISITS = 400_000
MAX_NAME = 2000  # characters of one
MAX_NAME_BYTES = 8 << 20  # all names together
#: What tensors whose elements lie on each other may take: so many times the file's size, and this much more.
TIMES_FILE, AND_BYTES = 4, 64 << 20


class Storage(NamedTuple):
    """A row of elements in the file: those from ``offset`` on of the ``whole``."""

    key: str
    kind: str
    elements: int
    offset: int
    whole: int

    @classmethod
    def all(cls, key: str, kind: str, elements: int) -> Storage:
        """The whole of a row."""
        return cls(key, kind, elements, 0, elements)

    def view(self, offset: int, elements: int) -> Storage:
        """So many ``elements`` from ``offset`` on."""
        return self._replace(elements=elements, offset=self.offset + offset)


class TensorRef(NamedTuple):
    """A tensor before its storage is read: a window on it, in elements of ``kind``."""

    storage: Storage
    kind: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def checked(cls, storage: Any, kind: str | None, offset: Any, size: Any, stride: Any) -> TensorRef:
        """A window that lies inside its storage. Raises PickleError for anything else."""
        if storage.__class__ is not Storage:
            raise PickleError(f"a tensor of a {type(storage).__name__}, expected a storage")
        kind, count = kind or storage.kind, storage.elements
        if kind != storage.kind:  # raw bytes, read as something else
            if storage.kind != "U8" or storage.offset:
                raise PickleError(f"a tensor of {kind} in a storage of {storage.kind}, expected one of bytes")
            count //= stored_dtype(kind).itemsize
        for value in (size, stride):
            if value.__class__ is not tuple or len(value) > MAX_RANK or any(
                    n.__class__ is not int or not 0 <= n < 2**62 for n in value):
                raise PickleError(f"a tensor's size or stride is no tuple of at most {MAX_RANK} numbers from 0 on")
        if offset.__class__ is not int or not 0 <= offset < 2**62 or len(size) != len(stride):
            raise PickleError(f"a tensor with size {list(size)}, stride {list(stride)} and "
                              f"{'another' if offset.__class__ is int else 'no'} offset, expected ones that fit each other")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size and last >= count:
            raise PickleError(f"a tensor of size {list(size)} and stride {list(stride)} at {offset} needs element {last} of "
                              f"storage {short(storage.key)}, which has {count}")
        if math.prod(n for n in size if n) >= 2**60:
            raise PickleError(f"a tensor of size {list(size)} is too large for any memory")
        return cls(storage, kind, offset, size, stride)

    @property
    def numel(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.size)

    @property
    def overlaps(self) -> bool:
        """Whether two elements of the tensor may be one element of the storage, as after ``expand``."""
        extent = 1
        for step, n in sorted((s, n) for s, n in zip(self.stride, self.size, strict=True) if n > 1):
            if step < extent:
                return True
            extent += step * (n - 1)
        return False


def flatten(file: Source, tree: Any) -> dict[str, TensorRef]:
    """The tensors of nested dictionaries, lists and tuples by dotted name; a lone one is called "tensor"."""
    if isinstance(tree, TensorRef):
        return {"tensor": tree}
    if tree.__class__ not in (dict, list, tuple):
        raise file.fail(f"holds a {type(tree).__name__}, expected tensors in dictionaries")
    found: dict[str, TensorRef] = {}
    characters = 0
    for name, value in _leaves(file, tree):
        characters += len(name)
        if len(found) == MAX_NAMES or characters > MAX_NAME_BYTES:
            raise file.fail(f"names more than {MAX_NAMES:,} tensors, or has {MAX_NAME_BYTES:,} characters of names")
        if name in found:
            raise file.fail(f"tensor {short(name)} appears twice")
        found[name] = value
    return found


def _leaves(file: Source, tree: Any) -> Iterator[tuple[str, TensorRef]]:
    """Tensors in the order of the file; no recursion on what the file says."""
    stack = [("", _items(tree))]
    for _ in range(MAX_VISITS):
        prefix, items = stack[-1]
        key, value = next(items, (None, None))
        if key is None:
            stack.pop()
            if not stack:
                return
            continue
        if len(prefix) + len(key) > MAX_NAME:
            raise file.fail(f"has the name {short(prefix + key)} of {len(prefix) + len(key)} characters, expected at most {MAX_NAME}")
        if isinstance(value, TensorRef):
            yield f"{prefix}{key}", value
        elif value.__class__ in (dict, list, tuple) and value:
            if len(stack) == MAX_DEPTH:
                raise file.fail(f"has dictionaries within each other more than {MAX_DEPTH} deep")
            stack.append((f"{prefix}{key}.", _items(value)))
    raise file.fail(f"has more than {MAX_VISITS:,} entries in its dictionaries")


def _items(tree: Any) -> Iterator[tuple[Any, Any]]:
    pairs = tree.items() if tree.__class__ is dict else enumerate(tree)
    return ((str(key), value) for key, value in pairs)


def tensors(file: Source, found: dict[str, TensorRef],
            content: Callable[[Storage], np.ndarray]) -> dict[str, Tensor]:
    """The tensors themselves: each storage is read once by ``content``, tensors are views of it."""
    read: dict[str, tuple[str, np.ndarray]] = {}
    made: dict[TensorRef, Tensor] = {}
    budget = TIMES_FILE * file.size + AND_BYTES
    result = {}
    for name, ref in found.items():
        if ref.overlaps:
            budget -= ref.numel * 8
            if budget < 0:
                raise file.fail(f"tensor {short(name)} of size {list(ref.size)} repeats the elements of its storage beyond "
                                f"{TIMES_FILE} times the file's size")
        if ref not in made:
            if ref.storage.key not in read:
                read[ref.storage.key] = ref.kind, _elements(file, ref, content, name)
            kind, elements = read[ref.storage.key]
            if kind != ref.kind:
                raise file.fail(f"tensor {short(name)} reads storage {short(ref.storage.key)} as {ref.kind}, "
                                f"another tensor as {kind}")
            made[ref] = Tensor(_window(elements, ref))
        result[name] = made[ref]
    return result


def _elements(file: Source, ref: TensorRef, content: Callable[[Storage], np.ndarray], name: str) -> np.ndarray:
    """All of a storage's elements in the type that they become."""
    array = content(ref.storage)
    if ref.kind != ref.storage.kind:
        dtype = stored_dtype(ref.kind)
        array = array[: array.nbytes // dtype.itemsize * dtype.itemsize].view(dtype)
    return converted(array, ref.kind, f"[load] {file.path}: tensor {short(name)}")


def _window(elements: np.ndarray, ref: TensorRef) -> np.ndarray:
    first = ref.storage.offset + ref.offset
    if 0 in ref.size:
        return np.empty(ref.size, elements.dtype)
    last = first + sum((n - 1) * step for n, step in zip(ref.size, ref.stride, strict=True))
    if not 0 <= first <= last < elements.size:  # TensorRef.checked has seen to it; memory is at stake
        raise ValueError(f"elements {first} to {last} of a storage of {elements.size}")
    step, strides = elements.itemsize, ref.stride
    view = np.lib.stride_tricks.as_strided(elements[first:], ref.size, [s * step for s in strides])
    return view.copy() if ref.overlaps else view

