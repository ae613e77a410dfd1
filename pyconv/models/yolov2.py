"""YOLO, the second version: boxes as changes of anchors, a fully convolutional network with batch norm throughout.

At every point of a map of 1/32 of the image five boxes are predicted. The last layers see the features of 1/16, too: each
2x2 of their points becomes one with four times the channels.

===============  ==========  =====================  ====================================================================
Network          Parameters  Multiply-adds (416²)   Layers
===============  ==========  =====================  ====================================================================
yolov2           50,962,889  14,732,084,224         Darknet-19: 3x3 convolutions, between which 1x1 ones halve the
yolov2_voc       50,655,389  14,680,167,424         channels, and pools; two of 1024@3x3, 64@1x1 of the finer map beside
                                                    them, 1024@3x3, the output of 1x1
yolov2_tiny_voc  15,861,773   3,485,520,896         eight 3x3 convolutions of 16 to 1024 channels with pools between them
===============  ==========  =====================  ====================================================================

Sources: Redmon and Farhadi, YOLO9000: better, faster, stronger, CVPR 2017; Darknet's files ``yolov2.cfg``,
``yolov2-voc.cfg``, ``yolov2-tiny-voc.cfg``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.darknet import DarknetConv
from pyconv.models.registry import register
from pyconv.models.sizes import multiples
from pyconv.models.yolo_head import YOLO, RegionHead
from pyconv.ops.join import cat

__all__ = ["YOLOv2", "YOLOv2Tiny", "yolov2", "yolov2_tiny_voc", "yolov2_voc"]

Anchors = tuple[tuple[float, float], ...]

#: Widths and heights in points of the map, 32 pixels each: clusters of the boxes of COCO and of Pascal VOC.
_COCO: Anchors = ((0.57273, 0.677385), (1.87446, 2.06253), (3.33843, 5.47434), (7.88282, 3.52778), (9.77052, 9.16828))
_VOC: Anchors = ((1.3221, 1.73145), (3.19275, 4.00944), (5.05587, 8.09892), (9.47112, 4.84053), (11.2364, 10.0071))
_TINY_VOC: Anchors = ((1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52))


def _head(classes: int, anchors: Anchors) -> RegionHead:
    return RegionHead(classes, [(32 * w, 32 * h) for w, h in anchors], (tuple(range(len(anchors))),), (32,), ignore=0.6)


def _alternating(in_channels: int, channels: int, count: int) -> list[nn.Module]:
    """3x3 convolutions to ``channels`` with 1x1 ones to half of them in between, ``count`` in all."""
    layers: list[nn.Module] = []
    for i in range(count):
        width, size = (channels, 3) if i % 2 == 0 else (channels // 2, 1)
        layers.append(DarknetConv(in_channels, width, size))
        in_channels = width
    return layers


def space_to_depth(x: Any) -> Any:
    """(N, C, H, W) to (N, 4 * C, H / 2, W / 2): Darknet's ``[reorg]`` with stride 2.

    The numbers of each image are read as C / 4 maps of twice the height and width, whose 2x2 squares become channels, and
    the result as maps of half the height and width. This mixes places and channels, and the trained weights expect it.
    """
    n, c, h, w = x.shape
    squares = x.reshape(n, c // 4, h, 2, w, 2).permute(0, 3, 5, 1, 2, 4)
    return squares.reshape(n, 4 * c, h // 2, w // 2)


class YOLOv2(YOLO):
    """YOLOv2 on (N, in_channels, H, W), H and W multiples of 32; see `yolov2`."""

    def __init__(self, num_classes: int = 80, in_channels: int = 3, anchors: Anchors = _COCO) -> None:
        super().__init__(num_classes, in_channels)
        # The layers are made in the order of Darknet's file: see `darknet_layers`.
        self.fine = nn.Sequential(
            *_alternating(in_channels, 32, 1), nn.MaxPool2d(2), *_alternating(32, 64, 1), nn.MaxPool2d(2),
            *_alternating(64, 128, 3), nn.MaxPool2d(2), *_alternating(128, 256, 3), nn.MaxPool2d(2),
            *_alternating(256, 512, 5))
        self.coarse = nn.Sequential(nn.MaxPool2d(2), *_alternating(512, 1024, 5), DarknetConv(1024, 1024, 3),
                                    DarknetConv(1024, 1024, 3))
        self.passthrough = DarknetConv(512, 64, 1)
        self.conv = DarknetConv(4 * 64 + 1024, 1024, 3)
        self.output = DarknetConv(1024, len(anchors) * (5 + self.num_classes), 1, batch_norm=False, activation=False)
        self.head = _head(self.num_classes, anchors)

    def forward(self, x: Any) -> tuple[Any]:
        """Images to the one map of `RegionHead`, (N, 5 * (5 + num_classes), H / 32, W / 32), in a tuple."""
        multiples("yolo", x, self.input_size[0], 32)
        fine = self.fine(x)
        coarse = self.coarse(fine)
        return (self.output(self.conv(cat([space_to_depth(self.passthrough(fine)), coarse], 1))),)


class YOLOv2Tiny(YOLO):
    """YOLOv2-tiny on (N, in_channels, H, W), H and W multiples of 32; see `yolov2_tiny_voc`."""

    def __init__(self, num_classes: int = 20, in_channels: int = 3, anchors: Anchors = _TINY_VOC) -> None:
        super().__init__(num_classes, in_channels)
        layers: list[nn.Module] = []
        for channels in (16, 32, 64, 128, 256):
            layers += [DarknetConv(in_channels, channels, 3), nn.MaxPool2d(2)]
            in_channels = channels
        # Darknet's pool with stride 1 keeps the size: it sees one more column and row, right and below.
        self.features = nn.Sequential(
            *layers, DarknetConv(256, 512, 3), nn.ConstantPad2d((0, 1, 0, 1), float("-inf")), nn.MaxPool2d(2, stride=1),
            DarknetConv(512, 1024, 3), DarknetConv(1024, 1024, 3))
        self.output = DarknetConv(1024, len(anchors) * (5 + self.num_classes), 1, batch_norm=False, activation=False)
        self.head = _head(self.num_classes, anchors)

    def forward(self, x: Any) -> tuple[Any]:
        """Images to the one map of `RegionHead`, (N, 5 * (5 + num_classes), H / 32, W / 32), in a tuple."""
        multiples("yolo", x, self.input_size[0], 32)
        return (self.output(self.features(x)),)


@register
def yolov2(num_classes: int = 80, in_channels: int = 3) -> YOLOv2:
    """YOLOv2 for the 80 classes of COCO: 50,962,889 parameters.

    Call the network for its map, then ``loss`` to train or ``detect`` for boxes. State names: ``fine.{i}``,
    ``coarse.{i}``, ``passthrough``, ``conv``, ``output``; `pyconv.models.darknet_layers` gives the order of a
    ``.weights`` file. Raises ValueError and TypeError for sizes that make no network.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print([m.shape for m in yolov2()(pyconv.zeros(1, 3, 416, 416))])
    [(1, 425, 13, 13)]
    """
    return YOLOv2(num_classes, in_channels)


@register
def yolov2_voc(num_classes: int = 20, in_channels: int = 3) -> YOLOv2:
    """`yolov2` for the 20 classes of Pascal VOC, with other anchors: 50,655,389 parameters.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in yolov2_voc().parameters()))
    50655389
    """
    return YOLOv2(num_classes, in_channels, _VOC)


@register
def yolov2_tiny_voc(num_classes: int = 20, in_channels: int = 3) -> YOLOv2Tiny:
    """YOLOv2-tiny for the 20 classes of Pascal VOC: 15,861,773 parameters. Used as `yolov2`.

    State names: ``features.{i}``, ``output``.

    >>> import pyconv
    >>> [m.shape for m in yolov2_tiny_voc(num_classes=3)(pyconv.zeros(1, 3, 64, 96))]
    [(1, 40, 2, 3)]
    """
    return YOLOv2Tiny(num_classes, in_channels)
