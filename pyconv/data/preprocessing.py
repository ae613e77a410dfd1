"""What a trained network wants to see: how a picture becomes its input."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from pyconv.data.images import need_pillow, read_image

_CHANNELS = {"RGB": 3, "BGR": 3, "L": 1, "Y": 1}
_RESIZES = ("short", "exact", "letterbox")
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_LARGEST = 8192


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to an array: resize, crop, order of the channels, range, mean and standard deviation.

    Args:
        channels: "RGB", "BGR" (Caffe), "L" (grey) or "Y" (luma of YCbCr, 16 to 235, for super-resolution).
        scale: what white is: 1 or 255.
        mean, std: per channel, in that order and range; the array is (picture - mean) / std.
        resize: pixels; None leaves the size. What they are, ``mode`` says.
        mode: "short" makes the shorter side so long, "exact" both, "letterbox" the longer one, with grey around it.
        crop: side of the square that is cut from the middle; None leaves it.
        interpolation: "bilinear", "bicubic" or "nearest", as Pillow resizes: averaging where it shrinks.

    Raises TypeError and ValueError for values that make no sense.

    >>> from pyconv.data import Preprocessing
    >>> imagenet = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize=256, crop=224)
    >>> imagenet.shape
    (3, 224, 224)
    """

    channels: str = "RGB"
    scale: int = 1
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    resize: int | None = None
    mode: str = "short"
    crop: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for name, known in (("channels", tuple(_CHANNELS)), ("scale", (1, 255)), ("mode", _RESIZES),
                            ("interpolation", _INTERPOLATIONS)):
            if getattr(self, name) not in known or isinstance(getattr(self, name), bool):
                raise ValueError(f"[Preprocessing] {name} is {getattr(self, name)!r}, expected one of "
                                 f"{', '.join(map(repr, known))}")
        for name in ("resize", "crop"):
            size = getattr(self, name)
            if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= _LARGEST):
                raise ValueError(f"[Preprocessing] {name} is {size!r}, expected None or pixels, 1 to {_LARGEST}")
        count = _CHANNELS[self.channels]
        for name in ("mean", "std"):
            values = getattr(self, name)
            values = (values,) * count if isinstance(values, (int, float)) else tuple(values)
            if len(values) == 3 and count == 1 and len(set(values)) == 1:  # the defaults, for grey
                values = values[:1]
            if len(values) != count or not all(np.isfinite(v) for v in values) or (name == "std" and min(values) <= 0):
                raise ValueError(f"[Preprocessing] {name} is {values!r}, expected {count} finite numbers"
                                 f"{' above 0' if name == 'std' else ''} for {self.channels}")
            object.__setattr__(self, name, tuple(map(float, values)))

    @property
    def shape(self) -> tuple[int, int | None, int | None]:
        """(channels, height, width) of the result, None where the picture decides."""
        side = self.crop if self.crop is not None else self.resize if self.mode != "short" else None
        return _CHANNELS[self.channels], side, side

    def apply(self, image: Any) -> np.ndarray:
        """A picture as the network's input: float32 (channels, height, width).

        ``image`` is a path to a PNG or JPEG file, an image of Pillow's, or a uint8 array (height, width, 3) in RGB or
        (height, width). Needs Pillow. Raises ValueError for what is no picture or smaller than ``crop``, TypeError for
        what is none of these.
        """
        picture = self._fitted(self._opened(image))
        if self.channels == "Y":
            # ITU-R BT.601's luma in the range that video leaves it, from the whole RGB values
            values = np.asarray(picture.convert("RGB"), np.float32)
            array = (16 + (65.481 * values[..., 0] + 128.553 * values[..., 1] + 24.966 * values[..., 2]) / 255)[None]
        elif self.channels == "L":
            array = np.asarray(picture.convert("L"), np.float32)[None]
        else:
            array = np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1)
            array = array[::-1] if self.channels == "BGR" else array
        array = array / np.float32(255) if self.scale == 1 else array
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        return np.ascontiguousarray((array - mean) / std, np.float32)

    def _opened(self, image: Any) -> Any:
        module = need_pillow("preprocessing pictures")
        if isinstance(image, (str, os.PathLike)):
            return read_image(image)
        if isinstance(image, module.Image):
            return image
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.size == 0 or not (
                    image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
                raise ValueError(f"[Preprocessing] image is an array of {image.dtype} {image.shape}, expected uint8 "
                                 "(height, width, 3) or (height, width)")
            return module.fromarray(np.ascontiguousarray(image))
        raise TypeError(f"[Preprocessing] image is {type(image).__name__}, expected a path, a Pillow image or an array")

    def _fitted(self, picture: Any) -> Any:
        """Resized and cropped."""
        module = need_pillow("preprocessing pictures")
        if picture.mode not in ("L", "RGB"):
            picture = picture.convert("RGB")
        kind = module.Resampling[self.interpolation.upper()]
        width, height = picture.size
        if self.resize is not None:
            n = self.resize
            if self.mode == "exact":
                picture = picture.resize((n, n), kind)
            elif self.mode == "short":
                long = int(n * max(width, height) / min(width, height))
                if long > _LARGEST * 4:
                    raise ValueError(f"[Preprocessing] image is {width}x{height}, too long and narrow to resize to {n}")
                picture = picture.resize((n, long) if width <= height else (long, n), kind)
            else:
                picture = _letterboxed(module, picture, n, kind)
        if self.crop is not None:
            width, height = picture.size
            if min(width, height) < self.crop:
                raise ValueError(f"[Preprocessing] image is {width}x{height} after resizing, expected at least the "
                                 f"{self.crop}x{self.crop} that are cut from it")
            left, top = round((width - self.crop) / 2), round((height - self.crop) / 2)
            picture = picture.crop((left, top, left + self.crop, top + self.crop))
        return picture

    def to_json(self) -> str:
        """As text, to keep beside the weights."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """From `to_json`'s text; ValueError for anything else."""
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= names:
            raise ValueError(f"[Preprocessing] text is {text[:60]!r}, expected a JSON object with {', '.join(sorted(names))}")
        try:
            changed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**changed)
        except TypeError as error:
            raise ValueError(f"[Preprocessing] text is {text[:60]!r}: {error}") from None


def _letterboxed(module: Any, picture: Any, side: int, kind: Any) -> Any:
    """The whole picture in a square of ``side``, grey above and below or left and right."""
    width, height = picture.size
    scale = side / max(width, height)
    new = max(1, int(width * scale)), max(1, int(height * scale))
    square = module.new("RGB", (side, side), (128, 128, 128))
    square.paste(picture.convert("RGB").resize(new, kind), ((side - new[0]) // 2, (side - new[1]) // 2))
    return square
