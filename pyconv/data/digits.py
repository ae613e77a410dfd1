"""The UCI handwritten digits, and any picture made to look like one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.data.dataset import Dataset, position
from pyconv.data.draws import Draw
from pyconv.data.images import need_pillow, resize
from pyconv.data.transforms import Transform, apply_transform
from pyconv.tensor import Tensor


class Digits(Dataset):
    """1,797 handwritten digits of 8x8 pixels (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998).

    They come inside scikit-learn, so nothing is downloaded. The split is fixed: 360 stratified test images, the other
    1,437 for training (``train_test_split(test_size=360, stratify=y, random_state=0)``). Samples are
    ``(image, label)``: float32 (1, size, size) in 0..1, bilinearly enlarged, bright on dark; int64. ``transform``
    takes the images. Raises ImportError when scikit-learn or Pillow is missing, ValueError for a size below 8.
    """

    classes = tuple("0123456789")

    def __init__(self, train: bool = True, size: int = 32, transform: Transform | None = None) -> None:
        if size < 8:
            raise ValueError(f"[Digits] size is {size}, expected at least 8")
        try:
            from sklearn.datasets import load_digits
            from sklearn.model_selection import train_test_split
        except ImportError:
            raise ImportError('the data set Digits needs scikit-learn: pip install "pyconv[demo]"') from None
        need_pillow("the data set Digits")
        images, labels = load_digits().images, load_digits().target
        parts = train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=0)
        chosen = parts[0 if train else 1]
        small = images[chosen].astype(np.float32) / np.float32(16)
        self.data = np.stack([resize(image, size, size) for image in small])[:, None]
        self.targets = labels[chosen].astype(np.int64)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        i = position(index, len(self), "Digits")
        return self.batch([i], Draw())[0].array[0], int(self.targets[i])

    def batch(self, indices: Sequence[int], draw: Draw) -> list[Tensor]:
        """Images (N, 1, size, size) and labels (N,) at ``indices``; random choices are keyed by ``draw``."""
        rows = np.asarray(indices, np.intp)
        images = apply_transform(self.transform, self.data[rows], draw, indices)
        return [Tensor(images), Tensor(self.targets[rows])]


def like_digit(gray: np.ndarray, size: int = 32) -> np.ndarray:
    """A picture, bright on dark, drawn the way the data set draws: float32 (1, size, size) in 0..1.

    The ground becomes 0 and the strokes 1; the drawing is cut out, fills the field in its longer direction, lies in
    the middle of the other, is averaged to 8x8 and brightened to what the data set has, and then enlarged as that was.
    Raises ValueError for a picture without contrast.
    """
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    ground, bright = float(np.median(border)), float(gray.max())
    if bright - ground < 0.02:
        raise ValueError("the picture is blank: nothing on it stands out from its border")
    ink = np.clip((gray - ground) / (bright - ground), 0, 1).astype(np.float32)
    rows, columns = np.flatnonzero((ink > 0.25).any(axis=1)), np.flatnonzero((ink > 0.25).any(axis=0))
    cut = ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    side = max(cut.shape)
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    field = np.zeros((side, side), np.float32)
    field[top:top + cut.shape[0], left:left + cut.shape[1]] = cut
    small = resize(field, 8, 8)
    # Thin strokes fade when they are averaged. With the data set's mean brightness, 83 % instead of 76 % of digits
    # printed in nine fonts are read; handwriting stays at 98 %.
    small = np.minimum(small * np.float32(max(1.0, 0.3 / float(small.mean()))), np.float32(1))
    return resize(small, size, size)[None]
