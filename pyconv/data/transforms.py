"""Transforms of images, on one image or a whole batch at once.

An image is a float32 array of shape (C, H, W), a batch (N, C, H, W). Random transforms are keyed by
``draw = (seed, epoch)`` and by the number of each sample, so that augmentation is the same for any batch size,
order and number of threads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyconv.data.draws import AFFINE, Draw, uniform
from pyconv.data.seeds import seed_of
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

Transform = Callable[..., Any]


def _image(x: Any, where: str) -> np.ndarray:
    if isinstance(x, Tensor):
        x = x.array
    if not isinstance(x, np.ndarray):
        raise TypeError(f"[{where}] image is {type(x).__name__}, expected a Tensor or a numpy array")
    if x.dtype != np.float32:
        raise TypeError(f"[{where}] image has dtype {x.dtype}, expected float32 (use ToTensor first)")
    if x.ndim not in (3, 4):
        raise ShapeError(f"[{where}] image has shape {x.shape}, expected (C, H, W) or (N, C, H, W)")
    return x


class Compose:
    """One transform after another.

    >>> Compose([ToTensor(), Normalize(0.5, 0.5)])(np.zeros((2, 2), np.uint8)).tolist()
    [[[-1.0, -1.0], [-1.0, -1.0]]]
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Any, draw: Draw | None = None, samples: Sequence[int] | None = None) -> Any:
        """Apply all; those that draw at random get ``draw`` and ``samples``."""
        for transform in self.transforms:
            image = transform(image, draw, samples) if _takes_draw(transform) else transform(image)
        return image


def _takes_draw(transform: Transform) -> bool:
    return isinstance(transform, Compose | RandomAffine)


def apply_transform(transform: Transform | None, images: Any, draw: Draw, samples: Sequence[int]) -> Any:
    """Transform a batch; the way a dataset calls the transform that it was given."""
    if transform is None:
        return images
    return transform(images, draw, samples) if _takes_draw(transform) else transform(images)


class ToTensor:
    """To a float32 array of shape (C, H, W): uint8 values become 0..1, others are only converted.

    Takes an image of Pillow, or an array of shape (H, W) or (H, W, C). Raises ShapeError for another rank.
    """

    def __call__(self, image: Any) -> np.ndarray:
        """Convert one image."""
        x = np.asarray(image)
        if x.ndim not in (2, 3):
            raise ShapeError(f"[ToTensor] image has shape {x.shape}, expected (H, W) or (H, W, C)")
        x = x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
        scaled = x.astype(np.float32)
        if x.dtype == np.uint8:
            scaled /= np.float32(255)
        return scaled


