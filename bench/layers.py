"""The named layers that figures are quoted for: first, middle and last ones of the networks people train."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A convolution on square images with square filters; padding None: half the filter, so that 3x3 keeps the size."""

    name: str
    n: int
    c: int
    size: int
    k: int
    filter: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: int | None = None

    @property
    def pad(self) -> int:
        return self.dilation * (self.filter // 2) if self.padding is None else self.padding

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return self.n, self.c, self.size, self.size

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return self.k, self.c // self.groups, self.filter, self.filter

    @property
    def kind(self) -> str:
        """The row of the summary that the layer belongs to."""
        if self.groups > 1:
            return "grouped"
        if self.c <= 4:
            return "first layers"
        if self.filter == 3 and self.stride == self.dilation == 1:
            return "3x3" if min(self.c, self.k) >= 32 else "3x3, few channels"
        return "5x5" if self.filter == 5 and self.stride == 1 else "1x1, strided, dilated"


LAYERS = [
    Layer("alexnet.1", 16, 3, 224, 64, 11, stride=4, padding=2),
    Layer("alexnet.2", 16, 64, 27, 192, 5),
    Layer("vgg.1_1", 4, 3, 224, 64, 3),
    Layer("vgg.1_2", 4, 64, 224, 64, 3),
    Layer("vgg.3", 4, 256, 56, 256, 3),
    Layer("resnet.1", 8, 3, 224, 64, 7, stride=2),
    Layer("resnet.2", 8, 64, 56, 64, 3),
    Layer("resnet.2_1x1", 8, 64, 56, 256, 1),
    Layer("resnet.2_1x1b", 8, 256, 56, 64, 1),
    Layer("resnet.3_1x1", 8, 512, 28, 128, 1),
    Layer("resnet.3_1x1b", 8, 128, 28, 512, 1),
    Layer("resnet.3_1x1s2", 8, 256, 56, 512, 1, stride=2),
    Layer("resnet.3_s2", 8, 128, 56, 128, 3, stride=2),
    Layer("resnet.4_1x1", 8, 1024, 14, 256, 1),
    Layer("resnet.5_1x1", 8, 2048, 7, 512, 1),
    Layer("densenet.1_1x1", 8, 96, 56, 128, 1),
    Layer("densenet.2_1x1", 8, 160, 28, 128, 1),
    Layer("densenet.3_1x1", 8, 672, 14, 128, 1),
    Layer("densenet.4_1x1", 8, 992, 7, 128, 1),
    Layer("resnet.5", 8, 512, 7, 512, 3),
    Layer("cifar.16", 128, 16, 32, 16, 3),
    Layer("cifar.24", 128, 24, 32, 24, 3),
    Layer("cifar.32", 128, 32, 16, 32, 3),
    Layer("cifar.48", 128, 48, 16, 48, 3),
    Layer("cifar.64", 128, 64, 8, 64, 3),
    Layer("lenet.1", 128, 1, 28, 6, 5),
    Layer("lenet.2", 128, 6, 14, 16, 5, padding=0),
    Layer("resnext", 8, 128, 56, 128, 3, groups=32),
    Layer("resnext.3", 8, 256, 28, 256, 3, groups=32),
    Layer("resnext.3_s2", 8, 256, 56, 256, 3, stride=2, groups=32),
    Layer("resnext.4", 8, 512, 14, 512, 3, groups=32),
    Layer("resnext.5", 8, 1024, 7, 1024, 3, groups=32),
    Layer("groups.3", 8, 96, 28, 96, 3, groups=32),
    Layer("groups.12", 8, 192, 28, 192, 3, groups=16),
    Layer("depthwise", 8, 144, 56, 144, 3, groups=144),
    Layer("depthwise_s2", 8, 144, 56, 144, 3, stride=2, groups=144),
    Layer("depthwise_d2", 8, 144, 56, 144, 3, dilation=2, groups=144),
    Layer("depthwise.5x5", 8, 144, 56, 144, 5, groups=144),
    Layer("depthwise.7x7", 8, 96, 56, 96, 7, groups=96),
    Layer("depthwise.deep", 8, 960, 7, 960, 5, groups=960),
    Layer("depthwise.x2", 8, 72, 56, 144, 3, groups=72),
    Layer("dilated", 8, 256, 28, 256, 3, dilation=2),
    Layer("googlenet.3", 8, 16, 28, 32, 5),
    Layer("googlenet.5", 8, 32, 7, 128, 5),
    Layer("cifar.5x5", 128, 32, 32, 32, 5),
]

#: 3x3 filters at stride 1, at the sizes that they have in their networks, with batches of 1 and 8.
_TILED = {
    "vgg.1_2": (64, 224, 64), "vgg.2_1": (64, 112, 128), "vgg.2_2": (128, 112, 128), "vgg.3_1": (128, 56, 256),
    "vgg.3_2": (256, 56, 256), "vgg.4_1": (256, 28, 512), "vgg.4_2": (512, 28, 512), "vgg.5": (512, 14, 512),
    "resnet.2": (64, 56, 64), "resnet.3": (128, 28, 128), "resnet.4": (256, 14, 256), "resnet.5": (512, 7, 512),
    "unet.1": (32, 256, 32), "unet.2": (64, 128, 64), "unet.3": (128, 64, 128), "unet.4": (256, 32, 256),
    "unet.up": (64, 256, 32), "vdsr": (64, 128, 64),
}
#: Depthwise filters of MobileNet, EfficientNet and ConvNeXt: channels, size, filter, stride.
_DEPTHWISE = {
    "mobilenet.16": (16, 112, 3, 1), "mobilenet.24_s2": (24, 112, 3, 2), "mobilenet.32": (32, 112, 3, 1),
    "mobilenet.96_s2": (96, 112, 3, 2), "mobilenet.512": (512, 14, 3, 1), "mobilenet.960": (960, 7, 3, 1),
    "efficientnet.240_s2": (240, 28, 3, 2), "efficientnet.672": (672, 14, 5, 1), "efficientnet.672_s2": (672, 14, 5, 2),
    "convnext.384": (384, 14, 7, 1),
}
LAYERS += [Layer(f"{name}@{n}", n, c, size, c, f, stride=s, groups=c)
           for name, (c, size, f, s) in _DEPTHWISE.items() for n in (1, 8)]
LAYERS += [Layer(f"{name}@{n}", n, c, size, k, 3) for name, (c, size, k) in _TILED.items() for n in (1, 8)]
