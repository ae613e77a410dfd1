"""The named networks that train-step figures are quoted for, each defined once.

Most are those of `pyconv.models`, and in PyTorch their twins (twins.py). A builder takes the library, ``pyconv`` or ``torch``;
those that are defined here use nothing but names that both have. State_dicts fit from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import twins

import pyconv
import pyconv.models


@dataclass(frozen=True)
class Net:
    """A network and the batch it is trained on; ``classes`` 0: a regression to an image like the input."""

    name: str
    build: Callable[[Any], Any]
    batch: int
    image: tuple[int, int, int] = (3, 224, 224)
    classes: int = 1000
    per_pixel: bool = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batch, *self.image)


def zoo(name: str) -> Callable[[Any], Any]:
    """The network of that name in `pyconv.models`, and its twin."""
    return lambda lib: getattr(pyconv.models, name)() if lib is pyconv else twins.build(name, lib)


lenet5, alexnet, vgg16, resnet18, resnet50, densenet121, vdsr = map(
    zoo, ("lenet5", "alexnet", "vgg16", "resnet18", "resnet50", "densenet121", "vdsr"))


def _conv_norm(nn: Any, c: int, k: int, filter: int = 3, stride: int = 1) -> list[Any]:
    return [nn.Conv2d(c, k, filter, stride, filter // 2, bias=False), nn.BatchNorm2d(k)]


def resnet20(lib: Any) -> Any:
    """For 32x32 images, with 1x1 convolutions as shortcuts where the size changes."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, c: int, width: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(*_conv_norm(nn, c, width, 3, stride), nn.ReLU(inplace=True), *_conv_norm(nn, width, width))
            self.shortcut = nn.Sequential(*_conv_norm(nn, c, width, 1, stride)) if stride > 1 else None
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            y += x if self.shortcut is None else self.shortcut(x)
            return self.relu(y)

    layers, c = [*_conv_norm(nn, 3, 16), nn.ReLU(inplace=True)], 16
    for width in (16, 32, 64):
        for i in range(3):
            layers.append(Block(c, width, 2 if width > 16 and i == 0 else 1))
            c = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def unet(lib: Any) -> Any:
    """Ronneberger et al., 2015, with norms and padding, from 32 maps at full size to 512 at a sixteenth."""
    nn = lib.nn

    def double(c: int, k: int) -> Any:
        return nn.Sequential(*_conv_norm(nn, c, k), nn.ReLU(inplace=True), *_conv_norm(nn, k, k),
                             nn.ReLU(inplace=True))

    class Level(nn.Module):
        """Two convolutions, the level below on half the size, and two more on both."""

        def __init__(self, c: int, width: int, levels: int) -> None:
            super().__init__()
            self.down = double(c, width)
            self.inner = None
            if levels:
                self.inner = nn.Sequential(nn.MaxPool2d(2), Level(width, 2 * width, levels - 1),
                                           nn.ConvTranspose2d(2 * width, width, 2, 2))
                self.up = double(2 * width, width)

        def forward(self, x: Any) -> Any:
            x = self.down(x)
            return x if self.inner is None else self.up(lib.cat([x, self.inner(x)], 1))

    return nn.Sequential(Level(3, 32, 4), nn.Conv2d(32, 2, 1))


NETS = [
    Net("lenet5", lenet5, 128, (1, 32, 32), 10),
    Net("resnet20", resnet20, 128, (3, 32, 32), 10),
    Net("resnet18", resnet18, 16),
    Net("vgg16", vgg16, 4),
    Net("resnet50", resnet50, 8),
    Net("alexnet", alexnet, 32),
    Net("densenet121", densenet121, 8),
    Net("unet", unet, 2, (3, 256, 256), 2, per_pixel=True),
    Net("vdsr", vdsr, 4, (1, 128, 128), 0),
]
