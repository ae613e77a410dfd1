"""Features of frozen layers, computed once: what trains behind them takes seconds."""

from __future__ import annotations

import hashlib
import os
import zipfile
from typing import Any

import numpy as np

from pyconv import io, nn
from pyconv.data.dataset import Dataset, TensorDataset
from pyconv.data.loader import DataLoader
from pyconv.errors import ShapeError
from pyconv.grad_mode import no_grad
from pyconv.models.transfer import check_layer, layers_until
from pyconv.tensor import Tensor

__all__ = ["CachedFeatures", "Head", "cached_features"]


class Head(nn.Module):
    """The layers of a model behind ``until``: features (N, ...) to what the model returns for the images.

    The layers are the model's own: training the head trains the model. What comes before ``until`` runs on shapes alone, which
    takes neither memory nor time worth mentioning.

    Args:
        model: any Module.
        until: the name of the layer whose output the features are.
        input_size: of one image, (channels, height, width); None: the model's ``input_size``.

    Raises ValueError for a name that is no layer's and, when called, for a layer that something passes by: behind it an earlier
    result is read again, as skip connections do.
    """

    def __init__(self, model: nn.Module, until: str, input_size: tuple[int, ...] | None = None) -> None:
        super().__init__()
        check_layer("Head", model, "until", until)
        if input_size is None and not hasattr(model, "input_size"):
            raise ValueError(f"[Head] input_size is None and {type(model).__name__} has no input_size of its own")
        self.model = model
        self.until = until
        self.input_size = tuple(model.input_size if input_size is None else input_size)

    def forward(self, features: Any) -> Any:
        """The layer's output (N, ...) to the model's."""
        if not isinstance(features, Tensor):
            raise TypeError(f"[Head] features is {type(features).__name__}, expected a Tensor")
        put: list[bool] = []

        def exchange(module: nn.Module, args: Any, output: Any) -> Any:
            if put:  # a layer that is called again works as ever
                return None
            put.append(True)
            if not isinstance(output, Tensor) or output.shape != features.shape:
                raise ShapeError(f"[Head] features have shape {features.shape}, expected {getattr(output, 'shape', None)}, "
                                 f"that of {self.until!r} for {len(features.shape) and features.shape[0]} images of "
                                 f"{self.input_size}")
            return features

        with self.model.get_submodule(self.until).register_forward_hook(exchange):
            result = self.model(Tensor(None, meta=((features.shape[0], *self.input_size), features.dtype)))
        if isinstance(result, Tensor) and result.is_meta:
            raise ValueError(f"[Head] until is {self.until!r}, but what comes behind it reads earlier results as well: choose a "
                             "layer that everything goes through")
        return result

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"until={self.until!r}, input_size={self.input_size}"


class CachedFeatures(TensorDataset):
    """What `cached_features` returns: a dataset of (features, targets ...), and the ``head`` to train on it."""

    def __init__(self, head: Head, *tensors: Any) -> None:
        super().__init__(*tensors)
        self.head = head


class _Reached(BaseException):
    """The layer has its output: the rest of the model need not run. (No Exception: it is none's to catch or to rename.)"""

    def __init__(self, output: Any) -> None:
        self.output = output


def cached_features(model: nn.Module, until: str, dataset: Dataset, path: str | os.PathLike[str] | None = None,
                    batch_size: int = 32) -> CachedFeatures:
    """Run the frozen layers of a model once over a dataset, and keep what the last of them returns.

    ``freeze(model, until)`` comes first. The result is a dataset of (features, targets), in the order of the dataset, and its
    ``head`` is what is left to train on it: the gradients and the loss are those of the whole model, which does not
    run any more. Where the dataset draws at random (augmentation), one draw is kept.

    Args:
        model: any Module whose layers up to ``until`` are frozen.
        until: the name of a layer that returns one Tensor, through which everything goes.
        dataset: samples of (image, target, ...), or images alone.
        path: a file to keep the features in, ``.npz`` or ``.safetensors``. If it is there already, and was written for the same
            frozen weights, the same number of samples and the same first and last one, it is read instead; else it
            is written anew.
        batch_size: images at a time; memory grows with it.

    Raises:
        ValueError: layers that are not frozen, an unknown layer or suffix, an empty dataset; TypeError: a layer that returns
        something else than a Tensor. OSError as `open` does.

    >>> import numpy as np
    >>> from pyconv import models
    >>> from pyconv.data import TensorDataset
    >>> net = models.freeze(models.lenet5(), until="flatten")
    >>> data = TensorDataset(np.zeros((6, 1, 32, 32), np.float32), np.arange(6))
    >>> features = models.cached_features(net, "flatten", data)
    >>> len(features), features[0][0].shape, features.head(features.tensors[0]).shape
    (6, (400,), (6, 10))
    """
    op = "cached_features"
    frozen = set(layers_until(op, model, until))
    loose = [name for name, module in model.named_modules() if module in frozen and not module._frozen]
    if loose:
        raise ValueError(f"[{op}] {loose[0]} is not frozen: call freeze(model, {until!r}) first")
    if len(dataset) == 0:
        raise ValueError(f"[{op}] dataset is empty")
    suffix = None if path is None else os.path.splitext(os.fspath(path))[1]
    if suffix not in (None, ".npz", ".safetensors"):
        raise ValueError(f"[{op}] path ends in {suffix!r}, expected .npz or .safetensors")
    image = _parts(dataset[0])[0]
    head = Head(model, until, tuple(image.shape))
    mark = _fingerprint(model, frozen, until, dataset)
    arrays = _read(path, suffix, mark)
    if arrays is None:
        arrays = _compute(model, until, frozen, DataLoader(dataset, batch_size))
        if path is not None:
            _write(path, suffix, {**arrays, "made_from": mark})
    return CachedFeatures(head, *[arrays[name] for name in sorted(arrays, key=int)])


