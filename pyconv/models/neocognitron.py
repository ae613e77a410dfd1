"""The neocognitron: the network from which convolutional networks took their shape, with its own way to learn.

=====  ========  ========================================  ============================
Layer  Output    Each cell sees                            Learns
=====  ========  ========================================  ============================
S1     24x16x16  5x5 of the picture                        a (24, 1, 5, 5) and b (24)
C1     24x10x10  5x5 of its S1-plane, every second place
S2     24x8x8    5x5 of all C1-planes                      a (24, 24, 5, 5) and b (24)
C2     24x6x6    5x5 of its S2-plane
S3     24x2x2    5x5 of all C2-planes                      a (24, 24, 5, 5) and b (24)
C3     24x1x1    2x2 of its S3-plane: all of it
=====  ========  ========================================  ============================

29,472 numbers that learn, none of them by gradients; 1,261,696 multiply-adds.

S-cells look for a feature at a place. The cells of a plane look for the same feature everywhere: a convolution. A cell
answers r max(0, (1 + e) / (1 + 2r / (1 + r) h) - 1), where e is the input weighted by a, and h is b times the root mean
square v of all the input that the cell can see: inhibition divides, "shunting", so that what counts is how alike input
and feature are, not how bright. A cell that has learned answers where their cosine is above r / (1 + r).

C-cells answer when an S-cell of their plane does, near by: psi((1 + s) / (1 + mean of s over planes) - 1), s the blurred
S-plane, psi(x) = max(0, x / (alpha + x)). That makes the next layer forgive errors of position, a little in each layer.

Nobody tells the network what it sees. In each neighbourhood of an S-layer the cell that answers most wins; it stands for
its plane, one per plane, and its weights grow towards what it sees: a by q c(v) u, b by q v / 2 (c: weights of the place v
within the field). As all cells of a plane share weights, the plane has learned the feature for every place. A plane that
has not learned answers faintly to anything, so that what no plane knows makes one learn it.

Sizes, r (4, 1.5, 1.5), q (1, 16, 16) and alpha (0.5) are the paper's. c falls off as 0.9 to the power of the distance from
the middle and the blur as 0.8: the paper says only that they fall. Beginning from small random a, as there, 20 showings of
five digits are enough; which plane comes to stand for which digit is chance.

Source: Fukushima, Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by
shift in position, Biological Cybernetics 36, 1980.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv import nn
from pyconv.grad_mode import no_grad
from pyconv.models.registry import register
from pyconv.models.sizes import exactly
from pyconv.nn import functional as F
from pyconv.nn.arguments import allocate, whole

__all__ = ["Neocognitron", "neocognitron"]

_ALPHA = 0.5


def _falling(base: float, side: int) -> np.ndarray:
    """``base`` to the power of the distance from the middle, (1, 1, side, side)."""
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return np.float32(base) ** np.sqrt(rows**2 + columns**2).astype(np.float32)[None, None]


class _S(nn.Module):
    """A layer of S-cells: (N, before, H, W) to (N, planes, H', W')."""

    def __init__(self, before: int, planes: int, r: float, q: float, padding: int, column: int) -> None:
        super().__init__()
        self.r, self.q, self.padding, self.column = r, q, padding, column
        self.a = nn.Parameter(allocate("neocognitron", (planes, before, 5, 5), None, None), requires_grad=False)
        self.b = nn.Parameter(allocate("neocognitron", (planes,), None, None), requires_grad=False)
        self.register_buffer("c", allocate("neocognitron", (1, before, 5, 5), None, None), persistent=False)
        nn.init.uniform_(self.a, 0.0, 1e-2 / before)
        nn.init.zeros_(self.b)
        if not self.c.is_meta:
            c = np.broadcast_to(_falling(0.9, 5), self.c.shape)
            self.c.copy_(c / c.sum())

    def inhibition(self, x: Any) -> Any:
        """v: the root of the weighted mean of squares that a cell sees, (N, 1, H', W')."""
        return F.conv2d(x * x, self.c, padding=self.padding).sqrt()

    def forward(self, x: Any) -> Any:
        """Each cell: excitation over inhibition."""
        e = F.conv2d(x, self.a, padding=self.padding)
        h = self.inhibition(x) * self.b.reshape(-1, 1, 1)
        return self.r * F.relu((1 + e) / (1 + 2 * self.r / (1 + self.r) * h) - 1)

    def learn(self, x: Any, answers: np.ndarray) -> None:
        """Strengthen the winners among the ``answers`` (planes, H', W') to one picture x (1, before, H, W)."""
        winners = _winners(answers, self.column)
        if not winners:
            return
        v = self.inhibition(x).numpy()[0, 0]
        seen = np.pad(x.numpy()[0], ((0, 0), (self.padding, self.padding), (self.padding, self.padding)))
        a, b, c = self.a.array, self.b.array, self.c.numpy()[0]
        for plane, i, j in winners:
            a[plane] += self.q * c * seen[:, i:i + 5, j:j + 5]
            b[plane] += self.q / 2 * v[i, j]


def _winners(answers: np.ndarray, column: int) -> list[tuple[int, int, int]]:
    """The cells (plane, row, column) that answer most in some window of ``column`` x ``column``, the best of each plane."""
    _, height, width = answers.shape
    best: dict[int, tuple[int, int, int]] = {}
    for top in range(max(1, height - column + 1)):
        for left in range(max(1, width - column + 1)):
            window = answers[:, top:top + column, left:left + column]
            plane, i, j = (int(n) for n in np.unravel_index(window.argmax(), window.shape))
            cell = (plane, top + i, left + j)
            if answers[cell] > 0 and (plane not in best or answers[cell] > answers[best[plane]]):
                best[plane] = cell
    return list(best.values())


class _C(nn.Module):
    """A layer of C-cells: (N, planes, H, W) to (N, planes, H', W')."""

    def __init__(self, side: int, stride: int, padding: Any) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.register_buffer("d", allocate("neocognitron", (1, 1, side, side), None, None), persistent=False)
        if not self.d.is_meta:
            self.d.copy_(_falling(0.8, side))

    def forward(self, x: Any) -> Any:
        """Each plane blurred, less where other planes answer, too."""
        n, planes = x.shape[:2]
        s = F.conv2d(x.reshape(n * planes, 1, *x.shape[2:]), self.d, stride=self.stride, padding=self.padding)
        s = s.reshape(n, planes, *s.shape[2:])
        y = F.relu((1 + s) / (1 + s.mean(1, keepdim=True)) - 1)
        return y / (_ALPHA + y)


class Neocognitron(nn.Module):
    """The neocognitron on (N, 1, 16, 16); see `neocognitron`."""

    def __init__(self, planes: int = 24) -> None:
        super().__init__()
        whole("neocognitron", "planes", planes, 2)
        self.input_size = (1, 16, 16)
        self.s1, self.c1 = _S(1, planes, 4.0, 1.0, 2, 5), _C(5, 2, ((4, 3), (4, 3)))
        self.s2, self.c2 = _S(planes, planes, 1.5, 16.0, 1, 5), _C(5, 1, 1)
        self.s3, self.c3 = _S(planes, planes, 1.5, 16.0, 0, 2), _C(2, 1, 0)

    def forward(self, x: Any) -> Any:
        """(N, 1, 16, 16), 0 for the ground and 1 for ink, to the answers of C3, (N, planes)."""
        exactly("neocognitron", x, 1, 16)
        for s, c in ((self.s1, self.c1), (self.s2, self.c2), (self.s3, self.c3)):
            x = c(s(x))
        return x.flatten(1)

    def fit_step(self, x: Any) -> None:
        """Show pictures (N, 1, 16, 16), one after the other; after each the winners of all layers learn."""
        exactly("neocognitron", x, 1, 16)
        with no_grad():
            for n in range(x.shape[0]):
                y = x[n:n + 1]
                seen = []
                for s, c in ((self.s1, self.c1), (self.s2, self.c2), (self.s3, self.c3)):
                    answers = s(y)
                    seen.append((s, y, answers))
                    y = c(answers)
                for s, y, answers in seen:
                    s.learn(y, answers.numpy()[0])


@register
def neocognitron(planes: int = 24) -> Neocognitron:
    """The neocognitron, for pictures of 16 x 16; ``planes`` of cells in each layer, at least 2.

    It learns without labels and gradients, by `Neocognitron.fit_step`; its answer is the C3-cell that answers most; where all
    are faint, no cell knows the picture. State names: ``s1.a``, ``s1.b``, ``s2.a``, ... Raises ValueError for fewer planes,
    ShapeError for pictures of another size.

    >>> import pyconv
    >>> model, picture = neocognitron(), pyconv.zeros(1, 1, 16, 16)
    >>> picture[0, 0, 3:13, 8] = 1  # a stroke
    >>> for _ in range(10):
    ...     model.fit_step(picture)
    >>> known = model(picture)
    >>> known.max().item() > 0.5, model(picture.transpose(2, 3)).max().item() < 0.1  # a stroke that lies
    (True, True)
    """
    return Neocognitron(planes)