class Normalize:
    """``(x - mean) / std``, numbers or one per channel. Raises ValueError for a std that is not positive.

    >>> Normalize(1.0, 2.0)(np.full((1, 1, 1), 5, np.float32)).item()
    2.0
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.asarray(mean, np.float32).reshape(-1, 1, 1)
        self.std = np.asarray(std, np.float32).reshape(-1, 1, 1)
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise ValueError(f"[Normalize] mean is {mean} and std {std}, expected finite numbers and a std above 0")

    def __call__(self, image: Any) -> np.ndarray:
        """Normalise an image or a batch."""
        x = _image(image, "Normalize")
        for name, value in (("mean", self.mean), ("std", self.std)):
            if len(value) not in (1, x.shape[-3]):
                raise ShapeError(f"[Normalize] {name} has {len(value)} channels but the image has {x.shape[-3]}")
        return (x - self.mean) / self.std


class RandomAffine:
    """Rotate, shift and scale at random; the same arguments as torchvision's transform of that name.

    ``degrees``: the angle is drawn from -degrees..degrees (or from a pair); ``translate``: the largest shift as a
    fraction of width and height; ``scale``: a range of factors; ``shear``: the largest angle, in degrees, by which
    columns lean. Bilinear interpolation; what comes from outside the image is ``fill``. Called without ``draw``, it
    uses the seed of `pyconv.manual_seed` and counts its own calls. Raises ValueError for arguments out of range.
    """

    def __init__(self, degrees: float | tuple[float, float], translate: tuple[float, float] | None = None,
                 scale: tuple[float, float] | None = None, shear: float | None = None, fill: float = 0.0) -> None:
        low, high = (-degrees, degrees) if isinstance(degrees, int | float) else degrees
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(
                f"[RandomAffine] degrees is {degrees}, expected a number of at least 0 or a pair (low, high)")
        if translate is not None and not all(0 <= t <= 1 for t in translate):
            raise ValueError(f"[RandomAffine] translate is {translate}, expected two fractions in 0..1")
        if scale is not None and not 0 < scale[0] <= scale[1] < math.inf:
            raise ValueError(f"[RandomAffine] scale is {scale}, expected a range of positive factors")
        if shear is not None and not 0 <= shear < 90:
            raise ValueError(f"[RandomAffine] shear is {shear}, expected degrees in 0..90")
        self.degrees = (low, high)
        self.translate = translate or (0.0, 0.0)
        self.scale = scale or (1.0, 1.0)
        self.shear = shear or 0.0
        self.fill = fill
        self._calls = itertools.count()

    def __call__(self, image: Any, draw: Draw | None = None, samples: Sequence[int] | None = None) -> np.ndarray:
        """Move an image or a batch; ``samples`` are the numbers of the batch's images (default: 0, 1, ...)."""
        x = _image(image, "RandomAffine")
        batch = x if x.ndim == 4 else x[None]
        if draw is None:
            draw = Draw(seed_of(None, "RandomAffine"), next(self._calls))
        u = uniform(draw, AFFINE, range(len(batch)) if samples is None else samples, 5)
        height, width = batch.shape[2:]
        matrices = np.array([self._inverse(row, height, width) for row in u.tolist()], np.float32)
        out = warp_affine(batch, matrices.reshape(-1, 2, 3), self.fill)
        return out if x.ndim == 4 else out[0]

    def _inverse(self, u: Sequence[float], height: int, width: int) -> tuple[float, ...]:
        """Output to input, about the centre: ``A^-1 (p - t)`` with ``A = scale * rotation(angle) * shear``."""
        angle = math.radians(self.degrees[0] + u[0] * (self.degrees[1] - self.degrees[0]))
        dx, dy = (2 * u[1] - 1) * self.translate[0] * width, (2 * u[2] - 1) * self.translate[1] * height
        factor = self.scale[0] + u[3] * (self.scale[1] - self.scale[0])
        lean = math.tan(math.radians((2 * u[4] - 1) * self.shear))
        c, s = math.cos(angle) / factor, math.sin(angle) / factor
        a, b, d, e = c + lean * s, s - lean * c, -s, c
        return a, b, -a * dx - b * dy, d, e, -d * dx - e * dy


def warp_affine(images: np.ndarray, matrices: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """``out[n, :, y, x] = images[n, :, v, u]`` with ``(u, v) = matrices[n] @ (x, y, 1)``, origin at the centre.

    Images (N, C, H, W) float32, matrices (N, 2, 3) float32 from output to input; bilinear, ``fill`` outside.
    """
    n, c, h, w = images.shape
    padded = np.full((n, c, h + 2, w + 2), fill, np.float32)
    padded[:, :, 1:-1, 1:-1] = images
    cx, cy = np.float32((w - 1) / 2), np.float32((h - 1) / 2)
    xs = np.arange(w, dtype=np.float32)[None, None, :] - cx
    ys = np.arange(h, dtype=np.float32)[None, :, None] - cy
    m = matrices.astype(np.float32)[:, :, :, None, None]
    # In the padded image, whose border of one pixel stands for everything outside.
    u = np.clip(m[:, 0, 0] * xs + m[:, 0, 1] * ys + (m[:, 0, 2] + (cx + 1)), 0, np.float32(w + 1))
    v = np.clip(m[:, 1, 0] * xs + m[:, 1, 1] * ys + (m[:, 1, 2] + (cy + 1)), 0, np.float32(h + 1))
    left, top = np.minimum(u.astype(np.int32), w), np.minimum(v.astype(np.int32), h)
    u -= left
    v -= top
    plane = (h + 2) * (w + 2)
    index = (top * (w + 2) + left)[:, None] + (np.arange(n * c, dtype=np.int32) * plane).reshape(n, c, 1, 1)
    flat = padded.reshape(-1)
    u, v = u[:, None], v[:, None]
    upper = flat.take(index)
    upper += u * (flat.take(index + 1) - upper)
    index += w + 2
    lower = flat.take(index)
    lower += u * (flat.take(index + 1) - lower)
    lower -= upper
    lower *= v
    upper += lower
    return upper
