"""Encoders and decoders: resolution down by max pooling, up again by unpooling to the places of the maxima.

===============  ========  ==========  ===========================  ==================================
Network          Channels  Parameters  Multiply-adds                Layers
===============  ========  ==========  ===========================  ==================================
segnet           3 to 11   29,449,355  106,287,759,360 (360 x 480)  VGG-16's 13 convolutions, 13 back
encoder_decoder  3 to 2       186,722      325,582,848 (128 x 128)  3 convolutions, 3 back
===============  ========  ==========  ===========================  ==================================

Pooling tells what is there and forgets where: of four pixels it keeps the largest. Here it keeps the place as well, its
switch, and on the way back each value goes to the place that its maximum came from, among zeros that the following
convolutions fill. So outlines stay sharp, at the price of one number per pooled pixel; nothing is learned for it.

A stage of the encoder is one or more times conv 3x3, batch norm, relu, then pooling; the decoder's stages are the mirror
images, and the last convolution scores.

Sources: Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid and high level feature learning, 2011
(switches); Noh, Hong and Han, Learning deconvolution network for semantic segmentation, 2015; Badrinarayanan, Kendall
and Cipolla, SegNet: a deep convolutional encoder-decoder architecture for image segmentation, 2017.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import at_least
from pyconv.nn.arguments import whole

__all__ = ["EncoderDecoder", "encoder_decoder", "segnet"]

Stages = tuple[tuple[int, int], ...]


def _stage(channels: list[int]) -> nn.Sequential:
    """conv 3x3, batch norm, relu from each number of channels to the next."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class EncoderDecoder(nn.Module):
    """Stages of (channels, convolutions), pooled and unpooled, on (N, in_channels, H, W); see `segnet`."""

    def __init__(self, num_classes: int, in_channels: int, stages: Stages, size: tuple[int, int], name: str) -> None:
        super().__init__()
        whole(name, "num_classes", num_classes, 1)
        whole(name, "in_channels", in_channels, 1)
        self.name = name
        self.input_size = (in_channels, *size)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        before = in_channels
        for width, count in stages:
            self.encoder.append(_stage([before] + [width] * count))
            before = width
        for i in reversed(range(len(stages))):
            width, count = stages[i]
            # The last convolution of a stage goes to the channels of the stage above; at the very end that is the score.
            self.decoder.append(_stage([width] * count + ([stages[i - 1][0]] if i else [])))
        self.score = nn.Conv2d(stages[0][0], num_classes, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to (N, num_classes, H, W)."""
        at_least(self.name, x, self.input_size[0], 2 ** len(self.encoder))
        switches = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape[2:]
            x, indices = self.pool(x)
            switches.append((indices, size))
        for stage in self.decoder:
            indices, size = switches.pop()
            x = stage(self.unpool(x, indices, size))
        return self.score(x)


@register
def segnet(num_classes: int = 11, in_channels: int = 3) -> EncoderDecoder:
    """SegNet: VGG-16's convolutions with batch norm as the encoder, and their mirror image.

    Takes any sides from 32 and keeps them; made for 360 x 480. Weights are drawn as in He et al. 2015. State names:
    ``encoder.0.0`` (convolution), ``encoder.0.1`` (batch norm), ... ``decoder.4.0``, ``score``.

    >>> import pyconv
    >>> pyconv.summary(segnet(), (1, 3, 360, 480)).rows[-1].output_shape
    (1, 11, 360, 480)
    """
    stages = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    return EncoderDecoder(num_classes, in_channels, stages, (360, 480), "segnet")


@register
def encoder_decoder(num_classes: int = 2, in_channels: int = 3) -> EncoderDecoder:
    """Three convolutions down, to 32, 64 and 128 channels, and three up: small enough to train on a laptop.

    Takes any sides from 8 and keeps them; made for 128 x 128. State names: as `segnet`.

    >>> import pyconv
    >>> encoder_decoder()(pyconv.zeros(1, 3, 17, 24)).shape
    (1, 2, 17, 24)
    """
    return EncoderDecoder(num_classes, in_channels, ((32, 1), (64, 1), (128, 1)), (128, 128), "encoder_decoder")
