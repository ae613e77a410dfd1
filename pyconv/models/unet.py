"""U-Net: down to see what, up to say where, with the way down's maps joined to the way up's.

===========  ===============  ==========  ======================  ====================================================
Network      Channels         Parameters  Multiply-adds           Form
===========  ===============  ==========  ======================  ====================================================
unet         1 to 2, 64-1024  31,030,658  150,428,424,448 (572²)  2015: no padding, maps cropped where they are joined
unet_padded  3 to 2, 64-1024  31,037,698  192,686,325,760 (512²)  padding, batch norm; 31,043,586 with biases
unet_brain   3 to 1, 32-512    7,763,041   12,071,206,912 (256²)  padding, batch norm, no biases, sigmoid at the end
===========  ===============  ==========  ======================  ====================================================

Four levels: two 3x3 convolutions with ReLU, then max pooling halves the sides and the next convolution doubles the
channels; at the bottom two convolutions more; then up four times: a 2x2 transposed convolution doubles the sides and
halves the channels, the map of the same level on the way down is joined, two 3x3 convolutions. A 1x1 one scores.

Without padding a picture of 572 x 572 gives scores for its inner 388 x 388 pixels: large pictures are cut into tiles
that overlap by 184, and the seams do not show.

Source: Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, 2015;
Buda, Saha and Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape features, 2019 (the third).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.registry import register
from pyconv.models.sizes import at_least, image, multiples
from pyconv.nn import functional as F
from pyconv.nn.arguments import flag, whole
from pyconv.ops.join import cat

__all__ = ["UNet", "UNetBrain", "UNetPadded", "unet", "unet_brain", "unet_padded"]


class _Pair(nn.Module):
    """conv 3x3, relu, conv 3x3, relu, without padding."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3)
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.relu(self.conv2(self.relu(self.conv1(x))))


