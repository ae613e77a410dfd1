"""Pictures from files, and what makes a picture look like the data a network was trained on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

#: Larger pictures are refused before they are decoded: a small file can claim to be enormous.
MAX_PIXELS = 64 * 1024 * 1024
_FORMATS = ("PNG", "JPEG")


def need_pillow(what: str) -> Any:
    """The module PIL.Image, or an ImportError that says what to install."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{what} needs Pillow: pip install \"pyconv[image]\"") from None
    return Image


def read_gray(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A PNG or JPEG file as grey values: float32 in 0..1, shape (H, W), turned upright as its EXIF data says.

    Grey, colour, palette, transparent and 16-bit pictures. What is transparent becomes the opposite of what is
    drawn: white around dark strokes, black around bright ones. Errors as for `read_image`.
    """
    return _read(path, max_pixels, _gray)


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Any:
    """A PNG or JPEG file as Pillow's image in mode RGB or L, turned upright; what is transparent becomes white.

    Raises FileNotFoundError, IsADirectoryError, and ValueError for what is not such a picture, is damaged, or has more than
    ``max_pixels``; ImportError without Pillow.
    """
    return _read(path, max_pixels, _color)


def _read(path: str | os.PathLike[str], max_pixels: int, convert: Callable[[Any], Any]) -> Any:
    image_module = need_pillow("reading pictures")
    from PIL import ImageOps, UnidentifiedImageError

    name = os.fspath(path)
    with open(name, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata; both are checked here
        try:
            image = image_module.open(file, formats=_FORMATS)
        except UnidentifiedImageError:
            raise ValueError(f"{name} is not a PNG or JPEG picture") from None
        except image_module.DecompressionBombError:
            raise ValueError(f"{name} is too large a picture, expected at most {max_pixels:,} pixels") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{name} is a damaged picture: {error}") from None
        width, height = image.size
        if width * height > max_pixels:
            raise ValueError(
                f"{name} is too large a picture: {width}x{height} pixels, expected at most {max_pixels:,}")
        try:
            image.load()
            return convert(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError, ValueError, IndexError) as error:
            raise ValueError(f"{name} is a damaged picture: {error}") from None


def _color(image: Any) -> Any:
    if image.mode.startswith("I") or image.mode == "F":
        return need_pillow("reading pictures").fromarray((_gray(image) * 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = need_pillow("reading pictures").new("RGBA", image.size, "white")
        return need_pillow("reading pictures").alpha_composite(white, image).convert("RGB")
    return image if image.mode == "L" else image.convert("RGB")


def _gray(image: Any) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits in a file; Pillow's mode has 16 or 32
        return np.asarray(image).astype(np.float32) / np.float32(65535)
    if image.mode == "F":
        return np.clip(np.asarray(image, np.float32), 0, 1)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = np.asarray(rgba.getchannel("A"), np.float32) / np.float32(255)
        gray = np.asarray(rgba.convert("L"), np.float32) / np.float32(255)
        drawn = alpha.sum()
        around = np.float32(0 if drawn and (gray * alpha).sum() > 0.5 * drawn else 1)
        return gray * alpha + around * (1 - alpha)
    return np.asarray(image.convert("L"), np.float32) / np.float32(255)


def resize(gray: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, averaging over the covered area when it shrinks (Pillow's): float32 (H, W) to (height, width)."""
    image_module = need_pillow("resizing pictures")
    source = image_module.fromarray(np.ascontiguousarray(gray, np.float32))
    return np.asarray(source.resize((width, height), image_module.Resampling.BILINEAR), np.float32)


def bright_on_dark(gray: np.ndarray) -> tuple[np.ndarray, bool]:
    """The picture with bright strokes on a dark ground, and whether it was inverted for that.

    The ground is what lies on the border: it is bright if the border's median is above the middle of the range.
    """
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    low, high = float(gray.min()), float(gray.max())
    inverted = high > low and float(np.median(border)) > (low + high) / 2
    return (np.float32(1) - gray if inverted else gray), inverted
