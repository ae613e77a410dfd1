"""What a class score says about the pixels: the saliency map and the fast gradient sign step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.autograd import grad
from pyconv.errors import ShapeError
from pyconv.grad_mode import enable_grad
from pyconv.ops.elementwise import abs, add, mul, sign
from pyconv.ops.reduce import amax, sum
from pyconv.ops.softmax import cross_entropy
from pyconv.tensor import Tensor


def _leaf(op: str, input: Any) -> Tensor:
    if not isinstance(input, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] input is {type(input).__name__}, expected a Tensor or a numpy array")
    if len(input.shape) < 2:
        raise ShapeError(f"[{op}] input has shape {tuple(input.shape)}, expected a batch, such as (N, C, H, W)")
    return Tensor(input.array if isinstance(input, Tensor) else input, requires_grad=True)


def _scores(op: str, model: Callable[[Tensor], Any], x: Tensor, target: Any) -> tuple[Tensor, np.ndarray]:
    """The model's scores (N, K), and one label per sample."""
    scores = model(x)
    if not isinstance(scores, Tensor) or scores.ndim != 2 or scores.shape[0] != x.shape[0]:
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ShapeError(f"[{op}] model returned {shape}, expected scores ({x.shape[0]}, classes)")
    labels = np.asarray(target.array if isinstance(target, Tensor) else target)
    if labels.dtype.kind not in "iu" or labels.ndim > 1 or (labels.ndim == 1 and len(labels) != x.shape[0]):
        raise TypeError(f"[{op}] target is {target!r}, expected a class number or one per sample ({x.shape[0]})")
    labels = np.broadcast_to(labels, x.shape[:1]).astype(np.int64)
    bad = (labels < 0) | (labels >= scores.shape[1])
    if bad.any():
        raise IndexError(f"[{op}] target is {labels[bad][0]}, expected 0 to {scores.shape[1] - 1}")
    return scores, labels


def _chosen(scores: Any, labels: np.ndarray) -> Tensor:
    return sum(scores[np.arange(len(labels)), labels])


def saliency(model: Callable[[Tensor], Any], input: Any, target: Any) -> Tensor:
    """Which pixels matter: |d score / d pixel|, the largest over the channels.

    ``model`` maps (N, C, ...) to class scores (N, K) *before* the softmax and should be in evaluation mode; ``target``
    is a class or one per sample. Returns (N, ...), without the channel axis. The model's parameters keep their
    gradients. Raises ShapeError, TypeError and IndexError.

    Source: Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2014.

    >>> import pyconv
    >>> weight = pyconv.tensor([[[[1.0, -2.0]], [[-4.0, 1.0]]]])
    >>> saliency(lambda x: (x * weight).sum((1, 2, 3)).reshape(-1, 1), pyconv.zeros(1, 2, 1, 2), 0).tolist()
    [[[4.0, 2.0]]]
    """
    x = _leaf("saliency", input)
    with enable_grad():
        scores, labels = _scores("saliency", model, x, target)
        score = _chosen(scores, labels)
    (gradient,) = grad(score, x)
    return amax(abs(gradient), 1)


def fgsm(model: Callable[[Tensor], Any], input: Any, target: Any, epsilon: float, targeted: bool = False) -> Tensor:
    """One step of the fast gradient sign method: every pixel moves by ``epsilon``.

    Untargeted (the paper): ``target`` is the true class and the picture moves up the loss,
    input + epsilon · sign(∇ cross_entropy). ``targeted=True`` (as some lectures write it): ``target`` is the class
    wanted and the picture moves up its score, input + epsilon · sign(∇ score). The result is not clipped. Arguments
    and errors else as `saliency`.

    Source: Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples, 2015.

    >>> import pyconv
    >>> weight = pyconv.tensor([[1.0, -2.0, 0.5]])
    >>> x = pyconv.tensor([[0.0, 0.0, 0.0]])
    >>> fgsm(lambda x: (x * weight).sum(1).reshape(-1, 1), x, 0, 0.5, targeted=True).tolist()
    [[0.5, -0.5, 0.5]]
    """
    x = _leaf("fgsm", input)
    with enable_grad():
        scores, labels = _scores("fgsm", model, x, target)
        goal = _chosen(scores, labels) if targeted else cross_entropy(scores, Tensor(labels), reduction="sum")
    (gradient,) = grad(goal, x)
    return add(x.detach(), mul(sign(gradient), epsilon))
