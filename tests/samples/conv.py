"""Samples of convolution: every option, the edges of tiles and vectors, and hostile calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import conv
from samples import Hostile, Sample, normal


def _torch(name: str) -> Callable[..., Any]:
    def call(*inputs: Any, **kwargs: Any) -> Any:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "same" with an even filter makes a copy there
            return getattr(torch.nn.functional, name)(*inputs, **kwargs)

    return call


def _padded(x: Any, weight: Any, bias: Any = None, *, padding: Any, **kwargs: Any) -> Any:
    """PyTorch's way to asymmetric padding."""
    import torch.nn.functional as tf

    (top, bottom), (left, right) = padding
    return tf.conv2d(tf.pad(x, (left, right, top, bottom)), weight, bias, **kwargs)


def _sample(case: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **kwargs: Any) -> Sample:
    name = f"conv{len(w) - 2}d"
    shapes = [x, w, (w[0],)] if bias else [x, w]
    # The longest sum is the weight gradient's (all pixels) or the output's (all taps).
    length = max(int(np.prod(w[1:])), int(np.prod(x)) // x[-len(w) + 1], w[0] * int(np.prod(w[2:])))
    return Sample(name, case, getattr(conv, name), normal(*shapes), kwargs, _torch(name), length=length)


SAMPLES = [
    _sample("plain", (2, 3, 8, 7), (5, 3, 3, 3)),
    _sample("no-bias", (2, 3, 8, 7), (5, 3, 3, 3), bias=False),
    _sample("unbatched", (3, 8, 7), (5, 3, 3, 3), padding=1),
    _sample("empty-batch", (0, 3, 8, 7), (5, 3, 3, 3)),
    _sample("pad", (2, 4, 6, 5), (3, 4, 3, 3), padding=1),
    _sample("pad-per-axis", (2, 4, 6, 5), (3, 4, 3, 3), padding=(2, 0)),
    _sample("pad-beyond-filter", (1, 2, 4, 4), (3, 2, 2, 2), padding=3),
    _sample("same", (2, 3, 7, 6), (4, 3, 3, 5), padding="same"),
    _sample("same-even", (2, 3, 7, 6), (4, 3, 2, 4), padding="same"),
    _sample("same-dilated", (1, 3, 9, 8), (4, 3, 3, 2), padding="same", dilation=2),
    _sample("valid", (2, 3, 7, 6), (4, 3, 3, 5), padding="valid"),
    _sample("stride", (2, 3, 9, 8), (4, 3, 3, 3), stride=2, padding=1),
    _sample("stride-per-axis", (2, 3, 9, 8), (4, 3, 3, 3), stride=(3, 1)),
    _sample("stride-beyond-filter", (2, 3, 11, 12), (4, 3, 2, 2), stride=4),
    _sample("stride-leaves-rest", (1, 2, 8, 8), (3, 2, 3, 3), stride=3),
    _sample("dilation", (2, 3, 9, 8), (4, 3, 3, 3), dilation=2, padding=2),
    _sample("dilation-stride-common", (1, 3, 13, 12), (4, 3, 3, 3), dilation=2, stride=2, padding=1),
    _sample("dilation-stride-coprime", (1, 3, 13, 12), (4, 3, 3, 3), dilation=3, stride=2, padding=3),
    _sample("groups", (2, 6, 7, 7), (4, 3, 3, 3), groups=2, padding=1),
    _sample("depthwise", (2, 5, 7, 7), (5, 1, 3, 3), groups=5, padding=1),
    _sample("depthwise-multiplier", (2, 3, 7, 7), (6, 1, 3, 3), groups=3, stride=2),
    *(_sample(f"depthwise-channels-{c}", (1, c, 5, 6), (c, 1, 3, 3), padding=1, groups=c)
      for c in (3, 4, 7, 8, 9, 15, 16, 17, 33, 48)),
    *(_sample(f"depthwise-width-{w}", (2, 17, 2, w), (17, 1, 1, 3), padding=(0, 1), groups=17)
      for w in (1, 4, 5, 7, 8, 9, 11, 15, 24, 51)),
    _sample("depthwise-5x5", (2, 18, 9, 10), (18, 1, 5, 5), padding=2, groups=18),
    _sample("depthwise-7x7", (1, 18, 9, 17), (18, 1, 7, 7), padding=3, groups=18),
    _sample("depthwise-7x7-inside", (1, 19, 7, 27), (19, 1, 7, 7), padding=(1, 0), groups=19),
    _sample("depthwise-5x5-stride", (2, 20, 13, 39), (20, 1, 5, 5), padding=2, stride=2, groups=20),
    _sample("depthwise-rows-apart", (1, 17, 14, 20), (17, 1, 3, 3), padding=2, dilation=(3, 1), stride=(2, 1), groups=17),
    _sample("depthwise-3d", (2, 17, 3, 5, 11), (17, 1, 2, 3, 3), padding=1, groups=17),
    _sample("groups-of-4-inside", (1, 28, 5, 25), (28, 4, 3, 3), padding=1, groups=7),
    _sample("depthwise-even", (1, 18, 6, 7), (18, 1, 4, 2), padding=(2, 1), groups=18),
    _sample("depthwise-stride", (2, 20, 11, 19), (20, 1, 3, 3), padding=1, stride=2, groups=20),
    _sample("depthwise-stride-3", (1, 20, 11, 19), (20, 1, 5, 5), padding=2, stride=3, groups=20),
    _sample("depthwise-dilation", (1, 20, 9, 17), (20, 1, 3, 3), padding=2, dilation=2, groups=20),
    _sample("depthwise-dilation-stride", (1, 20, 13, 19), (20, 1, 3, 3), padding=3, dilation=3, stride=2, groups=20),
    _sample("depthwise-pad-beyond-filter", (1, 17, 3, 4), (17, 1, 2, 2), padding=3, groups=17),
    _sample("depthwise-stride-beyond-filter", (1, 17, 9, 10), (17, 1, 2, 2), stride=4, groups=17),
    _sample("depthwise-empty-batch", (0, 17, 5, 6), (17, 1, 3, 3), groups=17),
    _sample("depthwise-1x1", (2, 17, 3, 4), (17, 1, 1, 1), groups=17),
    _sample("depthwise-wide-row", (1, 5, 1, 1100), (5, 1, 1, 3), groups=5),
    *(_sample(f"depthwise-multiplier-{m}", (1, 19, 5, 9), (19 * m, 1, 3, 3), padding=1, groups=19)
      for m in (2, 3, 4, 17)),
    *(_sample(f"group-size-{c}", (1, 5 * c, 5, 9), (5 * c, c, 3, 3), padding=1, groups=5)
      for c in (2, 3, 4, 5, 6, 8, 12, 16, 17, 24)),
    *(_sample(f"groups-{g}-{c}-{k}", (1, g * c, 5, 8), (g * k, c, 3, 2), padding=1, groups=g)
      for g, c, k in [(9, 2, 4), (9, 4, 2), (7, 3, 5), (7, 1, 6), (7, 6, 1), (33, 4, 4), (2, 16, 3)]),
    *(_sample(f"group-stride-{c}", (1, 5 * c, 9, 17), (5 * c, c, 3, 3), padding=1, stride=2, groups=5)
      for c in (4, 8, 16)),
    _sample("group-dilation", (1, 20, 9, 17), (20, 4, 3, 3), padding=2, dilation=2, groups=5),
    _sample("group-5x7", (1, 20, 9, 17), (20, 4, 5, 7), padding=(2, 3), groups=5),
    _sample("1x1", (2, 5, 4, 3), (7, 5, 1, 1)),
    _sample("1x1-stride", (2, 5, 5, 5), (7, 5, 1, 1), stride=2),
    _sample("1x1-product", (2, 129, 2, 3), (131, 129, 1, 1)),
    _sample("1x1-512", (1, 512, 3, 5), (70, 512, 1, 1)),
    _sample("1x1-512-stride", (2, 256, 5, 5), (7, 256, 1, 1), stride=2),
    _sample("1x1-512-groups", (1, 512, 3, 4), (34, 256, 1, 1), groups=2),
    _sample("1x1-map", (3, 5, 1, 1), (7, 5, 1, 1)),
    _sample("filter-is-map", (2, 3, 5, 4), (6, 3, 5, 4)),
    _sample("one-channel", (2, 1, 9, 9), (6, 1, 5, 5), padding=2),
    _sample("one-output", (2, 3, 6, 6), (1, 3, 3, 3)),
    _sample("11x11-stride-4", (1, 3, 23, 23), (4, 3, 11, 11), stride=4, padding=2),
    _sample("7x7-stride-2", (1, 3, 15, 15), (4, 3, 7, 7), stride=2, padding=3),
    *(_sample(f"channels-{c}-{k}", (1, c, 5, 5), (k, c, 3, 3), padding=1)
      for c, k in [(7, 8), (8, 9), (15, 16), (16, 17), (17, 15), (2, 35), (3, 63), (2, 64), (3, 65), (2, 131)]),
    *(_sample(f"width-{w}", (2, 3, 2, w), (4, 3, 1, 3), padding=(0, 1)) for w in (1, 5, 6, 7, 13)),
    # Few output channels: neighbouring outputs share a vector, the last one of a row is shorter.
    *(_sample(f"fold-{k}-width-{w}", (2, 3, 4, w), (k, 3, 3, 3), padding=1)
      for k, w in [(1, 16), (1, 19), (2, 7), (2, 9), (3, 4), (3, 5), (3, 11), (5, 3), (6, 7), (6, 2), (8, 5), (10, 9)]),
    _sample("fold-stride", (2, 3, 9, 23), (3, 3, 3, 3), padding=1, stride=2),
    _sample("fold-dilation", (2, 3, 9, 23), (3, 3, 3, 3), padding=2, dilation=2),
    _sample("fold-valid", (2, 5, 9, 23), (2, 5, 5, 5)),
    _sample("fold-input-gradient", (2, 3, 9, 23), (17, 3, 5, 5), padding=2),
    _sample("fold-groups", (2, 6, 9, 23), (4, 3, 3, 3), padding=1, groups=2),
    _sample("fold-long-row", (1, 1, 3, 1100), (1, 1, 3, 3), padding=1),
    _sample("fold", (2, 3, 29), (3, 3, 5), padding=2),
    _sample("fold", (1, 3, 4, 5, 19), (2, 3, 3, 3, 3), padding=1),
    _sample("deep-reduction", (1, 70, 4, 4), (3, 70, 3, 3), padding=1),
    *(_sample(f"tiles-{size}", (1, 17, size, size + 3), (18, 17, 3, 3), padding=1) for size in (4, 7, 12, 13)),
    _sample("tiles-5x5", (1, 16, 9, 8), (17, 16, 5, 5), padding=2),
    _sample("tiles-dilated", (1, 16, 13, 14), (16, 16, 3, 3), padding=2, dilation=2),
    _sample("tiles-groups", (1, 32, 8, 8), (32, 16, 3, 3), padding=1, groups=2),
    _sample("tiles-phases", (1, 16, 16, 16), (16, 16, 4, 4), padding=1, stride=2),
    _sample("tiles", (1, 16, 30), (17, 16, 3), padding=1),
    _sample("tiles", (1, 16, 3, 8, 9), (16, 16, 3, 3, 3), padding=1),
    _sample("wide-row", (1, 1, 1, 1100), (3, 1, 1, 3)),
    Sample("conv2d", "asymmetric", conv.conv2d, normal((2, 3, 6, 5), (4, 3, 3, 3), (4,)),
           {"padding": ((2, 0), (1, 3)), "stride": (1, 2)}, _padded, length=60),
    _sample("plain", (2, 3, 11), (5, 3, 3), padding=1),
    _sample("unbatched", (3, 11), (5, 3, 3)),
    _sample("stride-dilation-groups", (2, 4, 17), (6, 2, 3), stride=2, dilation=2, groups=2, padding=3),
    _sample("same-even", (2, 3, 9), (4, 3, 4), padding="same"),
    _sample("depthwise", (2, 17, 23), (17, 1, 5), padding=2, groups=17),
    _sample("depthwise-stride-dilation", (2, 17, 23), (17, 1, 4), padding=2, stride=2, dilation=2, groups=17),
    _sample("plain", (2, 2, 4, 5, 6), (3, 2, 3, 2, 3), padding=1),
    _sample("unbatched", (2, 4, 5, 6), (3, 2, 3, 2, 3)),
    _sample("depthwise", (1, 17, 4, 5, 9), (17, 1, 3, 3, 3), padding=1, groups=17),
    _sample("depthwise-stride", (1, 17, 5, 6, 9), (17, 1, 3, 2, 3), padding=1, stride=2, groups=17),
    _sample("group-size-3", (1, 9, 4, 5, 8), (9, 3, 3, 3, 2), padding=1, groups=3),
    _sample("stride-dilation-groups", (1, 4, 7, 6, 8), (6, 2, 2, 3, 2), stride=(2, 1, 3), dilation=(1, 2, 1), groups=2,
            padding=(1, 2, 0)),
]

_HUGE = "2**62"
HOSTILE = [
    Hostile("conv2d", case, call, raises, match)
    for case, call, raises, match in [
        ("stride-zero", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=0)", (ValueError,), r"\[conv2d\] stride is 0"),
        ("stride-negative", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=-1)", (ValueError,), r"\[conv2d\] stride is -1"),
        ("stride-huge", f"F.conv2d(x(1,3,8,8), x(4,3,3,3), stride={_HUGE})", (ValueError,), r"\[conv2d\] stride is 46"),
        ("stride-beyond-64-bits", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=2**70)", (ValueError,), r"\[conv2d\] stride .*64 bits"),
        ("stride-float", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=1.5)", (TypeError,), r"\[conv2d\] stride is 1.5, expected a whole"),
        ("stride-nan", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=float('nan'))", (TypeError,), r"\[conv2d\] stride is nan"),
        ("stride-none", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=None)", (TypeError,), r"\[conv2d\] stride is None"),
        ("stride-three", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=(1,1,1))", (ShapeError,), r"\[conv2d\] stride has 3 entries, expected 2"),
        ("stride-many", "F.conv2d(x(1,3,8,8), x(4,3,3,3), stride=(1,)*20)", (ShapeError,), r"\[conv2d\] stride has 20 entries"),
        ("padding-negative", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding=-1)", (ValueError,), r"\[conv2d\] padding is -1"),
        ("padding-huge", f"F.conv2d(x(1,3,8,8), x(4,3,3,3), padding={_HUGE})", (ValueError,), r"\[conv2d\] padding is 46"),
        ("padding-2^31", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding=2**31-1)", (ShapeError,), r"\[conv2d\] size \d+ in shape .* exceeds the limit"),
        ("padding-none", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding=None)", (TypeError,), r"\[conv2d\] padding is None, expected a whole number"),
        ("padding-word", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding='full')", (ValueError,), r"\[conv2d\] padding is 'full', expected 'same'"),
        ("padding-triple", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding=((1,1,1),(0,0,0)))", (ValueError,), r"\[conv2d\] padding is .* expected a \(low, high\) pair"),
        ("padding-one-pair", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding=((1,1),))", (ShapeError,), r"\[conv2d\] padding has 2 entries, expected 4"),
        ("same-with-stride", "F.conv2d(x(1,3,8,8), x(4,3,3,3), padding='same', stride=2)", (ValueError,), r"\[conv2d\] padding='same' needs stride 1, got stride 2"),
        ("dilation-zero", "F.conv2d(x(1,3,8,8), x(4,3,3,3), dilation=0)", (ValueError,), r"\[conv2d\] dilation is 0"),
        ("dilation-huge", f"F.conv2d(x(1,3,8,8), x(4,3,3,3), dilation={_HUGE})", (ValueError,), r"\[conv2d\] dilation is 46"),
        ("dilation-2^30", "F.conv2d(x(1,3,8,8), x(4,3,3,3), dilation=2**30)", (ShapeError,), r"\[conv2d\] the filter spans 2147483649 in height"),
        ("groups-zero", "F.conv2d(x(1,3,8,8), x(4,3,3,3), groups=0)", (ValueError,), r"\[conv2d\] groups is 0"),
        ("groups-negative", "F.conv2d(x(1,3,8,8), x(4,3,3,3), groups=-3)", (ValueError,), r"\[conv2d\] groups is -3"),
        ("groups-no-divisor", "F.conv2d(x(1,3,8,8), x(4,3,3,3), groups=2)", (ShapeError,), r"\[conv2d\] groups is 2, which does not divide the 3 channels"),
        ("groups-no-divisor-out", "F.conv2d(x(1,4,8,8), x(3,2,3,3), groups=2)", (ShapeError,), r"\[conv2d\] groups is 2, which does not divide the 3 output"),
        ("groups-bool", "F.conv2d(x(1,3,8,8), x(4,3,3,3), groups=True)", (TypeError,), r"\[conv2d\] groups is True"),
        ("channels", "F.conv2d(x(8,3,32,32), x(64,16,3,3))", (ShapeError,), r"\[conv2d\] weight has 16 input channels but x has 3 \(x: 8x3x32x32, weight: 64x16x3x3\)"),
        ("channels-last-input", "F.conv2d(x(2,32,32,3), x(8,3,3,3))", (ShapeError,), r"\[conv2d\] weight has 3 input channels but x has 32.*are the channels last"),
        ("filter-too-large", "F.conv2d(x(1,3,4,8), x(4,3,5,3))", (ShapeError,), r"\[conv2d\] the filter spans 5 in height but x with its padding only has 4"),
        ("rank-low", "F.conv2d(x(8,8), x(4,3,3,3))", (ShapeError,), r"\[conv2d\] x has shape 8x8 \(2 axes\), expected 4"),
        ("rank-high", "F.conv2d(x(1,1,3,8,8), x(4,3,3,3))", (ShapeError,), r"\[conv2d\] x has shape .*5 axes"),
        ("weight-rank", "F.conv2d(x(1,3,8,8), x(4,3,3))", (ShapeError,), r"\[conv2d\] weight has shape \(4, 3, 3\), expected 4 axes"),
        ("weight-empty", "F.conv2d(x(1,3,8,8), x(0,3,3,3))", (ShapeError,), r"\[conv2d\] x and weight need at least one channel"),
        ("filter-empty", "F.conv2d(x(1,3,8,8), x(4,3,0,3))", (ShapeError,), r"\[conv2d\] weight has an empty filter axis"),
        ("no-channels", "F.conv2d(x(1,0,8,8), x(4,0,3,3))", (ShapeError,), r"\[conv2d\] x and weight need at least one channel"),
        ("bias-short", "F.conv2d(x(1,3,8,8), x(4,3,3,3), x(3))", (ShapeError,), r"\[conv2d\] bias has shape \(3,\), expected \(4,\)"),
        ("bias-rank", "F.conv2d(x(1,3,8,8), x(4,3,3,3), x(4,1))", (ShapeError,), r"\[conv2d\] bias has shape \(4, 1\)"),
        ("bias-number", "F.conv2d(x(1,3,8,8), x(4,3,3,3), 1.0)", (TypeError,), r"\[conv2d\] bias is float, expected a Tensor"),
        ("dtype-int", "F.conv2d(i(1,3,8,8), x(4,3,3,3))", (TypeError,), r"\[conv2d\] input has dtype int64, expected float32 or float64"),
        ("dtype-mixed", "F.conv2d(x(1,3,8,8), x(4,3,3,3).double())", (TypeError,), r"\[conv2d\] weight has dtype float64 but the input has float32"),
        ("dtype-half", "F.conv2d(a(1,3,8,8).astype('float16'), a(4,3,3,3))", (TypeError,), r"\[conv2d\] input has dtype float16"),
        ("dtype-complex", "F.conv2d(a(1,3,8,8).astype('complex64'), a(4,3,3,3))", (TypeError,), r"\[conv2d\] input has dtype complex64"),
        ("dtype-big-endian", "F.conv2d(a(1,3,8,8).astype('>f4'), a(4,3,3,3))", (TypeError,), r"\[conv2d\] input has dtype >f4"),
        ("dtype-object", "F.conv2d(a(1,3,8,8).astype(object), a(4,3,3,3))", (TypeError,), r"\[conv2d\] input has dtype object"),
        ("list", "F.conv2d([[1.0]], x(4,3,3,3))", (TypeError,), r"\[conv2d\] input is list, expected a Tensor"),
        ("none", "F.conv2d(None, x(4,3,3,3))", (TypeError,), r"\[conv2d\] input is NoneType"),
        ("1d-rank", "F.conv1d(x(1,3,8,8), x(4,3,3))", (ShapeError,), r"\[conv1d\] x has shape"),
        ("3d-span", "F.conv3d(x(1,1,2,4,4), x(1,1,3,3,3))", (ShapeError,), r"\[conv3d\] the filter spans 3 in depth"),
        ("broadcast-huge", "F.conv2d(np.broadcast_to(np.float32(0), (2**20,3,2**18,2**18)), a(4,3,3,3))", (ShapeError,), r"\[conv2d\] shape 1048576x3x262144x262144 needs more than 2\^47 bytes"),
    ]
]
