"""The losses of neural style transfer, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.elementwise import div, mul, square, sub
from pyconv.ops.gemm import matmul
from pyconv.ops.reduce import sum
from pyconv.ops.shape import reshape, transpose
from pyconv.tensor import Tensor


def _maps(op: str, features: Any) -> Any:
    """One picture's feature maps as a matrix (maps, positions)."""
    if not isinstance(features, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] features is {type(features).__name__}, expected a Tensor or a numpy array")
    shape = tuple(features.shape)
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) not in (2, 3):
        raise ShapeError(f"[{op}] features has shape {tuple(features.shape)}, expected one picture's maps: "
                         "(1, maps, height, width), (maps, height, width) or (maps, positions)")
    return reshape(features, shape[0], -1) if 0 not in shape else reshape(features, shape[0], 0)


def gram_matrix(features: Any) -> Any:
    """G[i, j] = Σ_k F[i, k] F[j, k] for one picture's maps, (1, N, H, W), (N, H, W) or (N, M), to (N, N).

    >>> gram_matrix(np.array([[1.0, 2, 3, 4], [0, 1, 0, 1]])).tolist()
    [[30.0, 6.0], [6.0, 2.0]]
    """
    maps = _maps("gram_matrix", features)
    return matmul(maps, transpose(maps, 0, 1))


def content_loss(features: Any, content: Any) -> Any:
    """½ Σ (F − P)²: ``features`` F of the picture that is generated, ``content`` P of the one to keep.

    Source: Gatys, Ecker and Bethge, Image style transfer using convolutional neural networks, 2016, equation 1.

    >>> float(content_loss(np.array([[1.0, 2, 3, 4], [0, 1, 0, 1]]), np.ones((2, 4))))
    8.0
    """
    f, p = _maps("content_loss", features), _maps("content_loss", content)
    if f.shape != p.shape:
        raise ShapeError(f"[content_loss] features has shape {tuple(features.shape)} and content "
                         f"{tuple(content.shape)}, expected the same")
    return mul(sum(square(sub(f, p))), 0.5)


def style_loss(features: Any, style: Any, normalization: str = "paper") -> Any:
    """The distance of two Gram matrices of one layer, G of ``features`` and A of ``style`` (of any size, as many maps).

    "paper": Σ (G − A)² / (4 N² M²) with N maps of M positions, equation 4 of Gatys et al.; "slide": ½ Σ (G − A)², as
    lectures write it. They differ by a factor of 2 N² M², so weights for one do not fit the other.

    >>> features, style = np.array([[1.0, 2, 3, 4], [0, 1, 0, 1]]), np.ones((2, 4))
    >>> float(style_loss(features, style)), float(style_loss(features, style, "slide"))
    (2.6875, 344.0)
    """
    if normalization not in ("paper", "slide"):
        raise ValueError(f"[style_loss] normalization is {normalization!r}, expected 'paper' or 'slide'")
    f, s = _maps("style_loss", features), _maps("style_loss", style)
    if f.shape[0] != s.shape[0]:
        raise ShapeError(f"[style_loss] features has {f.shape[0]} maps and style {s.shape[0]}, expected as many")
    total = sum(square(sub(gram_matrix(f), gram_matrix(s))))
    if normalization == "slide":
        return mul(total, 0.5)
    return div(total, 4.0 * f.shape[0] ** 2 * f.shape[1] ** 2)
