"""The named networks that train-step figures are quoted for, each defined once.

A builder takes the library, ``pyconv`` or ``torch``, and uses nothing but names that both have; state_dicts therefore
fit from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


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


def _conv_relu(nn: Any, c: int, k: int, filter: int = 3, **options: Any) -> list[Any]:
    return [nn.Conv2d(c, k, filter, **{"padding": filter // 2, **options}), nn.ReLU(inplace=True)]


def _conv_norm(nn: Any, c: int, k: int, filter: int = 3, stride: int = 1) -> list[Any]:
    return [nn.Conv2d(c, k, filter, stride, filter // 2, bias=False), nn.BatchNorm2d(k)]


def lenet5(lib: Any) -> Any:
    """On 28x28 images; the filters of the first layer see two pixels of border."""
    nn = lib.nn
    return nn.Sequential(
        *_conv_relu(nn, 1, 6, 5), nn.MaxPool2d(2), *_conv_relu(nn, 6, 16, 5, padding=0), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))


def alexnet(lib: Any) -> Any:
    """Of Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014, without norms."""
    nn = lib.nn
    return nn.Sequential(
        *_conv_relu(nn, 3, 64, 11, stride=4, padding=2), nn.MaxPool2d(3, 2),
        *_conv_relu(nn, 64, 192, 5), nn.MaxPool2d(3, 2),
        *_conv_relu(nn, 192, 384), *_conv_relu(nn, 384, 256), *_conv_relu(nn, 256, 256), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(), nn.Linear(256 * 36, 4096), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000))


def vgg16(lib: Any) -> Any:
    """Configuration D of Simonyan and Zisserman, 2014."""
    nn = lib.nn
    layers, c = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += _conv_relu(nn, c, width)
            c = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 1000))


def _resnet(lib: Any, stem: Sequence[Any], widths: Sequence[int], depths: Sequence[int], classes: int,
            expansion: int = 1) -> Any:
    """Residual stages behind a stem; ``expansion`` 4 makes bottlenecks, whose stride is in the 3x3 (version 1.5)."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, c: int, width: int, stride: int) -> None:
            super().__init__()
            out = width * expansion
            if expansion == 1:
                body = [*_conv_norm(nn, c, width, 3, stride), nn.ReLU(inplace=True), *_conv_norm(nn, width, out)]
            else:
                body = [*_conv_norm(nn, c, width, 1), nn.ReLU(inplace=True), *_conv_norm(nn, width, width, 3, stride),
                        nn.ReLU(inplace=True), *_conv_norm(nn, width, out, 1)]
            self.body = nn.Sequential(*body)
            self.shortcut = nn.Sequential(*_conv_norm(nn, c, out, 1, stride)) if stride > 1 or c != out else None
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            y += x if self.shortcut is None else self.shortcut(x)
            return self.relu(y)

    layers, c = list(stem), widths[0]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for i in range(depth):
            layers.append(Block(c, width, 2 if stage > 0 and i == 0 else 1))
            c = width * expansion
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


def _imagenet_stem(nn: Any) -> list[Any]:
    return [*_conv_norm(nn, 3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]


def resnet20(lib: Any) -> Any:
    """For 32x32 images, with 1x1 convolutions as shortcuts where the size changes."""
    nn = lib.nn
    return _resnet(lib, [*_conv_norm(nn, 3, 16), nn.ReLU(inplace=True)], (16, 32, 64), (3, 3, 3), 10)


def resnet18(lib: Any) -> Any:
    return _resnet(lib, _imagenet_stem(lib.nn), (64, 128, 256, 512), (2, 2, 2, 2), 1000)


def resnet50(lib: Any) -> Any:
    return _resnet(lib, _imagenet_stem(lib.nn), (64, 128, 256, 512), (3, 4, 6, 3), 1000, expansion=4)


def densenet121(lib: Any) -> Any:
    """Huang et al., 2017: each layer's 32 maps are appended to what it saw."""
    nn, growth = lib.nn, 32

    class Layer(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.BatchNorm2d(c), nn.ReLU(inplace=True), *_conv_norm(nn, c, 4 * growth, 1), nn.ReLU(inplace=True),
                nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))

        def forward(self, x: Any) -> Any:
            return lib.cat([x, self.body(x)], 1)

    layers, c = _imagenet_stem(nn), 64
    for stage, depth in enumerate((6, 12, 24, 16)):
        if stage:
            layers += [nn.BatchNorm2d(c), nn.ReLU(inplace=True), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)]
            c //= 2
        for _ in range(depth):
            layers.append(Layer(c))
            c += growth
    return nn.Sequential(*layers, nn.BatchNorm2d(c), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(c, 1000))


def vdsr(lib: Any) -> Any:
    """Kim, Lee and Lee, 2016: twenty layers learn what is missing from an enlarged image."""
    nn = lib.nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            middle = [m for _ in range(18) for m in _conv_relu(nn, 64, 64)]
            self.body = nn.Sequential(*_conv_relu(nn, 1, 64), *middle, nn.Conv2d(64, 1, 3, padding=1))

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    return Residual()


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
    Net("lenet5", lenet5, 128, (1, 28, 28), 10),
    Net("resnet20", resnet20, 128, (3, 32, 32), 10),
    Net("resnet18", resnet18, 16),
    Net("vgg16", vgg16, 4),
    Net("resnet50", resnet50, 8),
    Net("alexnet", alexnet, 32),
    Net("densenet121", densenet121, 8),
    Net("unet", unet, 2, (3, 256, 256), 2, per_pixel=True),
    Net("vdsr", vdsr, 4, (1, 128, 128), 0),
]
