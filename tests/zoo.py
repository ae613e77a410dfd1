"""What the tests of the networks share: counts from shapes alone, agreement with a PyTorch model, a step that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import pyconv
from pyconv import models
from pyconv.nn import functional as F


def counts(name: str, size: tuple[int, ...] | None = None, **options: Any) -> tuple[int, int]:
    """Parameters and multiply-adds of one image of (channels, height, width) ``size``; no memory is taken."""
    with pyconv.device("meta"):
        model = models.create_model(name, **options)
    found = pyconv.summary(model.eval(), (1, *(size or model.input_size)))
    return found.total_parameters, found.total_macs


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(ours: Any, theirs: Any, tolerance: float = 1e-4) -> None:
    """Largest difference relative to the largest value."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    scale = float(np.abs(theirs).max()) or 1.0
    assert float(np.abs(ours - theirs).max()) <= tolerance * scale


def load_from_torch(ours: Any, theirs: Any) -> None:
    """Strictly load a PyTorch model's state."""
    state = {name: np.array(value.numpy()) for name, value in theirs.state_dict().items()}
    assert repr(ours.load_state_dict(state)) == "<All keys matched successfully>"


def same_as_torch(ours: Any, theirs: Any, x: np.ndarray, classes: int = 1000, *, double: bool = False,
                  scores: Callable[[Any], Any] = lambda outputs: outputs) -> None:
    """The state_dict fits strictly both ways; scores in evaluation, loss and all gradients of one training step agree.

    Dropout, where there is any, has to be switched off in both by the caller for the second half to hold. ``scores``
    makes one tensor of what a network returns in training.

    With ``double`` the training step is done in float64, and agrees to 1e-8. In float32 no two libraries agree on a
    deep network's gradients: units within a rounding of zero switch on or off. PyTorch's own gradients for ResNet-50
    on 64x64 images change in the second digit with the precision; ours agree with its float64 ones to 2e-12.
    """
    import torch

    load_from_torch(ours, theirs)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    with pyconv.no_grad():
        close(ours.eval()(pyconv.from_numpy(x)).numpy(), expected)
    if double:
        ours, theirs, x = ours.double(), theirs.double(), x.astype(np.float64)
    labels = np.arange(len(x)) * 7 % classes
    loss = torch.nn.functional.cross_entropy(scores(theirs.train()(torch.from_numpy(x))), torch.from_numpy(labels))
    loss.backward()
    found = F.cross_entropy(scores(ours.train()(pyconv.from_numpy(x))), pyconv.tensor(labels))
    found.backward()
    relative, floor = (1e-8, 1e-10) if double else (5e-3, 1e-5)
    assert abs(found.item() - loss.item()) <= (1e-10 if double else 1e-4) * max(1, abs(loss.item()))
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    scale = max(float(np.abs(g).max()) for g in gradients.values())
    for name, p in ours.named_parameters():
        difference = float(np.abs(p.grad.numpy() - gradients[name]).max())
        # Per tensor, with a floor for those whose gradient is rounding noise beside the others.
        assert difference <= relative * float(np.abs(gradients[name]).max()) + floor * scale, name
    theirs.load_state_dict({k: torch.from_numpy(np.array(v.numpy())) for k, v in ours.state_dict().items()})


def step_lowers_loss(model: Any, loss: Any, lr: float = 1e-3) -> None:
    """``loss()`` computes a scalar from ``model`` on a fixed batch; one small step of plain SGD has to lower it."""
    before = loss()
    before.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and np.isfinite(g.numpy()).all() for g in gradients)
    pyconv.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr).step()
    with pyconv.no_grad():
        after = loss()
    assert after.item() < before.item()


def same_maps_as_torch(ours: Any, theirs: Any, x: np.ndarray, training: bool = True) -> None:
    """As `same_as_torch` for networks whose output is a map, a list or a dict of maps.

    Evaluation: the outputs; training: outputs, running statistics, and all gradients of the sum of the outputs weighted
    with fixed random numbers. Without ``training`` the gradients are those of evaluation: deep batch norm on a few pixels
    magnifies PyTorch's rounding errors as well as ours beyond any tolerance worth having. With x in float64 the models
    compute in float64, and what is allowed is 10^4 times less.
    """
    import torch

    def maps(output: Any) -> list[Any]:
        if isinstance(output, dict):
            return [output[key] for key in sorted(output)]
        return list(output) if isinstance(output, (list, tuple)) else [output]

    load_from_torch(ours, theirs)
    tolerance = 1e-4
    if x.dtype == np.float64:
        tolerance, ours, theirs = 1e-8, ours.double(), theirs.double()
    with torch.no_grad():
        expected = maps(theirs.eval()(torch.from_numpy(x)))
    with pyconv.no_grad():
        found = maps(ours.eval()(pyconv.from_numpy(x)))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        close(a.numpy(), b.numpy(), tolerance)
    weights = [draw(*a.shape, seed=i).astype(x.dtype) for i, a in enumerate(found)]
    expected = maps(theirs.train(training)(torch.from_numpy(x)))
    found = maps(ours.train(training)(pyconv.from_numpy(x)))
    for a, b in zip(found, expected, strict=True):
        # Batch norm on a batch's own statistics: PyTorch itself is 1e-4 away from float64 in an FCN on ResNet-50.
        close(a.detach().numpy(), b.detach().numpy(), (10 if training else 1) * tolerance)
    sum((a * torch.from_numpy(w)).sum() for a, w in zip(expected, weights, strict=True)).backward()
    sum((a * pyconv.from_numpy(w)).sum() for a, w in zip(found, weights, strict=True)).backward()
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters() if p.grad is not None}
    assert gradients.keys() == {name for name, p in ours.named_parameters() if p.grad is not None}
    scale = max(float(np.sqrt((g**2).mean())) for g in gradients.values())
    for name, p in ours.named_parameters():
        if name in gradients:
            # One activation next to zero that is cut off here and not there moves single entries by a percent (PyTorch in
            # float32 against float64 does so): what counts is the root mean square.
            difference, size = (float(np.sqrt((a**2).mean())) for a in (p.grad.numpy() - gradients[name], gradients[name]))
            assert difference <= tolerance * (100 * size + 0.1 * scale), name
    for name, value in theirs.named_buffers():
        close(ours.get_buffer(name).numpy(), value.numpy(), tolerance)
