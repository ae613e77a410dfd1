"""Which boxes stand for which objects while a detector learns, and which of them it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.random import randperm
from pyconv.random import Generator
from pyconv.tensor import Array, Tensor, raw


class Matcher:
    """Gives each box the object that it overlaps most, if that is enough; as torchvision's.

    Args:
        high_threshold: from here on a box stands for the object.
        low_threshold: below that it stands for the background; in between for neither.
        allow_low_quality_matches: the boxes that overlap an object more than all other boxes do (also if several are
            equal) keep the object that they themselves overlap most, however little that is.

    Raises:
        ValueError: a low threshold above the high one.

    Source: Ren et al., Faster R-CNN, 2015, section 3.1.2.

    >>> Matcher(0.7, 0.3)(np.array([[0.8, 0.5, 0.1], [0.2, 0.6, 0.0]])).tolist()
    [0, -2, -1]
    >>> Matcher(0.7, 0.3, allow_low_quality_matches=True)(np.array([[0.8, 0.5, 0.1], [0.2, 0.6, 0.0]])).tolist()
    [0, 1, -1]
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False) -> None:
        if not low_threshold <= high_threshold:
            raise ValueError(f"[matcher] low_threshold is {low_threshold}, expected at most high_threshold={high_threshold}")
        self.high_threshold = high_threshold
        self.low_threshold = low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Any) -> Any:
        """(objects, boxes), such as `box_iou` gives, to int64 (boxes): the object's number, -1 background, -2 neither.

        NaN, the overlap of empty boxes, counts as none; of equally good objects the first is taken. Raises ShapeError
        for another shape, ValueError without objects or boxes.
        """
        quality = raw(match_quality_matrix, "matcher", "match_quality_matrix")
        if quality.ndim != 2:
            raise ShapeError(f"[matcher] match_quality_matrix has shape {quality.shape}, expected (objects, boxes)")
        if quality.size == 0:
            what = "objects" if quality.shape[0] == 0 else "boxes"
            raise ValueError(f"[matcher] match_quality_matrix has shape {quality.shape}: a picture without {what}")
        quality = np.where(np.isnan(quality), 0, quality)
        best, values = quality.argmax(0), quality.max(0)
        matches = best.astype(np.int64)
        matches[values < self.high_threshold] = self.BETWEEN_THRESHOLDS
        matches[values < self.low_threshold] = self.BELOW_LOW_THRESHOLD
        if self.allow_low_quality_matches:
            kept = (quality == quality.max(1)[:, None]).any(0)
            matches[kept] = best[kept]
        return Tensor(matches) if isinstance(match_quality_matrix, Tensor) else matches


class BalancedPositiveNegativeSampler:
    """Draws boxes with a fixed share of those that stand for objects; as torchvision's.

    Args:
        batch_size_per_image: boxes per picture.
        positive_fraction: the largest share of positive ones; negative ones fill up.
        generator: where the draws come from, by default pyconv's.

    Raises:
        ValueError, TypeError: a size below 0, a fraction outside 0 to 1.

    >>> positive, negative = BalancedPositiveNegativeSampler(4, 0.25)([np.array([2, 1, 0, 0, 0, 0, -1])])
    >>> int(positive[0].sum()), int(negative[0].sum())
    (1, 3)
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float, generator: Generator | None = None) -> None:
        self.batch_size_per_image = whole(batch_size_per_image, "sampler", "batch_size_per_image")
        if self.batch_size_per_image < 0:
            raise ValueError(f"[sampler] batch_size_per_image is {batch_size_per_image}, expected at least 0")
        if not 0 <= positive_fraction <= 1:
            raise ValueError(f"[sampler] positive_fraction is {positive_fraction!r}, expected 0 to 1")
        self.positive_fraction = positive_fraction
        self.generator = generator

    def __call__(self, matched_idxs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Per picture labels (boxes): above 0 positive, 0 negative, below 0 neither. Masks of what was drawn, uint8."""
        positive: list[Any] = []
        negative: list[Any] = []
        for labels in matched_idxs:
            array = raw(labels, "sampler", "matched_idxs")
            above, zero = np.flatnonzero(array >= 1), np.flatnonzero(array == 0)
            count = min(len(above), int(self.batch_size_per_image * self.positive_fraction))
            for into, numbers, wanted in ((positive, above, count), (negative, zero, self.batch_size_per_image - count)):
                mask = self._drawn(array, numbers, wanted)
                into.append(Tensor(mask) if isinstance(labels, Tensor) else mask)
        return positive, negative

    def _drawn(self, labels: Array, numbers: Array, count: int) -> Array:
        mask = np.zeros(labels.shape, np.uint8)
        mask[numbers[randperm(len(numbers), generator=self.generator).array[:count]]] = 1
        return mask
