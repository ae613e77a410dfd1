"""`accelerate`: every layer of a PyTorch model that pyconv can do is swapped, and can be swapped back."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from pyconv.interop.torch.chain import Chain
from pyconv.interop.torch.kinds import KINDS, Kind
from pyconv.interop.torch.layer import STATE, Layer, LayerReport, Report, rebuilt, restored, swapped

MEMORY_FORMATS = ("preserve", "channels_last")


def accelerate(module: torch.nn.Module, memory_format: str = "preserve") -> Acceleration:
    """Let pyconv compute the layers of a PyTorch model, in place: forward, backward, on the same parameters.

    Swapped are Conv1d, 2d, 3d, ConvTranspose1d, 2d, 3d, BatchNorm1d, 2d, 3d, the Max, Avg, AdaptiveMax and AdaptiveAvg
    pools, Linear and ReLU. The model stays the one it was: the same modules, parameters,
    buffers, state_dict, hooks; each swapped layer is still an instance of its class. Arrays are views of the tensors'
    memory, nothing is copied from one library to the other. What pyconv cannot do runs as before: other layers, and,
    call by call, input other than dense float32 in the CPU's memory, autocast, `torch.compile`, `torch.jit.trace`,
    torch.func transforms, fake tensors. Gradients of gradients are PyTorch's. `Acceleration.report` counts all of that.

    Args:
        module: any PyTorch module.
        memory_format: "preserve" returns what PyTorch would: contiguous tensors for contiguous input, channels-last
            ones for channels-last input or weights, so that no line of the script can tell, `view` included. Since the
            kernels work in channels-last order, contiguous activations are reordered on the way into a layer and out
            of it; inside a Sequential only where a hook or another layer looks at them. "channels_last" leaves every
            4-D and 5-D result in channels-last order and saves this; a script that calls ``view(n, -1)`` on an
            activation then has to say ``flatten(1)`` (PyTorch's error says so).

    Returns:
        A handle with ``undo()``, ``report()`` and ``module``; called, it calls the module.

    Raises:
        TypeError: module is no torch.nn.Module. ValueError: another memory_format.

    A copy by `copy.deepcopy` is swapped, too. What `torch.save` or pickle writes is the plain model; it loads without
    pyconv. A layer costs 20 to 70 microseconds of Python per step more than PyTorch's own.

    Both libraries have threads of their own: set their number with `pyconv.runtime.set_num_threads` and
    `torch.set_num_threads`. PyTorch's go on spinning for milliseconds after each of its parallel operations and take
    processor time from pyconv's: ``GOMP_SPINCOUNT=1000`` in the environment made a training step of an accelerated
    ResNet-20 1.1 to 1.4 times as fast on two processors (and that of the plain model slower).

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.MaxPool2d(2), torch.nn.Flatten())
    >>> handle = accelerate(model)
    >>> model(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 72])
    >>> print(handle.report())
    2 of 3 layers run on pyconv
    0 (Conv2d): 1 calls
    1 (MaxPool2d): 1 calls
    2 (Flatten): PyTorch's own: pyconv has nothing for a Flatten
    >>> handle.undo()
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"[accelerate] module is {type(module).__name__}, expected a torch.nn.Module")
    if memory_format not in MEMORY_FORMATS:
        raise ValueError(f"[accelerate] memory_format is {memory_format!r}, expected 'preserve' or 'channels_last'")
    return Acceleration(module, memory_format)


class Acceleration:
    """A module with its layers swapped; made by `accelerate`."""

    def __init__(self, module: torch.nn.Module, memory_format: str) -> None:
        self.module, self.memory_format = module, memory_format
        self._rows: list[tuple[str, str, Any, str]] = []  # path, type, layer, reason
        self._before: list[tuple[Any, type, type, Any]] = []  # layer, class now, class then, state then
        for path, layer in module.named_modules():
            kind, reason = find(layer)
            if kind is not None or not any(True for _ in layer.children()):
                self._rows.append((path, _name(layer), layer, reason))
            if kind is not None:
                self._swap(layer, kind)
        for layer in module.modules() if memory_format == "preserve" else ():
            if _is_chain(layer):
                self._swap(layer, None)

    def _swap(self, layer: Any, kind: Kind | None) -> None:
        before = layer.__dict__.get(STATE)
        cls, plain = type(layer), restored(type(layer))
        if before is None:
            if parametrize.is_parametrized(layer):
                layer.__class__ = rebuilt(plain, swapped(plain.__bases__[0]))
            else:
                layer.__class__ = swapped(plain)
        origin = plain.__bases__[0] if parametrize.is_parametrized(layer) else plain
        layer.__dict__[STATE] = Chain(origin) if kind is None else Layer(
            kind, origin, self.memory_format == "channels_last")
        self._before.append((layer, type(layer), cls, before))

    def undo(self) -> None:
        """Give every layer back the class it had; a second call does nothing."""
        for layer, now, then, state in self._before:
            if state is not None:
                layer.__dict__[STATE] = state
            else:
                layer.__dict__.pop(STATE, None)
                # A parametrization may have come or gone since.
                layer.__class__ = then if type(layer) is now else restored(type(layer))
        self._before.clear()

    def report(self) -> Report:
        """What became of each layer: a list of `LayerReport`, a table as text. Empty counts after `undo`."""
        report = Report()
        for path, name, layer, reason in self._rows:
            state = layer.__dict__.get(STATE)
            if state is None:
                report.append(LayerReport(path, name, False, reason or "it was swapped back", 0, {}))
            else:
                report.append(LayerReport(path, name, True, "", state.calls, dict(state.fallbacks)))
        return report

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module returns."""
        return self.module(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Of the module: ``model = accelerate(model)`` goes on as before."""
        if name.startswith("__") or name == "module":
            raise AttributeError(name)
        return getattr(self.module, name)

    def __repr__(self) -> str:
        return str(self.report())


def find(module: Any) -> tuple[Kind | None, str]:
    """The kind of a layer, or None and why it cannot be swapped."""
    cls = restored(type(module))
    base: Any = next((base for base in cls.__mro__ if base in KINDS), None)
    if base is None:
        return None, f"pyconv has nothing for a {cls.__name__}"
    if any(is_lazy(p) for p in (*module._parameters.values(), *module._buffers.values())):
        return None, "it is lazy: call accelerate after its first forward pass"
    if any(getattr(cls, name, None) is not getattr(base, name, None) for name in ("forward", "_conv_forward")):
        return None, f"{cls.__name__} has a forward pass of its own"
    own = module.__dict__.get("forward")
    if own is not None and getattr(own, "__func__", None) is not base.forward:
        return None, "its forward pass was replaced on the instance"
    kind = KINDS[base]
    why = kind.obstacle(module)
    return (None, why) if why else (kind, "")


def _is_chain(module: Any) -> bool:
    """A Sequential with a swapped layer or chain among its children."""
    if not isinstance(module, torch.nn.Sequential) or "forward" in module.__dict__:
        return False
    own = restored(type(module)).forward  # type: ignore[attr-defined]
    return own is torch.nn.Sequential.forward and any(STATE in child.__dict__ for child in module.modules())


def _name(module: Any) -> str:
    return restored(type(module)).__name__
