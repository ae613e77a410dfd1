"""What the networks of the YOLO family are made of, in the order in which Darknet keeps their weights.

Source: Redmon, Darknet: open source neural networks in C, 2013-2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyconv import nn
from pyconv.nn import init

__all__ = ["DarknetConv", "darknet_layers"]


class DarknetConv(nn.Module):
    """Darknet's ``[convolutional]``: convolution, batch norm, leaky ReLU with slope 0.1.

    (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)), for odd kernels. The convolution
    has a bias only where there is no batch norm. State: ``conv`` and ``bn``. Weights begin as N(0, 2 / fan_in).

    >>> import pyconv
    >>> DarknetConv(3, 8, 3, stride=2)(pyconv.zeros(1, 3, 32, 32)).shape
    (1, 8, 16, 16)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1,
                 batch_norm: bool = True, activation: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=not batch_norm)
        self.bn = nn.BatchNorm2d(out_channels) if batch_norm else None
        self.act = nn.LeakyReLU(0.1) if activation else None
        init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if self.conv.bias is not None:
            init.zeros_(self.conv.bias)

    def forward(self, x: Any) -> Any:
        """Convolve, normalise, activate."""
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return x if self.act is None else self.act(x)


def darknet_layers(model: nn.Module) -> Iterator[tuple[nn.Module, nn.BatchNorm2d | None]]:
    """The layers of a network that have weights, in the order of a Darknet ``.weights`` file, each with its batch norm.

    That order is the one in which the network's layers were made. What the file holds for each, as float32 numbers:

    - (Conv2d, BatchNorm2d): the norm's bias, weight, running mean, running variance, then the convolution's weight;
    - (Conv2d, None): bias, weight;
    - (LocallyConnected2d, None): bias, weight;
    - (Linear, None): bias, weight.

    >>> from pyconv import models
    >>> for layer, norm in list(darknet_layers(models.yolov3_tiny()))[-2:]:
    ...     print(layer, norm)
    Conv2d(384, 256, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False) BatchNorm2d(256, ...)
    Conv2d(256, 255, kernel_size=(1, 1), stride=(1, 1)) None
    """
    for module in model.modules():
        if isinstance(module, DarknetConv):
            yield module.conv, module.bn
        elif isinstance(module, (nn.Linear, nn.LocallyConnected2d)):
            yield module, None
