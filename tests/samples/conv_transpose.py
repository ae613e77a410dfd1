"""Samples of transposed convolution: every option, the edges of tiles and vectors, and hostile calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import conv_transpose
from samples import Hostile, Sample, normal


def _sample(case: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **kwargs: Any) -> Sample:
    name = f"conv_transpose{len(w) - 2}d"
    shapes = [x, w, (w[1] * kwargs.get("groups", 1),)] if bias else [x, w]

    def torch_call(*inputs: Any, **options: Any) -> Any:
        import torch

        return getattr(torch.nn.functional, name)(*inputs, **options)

    taps, stride = int(np.prod(w[2:])), kwargs.get("stride", 1)
    steps = int(np.prod(stride if isinstance(stride, tuple) else (stride,) * (len(w) - 2)))
    # The longest sum: the bias gradient's (all pixels of the output), the output's, or the input gradient's.
    pixels = int(np.prod(x)) // w[0] * steps + taps * max(1, x[0] if len(x) == len(w) else 1)
    return Sample(name, case, getattr(conv_transpose, name), normal(*shapes), kwargs, torch_call,
                  length=max(pixels, w[0] * taps, w[1] * taps))


SAMPLES = [
    _sample("plain", (2, 3, 5, 6), (3, 4, 3, 3)),
    _sample("no-bias", (2, 3, 5, 6), (3, 4, 3, 3), bias=False),
    _sample("unbatched", (3, 5, 6), (3, 4, 3, 3), stride=2),
    _sample("empty-batch", (0, 3, 5, 6), (3, 4, 3, 3)),
    _sample("pad", (2, 3, 5, 6), (3, 4, 3, 3), padding=1),
    _sample("pad-per-axis", (2, 3, 5, 6), (3, 4, 3, 3), padding=(2, 0)),
    _sample("pad-beyond-filter", (1, 2, 7, 8), (2, 3, 2, 2), padding=3),
    _sample("2x2-stride-2", (2, 3, 5, 6), (3, 4, 2, 2), stride=2),
    _sample("3x3-stride-2", (2, 3, 5, 6), (3, 4, 3, 3), stride=2, padding=1, output_padding=1),
    _sample("4x4-stride-2", (2, 3, 5, 6), (3, 4, 4, 4), stride=2, padding=1),
    _sample("stride-per-axis", (2, 3, 5, 6), (3, 4, 3, 3), stride=(3, 1)),
    _sample("stride-beyond-filter", (2, 3, 4, 5), (3, 5, 2, 2), stride=4),
    _sample("stride-beyond-filter-no-bias", (2, 3, 4, 5), (3, 5, 2, 2), bias=False, stride=4),
    _sample("stride-beyond-1x1", (2, 3, 4, 5), (3, 5, 1, 1), stride=3),
    _sample("output-padding-per-axis", (2, 3, 4, 5), (3, 5, 2, 3), stride=(4, 3), output_padding=(3, 1)),
    _sample("output-padding-beyond-stride", (2, 3, 4, 5), (3, 5, 3, 3), dilation=3, output_padding=2),
    _sample("output-padding-beyond-padding", (2, 3, 4, 5), (3, 5, 3, 3), stride=2, dilation=4, output_padding=3,
            padding=1),
    _sample("dilation", (2, 3, 5, 6), (3, 4, 3, 3), dilation=2, padding=2),
    _sample("dilation-stride-common", (1, 3, 6, 5), (3, 4, 3, 3), dilation=2, stride=2, padding=1),
    _sample("dilation-stride-coprime", (1, 3, 6, 5), (3, 4, 3, 3), dilation=3, stride=2, padding=3),
    _sample("groups", (2, 6, 5, 4), (6, 2, 3, 3), groups=2, padding=1, stride=2),
    _sample("depthwise", (2, 5, 4, 6), (5, 1, 4, 4), groups=5, stride=2, padding=1),
    _sample("depthwise-multiplier", (2, 3, 4, 6), (3, 2, 3, 3), groups=3),
    _sample("1x1", (2, 5, 4, 3), (5, 7, 1, 1)),
    _sample("1x1-map", (3, 5, 1, 1), (5, 7, 4, 4)),
    _sample("output-is-one-pixel", (2, 3, 1, 1), (3, 4, 3, 3), padding=1),
    _sample("one-channel", (2, 1, 5, 5), (1, 6, 5, 5), stride=2, padding=2),
    _sample("one-output", (2, 3, 6, 6), (3, 1, 3, 3)),
    *(_sample(f"channels-{c}-{k}", (1, c, 3, 4), (c, k, 2, 2), stride=2)
      for c, k in [(7, 8), (8, 9), (15, 16), (16, 17), (17, 15), (35, 2), (63, 3), (2, 64), (3, 65), (2, 131)]),
    *(_sample(f"width-{w}", (2, 3, 2, w), (3, 4, 1, 3), stride=(1, 2)) for w in (1, 5, 6, 7, 13)),
    _sample("deep-reduction", (1, 70, 3, 3), (70, 3, 3, 3), padding=1),
    _sample("tiles", (1, 32, 12, 11), (32, 33, 3, 3), padding=1),
    _sample("tiles-phases", (1, 32, 12, 11), (32, 16, 4, 4), padding=1, stride=2),
    _sample("tiles-phases-without-taps", (1, 32, 12, 11), (32, 16, 3, 3), stride=(1, 4), output_padding=(0, 2)),
    _sample("tiles-output-padding-beyond-stride", (1, 32, 12, 11), (32, 16, 3, 3), dilation=2, output_padding=1),
    _sample("plain", (2, 3, 11), (3, 5, 3), padding=1),
    _sample("unbatched", (3, 11), (3, 5, 3)),
    _sample("stride-dilation-groups", (2, 4, 9), (4, 3, 3), stride=2, dilation=2, groups=2, padding=3),
    _sample("plain", (2, 2, 3, 4, 5), (2, 3, 3, 2, 3), padding=1),
    _sample("unbatched", (2, 3, 4, 5), (2, 3, 3, 2, 3), stride=2),
    _sample("stride-dilation-groups", (1, 4, 3, 4, 3), (4, 3, 2, 3, 2), stride=(2, 1, 3), dilation=(1, 2, 1), groups=2,
            padding=(1, 2, 0), output_padding=(1, 0, 2)),
]

HOSTILE = [
    Hostile("conv_transpose2d", case, f"F.conv_transpose2d({call})", raises, r"\[conv_transpose2d\] " + match)
    for case, call, raises, match in [
        ("stride-zero", "x(1,3,8,8), x(3,4,3,3), stride=0", (ValueError,), "stride is 0, expected 1 to"),
        ("stride-huge", "x(1,3,8,8), x(3,4,3,3), stride=2**62", (ValueError,), "stride is 46"),
        ("stride-beyond-64-bits", "x(1,3,8,8), x(3,4,3,3), stride=2**70", (ValueError,), "stride .*64 bits"),
        ("stride-2^30", "x(1,3,8,8), x(3,4,3,3), stride=2**30", (ShapeError,), r"size \d+ in shape .* exceeds the limit"),
        ("stride-float", "x(1,3,8,8), x(3,4,3,3), stride=1.5", (TypeError,), "stride is 1.5, expected a whole"),
        ("stride-three", "x(1,3,8,8), x(3,4,3,3), stride=(1,1,1)", (ShapeError,), "stride has 3 entries, expected 2"),
        ("padding-negative", "x(1,3,8,8), x(3,4,3,3), padding=-1", (ValueError,), "padding is -1"),
        ("padding-word", "x(1,3,8,8), x(3,4,3,3), padding='same'", (TypeError,), "padding is 'same', expected a whole"),
        ("padding-beyond-output", "x(1,3,8,8), x(3,4,3,3), padding=5", (ShapeError,), "the output would have 0 elements in axis 2, expected at least 1"),
        ("padding-huge", "x(1,3,8,8), x(3,4,3,3), padding=2**31-1", (ShapeError,), "the output would have -"),
        ("output-padding-negative", "x(1,3,8,8), x(3,4,3,3), output_padding=-1", (ValueError,), "output_padding is -1"),
        ("output-padding-stride", "x(1,3,8,8), x(3,4,3,3), stride=2, output_padding=2", (ValueError,), "output_padding is 2, expected less than stride 2 or dilation 1"),
        ("output-padding-default", "x(1,3,8,8), x(3,4,3,3), output_padding=1", (ValueError,), "output_padding is 1, expected less than stride 1"),
        ("output-padding-three", "x(1,3,8,8), x(3,4,3,3), output_padding=(0,0,0)", (ShapeError,), "output_padding has 3 entries, expected 2"),
        ("dilation-zero", "x(1,3,8,8), x(3,4,3,3), dilation=0", (ValueError,), "dilation is 0"),
        ("dilation-2^30", "x(1,3,8,8), x(3,4,3,3), dilation=2**30", (ShapeError,), r"size \d+ in shape .* exceeds the limit"),
        ("groups-zero", "x(1,3,8,8), x(3,4,3,3), groups=0", (ValueError,), "groups is 0"),
        ("groups-no-divisor", "x(1,3,8,8), x(3,4,3,3), groups=2", (ShapeError,), "groups is 2, which does not divide the 3 channels of x"),
        ("groups-huge", "x(1,3,8,8), x(3,4,3,3), groups=2**62", (ShapeError, ValueError), "groups is 46"),
        ("groups-bool", "x(1,3,8,8), x(3,4,3,3), groups=True", (TypeError,), "groups is True"),
        ("channels", "x(8,3,32,32), x(16,64,3,3)", (ShapeError,), r"weight has 16 input channels but x has 3 \(x: 8x3x32x32, weight: 16x64x3x3\)"),
        ("rank-low", "x(8,8), x(3,4,3,3)", (ShapeError,), r"x has shape 8x8 \(2 axes\), expected 4"),
        ("rank-high", "x(1,1,3,8,8), x(3,4,3,3)", (ShapeError,), "x has shape .*5 axes"),
        ("weight-rank", "x(1,3,8,8), x(3,4,3)", (ShapeError,), r"weight has shape \(3, 4, 3\), expected 4 axes"),
        ("weight-empty", "x(1,3,8,8), x(3,0,3,3)", (ShapeError,), "x and weight need at least one channel"),
        ("filter-empty", "x(1,3,8,8), x(3,4,0,3)", (ShapeError,), "weight has an empty filter axis"),
        ("map-empty", "x(1,3,0,8), x(3,4,3,3)", (ShapeError,), "x has an empty spatial axis"),
        ("no-channels", "x(1,0,8,8), x(0,4,3,3)", (ShapeError,), "x and weight need at least one channel"),
        ("bias-short", "x(1,3,8,8), x(3,4,3,3), x(3)", (ShapeError,), r"bias has shape \(3,\), expected \(4,\)"),
        ("bias-number", "x(1,3,8,8), x(3,4,3,3), 1.0", (TypeError,), "bias is float, expected a Tensor"),
        ("dtype-int", "i(1,3,8,8), x(3,4,3,3)", (TypeError,), "input has dtype int64, expected float32 or float64"),
        ("dtype-mixed", "x(1,3,8,8), x(3,4,3,3).double()", (TypeError,), "weight has dtype float64 but the input has float32"),
        ("dtype-half", "a(1,3,8,8).astype('float16'), a(3,4,3,3)", (TypeError,), "input has dtype float16"),
        ("list", "[[1.0]], x(3,4,3,3)", (TypeError,), "input is list, expected a Tensor"),
        ("none", "x(1,3,8,8), None", (TypeError,), "weight is NoneType"),
    ]
]
