"""VDSR: super-resolution by twenty layers that learn only what is missing.

=======  ==========  ==========================  =========================================================
Network  Parameters  Multiply-adds (720 x 1280)  Layers
=======  ==========  ==========================  =========================================================
vdsr        665,921             612,591,206,400  conv 64@3x3, 18 times conv 64@3x3, conv 1@3x3; plus the input
=======  ==========  ==========================  =========================================================

Without biases 664,704 parameters. The picture is enlarged by bicubic interpolation first; the last layer's output, the
residual, is added to it. There is no pooling; padding keeps the size; the receptive field is 41x41, the size of the
pieces on which the network was trained (at all scales at once, with gradients clipped to +-theta / learning rate).

Source: Kim, Lee and Lee, Accurate image super-resolution using very deep convolutional networks, 2016.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import image
from pyconv.nn.arguments import flag, whole

__all__ = ["VDSR", "vdsr"]


class _ConvReLU(nn.Module):
    """conv 3x3, relu."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.relu(self.conv(x))


class VDSR(nn.Module):
    """VDSR on (N, in_channels, H, W), already enlarged; see `vdsr`."""

    def __init__(self, in_channels: int = 1, bias: bool = True) -> None:
        super().__init__()
        whole("vdsr", "in_channels", in_channels, 1)
        flag("vdsr", "bias", bias)
        self.input_size = (in_channels, 41, 41)
        self.input = nn.Conv2d(in_channels, 64, 3, padding=1, bias=bias)
        self.relu = nn.ReLU()
        self.residual_layer = nn.Sequential(*[_ConvReLU(64, bias) for _ in range(18)])
        self.output = nn.Conv2d(64, in_channels, 3, padding=1, bias=bias)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to the same size: x plus the residual."""
        image("vdsr", x, self.input_size[0])
        return x + self.output(self.residual_layer(self.relu(self.input(x))))


@register
def vdsr(in_channels: int = 1, bias: bool = True) -> VDSR:
    """VDSR: 665,921 parameters, 664,704 without ``bias`` (so are the weights that are passed around).

    Weights are drawn as in He et al. 2015. State names: ``input``, ``residual_layer.0.conv`` to
    ``residual_layer.17.conv``, ``output``.

    >>> import pyconv
    >>> vdsr()(pyconv.zeros(1, 1, 20, 24)).shape
    (1, 1, 20, 24)
    """
    return VDSR(in_channels, bias)
