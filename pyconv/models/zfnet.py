"""ZFNet: AlexNet after a look at what its filters had learned; it won ILSVRC 2013's classification.

=======  ==========  ==============  ==============================================================================
Network  Parameters  Multiply-adds   Convolutions
=======  ==========  ==============  ==============================================================================
zfnet    62,357,608   1,168,032,896  96@7x7/2 (110²), 256@5x5/2 (26²), 384@3x3, 384@3x3, 256@3x3 (13²)
=======  ==========  ==============  ==============================================================================

Multiply-adds are those of one 224x224 image. Pictures of AlexNet's first layers showed dead and aliased filters: hence
7x7 in steps of 2 in place of 11x11 in steps of 4. Pooling windows of 3x3 in steps of 2 follow the first two
convolutions (to 55² and 13² maps: the last window hangs over the edge), each then normalised across maps, and the fifth
(to 6²); linear layers of 4096, 4096 and num_classes end the network.

Source: Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014, figure 3. It names the
normalisation only; the constants here are those of Krizhevsky et al., 2012. State names: ``conv1 ... conv5 fc6 fc7 fc8``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.nn.arguments import whole

__all__ = ["ZFNet", "zfnet"]


class ZFNet(nn.Module):
    """ZFNet on (N, in_channels, 224, 224); see `zfnet`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        num_classes = whole("ZFNet", "num_classes", num_classes, 1)
        self.input_size = (in_channels, 224, 224)
        self.conv1 = nn.Conv2d(in_channels, 96, 7, stride=2, padding=1)
        self.norm1 = nn.LocalResponseNorm(5, k=2.0, alpha_mode="paper")
        self.conv2 = nn.Conv2d(96, 256, 5, stride=2)
        self.norm2 = nn.LocalResponseNorm(5, k=2.0, alpha_mode="paper")
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.relu = nn.ReLU(inplace=True)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.dropout = nn.Dropout(dropout)
        for module in self.children():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 224, 224) to scores (N, num_classes)."""
        x = self.norm1(self.pool(self.relu(self.conv1(x))))
        x = self.norm2(self.pool(self.relu(self.conv2(x))))
        x = self.relu(self.conv4(self.relu(self.conv3(x))))
        x = self.flatten(self.pool(self.relu(self.conv5(x))))
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.dropout(self.relu(self.fc7(x)))
        return self.fc8(x)


@register
def zfnet(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> ZFNet:
    """ZFNet for 224x224 images.

    ``dropout`` is the probability behind the first two linear layers. Weights are drawn from N(0, 0.01^2), biases are
    0. Raises TypeError and ValueError for arguments that can never work.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = zfnet()
    >>> model.pool(model.conv1(pyconv.zeros(1, 3, 224, 224, device="meta"))).shape
    (1, 96, 55, 55)
    """
    return ZFNet(num_classes, in_channels, dropout)
