"""From images of any sizes to one batch, and from its boxes back to theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.detection.masks import paste_masks_in_image
from pyconv.nn import functional as F
from pyconv.ops.join import pad, stack
from pyconv.ops.random import randint
from pyconv.tensor import FLOATS, Tensor
from pyconv.vision import ImageList

Size = tuple[int, int]


def scaled(boxes: np.ndarray, before: Size, after: Size) -> np.ndarray:
    """Boxes (K, 4), or points (..., 3) whose last number stays, of an image that got another (height, width)."""
    height, width = (np.float32(a) / np.float32(b) for a, b in zip(after, before, strict=True))
    last = (width, height) if boxes.shape[-1] == 4 else (np.float32(1),)
    return boxes * np.array([width, height, *last], boxes.dtype)


class GeneralizedRCNNTransform(nn.Module):
    """Normalise, resize and batch images; targets with them.

    Args:
        min_size: length of the shorter side after resizing, or several, of which training draws one and evaluation
            takes the last.
        max_size: what the longer side does not exceed; where it would, both become smaller.
        image_mean, image_std: per channel, of images in the range from 0 to 1.
        size_divisible: height and width of the batch are multiples of it; what images do not fill is 0.
        fixed_size: (width, height) of every image instead.
    """

    def __init__(self, min_size: int | Sequence[int], max_size: int, image_mean: Sequence[float],
                 image_std: Sequence[float], size_divisible: int = 32, fixed_size: Size | None = None) -> None:
        super().__init__()
        self.min_size = tuple(min_size) if isinstance(min_size, (tuple, list)) else (min_size,)
        self.max_size = max_size
        self.image_mean, self.image_std = list(image_mean), list(image_std)
        self.size_divisible = size_divisible
        self.fixed_size = fixed_size

    def forward(self, images: Sequence[Any], targets: Sequence[dict] | None = None) -> tuple[ImageList, Any]:
        """Images (C, H, W) and dictionaries of arrays to a batch and dictionaries of other arrays."""
        resized, changed = [], []
        for i, image in enumerate(images):
            image = self._normalized(i, image)
            size = tuple(image.shape[1:])
            image = self._resized(image)
            resized.append(image)
            if targets is not None:
                changed.append(_resized_target(targets[i], size, tuple(image.shape[1:])))
        sizes = [tuple(image.shape[1:]) for image in resized]
        height, width = (math.ceil(max(side) / self.size_divisible) * self.size_divisible
                         for side in zip(*sizes, strict=True))
        batch = stack([pad(image, (0, width - w, 0, height - h)) for image, (h, w) in zip(resized, sizes, strict=True)])
        return ImageList(batch, sizes), changed if targets is not None else None

    def _normalized(self, i: int, image: Any) -> Any:
        if not isinstance(image, (Tensor, np.ndarray)):
            raise TypeError(f"[detector] images[{i}] is {type(image).__name__}, expected a Tensor or a numpy array")
        channels = len(self.image_mean)
        if len(image.shape) != 3 or image.shape[0] != channels or 0 in image.shape:
            raise ShapeError(f"[detector] images[{i}] has shape {tuple(image.shape)}, expected ({channels}, height, width)")
        if image.dtype not in FLOATS:
            raise TypeError(f"[detector] images[{i}] has dtype {image.dtype}, expected float32 or float64 from 0 to 1")
        mean, std = (np.array(v, image.dtype).reshape(-1, 1, 1) for v in (self.image_mean, self.image_std))
        image = Tensor(image) if isinstance(image, np.ndarray) else image
        return (image - mean) / std

    def _resized(self, image: Any) -> Any:
        if self.fixed_size is not None:
            return F.interpolate(image[None], size=self.fixed_size[::-1], mode="bilinear")[0]
        wanted = self.min_size[-1]
        if self.training and len(self.min_size) > 1:
            wanted = self.min_size[int(randint(0, len(self.min_size), (1,)).item())]
        sides = image.shape[1:]
        factor = min(wanted / min(sides), self.max_size / max(sides))
        return F.interpolate(image[None], scale_factor=factor, mode="bilinear", align_corners=False,
                             recompute_scale_factor=True)[0]

    def postprocess(self, detections: list[dict[str, Any]], sizes: list[Size], originals: list[Size]) -> list[dict]:
        """Detections in the batch's images to those in the original ones; masks to (K, 1, height, width)."""
        for found, size, original in zip(detections, sizes, originals, strict=True):
            found["boxes"] = scaled(found["boxes"], size, original)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], found["boxes"], original)
            if "keypoints" in found:
                found["keypoints"] = scaled(found["keypoints"], size, original)
        return [{name: Tensor(value) for name, value in found.items()} for found in detections]

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"min_size={self.min_size}, max_size={self.max_size}, image_mean={self.image_mean}, "
                f"image_std={self.image_std}")


def _resized_target(target: dict[str, np.ndarray], before: Size, after: Size) -> dict[str, np.ndarray]:
    target = dict(target, boxes=scaled(target["boxes"], before, after))
    if "keypoints" in target:
        target["keypoints"] = scaled(target["keypoints"], before, after)
    if "masks" in target:
        masks = target["masks"]
        if len(masks):
            masks = F.interpolate(masks[:, None].astype(np.float32), size=after)[:, 0].astype(np.uint8)
        target["masks"] = masks.reshape(len(masks), *after)
    return target
