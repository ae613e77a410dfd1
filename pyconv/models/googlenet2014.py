"""GoogLeNet as published in 2014, without batch norm: 22 layers with weights, a twelfth of AlexNet's parameters.

==========================  ==========  =============  ========================================
Network                     Parameters  Multiply-adds  Heads
==========================  ==========  =============  ========================================
googlenet2014               13,378,280  1,582,671,872  one, and two auxiliary ones for training
``aux_logits=False``         6,998,552  1,582,671,872  one
==========================  ==========  =============  ========================================

Multiply-adds are those of one 224x224 image in evaluation. Convolutions have biases, two local response norms stand in
the first layers, the third branch of each block is a true 5x5 convolution. Channels are those of table 1.

State names follow Caffe's bvlc_googlenet by one rule: a slash becomes a dot, and ``conv`` stands in front of what begins
with a digit. So ``conv1/7x7_s2`` is ``conv1.conv7x7_s2``, ``inception_3a/3x3_reduce`` is
``inception_3a.conv3x3_reduce``, ``inception_3a/pool_proj`` is ``inception_3a.pool_proj`` and ``loss1/classifier`` is
``loss1.classifier``; a layer's two blobs are its ``weight`` and ``bias``.

Source: Szegedy et al., Going deeper with convolutions, 2015. The paper leaves out the constants of the norm and of the
first weights: those here are Caffe's.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.googlenet import BLOCKS, GoogLeNetOutputs
from pyconv.models.inception_pieces import joined
from pyconv.models.registry import register
from pyconv.nn.arguments import flag, whole

__all__ = ["GoogLeNet2014", "googlenet2014"]


class _Inception(nn.Module):
    def __init__(self, c: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(c, one, 1)
        self.conv3x3_reduce = nn.Conv2d(c, reduce3, 1)
        self.conv3x3 = nn.Conv2d(reduce3, three, 3, padding=1)
        self.conv5x5_reduce = nn.Conv2d(c, reduce5, 1)
        self.conv5x5 = nn.Conv2d(reduce5, five, 5, padding=2)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.pool_proj = nn.Conv2d(c, pool, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        relu = self.relu
        return joined(relu(self.conv1x1(x)), relu(self.conv3x3(relu(self.conv3x3_reduce(x)))),
                      relu(self.conv5x5(relu(self.conv5x5_reduce(x)))), relu(self.pool_proj(self.pool(x))))


def _auxiliary(c: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential({
        "ave_pool": nn.AvgPool2d(5, 3), "conv": nn.Conv2d(c, 128, 1), "relu_conv": nn.ReLU(inplace=True),
        "flatten": nn.Flatten(), "fc": nn.Linear(2048, 1024), "relu_fc": nn.ReLU(inplace=True),
        "drop_fc": nn.Dropout(dropout), "classifier": nn.Linear(1024, num_classes)})


class GoogLeNet2014(nn.Module):
    """GoogLeNet on (N, in_channels, H, W), made for 224x224; see `googlenet2014`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, aux_logits: bool = True, dropout: float = 0.4,
                 dropout_aux: float = 0.7) -> None:
        super().__init__()
        num_classes = whole("GoogLeNet2014", "num_classes", num_classes, 1)
        self.aux_logits = flag("GoogLeNet2014", "aux_logits", aux_logits)
        self.input_size = (in_channels, 224, 224)
        self.conv1 = nn.Sequential({
            "conv7x7_s2": nn.Conv2d(in_channels, 64, 7, 2, 3), "relu_7x7": nn.ReLU(inplace=True)})
        self.pool1 = nn.Sequential({
            "pool3x3_s2": nn.MaxPool2d(3, 2, ceil_mode=True), "norm1": nn.LocalResponseNorm(5)})
        self.conv2 = nn.Sequential({
            "conv3x3_reduce": nn.Conv2d(64, 64, 1), "relu_3x3_reduce": nn.ReLU(inplace=True),
            "conv3x3": nn.Conv2d(64, 192, 3, padding=1), "relu_3x3": nn.ReLU(inplace=True),
            "norm2": nn.LocalResponseNorm(5)})
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        for name, channels in BLOCKS.items():
            self.add_module(name.replace("inception", "inception_"), _Inception(*channels))
        self.pool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.pool4 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.loss1: Any = _auxiliary(512, num_classes, dropout_aux) if aux_logits else None
        self.loss2: Any = _auxiliary(528, num_classes, dropout_aux) if aux_logits else None
        self.pool5 = nn.Sequential({
            "mean": nn.AdaptiveAvgPool2d((1, 1)), "flatten": nn.Flatten(), "drop": nn.Dropout(dropout)})
        self.loss3 = nn.Sequential({"classifier": nn.Linear(1024, num_classes)})
        for path, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.constant_(module.bias, 0.0 if path.endswith("classifier") else 0.2)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes), in training with auxiliary heads `GoogLeNetOutputs`."""
        heads = self.training and self.aux_logits
        x = self.pool2(self.conv2(self.pool1(self.conv1(x))))
        x = self.pool3(self.inception_3b(self.inception_3a(x)))
        x = self.inception_4a(x)
        first = self.loss1(x) if heads else None
        x = self.inception_4d(self.inception_4c(self.inception_4b(x)))
        second = self.loss2(x) if heads else None
        x = self.pool4(self.inception_4e(x))
        x = self.inception_5b(self.inception_5a(x))
        x = self.loss3(self.pool5(x))
        return GoogLeNetOutputs(x, second, first) if heads else x


@register
def googlenet2014(num_classes: int = 1000, in_channels: int = 3, aux_logits: bool = True, dropout: float = 0.4,
                  dropout_aux: float = 0.7) -> GoogLeNet2014:
    """GoogLeNet of 2014.

    Args:
        num_classes, in_channels: at least 1.
        aux_logits: whether there are auxiliary heads; then training returns `GoogLeNetOutputs`, and takes 224x224.
        dropout, dropout_aux: probability in front of the last linear layer of the head, of the auxiliary heads.

    Weights are drawn from Xavier's uniform distribution, biases are 0.2, of the last layers 0. Raises TypeError and
    ValueError for arguments that can never work, ShapeError when called with an image that does not fit.

    >>> list(googlenet2014(aux_logits=False).state_dict())[::2][:5]
    ['conv1.conv7x7_s2.weight', 'conv2.conv3x3_reduce.weight', 'conv2.conv3x3.weight', \
'inception_3a.conv1x1.weight', 'inception_3a.conv3x3_reduce.weight']
    """
    return GoogLeNet2014(num_classes, in_channels, aux_logits, dropout, dropout_aux)