def _parts(item: Any) -> list[Any]:
    return list(item) if isinstance(item, (tuple, list)) else [item]


def _compute(model: nn.Module, until: str, frozen: set[nn.Module], batches: DataLoader) -> dict[str, np.ndarray]:
    """The features and targets of all batches: "0", "1", ..."""
    columns: list[list[np.ndarray]] = []
    for batch in batches:
        images, *targets = _parts(batch)
        for i, value in enumerate([_features(model, until, frozen, images), *targets]):
            if not isinstance(value, Tensor):
                raise TypeError(f"[cached_features] target {i} is {type(value).__name__}, expected numbers or tensors")
            if len(columns) == i:
                columns.append([])
            columns[i].append(value.array)
    return {str(i): np.concatenate(column) for i, column in enumerate(columns)}


def _features(model: nn.Module, until: str, frozen: set[nn.Module], images: Tensor) -> Any:
    """Run the model until the layer has its output."""
    target = model.get_submodule(until)
    names = {module: name for name, module in model.named_modules()}

    def left(module: nn.Module, args: Any, output: Any) -> None:
        if module not in frozen and any(True for _ in module.parameters()):
            raise ValueError(f"[cached_features] {names[module]} runs before {until!r} but is registered behind it, and so "
                             "is not frozen: choose another layer")
        if module is target:
            raise _Reached(output)

    handles = [module.register_forward_hook(left) for module in names]
    try:
        with no_grad():
            model(images)
    except _Reached as reached:
        if not isinstance(reached.output, Tensor):
            raise TypeError(f"[cached_features] {until} returns {type(reached.output).__name__}, expected a Tensor") from None
        return reached.output
    finally:
        for handle in handles:
            handle.remove()
    raise ValueError(f"[cached_features] until is {until!r}, a layer that the model does not call")


def _fingerprint(model: nn.Module, frozen: set[nn.Module], until: str, dataset: Dataset) -> np.ndarray:
    """A digest of what the features depend on, as far as it can be looked at in a moment."""
    digest = hashlib.sha256(f"{type(model).__name__} {until} {len(dataset)}".encode())
    for name, module in model.named_modules():
        if module in frozen:
            for key, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
                digest.update(f"{name} {key} {tensor.shape}".encode())
                digest.update(np.ascontiguousarray(tensor.array).tobytes())
    for item in (dataset[0], dataset[len(dataset) - 1]):
        for part in _parts(item):
            array = np.asarray(part.array if isinstance(part, Tensor) else part)
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _read(path: Any, suffix: str | None, mark: np.ndarray) -> dict[str, np.ndarray] | None:
    """The file's arrays; None where there is no file, or one of something else."""
    if path is None or not os.path.exists(path):
        return None
    try:
        if suffix == ".safetensors":
            found = {name: value.array for name, value in io.load_safetensors(path).items()}
        elif zipfile.is_zipfile(path):
            with np.load(path, allow_pickle=False) as file:
                found = dict(file)
        else:
            return None
    except (ValueError, EOFError, zipfile.BadZipFile):  # a broken one
        return None
    made = found.pop("made_from", None)
    return found if made is not None and np.array_equal(made, mark) else None


def _write(path: Any, suffix: str | None, arrays: dict[str, np.ndarray]) -> None:
    if suffix == ".safetensors":
        io.save_safetensors(arrays, path)
        return
    with io.atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
