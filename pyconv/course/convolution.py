"""Convolution: the worked examples, strides and padding, the matrix, two views of the same sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.course.item import Claim, item
from pyconv.explain.conv_trace import trace_conv
from pyconv.nn import functional as F
from pyconv.nn.summary import summary
from pyconv.ops.creation import tensor
from pyconv.ops.reduce import sum
from pyconv.tensor import Tensor

IMAGE_5 = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
FILTER_5 = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
IMAGE_4 = [[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]]
FILTER_4 = [[2, 0, 1], [0, 1, 2], [1, 0, 2]]
IMAGE_7 = [[(start + j) % 4 for j in range(7)] for start in (1, 0, 3, 2, 1, 0, 3)]
PLUS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
SPOT = [[0] * 7, [0] * 7, [0, 0, 5, 10, 5, 0, 0], [0, 0, 10, 10, 5, 0, 0], [0, 0, 5, 5, 0, 0, 0], [0] * 7, [0] * 7]
LAPLACIAN = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]


def maps(values: Any, dtype: str, requires_grad: bool = False) -> Tensor:
    """A picture or filter of one channel, with its batch axes."""
    array = np.array(values, dtype)
    return tensor(array.reshape(1, 1, *array.shape), requires_grad=requires_grad)


def conv(image: Any, weight: Any, dtype: str, **kwargs: Any) -> Any:
    """`conv2d` of one picture with one filter."""
    return F.conv2d(maps(image, dtype), maps(weight, dtype), **kwargs).array[0, 0]


@item("T01", "Ajou, Convolution: 5x5 image, 3x3 filter")
def _five(dtype: str) -> Iterator[Claim]:
    yield Claim("no padding", [[12, 12, 17], [10, 17, 19], [9, 6, 14]], conv(IMAGE_5, FILTER_5, dtype))
    yield Claim("padding 1", [[6, 14, 17, 11, 3], [14, 12, 12, 17, 11], [8, 10, 17, 19, 13], [11, 9, 6, 14, 12],
                              [6, 4, 4, 6, 4]], conv(IMAGE_5, FILTER_5, dtype, padding=1))
    yield Claim("padding 1, stride 2", [[6, 17, 3], [8, 17, 13], [6, 4, 4]],
                conv(IMAGE_5, FILTER_5, dtype, padding=1, stride=2))
    yield Claim("flipped filter", [[18, 20, 19], [10, 9, 17], [11, 8, 14]],
                F.convolve2d(np.array(IMAGE_5, dtype), np.array(FILTER_5, dtype), "valid"))


@item("T02", "Ajou, Convolution: 15, 16, 6, 15")
def _four(dtype: str) -> Iterator[Claim]:
    yield Claim("the slide's result: cross-correlation", [[15, 16], [6, 15]], conv(IMAGE_4, FILTER_4, dtype))
    yield Claim("bias 3", [[18, 19], [9, 18]], conv(IMAGE_4, FILTER_4, dtype, bias=tensor(np.array([3], dtype))))
    yield Claim("padding 1", [[7, 12, 10, 2], [4, 15, 16, 10], [10, 6, 15, 6], [8, 10, 4, 3]],
                conv(IMAGE_4, FILTER_4, dtype, padding=1))
    yield Claim("flipped filter: not the slide's", [[11, 12], [10, 11]],
                F.convolve2d(np.array(IMAGE_4, dtype), np.array(FILTER_4, dtype), "valid"))


@item("T03", "Ajou, Convolution: gradients of the sum")
def _four_backward(dtype: str) -> Iterator[Claim]:
    x, w = maps(IMAGE_4, dtype, True), maps(FILTER_4, dtype, True)
    b = tensor(np.zeros(1, dtype), requires_grad=True)
    sum(F.conv2d(x, w, b)).backward()
    for what, leaf, expected in (
            ("d sum / d filter", w, [[[[4, 8, 8], [4, 4, 8], [8, 4, 4]]]]),
            ("d sum / d image", x, [[[[2, 2, 1, 1], [2, 3, 4, 3], [1, 2, 5, 4], [1, 1, 2, 2]]]]),
            ("d sum / d bias", b, [4])):
        yield Claim(what, expected, leaf.grad)


@item("T04", "Ajou, Stride: 7x7 image, stride 2")
def _strided(dtype: str) -> Iterator[Claim]:
    yield Claim("stride 2", [[15, 17, 15], [17, 15, 17], [15, 17, 15]], conv(IMAGE_7, FILTER_4, dtype, stride=2))
    yield Claim("stride 1", [[15, 16, 17, 6, 15], [6, 15, 16, 17, 6], [17, 6, 15, 16, 17], [16, 17, 6, 15, 16],
                             [15, 16, 17, 6, 15]], conv(IMAGE_7, FILTER_4, dtype))


@item("T05", "Chalmers, Strided filtering: 1/5 of a plus")
def _fifth(dtype: str) -> Iterator[Claim]:
    weight = np.array(PLUS) / 5
    near = 1e-12  # 1/5 is no binary fraction
    yield Claim("stride 2", [[0, 2, 0], [2, 8, 1], [0, 1, 0]], conv(SPOT, weight, dtype, stride=2), near)
    yield Claim("stride 1", [[0, 1, 2, 1, 0], [1, 5, 6, 4, 1], [2, 6, 8, 4, 1], [1, 4, 4, 2, 0], [0, 1, 1, 0, 0]],
                conv(SPOT, weight, dtype), near)


@item("T06", "Chalmers, Network structure: vec(J) = F vec(I)")
def _matrix(dtype: str) -> Iterator[Claim]:
    f = F.conv_matrix(maps(FILTER_4, dtype), (1, 4, 4))
    yield Claim("F is 4 x 16", [4, 16], f.shape)
    yield Claim("weights in F, and those that are not 0", [36, 24], [f.nnz, np.count_nonzero(f.toarray())])
    yield Claim("first row", [2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 2, 0, 0, 0, 0, 0], f.toarray()[0])
    yield Claim("F vec(I)", [15, 16, 6, 15], f @ np.array(IMAGE_4, dtype).ravel())
    y = np.array([[1, -2], [3, 5]], dtype)
    yield Claim("F' vec(J) is the transposed convolution",
                F.conv_transpose2d(maps(y, dtype), maps(FILTER_4, dtype)).array.ravel(), f.T @ y.ravel())
    strided_f = F.conv_matrix(maps(np.array(PLUS) / 5, dtype), (1, 7, 7), stride=2)
    yield Claim("strided filtering: F is 9 x 49", [9, 49], strided_f.shape)
    yield Claim("strided filtering: F vec(I)", [0, 2, 0, 2, 8, 1, 0, 1, 0], strided_f @ np.array(SPOT, dtype).ravel(),
                1e-12)


@item("T07", "Chalmers, Different view: Laplacian")
def _laplacian(dtype: str) -> Iterator[Claim]:
    delta = np.zeros((5, 5))
    delta[2, 2] = 1
    centred = np.zeros((5, 5))
    centred[1:4, 1:4] = LAPLACIAN
    yield Claim("of a single 1: the filter", centred, conv(delta, LAPLACIAN, dtype, padding=1))
    (scattered,) = [s.output for s in trace_conv(delta, np.array(LAPLACIAN, "float64"), padding=1, mode="scatter")
                    if s.value]
    yield Claim("of a single 1, scattered", conv(delta, LAPLACIAN, dtype, padding=1), scattered)
    i, j = np.mgrid[:6, :6]
    zeros = np.zeros((4, 4))
    yield Claim("of a constant", zeros, conv(np.full((6, 6), 7), LAPLACIAN, dtype))
    yield Claim("of a linear ramp", zeros, conv(3 * i - 2 * j + 1, LAPLACIAN, dtype))
    yield Claim("of i^2 + j^2", zeros - 4, conv(i**2 + j**2, LAPLACIAN, dtype))


@item("T08", "Ajou, Pop quiz 1: 3 maps of 10x10, 5x5x3 filter")
def _quiz(dtype: str) -> Iterator[Claim]:
    layer = nn.Conv2d(3, 1, 5, dtype=dtype)
    x = tensor(np.zeros((1, 3, 10, 10), dtype))
    yield Claim("one map of", [1, 1, 6, 6], layer(x).shape)
    yield Claim("zero-padded by 2", [1, 1, 10, 10], nn.Conv2d(3, 1, 5, padding=2, dtype=dtype)(x).shape)
    yield Claim("weights, bias", [75, 1], [p.numel() for p in layer.parameters()])


@item("T09", "UCSD, AlexNet: output sizes")
def _sizes(dtype: str) -> Iterator[Claim]:
    """floor((n + 2p - d(k - 1) - 1) / s) + 1, by the layers themselves."""
    def size(layer: Any, channels: int, n: int) -> int:
        return summary(layer, (1, channels, n, n)).rows[0].output_shape[-1]

    for n, k, s, p, expected in ((227, 11, 4, 0, 55), (27, 5, 1, 2, 27), (13, 3, 1, 1, 13), (224, 11, 4, 0, 54),
                                 (224, 11, 4, 2, 55)):
        layer = nn.Conv2d(1, 1, k, stride=s, padding=p, device="meta", dtype=dtype)
        yield Claim(f"{n} wide, filter {k}, stride {s}, padding {p}", expected, size(layer, 1, n))
    for n, expected in ((55, 27), (27, 13), (13, 6)):
        yield Claim(f"{n} wide, pool 3, stride 2", expected, size(nn.MaxPool2d(3, 2), 1, n))


@item("T10", "Chalmers, Dilated convolutions")
def _dilated(dtype: str) -> Iterator[Claim]:
    delta = np.zeros((9, 9))
    delta[4, 4] = 1
    ones = np.ones((3, 3))
    hit = np.argwhere(conv(delta, ones, dtype, padding=2, dilation=2))
    yield Claim("dilation 2 sees rows and columns", [[i, j] for i in (2, 4, 6) for j in (2, 4, 6)], hit)
    yield Claim("9 wide, dilation 1, 2, 4", [7, 5, 1], [len(conv(delta, ones, dtype, dilation=d)) for d in (1, 2, 4)])
    stack = nn.Sequential(*[nn.Conv2d(1, 1, 3, dilation=d, device="meta") for d in (1, 2, 4, 8, 16)])
    yield Claim("receptive field of 3x3, dilation 1, 2, 4, 8, 16", [3, 7, 15, 31, 63],
                [row.receptive_field[0] for row in summary(stack, (1, 1, 99, 99)).rows if row.receptive_field])


@item("T11", "Virginia Tech 13, 14: 7 inputs, 3 hidden units")
def _connectivity(dtype: str) -> Iterator[Claim]:
    yield Claim("global connectivity", 21, nn.Linear(7, 3, bias=False, dtype=dtype).weight.numel())
    shared = nn.Conv1d(1, 1, 3, stride=2, bias=False, dtype=dtype)
    yield Claim("weight sharing", 3, shared.weight.numel())
    yield Claim("hidden units at stride 2", [1, 1, 3], shared(tensor(np.zeros((1, 1, 7), dtype))).shape)
    local = nn.LocallyConnected1d(1, 1, 7, 3, stride=2, bias=False, dtype=dtype)
    yield Claim("local connectivity", 9, local.weight.numel())
    yield Claim("its connections, as a matrix", 9, F.conv_matrix(np.ones((1, 1, 1, 3), dtype), (1, 1, 7), (1, 2)).nnz)
