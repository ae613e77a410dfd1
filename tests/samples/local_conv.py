"""Samples of unshared convolution."""

from __future__ import annotations

from pyconv.errors import ShapeError
from pyconv.ops.local_conv import locally_connected1d, locally_connected2d
from samples import Hostile, Sample, normal


def _torch_2d(x, weight, bias=None, stride=1, padding=0):
    """Columns times the banks of their positions."""
    import torch

    oh, ow, k, _, r, s = weight.shape
    batch = x if x.ndim == 4 else x[None]
    columns = torch.nn.functional.unfold(batch, (r, s), padding=padding, stride=stride)
    y = torch.einsum("njo,okj->nko", columns, weight.reshape(oh * ow, k, -1)).reshape(-1, k, oh, ow)
    y = y if bias is None else y + bias
    return y if x.ndim == 4 else y[0]


def _torch_1d(x, weight, bias=None, stride=1, padding=0):
    y = _torch_2d(x[..., None, :], weight[None, :, :, :, None, :], None, (1, stride), (0, padding))[..., 0, :]
    return y if bias is None else y + bias


def _sample(case, x, k, filter, stride=1, padding=0, bias=True):
    axes = len(filter)
    unbatched = len(x) == axes + 1
    pair = [(v,) * axes if isinstance(v, int) else v for v in (stride, padding)]
    out = tuple((n + 2 * p - f) // s + 1 for n, f, s, p in zip(x[-axes:], filter, *pair, strict=True))
    c = x[0] if unbatched else x[1]
    shapes = [x, (*out, k, c, *filter)] + ([(k, *out)] if bias else [])
    one = axes == 1
    length = max(c * filter[0] * filter[-1], k * filter[0] * filter[-1], 1 if unbatched else x[0])
    return Sample(f"locally_connected{axes}d", case, locally_connected1d if one else locally_connected2d,
                  normal(*shapes), {"stride": stride, "padding": padding}, torch=_torch_1d if one else _torch_2d,
                  length=length)


#: Around the vector widths, and beyond a panel of them.
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 35, 67)

SAMPLES = [
    _sample("darknet", (2, 5, 7, 7), 6, (3, 3), 1, 1),
    _sample("no-bias", (2, 3, 5, 6), 4, (3, 2), bias=False),
    _sample("stride", (3, 3, 7, 8), 4, (3, 2), (2, 3), (1, 0)),
    _sample("stride-over-filter", (1, 3, 7, 8), 4, (2, 2), 3),
    _sample("whole", (2, 3, 4, 5), 6, (4, 5)),
    _sample("one-pixel", (2, 3, 4, 5), 6, (1, 1)),
    _sample("padding-only", (1, 2, 2, 2), 3, (1, 1), 1, 2),
    _sample("unbatched", (3, 5, 6), 4, (3, 3), 1, 1),
    _sample("empty-batch", (0, 3, 5, 6), 4, (3, 3)),
    *(_sample(f"channels-{c}", (2, c, 3, 4), 3, (2, 2)) for c in CHANNELS),
    *(_sample(f"filters-{k}", (2, 3, 3, 4), k, (2, 2)) for k in CHANNELS),
    *(_sample(f"images-{n}", (n, 2, 3, 3), 3, (2, 2)) for n in (1, 4, 5, 7, 19)),
    _sample("long-columns", (3, 130, 3, 3), 70, (3, 3), 1, 0),
    _sample("one-position", (2, 40, 5, 5), 150, (5, 5)),
    _sample("many-positions", (2, 3, 20, 20), 4, (3, 3), 1, 1),
    _sample("line", (2, 3, 9), 4, (3,), 2, 1),
    _sample("line-17", (3, 17, 6), 5, (2,)),
    _sample("line-unbatched", (2, 6), 5, (3,)),
]

_S, _T, _V = (ShapeError,), (TypeError,), (ValueError,)
BIG = 2**62
_OP = "locally_connected2d"


def _hostile(rows):
    return [Hostile(_OP, case, f"F.{_OP}({arguments})", raises, rf"\[{_OP}\] {match}")
            for case, arguments, raises, match in rows]


HOSTILE = [
    *_hostile([
        ("positions", "x(1, 3, 5, 5), x(4, 3, 2, 3, 3, 3)", _S,
         "weight has shape 4x3x2x3x3x3, expected 3x3x2x3x3x3: one filter bank per output position"),
        ("channels", "x(1, 4, 5, 5), x(3, 3, 2, 3, 3, 3)", _S, "weight has 3 input channels but x has 4"),
        ("weight-axes", "x(1, 3, 5, 5), x(2, 3, 3, 3)", _S, r"weight has shape \(2, 3, 3, 3\), expected 6 axes"),
        ("input-axes", "x(3, 5), x(3, 3, 2, 3, 3, 3)", _S, r"input has shape 3x5 \(2 axes\), expected 3 or 4"),
        ("input-volume", "x(1, 3, 5, 5, 5), x(3, 3, 2, 3, 3, 3)", _S, r"input has shape 1x3x5x5x5 \(5 axes\)"),
        ("bias", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), x(2)", _S, r"bias has shape \(2,\), expected \(2, 3, 3\): one per output"),
        ("filter-over-input", "x(1, 3, 2, 2), x(1, 1, 2, 3, 3, 3)", _S, "the filter spans 3 in height"),
        ("empty-filter", "x(1, 3, 2, 2), x(1, 1, 2, 3, 0, 3)", _S, "weight has an empty filter axis"),
        ("zero-stride", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), stride=0", _V, "stride is 0, expected 1 to"),
        ("huge-stride", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), stride=2**62", _V, f"stride is {BIG}"),
        ("negative-padding", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), padding=-1", _V, "padding is -1, expected 0 to"),
        ("huge-padding", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), padding=2**62", _V, f"padding is {BIG}"),
        ("wide-padding", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), padding=2**31 - 1", _S, ".*(needs more than|overflows|limit)"),
        ("float-stride", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), stride=1.0", _T, "stride is 1.0, expected a whole number"),
        ("list-weight", "x(1, 3, 5, 5), [1.0]", _T, "weight is list, expected a Tensor or a numpy array"),
        ("none-weight", "x(1, 3, 5, 5), None", _T, "weight is NoneType"),
        ("list-bias", "x(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3), [1.0]", _T, "bias is list"),
        ("none-input", "None, x(3, 3, 2, 3, 3, 3)", _T, "input is NoneType"),
        ("repeated-giant", "x(1, 3, 5, 5), np.broadcast_to(a(1, 1, 1, 1, 1, 1), (3, 3, 2**31 - 1, 2**20, 3, 3))", _S,
         ".*(needs more than|overflows)"),
    ]),
    Hostile(_OP, "weight-dtype", f"F.{_OP}(x(1, 3, 5, 5), a(3, 3, 2, 3, 3, 3).astype('float64'))", _T,
            r"\[locally_connected\] weight has dtype float64 but the input has float32"),
    Hostile(_OP, "int-input", f"F.{_OP}(i(1, 3, 5, 5), x(3, 3, 2, 3, 3, 3))", _T,
            r"\[locally_connected\] input has dtype int64, expected float32 or float64"),
    Hostile("locally_connected1d", "weight-axes", "F.locally_connected1d(x(1, 3, 5), x(3, 2, 3))", _S,
            r"\[locally_connected1d\] weight has shape \(3, 2, 3\), expected 4 axes"),
]
