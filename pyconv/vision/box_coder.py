"""What a detector's regression learns: boxes as corrections of other boxes, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from pyconv.ops.join import cat, stack
from pyconv.ops.shape import split
from pyconv.vision.boxes import _checked, box_convert, encode_boxes


class BoxCoder:
    """`encode_boxes` with a weight per number, and its inverse with sizes that cannot explode; as torchvision's.

    Args:
        weights: what the four corrections (x, y, width, height) are multiplied with: (10, 10, 5, 5) in Fast R-CNN.
        bbox_xform_clip: the largest logarithm of a size's change that is decoded, by default that of 1000 / 16.

    Raises:
        ValueError: weights that are no four numbers above 0.

    Source: Girshick, Fast R-CNN, 2015.

    >>> import numpy as np
    >>> coder = BoxCoder((10, 10, 5, 5))
    >>> codes = coder.encode_single(np.array([[0.0, 0, 20, 10]]), np.array([[0.0, 0, 10, 10]]))
    >>> codes.round(4).tolist()
    [[5.0, 0.0, 3.4657, 0.0]]
    >>> coder.decode_single(codes, np.array([[0.0, 0, 10, 10]])).round(9).tolist()
    [[0.0, 0.0, 20.0, 10.0]]
    """

    def __init__(self, weights: Sequence[float], bbox_xform_clip: float = math.log(1000 / 16)) -> None:
        if len(weights) != 4 or not all(isinstance(w, (int, float)) and 0 < w < math.inf for w in weights):
            raise ValueError(f"[box_coder] weights is {weights!r}, expected four numbers above 0")
        self.weights = tuple(weights)
        self.bbox_xform_clip = bbox_xform_clip

    def encode(self, reference_boxes: Sequence[Any], proposals: Sequence[Any]) -> Any:
        """Per picture, the corrections (L, 4) that make ``reference_boxes`` out of ``proposals``, both (L, 4)."""
        lengths = [len(b) for b in reference_boxes]
        if lengths != [len(p) for p in proposals]:
            raise ShapeError(f"[box_coder] proposals has {[len(p) for p in proposals]} boxes per picture, expected "
                             f"{lengths} as reference_boxes")
        codes = self.encode_single(cat(reference_boxes, 0), cat(proposals, 0))
        return split(codes, lengths, 0)

    def encode_single(self, reference_boxes: Any, proposals: Any) -> Any:
        """The corrections (L, 4) of one picture."""
        codes = encode_boxes(reference_boxes, proposals)
        return stack([e.mul(codes[..., i], w) for i, w in enumerate(self.weights)], 1)

    def decode(self, rel_codes: Any, boxes: Sequence[Any]) -> Any:
        """(L, classes, 4): the boxes that corrections (L, classes * 4) make of the pictures' ``boxes``, all together."""
        found = self.decode_single(rel_codes, cat(boxes, 0))
        return found.reshape(found.shape[0], found.shape[1] // 4, 4)

    def decode_single(self, rel_codes: Any, boxes: Any) -> Any:
        """(L, classes * 4) from corrections of that shape and ``boxes`` (L, 4)."""
        op = "box_coder"
        shape = tuple(_checked(op, "boxes", boxes).shape)
        codes = tuple(rel_codes.shape)
        if len(codes) != 2 or len(shape) != 2 or codes[0] != shape[0] or codes[1] % 4:
            raise ShapeError(f"[{op}] rel_codes has shape {codes}, boxes {shape}, expected (boxes, 4 * classes) and "
                             "(boxes, 4)")
        centred = box_convert(boxes, "xyxy", "cxcywh")
        x, y, w, h = (centred[:, i:i + 1] for i in range(4))
        dx, dy, dw, dh = (e.div(rel_codes[:, i::4], self.weights[i]) for i in range(4))
        x, y = e.add(e.mul(dx, w), x), e.add(e.mul(dy, h), y)
        w, h = (e.mul(e.exp(e.clamp(d, max=self.bbox_xform_clip)), size) for d, size in ((dw, w), (dh, h)))
        w, h = e.mul(w, 0.5), e.mul(h, 0.5)
        return stack([e.sub(x, w), e.sub(y, h), e.add(x, w), e.add(y, h)], 2).reshape(codes)
