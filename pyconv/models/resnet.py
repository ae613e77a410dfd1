"""ResNet and ResNeXt: networks of up to 152 layers, whose blocks learn what to add to their input.

==================  ===========  ===============  ==========  ================  =======================
Network             Parameters   Multiply-adds    Block       Blocks per stage  3x3 convolutions
==================  ===========  ===============  ==========  ================  =======================
resnet18             11,689,512    1,814,073,344  basic       2, 2, 2, 2        2 per block
resnet34             21,797,672    3,663,761,408  basic       3, 4, 6, 3        2 per block
resnet50             25,557,032    4,089,184,256  bottleneck  3, 4, 6, 3        64 to 512 wide
resnet101            44,549,160    7,801,405,440  bottleneck  3, 4, 23, 3       64 to 512 wide
resnet152            60,192,808   11,513,626,624  bottleneck  3, 8, 36, 3       64 to 512 wide
resnext50_32x4d      25,028,904    4,230,479,872  bottleneck  3, 4, 6, 3        32 groups of 4 to 32
resnext101_32x8d     88,791,336   16,414,015,488  bottleneck  3, 4, 23, 3       32 groups of 8 to 64
resnext101_64x4d     83,455,272   15,460,270,080  bottleneck  3, 4, 23, 3       64 groups of 4 to 32
wide_resnet50_2      68,883,240   11,398,021,120  bottleneck  3, 4, 6, 3        128 to 1024 wide
wide_resnet101_2    126,886,696   22,753,050,624  bottleneck  3, 4, 23, 3       128 to 1024 wide
==================  ===========  ===============  ==========  ================  =======================

Multiply-adds are those of one 224x224 image. Four stages at 1/4, 1/8, 1/16 and 1/32 of the input's size follow a 7x7
convolution and a pooling, both with stride 2; a linear layer reads the mean of the last stage's maps. Where a stage
halves the size, a bottleneck does so in its 3x3 convolution (the paper in the 1x1 before; this is "version 1.5").

Sources: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016; Xie, Girshick, Dollár, Tu and He,
Aggregated residual transformations for deep neural networks, 2017 (ResNeXt); Zagoruyko and Komodakis, Wide residual
networks, 2016. State names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.nn.arguments import flag, whole

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]

Norm = Callable[..., nn.Module]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions: ``relu(x + bn(conv(relu(bn(conv(x))))))``, (N, C, H, W) to (N, planes, H', W').

    Args:
        inplanes, planes: channels of the input and of the output.
        stride: of the first convolution.
        downsample: what the shortcut does to x where sizes differ.
        groups, base_width, dilation: 1, 64 and 1; only a `Bottleneck` has others.
        norm_layer: makes a norm from its channels; None is BatchNorm2d.
    """

    expansion = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None) -> None:
        super().__init__()
        if (groups, base_width, dilation) != (1, 64, 1):
            raise ValueError(f"[BasicBlock] groups is {groups}, base_width {base_width} and dilation {dilation}, expected "
                             "1, 64 and 1: take a network of bottlenecks, such as resnet50")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = norm(planes)
        self.downsample = downsample

    def forward(self, x: Any) -> Any:
        """(N, inplanes, H, W) to (N, planes, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut: (N, inplanes, H, W) to (N, 4 * planes, H', W').

    The 3x3 convolution has ``groups`` groups and ``planes * base_width / 64 * groups`` channels, the stride and the
    dilation; other arguments as for `BasicBlock`.
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = planes * base_width // 64 * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, groups, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Any) -> Any:
        """(N, inplanes, H, W) to (N, 4 * planes, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


def stage(block: type[BasicBlock | Bottleneck], count: int, inplanes: int, planes: int, stride: int = 1,
          dilations: tuple[int, int] = (1, 1), **options: Any) -> nn.Sequential:
    """``count`` blocks: the first one has the stride and, where sizes differ, a projection as its shortcut.

    ``dilations`` are the first block's and the others'; ``options`` are the blocks' groups, base_width and norm_layer.
    """
    out = planes * block.expansion
    shortcut = None
    if stride != 1 or inplanes != out:
        norm = options.get("norm_layer") or nn.BatchNorm2d
        shortcut = nn.Sequential(nn.Conv2d(inplanes, out, 1, stride, bias=False), norm(out))
    blocks = [block(inplanes, planes, stride, shortcut, dilation=dilations[0], **options)]
    blocks += [block(out, planes, dilation=dilations[1], **options) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


class ResNet(nn.Module):
    """A residual network on (N, in_channels, H, W), made for 224x224.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: blocks in each of the four stages.
        num_classes: scores per image, at least 1.
        zero_init_residual: let each block begin as its shortcut: the scale of its last norm is 0.
        groups, width_per_group: of the 3x3 convolutions of bottlenecks.
        replace_stride_with_dilation: for each of the last three stages, whether it keeps its input's size and
            dilates instead, as segmentation needs it; None is no, three times.
        norm_layer: makes a norm from its channels; None is BatchNorm2d.
        in_channels: of the image, at least 1.

    Convolutions are drawn from He's normal distribution (fan out). Raises TypeError and ValueError for arguments that
    can never work, ShapeError when called with an image that does not fit.
    """

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], num_classes: int = 1000,
                 zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
                 replace_stride_with_dilation: Sequence[bool] | None = None, norm_layer: Norm | None = None,
                 in_channels: int = 3) -> None:
        super().__init__()
        num_classes = whole("ResNet", "num_classes", num_classes, 1)
        dilate = (False, False, False) if replace_stride_with_dilation is None else replace_stride_with_dilation
        if not isinstance(dilate, (tuple, list)) or len(dilate) != 3:
            raise ValueError(f"[ResNet] replace_stride_with_dilation is {dilate!r}, expected None or three bools, one "
                             "for each stage from layer2 to layer4")
        self.input_size = (in_channels, 224, 224)
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.inplanes, dilation = 64, 1
        for i, (count, planes) in enumerate(zip(layers, (64, 128, 256, 512), strict=True)):
            stride, before = (1 if i == 0 else 2), dilation
            if i > 0 and flag("ResNet", f"replace_stride_with_dilation[{i - 1}]", dilate[i - 1]):
                dilation, stride = dilation * stride, 1
            self.add_module(f"layer{i + 1}", stage(
                block, count, self.inplanes, planes, stride, (before, dilation), groups=groups,
                base_width=width_per_group, norm_layer=norm_layer))
            self.inplanes = planes * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(self.inplanes, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                nn.init.zeros_(last.weight)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


@register
def resnet18(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-18; ``options`` are `ResNet`'s: zero_init_residual, replace_stride_with_dilation, norm_layer.

    >>> import pyconv
    >>> resnet18(num_classes=10)(pyconv.zeros(1, 3, 64, 64)).shape
    (1, 10)
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels=in_channels, **options)


@register
def resnet34(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-34; ``options`` as `resnet18`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels=in_channels, **options)


@register
def resnet50(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-50; ``options`` as `resnet18`.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = resnet50(replace_stride_with_dilation=[False, True, True])
    >>> x = pyconv.zeros(1, 1024, 14, 14, device="meta")
    >>> model.layer4(x).shape  # the size stays, filters spread
    (1, 2048, 14, 14)
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels=in_channels, **options)


@register
def resnet101(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-101; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, in_channels=in_channels, **options)


@register
def resnet152(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-152, which won ILSVRC 2015; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, in_channels=in_channels, **options)


@register
def resnext50_32x4d(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNeXt-50 of 32 groups, 4 wide in the first stage; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, groups=32, width_per_group=4, in_channels=in_channels,
                  **options)


@register
def resnext101_32x8d(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNeXt-101 of 32 groups, 8 wide in the first stage; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=32, width_per_group=8, in_channels=in_channels,
                  **options)


@register
def resnext101_64x4d(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNeXt-101 of 64 groups, 4 wide in the first stage; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=64, width_per_group=4, in_channels=in_channels,
                  **options)


@register
def wide_resnet50_2(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-50 with 3x3 convolutions twice as wide; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, width_per_group=128, in_channels=in_channels, **options)


@register
def wide_resnet101_2(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-101 with 3x3 convolutions twice as wide; ``options`` as `resnet18`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, width_per_group=128, in_channels=in_channels, **options)
