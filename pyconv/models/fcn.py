"""FCN: VGG-16 made fully convolutional, one class per pixel, in steps of 32, 16 or 8.

=======  ===========  ==========================  ==================================================
Network  Parameters   Multiply-adds (500 x 500)   Pixels from
=======  ===========  ==========================  ==================================================
fcn32s   136,152,917  181,365,854,976             the last map, enlarged 32 times
fcn16s   134,815,994  181,448,086,272             that twice enlarged, plus scores of pool4, 16 times
fcn8s    134,489,759  181,529,034,048             that twice enlarged, plus scores of pool3, 8 times
=======  ===========  ==========================  ==================================================

VGG-16's linear layers become convolutions of 7x7 and 1x1 (fc6, fc7), which score every position at once. Scores are
enlarged by transposed convolutions that begin as bilinear interpolation; the last one stays so, the others are trained.
Scoring layers begin with zeros: a finer network begins where the coarser one stopped.

The first convolution pads with 100 zeros, so that fc6's 7x7 fits any picture; what is too much at the end is cut off,
from pixel 19 on (32s), from 5 of pool4 and 27 (16s), from 5 of pool4, 9 of pool3 and 31 (8s).

Source: Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import at_least
from pyconv.nn.arguments import whole

__all__ = ["FCN", "fcn8s", "fcn16s", "fcn32s"]

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions between the poolings
_HIDDEN = 4096  # channels of fc6 and fc7
#: Per step: the transposed convolutions (name, step, where its output is cut, the pooled map whose scores are added).
_UPS: dict[int, tuple[tuple[str, int, int, str], ...]] = {
    32: (("upscore", 32, 19, ""),),
    16: (("upscore2", 2, 5, "pool4"), ("upscore16", 16, 27, "")),
    8: (("upscore2", 2, 5, "pool4"), ("upscore_pool4", 2, 9, "pool3"), ("upscore8", 8, 31, "")),
}


class FCN(nn.Module):
    """FCN on VGG-16, (N, in_channels, H, W) to scores of each pixel; see `fcn8s`."""

    def __init__(self, num_classes: int = 21, in_channels: int = 3, step: int = 8) -> None:
        super().__init__()
        self.name = f"fcn{step}s"
        whole(self.name, "num_classes", num_classes, 1)
        self.input_size = (whole(self.name, "in_channels", in_channels, 1), 500, 500)
        self.ups = _UPS[step]
        before, padding = in_channels, 100
        for stage, (width, count) in enumerate(_STAGES, 1):
            for i in range(1, count + 1):
                self.add_module(f"conv{stage}_{i}", nn.Conv2d(before, width, 3, padding=padding))
                before, padding = width, 1
        self.fc6, self.fc7 = nn.Conv2d(before, _HIDDEN, 7), nn.Conv2d(_HIDDEN, _HIDDEN, 1)
        self.relu, self.pool, self.dropout = nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(0.5)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        self.score_fr = _score(_HIDDEN, num_classes)
        for name, times, _, pooled in self.ups:
            if pooled:
                self.add_module(f"score_{pooled}", _score(_STAGES[int(pooled[-1]) - 1][0], num_classes))
            up = nn.ConvTranspose2d(num_classes, num_classes, 2 * times, stride=times, bias=False)
            nn.init.bilinear_(up.weight)
            up.requires_grad_(bool(pooled))
            self.add_module(name, up)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to (N, num_classes, H, W)."""
        size = at_least(self.name, x, self.input_size[0], 1)
        pooled = {"": x}
        for stage, (_, count) in enumerate(_STAGES, 1):
            for i in range(1, count + 1):
                x = self.relu(getattr(self, f"conv{stage}_{i}")(x))
            x = pooled[f"pool{stage}"] = self.pool(x)
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.score_fr(self.dropout(self.relu(self.fc7(x))))
        offset = 0
        for name, _, offset, source in self.ups:
            x = getattr(self, name)(x)
            if source:  # a finer map's scores join
                x = x + _cut(getattr(self, f"score_{source}")(pooled[source]), offset, x.shape[2:])
        return _cut(x, offset, size)

    def load_vgg16(self, state: Mapping[str, Any]) -> None:
        """Begin from a VGG-16 that was trained to classify: its ``state_dict``, whose last layer is left out.

        Linear weights become filters: fc6's (4096, 25088) is (4096, 512, 7, 7). Raises ValueError for another network's state,
        StateDictError for shapes that do not fit.
        """
        own = self.state_dict()
        convolutions = [name for name in own if name.startswith("conv") and name.endswith("weight")]
        theirs = [name for name in state if name.startswith("features.") and name.endswith("weight")]
        theirs.sort(key=lambda name: int(name.split(".")[1]))
        if len(theirs) != len(convolutions) or not {"classifier.0.weight", "classifier.3.weight"} <= {*state}:
            raise ValueError(f"[{self.name}] state has {len(theirs)} layers features.N.weight, expected VGG-16's "
                             f"{len(convolutions)} without batch norm, and classifier.0 and classifier.3")
        names = dict(zip(convolutions, theirs, strict=True))
        names |= {"fc6.weight": "classifier.0.weight", "fc7.weight": "classifier.3.weight"}
        found = {}
        for name, source in names.items():
            weight = state[source]
            found[name] = weight.reshape(own[name].shape) if name.startswith("fc") else weight
            found[name.replace("weight", "bias")] = state[source.replace("weight", "bias")]
        self.load_state_dict(found, strict=False)


def _score(in_channels: int, num_classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _cut(x: Any, offset: int, size: tuple[int, ...]) -> Any:
    return x[:, :, offset:offset + size[0], offset:offset + size[1]]


@register
def fcn32s(num_classes: int = 21, in_channels: int = 3) -> FCN:
    """FCN-32s: 136,152,917 parameters; arguments and names as `fcn8s`, with ``upscore`` alone.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     fcn32s(num_classes=2)(pyconv.zeros(1, 3, 60, 50)).shape
    (1, 2, 60, 50)
    """
    return FCN(num_classes, in_channels, 32)


@register
def fcn16s(num_classes: int = 21, in_channels: int = 3) -> FCN:
    """FCN-16s: 134,815,994 parameters; arguments and names as `fcn8s`, with ``score_pool4 upscore2 upscore16``."""
    return FCN(num_classes, in_channels, 16)


@register
def fcn8s(num_classes: int = 21, in_channels: int = 3) -> FCN:
    """FCN-8s: 134,489,759 parameters; a class for each pixel of a picture of any size.

    State names: ``conv1_1`` to ``conv5_3``, ``fc6``, ``fc7``, ``score_fr``, ``score_pool4``, ``score_pool3``, ``upscore2``,
    ``upscore_pool4``, ``upscore8``. `FCN.load_vgg16` begins from a classifier.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     fcn8s()(pyconv.zeros(1, 3, 60, 50)).shape
    (1, 21, 60, 50)
    """
    return FCN(num_classes, in_channels, 8)
