"""Gradients, losses and activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyconv.course.item import Claim, item
from pyconv.explain.backward_trace import trace_backward
from pyconv.nn import functional as F
from pyconv.ops.creation import tensor
from pyconv.ops.elementwise import log, mul
from pyconv.ops.reduce import sum

TENTH = 5e-11  # half a unit of the tenth digit, which the acceptance table rounds to
POINTS = [-2, -1, 0, 1, 2]


@item("T22", "Virginia Tech 44: f(x, y) = xy")
def _product(dtype: str) -> Iterator[Claim]:
    x: Any
    y: Any
    x, y = (tensor(np.array(v, dtype), requires_grad=True) for v in (4, -3))
    f = x * y
    f.backward()
    yield Claim("f(4, -3)", -12, f)
    yield Claim("gradient", [-3, 4], [x.grad, y.grad])


@item("T23", "Virginia Tech 45, 46: f(x, y, z) = (x + y) z")
def _chain(dtype: str) -> Iterator[Claim]:
    x: Any
    y: Any
    z: Any
    x, y, z = (tensor(np.array(v, dtype), requires_grad=True) for v in (-2, 5, -4))
    q = x + y
    f = q * z
    f.backward()
    yield Claim("q, f", [3, -12], [q, f])
    yield Claim("gradient", [-4, -4, 3], [x.grad, y.grad, z.grad])
    first, second = trace_backward(lambda x, y, z: (x + y) * z, -2, 5, -4).steps
    yield Claim("slide 47: q receives its gate gradient, and has local ones", [-4, 1, 1],
                [first.upstream, *(edge.local for edge in first.edges)])
    yield Claim("slide 47: local gradients of f", [-4, 3], [edge.local for edge in second.edges])


@item("T24", "Ajou, Classification layer: softmax and cross-entropy")
def _classification(dtype: str) -> Iterator[Claim]:
    logits = tensor(np.array([[2, 1, 0.1]], dtype), requires_grad=True)
    yield Claim("softmax of 2, 1, 0.1", [[0.6590011389, 0.2424329707, 0.0985658904]], F.softmax(logits, 1), TENTH)
    loss = F.cross_entropy(logits, tensor([0]))
    loss.backward()
    yield Claim("cross-entropy with the first class", 0.4170300163, loss, TENTH)
    yield Claim("its gradient", [[-0.3409988611, 0.2424329707, 0.0985658904]], logits.grad, TENTH)
    yield Claim("softmax of 1, 2, 3", [0.0900305732, 0.2447284711, 0.6652409558],
                F.softmax(tensor(np.array([1, 2, 3], dtype)), 0), TENTH)
    yield Claim("logits 1000, 0, second class", 1000,
                F.cross_entropy(tensor(np.array([[1000, 0]], dtype)), tensor([1])))
    p, q = (tensor(np.array(v, dtype)) for v in ([1, 0, 0], [0.7, 0.2, 0.1]))
    yield Claim("H(p, q) of probabilities", 0.3566749439, -sum(mul(p, log(q))), TENTH)
    yield Claim("the same with a soft target", 0.3566749439, F.cross_entropy(log(q), p), TENTH)


@item("T25", "Virginia Tech 52: Swish and its first derivative")
def _swish(dtype: str) -> Iterator[Claim]:
    x = tensor(np.array(POINTS, dtype), requires_grad=True)
    y = F.silu(x)
    yield Claim("at -2 to 2", [-0.2384058440, -0.2689414214, 0, 0.7310585786, 1.7615941560], y, TENTH)
    sum(y).backward()
    yield Claim("derivative", [-0.0907842488, 0.0723294881, 0.5, 0.9276705119, 1.0907842488], x.grad, TENTH)
    lowest = tensor(np.array([-1.2784645], dtype), requires_grad=True)
    y = F.silu(lowest)
    y.backward()
    yield Claim("the minimum", [-0.2784645428], y, TENTH)
    yield Claim("slope there", [0], lowest.grad, 1e-7)


@item("T26", "Virginia Tech 51: PReLU, slope 1/4")
def _prelu(dtype: str) -> Iterator[Claim]:
    x, a = tensor(np.array(POINTS, dtype), requires_grad=True), tensor(np.array([0.25], dtype), requires_grad=True)
    y = F.prelu(x, a)
    yield Claim("at -2 to 2", [-0.5, -0.25, 0, 1, 2], y)
    sum(y).backward()
    yield Claim("gradient of the slope", [-3], a.grad)
    yield Claim("derivative, at 0 the slope as in PyTorch", [0.25, 0.25, 0.25, 1, 1], x.grad)
