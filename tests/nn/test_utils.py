"""Gradient clipping: against PyTorch, special norms, arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyconv.nn.utils import clip_grad_norm_, clip_grad_value_
from pyconv.tensor import Tensor

SHAPES = [(3,), (17, 5), (), (2, 3, 4, 5), (0,)]


def parameters(dtype=np.float32):
    rng = np.random.default_rng(0)
    out = []
    for shape in SHAPES:
        p = Tensor(np.zeros(shape, dtype), requires_grad=True)
        p.grad = Tensor(np.asarray(rng.standard_normal(shape), dtype))
        out.append(p)
    out.append(Tensor(np.zeros(2, dtype), requires_grad=True))  # without a gradient
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm_type", [1, 2.0, 3, math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e6])
def test_norm_matches_torch(dtype, norm_type, max_norm, torch):
    ours = parameters(dtype)
    theirs = []
    for p in ours:
        q = torch.nn.Parameter(torch.tensor(p.array))
        q.grad = None if p.grad is None else torch.tensor(p.grad.array)
        theirs.append(q)
    expected = torch.nn.utils.clip_grad_norm_(
        [q for q in theirs if q.numel() or norm_type != math.inf], max_norm, norm_type
    )
    got = clip_grad_norm_(ours, max_norm, norm_type)
    # Both sum some 200 terms.
    limit = float(np.finfo(dtype).eps) * (8 + 4 * math.sqrt(210))
    assert got.dtype == dtype
    assert float(got.array) == pytest.approx(float(expected), rel=limit)
    for p, q in zip(ours, theirs, strict=True):
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.array, q.grad.numpy(), rtol=2 * limit)


def test_small_gradients_keep_their_bits():
    ours = parameters()
    before = [p.grad.array.copy() for p in ours[:-1]]
    clip_grad_norm_(ours, 1e6)
    for p, b in zip(ours, before, strict=False):
        assert p.grad.array.tobytes() == b.tobytes()


def test_one_tensor_and_no_gradients():
    p = parameters()[0]
    clip_grad_norm_(p, 1e-3)
    assert float(np.linalg.norm(p.grad.array)) == pytest.approx(1e-3, rel=1e-4)
    assert float(clip_grad_norm_([], 1.0).array) == 0.0


def test_a_norm_that_is_not_finite():
    p = parameters()[0]
    p.grad.array[0] = np.inf
    with pytest.raises(
        RuntimeError, match=r"\[clip_grad_norm_\] the gradients' norm is inf; set error_if_nonfinite=False"
    ):
        clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert float(clip_grad_norm_(p, 1.0).array) == np.inf
    p.grad.array[0] = np.nan
    assert np.isnan(clip_grad_norm_(p, 1.0).array)
    assert np.isnan(p.grad.array).all()


def test_values():
    ours = parameters()
    clip_grad_value_(ours, 0.25)
    assert max(float(np.abs(p.grad.array).max(initial=0)) for p in ours[:-1]) == 0.25


@pytest.mark.parametrize(
    ("kind", "match", "call"),
    [
        (ValueError, r"\[clip_grad_norm_\] max_norm is -1, expected at least 0", lambda p: clip_grad_norm_(p, -1)),
        (ValueError, r"\[clip_grad_norm_\] max_norm is nan", lambda p: clip_grad_norm_(p, math.nan)),
        (TypeError, r"\[clip_grad_norm_\] max_norm is str, expected a number", lambda p: clip_grad_norm_(p, "1")),
        (ValueError, r"\[clip_grad_norm_\] norm_type is 0, expected more than 0", lambda p: clip_grad_norm_(p, 1, 0)),
        (
            ValueError,
            r"\[clip_grad_norm_\] norm_type is 'inf', expected more than 0",
            lambda p: clip_grad_norm_(p, 1, "inf"),
        ),
        (
            ValueError,
            r"\[clip_grad_norm_\] foreach=True is not supported",
            lambda p: clip_grad_norm_(p, 1, foreach=True),
        ),
        (
            TypeError,
            r"\[clip_grad_norm_\] parameters\[0\] is int, expected a Tensor",
            lambda p: clip_grad_norm_([3], 1),
        ),
        (ValueError, r"\[clip_grad_value_\] clip_value is -1, expected at least 0", lambda p: clip_grad_value_(p, -1)),
        (
            ValueError,
            r"\[clip_grad_value_\] foreach=True is not supported",
            lambda p: clip_grad_value_(p, 1, foreach=True),
        ),
        (TypeError, r"\[clip_grad_value_\] parameters\[0\] is NoneType", lambda p: clip_grad_value_([None], 1)),
    ],
)
def test_arguments(kind, match, call):
    with pytest.raises(kind, match=match):
        call(parameters())
