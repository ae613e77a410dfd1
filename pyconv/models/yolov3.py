"""YOLO, the third version: boxes at three scales, from the features of a 53-layer residual network.

At every point of a coarse, a middle and a fine map (1/32, 1/16 and 1/8 of the image) three boxes are predicted as
changes of three anchors, sizes that are common in the training data.

===========  ===========  =====================  =======================================================================
Network      Parameters   Multiply-adds (416²)   Layers
===========  ===========  =====================  =======================================================================
yolov3        61,949,149  32,932,037,632         Darknet-53: 32@3x3, then five times a 3x3 convolution with stride 2 and
                                                 1, 2, 8, 8, 4 residual blocks (1x1, 3x3) of 64 to 1024 channels; three
                                                 heads of six convolutions and the output, each next one on what the last
                                                 one saw, upsampled, beside the finer map
yolov3_tiny    8,852,366   2,782,480,896         seven 3x3 convolutions of 16 to 1024 channels with pools between them;
                                                 two heads
===========  ===========  =====================  =======================================================================

Sources: Redmon and Farhadi, YOLOv3: an incremental improvement, 2018; Darknet's files ``yolov3.cfg``, ``yolov3-tiny.cfg``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.darknet import DarknetConv
from pyconv.models.registry import register
from pyconv.models.sizes import multiples
from pyconv.models.yolo_head import YOLO, YOLOHead
from pyconv.nn import functional as F
from pyconv.ops.join import cat

__all__ = ["YOLOv3", "YOLOv3Tiny", "yolov3", "yolov3_tiny"]

#: Widths and heights in pixels, from small to large: clusters of the boxes of COCO.
_ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
_TINY_ANCHORS = ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319))


class _Residual(nn.Module):
    """x + 3x3(1x1(x)), the 1x1 convolution to half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = DarknetConv(channels, channels // 2, 1)
        self.conv2 = DarknetConv(channels // 2, channels, 3)

    def forward(self, x: Any) -> Any:
        return x + self.conv2(self.conv1(x))


class _Head(nn.Module):
    """One scale: five convolutions in turn 1x1 and 3x3, whose result the next scale takes, one more, and the output."""

    def __init__(self, in_channels: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            DarknetConv(in_channels, channels, 1), DarknetConv(channels, 2 * channels, 3),
            DarknetConv(2 * channels, channels, 1), DarknetConv(channels, 2 * channels, 3),
            DarknetConv(2 * channels, channels, 1))
        self.conv = DarknetConv(channels, 2 * channels, 3)
        self.output = DarknetConv(2 * channels, outputs, 1, batch_norm=False, activation=False)

    def forward(self, x: Any) -> tuple[Any, Any]:
        x = self.body(x)
        return x, self.output(self.conv(x))


class YOLOv3(YOLO):
    """YOLOv3 on (N, in_channels, H, W), H and W multiples of 32; see `yolov3`."""

    def __init__(self, num_classes: int = 80, in_channels: int = 3) -> None:
        super().__init__(num_classes, in_channels)
        outputs = 3 * (5 + self.num_classes)
        # The layers are made in the order of Darknet's file: see `darknet_layers`.
        self.stem = DarknetConv(in_channels, 32, 3)
        self.stages = nn.ModuleList()
        channels = 32
        for blocks in (1, 2, 8, 8, 4):
            self.stages.append(nn.Sequential(DarknetConv(channels, 2 * channels, 3, stride=2),
                                             *[_Residual(2 * channels) for _ in range(blocks)]))
            channels *= 2
        self.head1 = _Head(1024, 512, outputs)
        self.lateral1 = DarknetConv(512, 256, 1)
        self.head2 = _Head(256 + 512, 256, outputs)
        self.lateral2 = DarknetConv(256, 128, 1)
        self.head3 = _Head(128 + 256, 128, outputs)
        self.head = YOLOHead(self.num_classes, _ANCHORS, ((6, 7, 8), (3, 4, 5), (0, 1, 2)), (32, 16, 8))

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        """Images to the maps of `YOLOHead`, three: (N, 3 * (5 + num_classes), H / s, W / s) for s = 32, 16, 8."""
        multiples("yolo", x, self.input_size[0], 32)
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        x, coarse = self.head1(x)
        x = cat([F.interpolate(self.lateral1(x), scale_factor=2), maps[3]], 1)
        x, middle = self.head2(x)
        x = cat([F.interpolate(self.lateral2(x), scale_factor=2), maps[2]], 1)
        return coarse, middle, self.head3(x)[1]


class YOLOv3Tiny(YOLO):
    """YOLOv3-tiny on (N, in_channels, H, W), H and W multiples of 32; see `yolov3_tiny`."""

    def __init__(self, num_classes: int = 80, in_channels: int = 3) -> None:
        super().__init__(num_classes, in_channels)
        outputs = 3 * (5 + self.num_classes)
        layers: list[nn.Module] = []
        for channels in (16, 32, 64, 128):
            layers += [DarknetConv(in_channels, channels, 3), nn.MaxPool2d(2)]
            in_channels = channels
        self.fine = nn.Sequential(*layers, DarknetConv(128, 256, 3))
        # Darknet's pool with stride 1 keeps the size: it sees one more column and row, right and below.
        self.coarse = nn.Sequential(
            nn.MaxPool2d(2), DarknetConv(256, 512, 3), nn.ConstantPad2d((0, 1, 0, 1), float("-inf")),
            nn.MaxPool2d(2, stride=1), DarknetConv(512, 1024, 3), DarknetConv(1024, 256, 1))
        self.head1 = nn.Sequential(DarknetConv(256, 512, 3),
                                   DarknetConv(512, outputs, 1, batch_norm=False, activation=False))
        self.lateral = DarknetConv(256, 128, 1)
        self.head2 = nn.Sequential(DarknetConv(128 + 256, 256, 3),
                                   DarknetConv(256, outputs, 1, batch_norm=False, activation=False))
        self.head = YOLOHead(self.num_classes, _TINY_ANCHORS, ((3, 4, 5), (0, 1, 2)), (32, 16))

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Images to the maps of `YOLOHead`, two: (N, 3 * (5 + num_classes), H / s, W / s) for s = 32, 16."""
        multiples("yolo", x, self.input_size[0], 32)
        fine = self.fine(x)
        coarse = self.coarse(fine)
        both = cat([F.interpolate(self.lateral(coarse), scale_factor=2), fine], 1)
        return self.head1(coarse), self.head2(both)


@register
def yolov3(num_classes: int = 80, in_channels: int = 3) -> YOLOv3:
    """YOLOv3 with Darknet-53, for the 80 classes of COCO: 61,949,149 parameters.

    Call the network for its maps, then ``loss`` to train or ``detect`` for boxes. State names: ``stem``,
    ``stages.{i}.{j}``, ``head{1,2,3}.{body.{i},conv,output}``, ``lateral{1,2}``; `pyconv.models.darknet_layers` gives
    the order of a ``.weights`` file. Raises ValueError and TypeError for sizes that make no network.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print([m.shape for m in yolov3()(pyconv.zeros(1, 3, 416, 416))])
    [(1, 255, 13, 13), (1, 255, 26, 26), (1, 255, 52, 52)]
    """
    return YOLOv3(num_classes, in_channels)


@register
def yolov3_tiny(num_classes: int = 80, in_channels: int = 3) -> YOLOv3Tiny:
    """YOLOv3-tiny for the 80 classes of COCO: 8,852,366 parameters. Used as `yolov3`.

    State names: ``fine.{i}``, ``coarse.{i}``, ``head{1,2}.{i}``, ``lateral``.

    >>> import pyconv
    >>> [m.shape for m in yolov3_tiny(num_classes=3)(pyconv.zeros(1, 3, 64, 96))]
    [(1, 24, 2, 3), (1, 24, 4, 6)]
    """
    return YOLOv3Tiny(num_classes, in_channels)
