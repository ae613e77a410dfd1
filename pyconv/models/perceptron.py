"""The perceptron, one unit that learns from its mistakes, and perceptrons in layers.

==========  ==========  =============  =====================
Network     Parameters  Multiply-adds  Layers
==========  ==========  =============  =====================
perceptron           3              2  linear 2-1
mlp            266,610        266,200  linear 784-300-100-10
==========  ==========  =============  =====================

A perceptron says 1 where w x + b > 0 and 0 elsewhere: a straight cut through the space of inputs. Rosenblatt's rule looks
at one sample at a time and moves the cut only when the answer is wrong: w += (y - answer) x, b += y - answer. If any cut
separates the classes, it finds one after finitely many mistakes, at most (R / margin)^2 of them, R the largest length of
a sample with a 1 appended (Novikoff). If none does, as for XOR, it never ends.

Layers of units with a smooth threshold in between have no such limit, and learn by back-propagation. The default has
the sizes of LeCun et al. 1998, who read digits with it (error 3.05 %).

Sources: Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the brain, 1958;
Novikoff, On convergence proofs on perceptrons, 1962; Rumelhart, Hinton and Williams, Learning representations by
back-propagating errors, 1986.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.grad_mode import no_grad
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.nn.arguments import positive, whole
from pyconv.tensor import raw

__all__ = ["MLP", "Perceptron", "mlp", "perceptron"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}


class Perceptron(nn.Module):
    """One linear unit on (N, in_features); see `perceptron`."""

    def __init__(self, in_features: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(whole("perceptron", "in_features", in_features, 1), 1)
        self.input_size = (in_features, 1, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_features), or (N, C, H, W) of as many values, to w x + b, (N,): above 0 is class 1."""
        return self.linear(F.flatten(x, 1)).squeeze(1)

    def predict(self, x: Any) -> np.ndarray:
        """(N, in_features), Tensor or array, to the answers (N,), 0 or 1, int64."""
        weight, bias = self._state()
        return np.array([_answer(weight, bias, row) for row in self._rows("predict", x)], np.int64)

    def fit_step(self, x: Any, y: Any, lr: float = 1.0) -> int:
        """Rosenblatt's rule once for every sample in order; returns the number of mistakes.

        Args:
            x: samples (N, in_features), a Tensor or an array.
            y: their classes (N,), 0 or 1.
            lr: length of a correction, above 0. From zeros, which is where it begins, it changes no answer.

        Raises ShapeError and ValueError for samples and classes that do not fit.
        """
        rows, classes = self._rows("fit_step", x), self._classes(y)
        if len(rows) != len(classes):
            raise ShapeError(f"[perceptron.fit_step] y has {len(classes)} classes, expected {len(rows)}, one per sample")
        positive("perceptron.fit_step", "lr", lr, 1e30)
        weight, bias = self._state()
        mistakes = 0
        for row, wanted in zip(rows, classes, strict=True):
            error = int(wanted) - _answer(weight, bias, row)
            if error:
                weight, bias = weight + lr * error * row, bias + lr * error
                mistakes += 1
        with no_grad():
            self.linear.weight.copy_(weight[None].astype(self.linear.weight.dtype))
            self.linear.bias.copy_(np.array([bias], self.linear.bias.dtype))
        return mistakes

    def fit(self, x: Any, y: Any, epochs: int = 1000, lr: float = 1.0) -> list[int]:
        """`fit_step` until a pass makes no mistake, ``epochs`` times at most; returns the mistakes of every pass.

        The last entry is 0 if a cut was found; it never is when no cut separates the classes.

        >>> import numpy as np
        >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> perceptron().fit(x, [0, 0, 0, 1])[-1]  # AND
        0
        >>> perceptron().fit(x, [0, 1, 1, 0], epochs=50)[-1]  # XOR
        4
        """
        history: list[int] = []
        for _ in range(whole("perceptron.fit", "epochs", epochs, 1)):
            history.append(self.fit_step(x, y, lr))
            if history[-1] == 0:
                break
        return history

    def _state(self) -> tuple[np.ndarray, float]:
        return self.linear.weight.array[0].astype(np.float64), float(self.linear.bias.array[0])

    def _rows(self, op: str, x: Any) -> np.ndarray:
        rows = raw(x, f"perceptron.{op}", "x").astype(np.float64)
        if rows.ndim < 2 or rows[0:1].size != self.linear.in_features * len(rows[0:1]):
            raise ShapeError(f"[perceptron.{op}] x has shape {rows.shape}, expected (N, {self.linear.in_features})")
        if not np.isfinite(rows).all():
            raise ValueError(f"[perceptron.{op}] x has values that are not finite")
        return rows.reshape(len(rows), self.linear.in_features)

    def _classes(self, y: Any) -> np.ndarray:
        classes = np.asarray(y)
        if classes.ndim != 1 or not np.isin(classes, (0, 1)).all():
            raise ValueError(f"[perceptron.fit_step] y is {np.array2string(classes, threshold=6)}, expected a list of classes, "
                             "each 0 or 1")
        return classes


