"""Samples of local response normalisation, local contrast normalisation and normalize."""

from __future__ import annotations

import math

from pyconv.errors import ShapeError
from pyconv.nn.contrast import local_contrast_norm
from pyconv.ops.lrn import local_response_norm
from pyconv.ops.normalize import normalize
from samples import Hostile, Sample, normal


def _torch_lrn(x, size, alpha=1e-4, beta=0.75, k=1.0, *, alpha_mode="torch"):
    import torch

    return torch.nn.functional.local_response_norm(x, size, alpha * size if alpha_mode == "paper" else alpha, beta, k)


def _torch_normalize(x, **kwargs):
    import torch

    return torch.nn.functional.normalize(x, **kwargs)


def _torch_contrast(x, kernel_size=9, sigma=None, eps=1e-4):
    """The formula with one two-dimensional window over all channels."""
    import torch

    width = kernel_size / 4 if sigma is None else sigma
    steps = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
    g = torch.exp(-0.5 * (steps / width) ** 2)
    w = (torch.outer(g, g) / g.sum() ** 2).to(x.dtype)

    def local_mean(v):
        def one(u):
            return torch.nn.functional.conv2d(u, w[None, None].expand(1, u.shape[1], -1, -1), padding=kernel_size // 2)

        return one(v) / one(torch.ones_like(v))

    v = x - local_mean(x)
    sd = torch.sqrt(torch.clamp(local_mean(v * v), min=eps * eps))
    return v / torch.maximum(sd, sd.mean((2, 3), keepdim=True))


def lrn(case, shape, size, scale=3.0, **kwargs):
    kwargs = {"alpha": 0.5, **kwargs}
    return Sample("local_response_norm", case, local_response_norm, lambda rng: [scale * rng.standard_normal(shape)],
                  {"size": size, **kwargs}, _torch_lrn, length=2 * min(size, max(1, shape[1])))


def unit(case, shape, **kwargs):
    dim = kwargs.get("dim", 1)
    axes = dim if isinstance(dim, tuple) else (dim,)
    return Sample("normalize", case, normalize, normal(shape), kwargs, _torch_normalize,
                  length=2 * math.prod(shape[a] for a in axes) if shape else 1)


def contrast(case, shape, kernel_size=9, **kwargs):
    return Sample("local_contrast_norm", case, local_contrast_norm, normal(shape),
                  {"kernel_size": kernel_size, **kwargs}, _torch_contrast,
                  length=4 * kernel_size * kernel_size * shape[1] + shape[2] * shape[3])


SAMPLES = [
    *(lrn(f"size-{n}", (2, 9, 4, 5), n) for n in (1, 2, 3, 4, 5, 8, 9, 17, 30)),
    *(lrn(f"channels-{n}", (2, n, 3, 5), 5) for n in (1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 96)),
    lrn("3d", (3, 7, 5), 3), lrn("5d", (2, 6, 2, 3, 4), 5), lrn("6d", (1, 5, 2, 1, 2, 3), 3),
    lrn("alexnet", (2, 96, 5, 5), 5, alpha=1e-4, k=2.0), lrn("defaults", (2, 9, 4, 5), 5, 30.0, alpha=1e-4),
    lrn("paper", (2, 9, 4, 5), 5, alpha_mode="paper", k=2.0), lrn("half", (2, 9, 4, 5), 5, beta=0.5),
    lrn("one", (2, 9, 4, 5), 4, beta=1.0, k=0.5), lrn("power", (2, 19, 4, 5), 5, beta=1.3, k=3.0),
    lrn("negative-beta", (2, 9, 4, 5), 5, beta=-0.5), lrn("beta-0", (2, 9, 4, 5), 5, beta=0.0),
    lrn("alpha-0", (2, 9, 4, 5), 5, alpha=0.0, k=2.0), lrn("empty", (0, 9, 4, 5), 5), lrn("no-channels", (2, 0, 4, 5), 5),
    lrn("blocks", (3, 40, 23, 29), 5),
    *(unit(f"p-{p}", (3, 17), p=p) for p in (1, 2, 3.0, 0.5, 4, math.inf)),
    unit("4d", (2, 5, 4, 3)), unit("last", (2, 5, 4, 3), dim=-1), unit("axes", (2, 5, 4, 3), dim=(1, 2)),
    unit("p-3-4d", (2, 5, 4, 3), p=3.0), unit("first", (7, 5), dim=0), unit("eps", (3, 4), eps=50.0),
    unit("empty", (0, 4)),
    contrast("default", (2, 3, 13, 12)), contrast("one-channel", (1, 1, 9, 9), 5), contrast("small-image", (2, 2, 3, 4)),
    contrast("sigma", (1, 4, 8, 7), 3, sigma=0.6), contrast("one-pixel-window", (2, 3, 4, 4), 1),
    contrast("eps", (1, 2, 8, 8), 5, eps=3.0), contrast("many-channels", (1, 17, 6, 6), 3),
]

_T, _V, _S, _I = (TypeError,), (ValueError,), (ShapeError,), (IndexError,)
_BASE = {"local_response_norm": ("x(1, 3, 2, 2)", "3"), "local_contrast_norm": ("x(1, 1, 4, 4)", "3"),
         "normalize": ("x(2, 3)", "2")}
HOSTILE = [
    *(Hostile(op, case, f"F.{op}({x}, {second})", _T, rf"\[{op}\] input {match}") for op, (_, second) in _BASE.items()
      for case, x, match in (("list", "[1.0]", "is list, expected a Tensor or a numpy array"), ("none", "None", "is NoneType"),
                             ("whole", "i(1, 3, 2, 2)", "has dtype int64, expected float32 or float64"),
                             ("half", "np.ones((1, 3, 2, 2), np.float16)", "has dtype float16"))),
    *(Hostile("local_response_norm", case, f"F.local_response_norm(x(1, 3, 2, 2), {args})", raises,
              rf"\[local_response_norm\] {match}") for case, args, raises, match in (
        ("size-0", "0", _V, "size is 0, expected at least 1"), ("size-negative", "-5", _V, "size is -5"),
        ("size-huge", "2**70", _V, r"size is 118\d+"), ("size-float", "5.0", _T, "size is 5.0, expected a whole number"),
        ("size-bool", "True", _T, "size is True"), ("alpha-text", "5, 'a'", _T, "alpha is 'a', expected a number"),
        ("alpha-nan", "5, float('nan')", _V, "alpha is nan, expected a finite number"),
        ("beta-inf", "5, beta=float('inf')", _V, "beta is inf, expected a finite number"),
        ("beta-none", "5, beta=None", _T, "beta is None, expected a number"),
        ("k-bool", "5, k=True", _T, "k is True, expected a number"),
        ("k-nan", "5, k=float('nan')", _V, "k is nan"),
        ("mode", "5, alpha_mode='caffe'", _V, "alpha_mode is 'caffe', expected 'torch' or 'paper'"))),
    Hostile("local_response_norm", "two-axes", "F.local_response_norm(x(2, 3), 3)", _S, r"\[local_response_norm\] input has shape 2x3 \(2 axes\), expected \(batch, channels, ...\) with"),
    Hostile("local_response_norm", "scalar", "F.local_response_norm(x(), 3)", _S, r"\[local_response_norm\] input has shape \(\) \(0 axes\)"),
    Hostile("local_response_norm", "nine-axes", "F.local_response_norm(np.ones((1,) * 9, np.float32), 3)", _S, r"\[local_response_norm\] input has 9 (axes|entries), expected at most 8"),
    *(Hostile("local_contrast_norm", case, f"F.local_contrast_norm(x(1, 1, 4, 4), {args})", raises,
              rf"\[local_contrast_norm\] {match}") for case, args, raises, match in (
        ("even", "4", _V, "kernel_size is 4, expected an odd number from 1 to 32767"), ("zero", "0", _V, "kernel_size is 0"),
        ("huge", "2**40 + 1", _V, "kernel_size is 1099511627777"), ("float", "3.0", _T, "kernel_size is 3.0, expected a whole number"),
        ("sigma-0", "3, 0", _V, "sigma is 0, expected a finite number above 0"), ("sigma-nan", "3, float('nan')", _V, "sigma is nan"),
        ("sigma-text", "3, 'a'", _T, "sigma is 'a', expected a number"),
        ("eps-0", "3, eps=0.0", _V, "eps is 0.0, expected a finite number above 0"),
        ("eps-inf", "3, eps=float('inf')", _V, "eps is inf"), ("eps-bool", "3, eps=True", _T, "eps is True"))),
    Hostile("local_contrast_norm", "three-axes", "F.local_contrast_norm(x(1, 4, 4))", _S, r"\[local_contrast_norm\] input has shape 1x4x4, expected \(batch, channels, height, width\)"),
    Hostile("local_contrast_norm", "no-channels", "F.local_contrast_norm(x(1, 0, 4, 4))", _S, r"\[local_contrast_norm\] input has shape 1x0x4x4"),
    *(Hostile("normalize", case, f"F.normalize(x(2, 3), {args})", raises, rf"\[normalize\] {match}")
      for case, args, raises, match in (
        ("p-0", "0", _V, "p is 0, expected a number above 0"), ("p-negative", "-1.0", _V, "p is -1.0"),
        ("p-nan", "float('nan')", _V, "p is nan"), ("p-text", "'2'", _T, "p is '2', expected a number"),
        ("eps-0", "eps=0.0", _V, "eps is 0.0, expected a number above 0"), ("eps-inf", "eps=float('inf')", _V, "eps is inf"),
        ("eps-none", "eps=None", _T, "eps is None, expected a number"), ("axis", "dim=2", _I, "dim is 2, expected -2 to 1"),
        ("axis-text", "dim='a'", _T, "dim is 'a', expected a whole number"), ("out", "out=3", _V, "out is 3, only None is supported"))),
]
