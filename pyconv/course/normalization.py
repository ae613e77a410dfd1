"""Batch normalisation and local response normalisation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyconv import nn
from pyconv.course.convolution import maps
from pyconv.course.item import Claim, item
from pyconv.nn import functional as F
from pyconv.ops.creation import tensor


@item("T27", "Virginia Tech 53: batch normalization")
def _batch_norm(dtype: str) -> Iterator[Claim]:
    layer = nn.BatchNorm2d(1, dtype=dtype)
    y = layer(maps([[1, 2], [3, 4]], dtype))
    yield Claim("of 1, 2, 3, 4", [[[[-1.3416354200, -0.4472118067], [0.4472118067, 1.3416354200]]]], y, 5e-11)
    yield Claim("running mean, momentum 0.1", [0.25], layer.running_mean, 1e-12)
    yield Claim("running variance, of the unbiased 5/3", [1.0666666667], layer.running_var, 5e-11)


@item("T28", "Virginia Tech 25, UCSD AlexNet: local response normalization")
def _lrn(dtype: str) -> Iterator[Claim]:
    x = tensor(np.arange(1, 7, dtype=dtype).reshape(1, 6, 1, 1))
    paper = [0.5942915817, 1.1878710105, 1.7801403936, 2.3704185590, 2.9634657383, 3.5573544195]
    mean = [0.5945411318, 1.1889396136, 1.7830752045, 2.3768100636, 2.9711016329, 3.5655624308]
    yield Claim("alpha times the sum, as in the paper: n 5, k 2, alpha 1e-4, beta 0.75", paper,
                F.local_response_norm(x, 5, 1e-4, 0.75, 2.0, alpha_mode="paper").array.ravel(), 5e-11)
    yield Claim("alpha times the mean, as in Caffe and PyTorch", mean,
                F.local_response_norm(x, 5, 1e-4, 0.75, 2.0).array.ravel(), 5e-11)
