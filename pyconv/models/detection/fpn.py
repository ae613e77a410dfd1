"""A feature pyramid: maps of several sizes, each of which knows what the coarser ones saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyconv import nn
from pyconv.models.registry import create_model
from pyconv.nn import functional as F
from pyconv.nn.arguments import whole

Norm = Callable[[int], nn.Module]


def conv_block(in_channels: int, out_channels: int, kernel_size: int = 3, norm_layer: Norm | None = None,
               activation: bool = True) -> nn.Sequential:
    """Convolution that keeps the size, norm (or a bias) and ReLU, numbered as torchvision numbers them."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2,
                                         bias=norm_layer is None)]
    if norm_layer is not None:
        layers.append(norm_layer(out_channels))
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class LastLevelMaxPool(nn.Module):
    """One more level, "pool": every second point of the coarsest map."""

    def forward(self, results: list[Any], x: list[Any], names: list[str]) -> tuple[list[Any], list[str]]:
        """The maps and names with one more each."""
        return [*results, F.max_pool2d(results[-1], 1, 2)], [*names, "pool"]


class FeaturePyramidNetwork(nn.Module):
    """Maps of falling size and own channels to maps of the same sizes that all have ``out_channels``.

    From the coarsest to the finest: a 1x1 convolution of the map, plus the coarser result, enlarged; then a 3x3
    convolution.

    Args:
        in_channels_list: channels of the maps, the finest first.
        out_channels: of the results.
        extra_blocks: called with results, inputs and names; returns results and names, with more levels.
        norm_layer: makes a norm from its channels; None: biases instead.

    State: ``inner_blocks.{i}.0`` (1x1), ``layer_blocks.{i}.0`` (3x3). Source: Lin et al., Feature pyramid networks for
    object detection, CVPR 2017.

    >>> import pyconv
    >>> fpn = FeaturePyramidNetwork([8, 16], 4, LastLevelMaxPool())
    >>> maps = {"0": pyconv.zeros(1, 8, 12, 12), "1": pyconv.zeros(1, 16, 6, 6)}
    >>> {name: m.shape for name, m in fpn(maps).items()}
    {'0': (1, 4, 12, 12), '1': (1, 4, 6, 6), 'pool': (1, 4, 3, 3)}
    """

    def __init__(self, in_channels_list: Sequence[int], out_channels: int, extra_blocks: nn.Module | None = None,
                 norm_layer: Norm | None = None) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        for channels in in_channels_list:
            self.inner_blocks.append(conv_block(channels, out_channels, 1, norm_layer, activation=False))
            self.layer_blocks.append(conv_block(out_channels, out_channels, 3, norm_layer, activation=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.extra_blocks = extra_blocks

    def forward(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Maps by name, the finest first, to maps by name."""
        names, maps = list(x), list(x.values())
        inner = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](inner)]
        for i in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[i](maps[i])
            inner = lateral + F.interpolate(inner, size=tuple(lateral.shape[2:]))
            results.insert(0, self.layer_blocks[i](inner))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return dict(zip(names, results, strict=True))


class ResNetBody(nn.Module):
    """A residual network without its classifier: (N, C, H, W) to the results of chosen stages, by name "0", "1", ...

    ``returned_layers`` are the numbers of the stages, from 1 to 4; the state's names are the network's own. Everything
    but the last ``trainable_layers`` of conv1, layer1, ... layer4 is frozen: its parameters require no gradient.
    """

    def __init__(self, resnet: Any, trainable_layers: int, returned_layers: Sequence[int]) -> None:
        super().__init__()
        self.returned_layers = list(returned_layers)
        if not self.returned_layers or min(self.returned_layers) < 1 or max(self.returned_layers) > 4:
            raise ValueError(f"[resnet_fpn_backbone] returned_layers is {returned_layers!r}, expected numbers from 1 to 4")
        if not 0 <= whole("resnet_fpn_backbone", "trainable_layers", trainable_layers, 0) <= 5:
            raise ValueError(f"[resnet_fpn_backbone] trainable_layers is {trainable_layers}, expected 0 to 5")
        for name in ("conv1", "bn1", "relu", "maxpool"):
            self.add_module(name, getattr(resnet, name))
        for i in range(1, max(self.returned_layers) + 1):
            self.add_module(f"layer{i}", getattr(resnet, f"layer{i}"))
        trained = ("layer4", "layer3", "layer2", "layer1", "conv1")[:trainable_layers]
        for name, parameter in self.named_parameters():
            stage = name.split(".")[0]
            if stage not in trained and not (stage == "bn1" and trainable_layers == 5):
                parameter.requires_grad_(False)

    def forward(self, x: Any) -> dict[str, Any]:
        """Images to maps of 1/4, 1/8, 1/16 and 1/32 of their size, or those of them that are wanted."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found = []
        for i in range(1, max(self.returned_layers) + 1):
            x = getattr(self, f"layer{i}")(x)
            if i in self.returned_layers:
                found.append(x)
        return {str(i): m for i, m in enumerate(found)}


class BackboneWithFPN(nn.Module):
    """A network that returns maps by name (``body``) and the pyramid on top (``fpn``), of ``out_channels`` channels."""

    def __init__(self, body: nn.Module, in_channels_list: Sequence[int], out_channels: int,
                 extra_blocks: nn.Module | None = None, norm_layer: Norm | None = None) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Any) -> dict[str, Any]:
        """(N, C, H, W) to maps by name."""
        return self.fpn(self.body(x))


def resnet_fpn_backbone(*, backbone_name: str = "resnet50", norm_layer: Norm = nn.FrozenBatchNorm2d,
                        trainable_layers: int = 5, returned_layers: Sequence[int] = (1, 2, 3, 4),
                        extra_blocks: nn.Module | None = None, in_channels: int = 3) -> BackboneWithFPN:
    """A residual network with a feature pyramid of 256 channels, for a detector.

    Args:
        backbone_name: "resnet18" to "resnet152", or another residual network of `pyconv.models.list_models`.
        norm_layer: of the residual network; a frozen one needs pre-trained numbers.
        trainable_layers: how many of conv1 and the four stages, counted from the end, are trained: 0 to 5.
        returned_layers: the stages whose results enter the pyramid.
        extra_blocks: None adds one coarser level, `LastLevelMaxPool`.
        in_channels: of the images.

    >>> import pyconv
    >>> backbone = resnet_fpn_backbone(backbone_name="resnet18")
    >>> {name: m.shape[2:] for name, m in backbone(pyconv.zeros(1, 3, 64, 64)).items()}
    {'0': (16, 16), '1': (8, 8), '2': (4, 4), '3': (2, 2), 'pool': (1, 1)}
    """
    resnet: Any = create_model(backbone_name, norm_layer=norm_layer, in_channels=in_channels)
    body = ResNetBody(resnet, trainable_layers, returned_layers)
    channels = [resnet.inplanes // 8 * 2 ** (i - 1) for i in body.returned_layers]
    return BackboneWithFPN(body, channels, 256, extra_blocks)