class UNet(nn.Module):
    """The U-Net of 2015 on (N, in_channels, H, W); see `unet`."""

    def __init__(self, num_classes: int = 2, in_channels: int = 1) -> None:
        super().__init__()
        whole("unet", "num_classes", num_classes, 1)
        self.input_size = (whole("unet", "in_channels", in_channels, 1), 572, 572)
        self.down1, self.down2 = _Pair(in_channels, 64), _Pair(64, 128)
        self.down3, self.down4 = _Pair(128, 256), _Pair(256, 512)
        self.bottom = _Pair(512, 1024)
        self.pool, self.dropout = nn.MaxPool2d(2), nn.Dropout(0.5)
        for level, width in ((4, 512), (3, 256), (2, 128), (1, 64)):
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"up{level}", _Pair(2 * width, width))
        self.score = nn.Conv2d(64, num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # N(0, 2 / fan in)
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to (N, num_classes, H - 184, W - 184)."""
        self._check(x)
        kept = []
        for down in (self.down1, self.down2, self.down3, self.down4):
            x = down(x)
            kept.append(x)
            x = self.pool(self.dropout(x) if down is self.down4 else x)
        x = self.dropout(self.bottom(x))
        for level, skip in zip((4, 3, 2, 1), reversed(kept), strict=True):
            x = getattr(self, f"upconv{level}")(x)
            x = getattr(self, f"up{level}")(cat([_middle(skip, *x.shape[2:]), x], 1))
        return self.score(x)

    def segment(self, x: Any) -> Any:
        """(N, in_channels, H, W) of any sides from 108 to scores for all of its pixels, (N, num_classes, H, W).

        What the network has to see around the picture is the picture mirrored at its border, as in the paper.
        """
        height, width = at_least("unet", x, self.input_size[0], 108)  # so that there are pixels to mirror
        down, right = (92 + -(n - 4) % 16 for n in (height, width))  # up to a side that fits; cut off again
        return self(F.pad(x, (92, right, 92, down), mode="reflect"))[:, :, :height, :width]

    def _check(self, x: Any) -> None:
        """The sides are even at each of the four poolings, and something is left at the end."""
        height, width = image("unet", x, self.input_size[0])
        if any(n < 188 or (n - 188) % 16 for n in (height, width)):
            near = [188 + max(0, (n - 180) // 16) * 16 for n in (height, width)]
            raise ShapeError(f"[unet] x has {height} x {width} pixels, expected 188, 204, 220, ... (188 and multiples of 16 "
                             f"more) per side, such as {near[0]} x {near[1]}; the output has 184 fewer")


def _middle(x: Any, height: int, width: int) -> Any:
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top:top + height, left:left + width]


def _double(in_channels: int, out_channels: int, bias: bool) -> nn.Module:
    """conv 3x3, batch norm, relu, twice, below the name ``double_conv``."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(OrderedDict(double_conv=nn.Sequential(*layers)))


class _Up(nn.Module):
    """Twice as large, joined to the map of the way down, two convolutions."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = _double(in_channels, out_channels, bias)

    def forward(self, x: Any, skip: Any) -> Any:
        x = self.up(x)
        missing = [skip.shape[i] - x.shape[i] for i in (3, 2)]  # 1 where pooling dropped an odd row or column
        if any(missing):
            x = F.pad(x, tuple(n for m in missing for n in (m // 2, m - m // 2)))
        return self.conv(cat([skip, x], 1))


class UNetPadded(nn.Module):
    """The U-Net with padding and batch norm on (N, in_channels, H, W); see `unet_padded`."""

    def __init__(self, num_classes: int = 2, in_channels: int = 3, bias: bool = False) -> None:
        super().__init__()
        whole("unet_padded", "num_classes", num_classes, 1)
        flag("unet_padded", "bias", bias)
        self.input_size = (whole("unet_padded", "in_channels", in_channels, 1), 512, 512)
        self.inc = _double(in_channels, 64, bias)
        for level, width in enumerate((64, 128, 256, 512), 1):
            pooled = nn.Sequential(nn.MaxPool2d(2), _double(width, 2 * width, bias))
            self.add_module(f"down{level}", nn.Sequential(OrderedDict(maxpool_conv=pooled)))
        for level, width in enumerate((512, 256, 128, 64), 1):
            self.add_module(f"up{level}", _Up(2 * width, width, bias))
        self.outc = nn.Sequential(OrderedDict(conv=nn.Conv2d(64, num_classes, 1)))

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to (N, num_classes, H, W), H and W from 16."""
        at_least("unet_padded", x, self.input_size[0], 16)
        kept = [self.inc(x)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            kept.append(down(kept[-1]))
        x = kept.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, kept.pop())
        return self.outc(x)


def _named(in_channels: int, out_channels: int, name: str) -> nn.Module:
    """conv 3x3, batch norm, relu, twice; each with the level's name in its own."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, channels in ((1, in_channels), (2, out_channels)):
        layers[f"{name}conv{i}"] = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        layers[f"{name}norm{i}"] = nn.BatchNorm2d(out_channels)
        layers[f"{name}relu{i}"] = nn.ReLU()
    return nn.Sequential(layers)


class UNetBrain(nn.Module):
    """The U-Net of half the width that outlines tumours on (N, in_channels, H, W); see `unet_brain`."""

    def __init__(self, num_classes: int = 1, in_channels: int = 3) -> None:
        super().__init__()
        whole("unet_brain", "num_classes", num_classes, 1)
        self.input_size = (whole("unet_brain", "in_channels", in_channels, 1), 256, 256)
        channels = in_channels
        for level, width in enumerate((32, 64, 128, 256), 1):
            self.add_module(f"encoder{level}", _named(channels, width, f"enc{level}"))
            self.add_module(f"pool{level}", nn.MaxPool2d(2))
            channels = width
        self.bottleneck = _named(256, 512, "bottleneck")
        for level, width in ((4, 256), (3, 128), (2, 64), (1, 32)):
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"decoder{level}", _named(2 * width, width, f"dec{level}"))
        self.conv = nn.Conv2d(32, num_classes, 1)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to probabilities (N, num_classes, H, W); H and W are multiples of 16."""
        multiples("unet_brain", x, self.input_size[0], 16)
        kept = []
        for level in (1, 2, 3, 4):
            kept.append(getattr(self, f"encoder{level}")(x))
            x = getattr(self, f"pool{level}")(kept[-1])
        x = self.bottleneck(x)
        for level in (4, 3, 2, 1):
            x = getattr(self, f"decoder{level}")(cat([getattr(self, f"upconv{level}")(x), kept.pop()], 1))
        return F.sigmoid(self.conv(x))


@register
def unet(num_classes: int = 2, in_channels: int = 1) -> UNet:
    """The U-Net of 2015: 31,030,658 parameters; 572 x 572 pixels to scores for the inner 388 x 388.

    Sides are 188, 204, 220, ...: even at each pooling; `UNet.segment` takes any. Half of the deepest maps are dropped in
    training; weights are drawn from N(0, 2 / fan in), as in the paper. State names: ``down1.conv1`` to ``down4.conv2``,
    ``bottom.conv1``, ``upconv4``, ``up4.conv1`` to ``up1.conv2``, ``score``. Raises ShapeError for other sides.

    >>> import pyconv
    >>> pyconv.summary(unet(), (1, 1, 572, 572)).rows[-1].output_shape
    (1, 2, 388, 388)
    """
    return UNet(num_classes, in_channels)


@register
def unet_padded(num_classes: int = 2, in_channels: int = 3, bias: bool = False) -> UNetPadded:
    """The U-Net with padding and batch norm: 31,037,698 parameters, 31,043,586 with ``bias`` in the 3x3 convolutions.

    Takes any sides from 16 and keeps them. State names: ``inc.double_conv.0``, ``down1.maxpool_conv.1.double_conv.0``,
    ``up1.up``, ``up1.conv.double_conv.0``, ``outc.conv``: those of the weights that are passed around.

    >>> import pyconv
    >>> pyconv.summary(unet_padded(), (1, 3, 50, 35)).rows[-1].output_shape
    (1, 2, 50, 35)
    """
    return UNetPadded(num_classes, in_channels, bias)


@register
def unet_brain(num_classes: int = 1, in_channels: int = 3) -> UNetBrain:
    """The U-Net of half the width: 7,763,041 parameters; slices of brains to the probability of a tumour.

    Sides are multiples of 16. State names: ``encoder1.enc1conv1``, ``encoder1.enc1norm1``, ``bottleneck.bottleneckconv1``,
    ``upconv4``, ``decoder4.dec4conv1``, ``conv``. Raises ShapeError for other sides.

    >>> import pyconv
    >>> pyconv.summary(unet_brain(), (1, 3, 256, 256)).total_parameters
    7763041
    """
    return UNetBrain(num_classes, in_channels)
