"""A file of weights into a model: any format that is read, any names that are known."""

from __future__ import annotations

import os

import numpy as np

from pyconv import io, nn
from pyconv.models.darknet import darknet_layers
from pyconv.models.keymaps import Fitted, fit, load_fitted
from pyconv.tensor import Tensor

__all__ = ["load_weights"]

#: fasterrcnn_resnet50_fpn_coco, maskrcnn_resnet50_fpn_coco, keypointrcnn_resnet50_fpn_coco
_WITHOUT_EPS = ("-258fb6c6.", "-bf2d0c1e.", "-fc266e95.")


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> Fitted:
    """Load a file that `pyconv.io.load` reads into ``model``, bringing its names to the model's first.

    Names and shapes then have to fit exactly, but for auxiliary heads that only training uses: where the file has none the
    model keeps its own. A Darknet file has no names: its numbers are dealt out in the order of the layers. Frozen batch norm
    gets the ``eps`` of 0 with which torchvision's first detectors on COCO were trained, known by their files' names.
    Returns what was loaded, in words what was renamed (``steps``), and which names of the file were ``left_out``.

    Raises StateDictError for weights that do not fit, which lists what is missing by layer and what was tried, ValueError
    for files that are damaged or of an unknown format, OSError as `open`. The model is then as it was.

    >>> import os, tempfile
    >>> import pyconv
    >>> from pyconv import models
    >>> net = models.lenet5()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.safetensors")
    ...     pyconv.save({f"module.{name}": value for name, value in net.state_dict().items()}, path)
    ...     load_weights(net, path).steps
    ['removed "module."']
    """
    fitted = fit(model, read_state(model, path))
    load_fitted(model, fitted)
    as_trained(model, path)
    return fitted


def as_trained(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Set what weights need beside them: ``eps`` 0 in the frozen norms of torchvision's first detectors.

    Those three were trained when frozen batch norm had no ``eps``. They are known by the checksum in their names, which a
    file that `pyconv convert` wrote from one keeps as its source. The old names of their tensors say less: files that
    were trained later, with an ``eps``, have them as well.
    """
    name = os.path.basename(os.fspath(path))
    if io.recognise(path) == "safetensors":
        name += io.safetensors_metadata(path).get("source", "")
    if any(checksum in name for checksum in _WITHOUT_EPS):
        for module in model.modules():
            if isinstance(module, nn.FrozenBatchNorm2d):
                module.eps = 0.0


def read_state(model: nn.Module, path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a file by its own names; those of a Darknet file, which has none, by the names of ``model``."""
    state = io.load(path)
    if set(state) == {"darknet"}:
        return from_darknet(model, state["darknet"].array, os.fspath(path))
    return state


def from_darknet(model: nn.Module, values: np.ndarray, path: str) -> dict[str, Tensor]:
    """The numbers of a Darknet file by the names of ``model``'s state, which may be on the meta device.

    Raises ValueError unless there are exactly as many as the model has weights and running statistics.
    """
    names = {id(module): name for name, module in model.named_modules()}
    places: list[tuple[str, tuple[int, ...]]] = []
    for layer, norm in darknet_layers(model):
        own = names[id(layer)]
        if norm is None:
            parts = [(own, layer, "bias")]
        else:
            parts = [(names[id(norm)], norm, part) for part in ("bias", "weight", "running_mean", "running_var")]
        parts.append((own, layer, "weight"))
        places += [(f"{name}.{part}", getattr(module, part).shape) for name, module, part in parts]
    total = sum(int(np.prod(shape)) for _, shape in places)
    rest = set(model.state_dict()) - {name for name, _ in places}
    if not all(name.endswith("num_batches_tracked") for name in rest):
        raise ValueError(f"[load] {path}: is a file of Darknet's, which has no names, expected a network whose layers have an "
                         f"order there; {type(model).__name__} does not")
    if total != values.size:
        raise ValueError(f"[load] {path}: has {values.size} numbers, expected the {total} of {type(model).__name__}")
    found, at = {}, 0
    for name, shape in places:
        size = int(np.prod(shape))
        found[name] = Tensor(values[at:at + size].reshape(shape))
        at += size
    return found
