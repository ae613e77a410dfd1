"""Three steps of every optimiser on f(w) = w^2 / 2, from w = 1.

The lectures name the methods; the numbers follow from their papers' formulas, the first four exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyconv import nn, optim
from pyconv.course.item import Claim, Item
from pyconv.ops.creation import tensor

SLIDE = "Ajou, Training CNNs; Virginia Tech 42"


def _item(name: str, build: Callable[[list[Any]], Any], expected: list[float], tolerance: float = 5e-11) -> Item:
    def claims(dtype: str) -> Iterator[Claim]:
        w: Any = nn.Parameter(tensor(np.ones(1, dtype)))
        optimizer = build([w])
        seen = []
        for _ in range(3):
            optimizer.zero_grad()
            (w * w * 0.5).sum().backward()
            optimizer.step()
            seen.append(w.item())
        yield Claim("w after 1, 2 and 3 steps", expected, seen, tolerance)

    return Item(name, SLIDE, claims)


_sgd = _item("SGD", lambda p: optim.SGD(p, lr=0.1), [0.9, 0.81, 0.729], 1e-12)
_momentum = _item("SGD momentum", lambda p: optim.SGD(p, lr=0.1, momentum=0.9), [0.9, 0.72, 0.486], 1e-12)
_nesterov = _item("SGD Nesterov", lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
                 [0.81, 0.5751, 0.327321], 1e-12)
_decay = _item("SGD weight decay", lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01),
              [0.899, 0.808201, 0.726572699], 1e-12)
_adagrad = _item("Adagrad", lambda p: optim.Adagrad(p, lr=0.1), [0.9, 0.8331035269, 0.7804561814])
_adadelta = _item("Adadelta", lambda p: optim.Adadelta(p, lr=1.0, rho=0.9, eps=1e-6),
                 [0.9968377382, 0.9935981984, 0.9903090828])
_adam = _item("Adam", lambda p: optim.Adam(p, lr=0.1), [0.9000000010, 0.8004122297, 0.7015862745])
_adamw = _item("AdamW", lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.01),
              [0.8990000010, 0.7985190282, 0.6989111847])
