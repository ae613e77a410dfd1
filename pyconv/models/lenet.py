"""LeNet: the first convolutional networks that read digits.

===========  ==========  ===============  =============================================================
Network      Parameters  Multiply-adds    Layers
===========  ==========  ===============  =============================================================
lenet1            3,246    136,320 (28²)  conv 4@5x5, pool, conv 12@5x5, pool, linear 192-10
lenet5           61,706    416,520 (32²)  conv 6@5x5, pool, conv 16@5x5, pool, linear 400-120-84-10
lenet_caffe     431,080  2,293,000 (28²)  conv 20@5x5, pool, conv 50@5x5, pool, linear 800-500-10
===========  ==========  ===============  =============================================================

Sources: LeCun et al., Handwritten digit recognition with a back-propagation network, 1990 (LeNet-1); LeCun, Bottou,
Bengio and Haffner, Gradient-based learning applied to document recognition, 1998 (LeNet-5). These are the forms in use
today: every second-layer map sees all first-layer maps, pooling has no weights, the output is linear; lenet_caffe is the
one that came with Caffe (Jia et al., Caffe: convolutional architecture for fast feature embedding, 2014). `lenet_1998` has
LeNet-5 as it was published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.nn.arguments import whole

__all__ = ["LeNet1", "LeNet5", "LeNetCaffe", "lenet1", "lenet5", "lenet_caffe"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_POOLS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


def _choice(op: str, argument: str, name: str, table: dict[str, Any]) -> Any:
    if name not in table:
        raise ValueError(f"[{op}] {argument} is {name!r}, expected one of {', '.join(table)}")
    return table[name]


class LeNet5(nn.Module):
    """LeNet-5 on (N, in_channels, 32, 32); see `lenet5`."""

    def __init__(self, num_classes: int = 10, in_channels: int = 1, activation: str = "relu",
                 pool: str = "max") -> None:
        super().__init__()
        act = _choice("lenet5", "activation", activation, _ACTIVATIONS)
        pooling = _choice("lenet5", "pool", pool, _POOLS)
        self.input_size = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.act1 = act()
        self.pool1 = pooling(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.act2 = act()
        self.pool2 = pooling(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.act3 = act()
        self.fc2 = nn.Linear(120, 84)
        self.act4 = act()
        self.fc3 = nn.Linear(84, whole("LeNet5", "num_classes", num_classes, 1))

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 32, 32) to scores (N, num_classes)."""
        x = self.pool1(self.act1(self.conv1(x)))
        x = self.pool2(self.act2(self.conv2(x)))
        x = self.act3(self.fc1(self.flatten(x)))
        return self.fc3(self.act4(self.fc2(x)))


class LeNet1(nn.Module):
    """LeNet-1 on (N, in_channels, 28, 28); see `lenet1`."""

    def __init__(self, num_classes: int = 10, in_channels: int = 1, activation: str = "tanh",
                 pool: str = "avg") -> None:
        super().__init__()
        act = _choice("lenet1", "activation", activation, _ACTIVATIONS)
        pooling = _choice("lenet1", "pool", pool, _POOLS)
        self.input_size = (in_channels, 28, 28)
        self.c1 = nn.Conv2d(in_channels, 4, 5)
        self.act1 = act()
        self.pool1 = pooling(2)
        self.c2 = nn.Conv2d(4, 12, 5)
        self.act2 = act()
        self.pool2 = pooling(2)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(12 * 4 * 4, whole("LeNet1", "num_classes", num_classes, 1))

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 28, 28) to scores (N, num_classes)."""
        x = self.pool1(self.act1(self.c1(x)))
        x = self.pool2(self.act2(self.c2(x)))
        return self.fc(self.flatten(x))


class LeNetCaffe(nn.Module):
    """Caffe's LeNet on (N, in_channels, 28, 28); see `lenet_caffe`."""

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.input_size = (in_channels, 28, 28)
        self.conv1 = nn.Conv2d(in_channels, 20, 5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.ip1 = nn.Linear(50 * 4 * 4, 500)
        self.relu1 = nn.ReLU()
        self.ip2 = nn.Linear(500, whole("lenet_caffe", "num_classes", num_classes, 1))
        for layer in (self.conv1, self.conv2, self.ip1, self.ip2):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")  # Caffe's "xavier": U(-b, b), b = sqrt(3 / fan in)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 28, 28) to scores (N, num_classes)."""
        x = self.pool2(self.conv2(self.pool1(self.conv1(x))))
        return self.ip2(self.relu1(self.ip1(self.flatten(x))))


@register
def lenet5(num_classes: int = 10, in_channels: int = 1, activation: str = "relu", pool: str = "max") -> LeNet5:
    """LeNet-5 for 32x32 images: 61,706 parameters, 416,520 multiply-adds per image.

    ``activation`` is "relu", "tanh" (as in 1998) or "sigmoid", ``pool`` "max" or "avg" (as in 1998). State names:
    ``conv1 conv2 fc1 fc2 fc3``. Raises ValueError for another activation or pool.

    >>> sum(p.numel() for p in lenet5().parameters())
    61706
    """
    return LeNet5(num_classes, in_channels, activation, pool)


@register
def lenet1(num_classes: int = 10, in_channels: int = 1, activation: str = "tanh", pool: str = "avg") -> LeNet1:
    """LeNet-1 for 28x28 images: 3,246 parameters, 136,320 multiply-adds per image; arguments as `lenet5`.

    State names: ``c1 c2 fc``.

    >>> sum(p.numel() for p in lenet1().parameters())
    3246
    """
    return LeNet1(num_classes, in_channels, activation, pool)


@register
def lenet_caffe(num_classes: int = 10, in_channels: int = 1) -> LeNetCaffe:
    """Caffe's LeNet for 28x28 images: 431,080 parameters, 2,293,000 multiply-adds per image.

    Its only nonlinearities are max pooling and the ReLU between the linear layers. State names: ``conv1 conv2 ip1 ip2``.

    >>> sum(p.numel() for p in lenet_caffe().parameters())
    431080
    """
    return LeNetCaffe(num_classes, in_channels)
