"""The self-test holds, and can fail: each item is wrong as soon as the operation that it is about is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

import pyconv
from pyconv import cli, course, explain, optim, vision
from pyconv.course import Claim, Item, counts, overfitting, runner
from pyconv.course.item import holds
from pyconv.nn import conv as nn_conv
from pyconv.nn import functional as F
from pyconv.nn import linear as nn_linear
from pyconv.nn.summary import Summary
from pyconv.ops.binary import Add, Mul
from pyconv.ops.conv import Conv
from pyconv.ops.conv_transpose import ConvTranspose
from pyconv.ops.norm import BatchNorm
from pyconv.ops.pool import MaxPool

TESTS = [*(f"T{i:02}" for i in range(1, 36)), "C11", "D25", "SGD", "SGD momentum", "SGD Nesterov", "SGD weight decay", "Adagrad",
         "Adadelta", "Adam", "AdamW"]


def statuses(test):
    return {"ok" if row.ok else "wrong" for row in course.run([test])}


def test_every_item_is_there_once_and_none_is_wrong():
    names = [item.test for item in course.items()]
    assert sorted(names) == sorted(TESTS)
    rows = course.run()
    assert [row for row in rows if not row.ok] == []
    assert {row.test for row in rows} == set(TESTS)
    assert len(rows) > 140
    assert all(row.slide for row in rows)


# --- it can fail ----------------------------------------------------------------------------------
def _more(function):
    """The result of a function, one percent larger."""

    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        scale = lambda r: r * 1.01 if isinstance(r, np.ndarray) and r.dtype.kind == "f" else r  # noqa: E731
        return tuple(map(scale, result)) if isinstance(result, tuple) else scale(result)

    return wrapped


def _wider(function):
    """A parameter with one element more in its last axis."""
    return lambda layer, shape, device, dtype: function(layer, (*shape[:-1], shape[-1] + 1), device, dtype)


def op(kind, method="forward"):
    return lambda patch: patch.setattr(kind, method, staticmethod(_more(getattr(kind, method))))


def name(room, attribute, change=_more):
    return lambda patch: patch.setattr(room, attribute, change(getattr(room, attribute)))


def _rows(change):
    """Every row of a summary changed."""
    def patch(monkeypatch):
        plain = Summary.__init__

        def init(self, name, size, rows, *rest):
            plain(self, name, size, [change(row) for row in rows], *rest)

        monkeypatch.setattr(Summary, "__init__", init)

    return patch


def _fields(row):
    return row._replace(receptive_field=row.receptive_field and tuple(n + 1 for n in row.receptive_field))


def _shapes(row):
    return row._replace(output_shape=tuple(n + 1 for n in row.output_shape))


def _learning_rate(kind):
    def patch(monkeypatch):
        plain = kind.__init__

        def init(self, *args, **kwargs):
            plain(self, *args, **{**kwargs, "lr": 1.01 * kwargs["lr"]})

        monkeypatch.setattr(kind, "__init__", init)

    return patch


def _flip(function):
    return lambda x, w, mode: F.conv2d(x[None, None], w[None, None])[0, 0]


#: What is changed, and the items that must notice.
CHANGES = [
    (op(Conv), ["T01", "T02", "T04", "T05", "T07", "T14", "T15"]),
    (op(Conv, "backward"), ["T03"]),
    (name(F, "convolve2d", _flip), ["T01", "T02"]),
    (op(ConvTranspose), ["T06", "T14", "T15"]),
    (name(F, "conv_matrix", lambda f: lambda w, size, stride=1: f(w, size, stride, padding=1)), ["T06", "T11"]),
    (name(Conv, "infer", lambda f: staticmethod(lambda shapes, *, dilation, **k: f(shapes, dilation=(1, 1), **k))),
     ["T10"]),
    (_rows(_shapes), ["T09", "T21"]),
    (_rows(_fields), ["T10", "T19"]),
    (_rows(lambda row: row._replace(macs=row.macs + 1)), ["C11", "D25"]),
    (name(nn_conv, "parameter", _wider), ["T08", "T11", "T16", "T19", "C11"]),
    (name(nn_linear, "parameter", _wider), ["T11", "T17", "T18", "T20", "C11"]),
    (name(counts, "alexnet", lambda f: lambda groups: f(3 - groups)), ["C11"]),
    (op(MaxPool), ["T12", "T13"]),
    (op(MaxPool, "backward"), ["T12"]),
    (name(Mul, "forward", lambda f: classmethod(lambda cls, *a, **k: 1.01 * f(*a, **k))), ["T22", "T23"]),
    (name(Add, "grad_a", lambda f: classmethod(lambda cls, ctx, gy: 2 * gy)), ["T23"]),
    (name(F, "softmax", lambda f: lambda *a: 1.01 * f(*a)), ["T24"]),
    (name(F, "cross_entropy", lambda f: lambda x, t: 1.01 * f(x, t)), ["T24"]),
    (name(F, "silu", lambda f: lambda *a: 1.01 * f(*a)), ["T25"]),
    (name(F, "prelu", lambda f: lambda *a: 1.01 * f(*a)), ["T26"]),
    (op(BatchNorm), ["T27"]),
    (name(F, "local_response_norm", lambda f: lambda *a, **k: f(*a)), ["T28"]),
    (name(F, "interpolate", lambda f: lambda x, align_corners, **k: f(x, align_corners=not align_corners, **k)), ["T14"]),
    (name(counts.nn, "LocallyConnected1d", lambda f: lambda *a, **k: f(1, 1, 9, 3, stride=2)), ["T11"]),
    (name(explain, "fgsm", lambda f: lambda m, x, t, e, targeted: f(m, x, t, e)), ["T29"]),
    (name(explain, "saliency", lambda f: lambda *a: -f(*a)), ["T30"]),
    (name(explain, "gram_matrix"), ["T31"]),
    (name(explain, "style_loss"), ["T31"]),
    (name(vision, "box_iou"), ["T32"]),
    (name(vision, "encode_boxes"), ["T33"]),
    (name(vision, "psnr", lambda f: lambda *a: 1.001 * f(*a)), ["T34"]),
    (name(overfitting, "matmul", lambda f: lambda *a: 1.01 * f(*a)), ["T35"]),
    (name(overfitting, "eliminate", lambda f: lambda rows: (f(rows)[0] - 1, f(rows)[1])), ["T35"]),
    (_learning_rate(optim.SGD), ["SGD", "SGD momentum", "SGD Nesterov", "SGD weight decay"]),
    *((_learning_rate(kind), [kind.__name__]) for kind in (optim.Adagrad, optim.Adadelta, optim.Adam, optim.AdamW)),
]


@pytest.mark.parametrize(("change", "test"), [(change, test) for change, tests in CHANGES for test in tests],
                         ids=[f"{i}-{test}" for i, (_, tests) in enumerate(CHANGES) for test in tests])
def test_an_item_notices_a_changed_operation(monkeypatch, change, test):
    assert "wrong" not in statuses(test)
    change(monkeypatch)
    assert "wrong" in statuses(test)


def test_every_item_is_shown_to_fail():
    shown = {test for _, tests in CHANGES for test in tests}
    assert set(TESTS) == shown


def test_float32_alone_is_enough(monkeypatch):
    plain = Conv.forward

    def forward(ctx, x, *args, **kwargs):
        y = plain(ctx, x, *args, **kwargs)
        return y + 1 if x.dtype == np.float32 else y

    monkeypatch.setattr(Conv, "forward", staticmethod(forward))
    row = course.run(["T02"])[0]
    assert not row.ok
    assert row.got == "[[16.0, 17.0], [7.0, 16.0]] in float32"


def test_holds():
    assert holds(Claim("", [1, 2], np.array([1.0, 2.0])), "float64")
    assert not holds(Claim("", [1, 2], [1, 2 + 1e-12]), "float64")
    assert not holds(Claim("", [1, 2], [[1, 2]]), "float64")
    assert not holds(Claim("", [1.0], [np.nan], 1.0), "float64")
    assert not holds(Claim("", 1, "1 more"), "float64")
    assert holds(Claim("", ["1K"], ["1K"]), "float64")
    assert holds(Claim("", 1 / 3, np.float32(1 / 3), 1e-12), "float32")
    assert not holds(Claim("", 1 / 3, np.float32(1 / 3), 1e-12), "float64")


def _topic(monkeypatch, claims):
    monkeypatch.setattr(runner, "items", lambda: [Item("X", "a slide", claims)])


def test_exceptions_are_failures(monkeypatch):
    def broken(dtype: str) -> Iterator[Claim]:
        yield Claim("first", 1, 1)
        raise ValueError("no")

    _topic(monkeypatch, broken)
    assert [(r.what, r.ok, r.got) for r in course.run()] == [
        ("first", True, 1), ("(the computation)", False, "ValueError: no")]


def test_a_claim_of_one_precision_only_is_a_failure(monkeypatch):
    def shorter(dtype: str) -> Iterator[Claim]:
        yield Claim("first", 1, 1)
        if dtype == "float64":
            yield Claim("second", 2, 2)

    _topic(monkeypatch, shorter)
    assert [r.ok for r in course.run()] == [True, False]


# --- the command ----------------------------------------------------------------------------------
def test_the_command_tells_success_from_failure(monkeypatch, capsys):
    assert cli.main(["selftest", "--only", "T02", "T05"]) == 0
    text = capsys.readouterr().out
    assert "2 tests, 6 claims in float64 and float32" in text
    assert "[[15, 16], [6, 15]]" in text
    assert "F21  all four" in text
    assert "F01" not in text  # a slip of another test
    op(Conv)(monkeypatch)
    assert cli.main(["selftest", "--only", "T02", "--json", "--no-slips"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["failed"]
    assert found["wrong"] > 0
    assert found["slips"] == []
    assert found["rows"][0]["expected"] == [[15, 16], [6, 15]]


def test_unknown_tests_are_a_users_mistake(capsys):
    assert cli.main(["selftest", "--only", "T99"]) == 2
    assert "unknown test 'T99'" in capsys.readouterr().err
    with pytest.raises(KeyError, match=r"\[selftest\] there is no test 'T99'"):
        course.run(["T99"])


def test_slips_point_at_tests_that_exist():
    assert [slip.number for slip in course.SLIPS] == [f"F{i:02}" for i in range(1, 25)]
    assert {test for slip in course.SLIPS for test in slip.tests} <= set(TESTS)


def test_without_torch(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    assert pyconv.__version__
    assert statuses("T03") == {"ok"}