def _answer(weight: np.ndarray, bias: float, row: np.ndarray) -> int:
    return int(float((weight * row).sum()) + bias > 0)


class MLP(nn.Module):
    """Linear layers with an activation between them; see `mlp`."""

    def __init__(self, num_classes: int = 10, in_features: int = 784, hidden: Sequence[int] = (300, 100),
                 activation: str = "tanh") -> None:
        super().__init__()
        if not isinstance(activation, str) or activation not in _ACTIVATIONS:
            raise ValueError(f"[mlp] activation is {activation!r}, expected one of {', '.join(_ACTIVATIONS)}")
        if not isinstance(hidden, (tuple, list)):
            raise TypeError(f"[mlp] hidden is {hidden!r}, expected the sizes of the layers in between, such as (300, 100)")
        self.input_size = (whole("mlp", "in_features", in_features, 1), 1, 1)
        layers: list[nn.Module] = [nn.Flatten()]
        before = in_features
        for width in hidden:
            layers += [nn.Linear(before, whole("mlp", "hidden", width, 1)), _ACTIVATIONS[activation]()]
            before = width
        layers.append(nn.Linear(before, whole("mlp", "num_classes", num_classes, 1)))
        self.layers = nn.Sequential(*layers)
        for module in layers:
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_features), or (N, C, H, W) of as many values, to scores (N, num_classes)."""
        return self.layers(x)


@register
def perceptron(in_features: int = 2) -> Perceptron:
    """Rosenblatt's perceptron for two classes, beginning with zeros; it learns by `Perceptron.fit`.

    Its output is w x + b, so that it can be trained by gradients as well. State names: ``linear``.

    >>> import numpy as np
    >>> unit = perceptron(1)
    >>> unit.fit(np.array([[1.0], [2.0], [4.0]]), [0, 0, 1])[-1], unit.predict(np.array([[1.5], [6.0]])).tolist()
    (0, [0, 1])
    """
    return Perceptron(in_features)


@register
def mlp(num_classes: int = 10, in_features: int = 784, hidden: Sequence[int] = (300, 100), activation: str = "tanh") -> MLP:
    """A multilayer perceptron: 266,610 parameters for 28x28 digits; ``hidden`` holds the sizes of the layers in between.

    ``activation`` is "tanh", "sigmoid" (as in 1986) or "relu". Takes flat samples or pictures with as many values. Weights
    are drawn from Glorot's uniform distribution. State names: ``layers.1``, ``layers.3``, ... Raises TypeError and
    ValueError for sizes that can never work and another activation.

    >>> import pyconv
    >>> mlp()(pyconv.zeros(5, 1, 28, 28)).shape
    (5, 10)
    """
    return MLP(num_classes, in_features, hidden, activation)
