"""Every operation that PyTorch's database and we have: its sample calls, and those that must raise."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from torch_db.names import OPS
from torch_db.refusals import ACCEPTED, CANCELLING, ROWS
from torch_db.table import check

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own

#: Only kinds can be compared: the numbers are random, or nobody wrote any.
RANDOM = {"randn", "randn_like", "rand_like", "randint", "normal", "uniform", "bernoulli", "empty", "nn.functional.dropout",
          "nn.functional.dropout2d", "nn.functional.dropout3d"}
#: How many samples of an entry the quick tier takes; the long one takes all.
QUICK = {"float32": 60, "float64": 20}
ERRORS = (TypeError, ValueError, NotImplementedError, IndexError, RuntimeError)


@pytest.fixture
def entries(torch):
    """The databases, from the one version of PyTorch that the tables are about."""
    if not torch.__version__.startswith("2.13."):
        pytest.skip(f"the tables are about the samples of PyTorch 2.13, this is {torch.__version__}")
    pytest.importorskip("expecttest", reason="PyTorch's databases need expecttest")
    return importlib.import_module("torch_db.entries")


def run(name: str, op: Any, form: Any, sample: Any) -> Exception | None:
    """The call in both libraries; what went wrong."""
    from torch_db.convert import Arguments, compare, compare_kinds

    derivative, _ = CANCELLING.get(name, (0.0, ""))
    changing = form.name == "inplace"

    def theirs(args: Any, kwargs: Any) -> Any:
        return form.theirs(args[0].clone(), *args[1:], **kwargs) if changing else form.theirs(*args, **kwargs)

    def in_double() -> Any:
        args, kwargs, pairs = call.in_double()
        return theirs(args, kwargs), pairs

    expected = theirs((sample.input, *sample.args), sample.kwargs)
    try:
        call = Arguments((sample.input, *sample.args), sample.kwargs)
        if changing:
            x = call.args[0].clone()
            result = form.ours(x, *call.args[1:], **call.kwargs)
            assert result is x, "the result is another tensor"
        else:
            result = form.ours(*call.args, **call.kwargs)
        if op.name in RANDOM:
            compare_kinds(result, expected)
        else:
            compare(call, result, expected, in_double, derivative)
    except Exception as error:
        return error
    return None


def samples(op: Any, dtype: Any, form: Any) -> Iterator[Any]:
    import torch

    torch.manual_seed(0)
    for sample in op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd):
        if not (form.name == "inplace" and sample.broadcasts_input):  # the result does not fit the tensor
            yield sample


def check_all(entries: Any, name: str, dtype: Any, limit: int | None) -> None:
    for op in entries.OPS:
        if op.name != name:
            continue
        for form in entries.forms(op):
            chosen = list(samples(op, dtype, form))
            step = 1 if limit is None else -(-len(chosen) // limit)
            assert chosen, f"{entries.entry(op)}: no samples"
            errors = [(str(s), e) for s in chosen[::step] if (e := run(entries.entry(op), op, form, s)) is not None]
            check(entries.entry(op), form.name, errors, ROWS, step == 1, str(dtype).removeprefix("torch."))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPS)
def test_samples(name: str, dtype: str, entries: Any, torch: Any):
    check_all(entries, name, getattr(torch, dtype), QUICK[dtype])


@pytest.mark.full
@pytest.mark.parametrize("name", [n for n in OPS if "max_pool" in n or "max_unpool" in n])
def test_all_samples(name: str, entries: Any, torch: Any):
    check_all(entries, name, torch.float32, None)


@pytest.mark.parametrize("name", OPS)
def test_calls_that_raise(name: str, entries: Any):
    from torch_db.convert import Arguments

    accepted = []
    for op in entries.OPS:
        if op.name != name or op.error_inputs_func is None:
            continue
        form = next(entries.forms(op))
        for number, bad in enumerate(op.error_inputs("cpu")):
            args, kwargs = (bad.sample_input.input, *bad.sample_input.args), bad.sample_input.kwargs
            try:
                form.theirs(*args, **kwargs)
            except Exception:
                try:
                    call = Arguments(args, kwargs)
                    form.ours(*call.args, **call.kwargs)
                except ERRORS:
                    continue
                accepted.append(number)
    numbers, _ = ACCEPTED.get(name, ((), ""))
    assert tuple(accepted) == numbers, f"{name}: accepted {accepted}, listed {numbers}"


def test_the_names_are_all_that_both_have(entries: Any):
    assert sorted({op.name for op in entries.OPS}) == sorted(OPS)


def test_rows_are_about_entries(entries: Any):
    known = {entries.entry(op) for op in entries.OPS} | {m.name for m in entries.MODULES}
    for row in ROWS:
        assert row.entry in known, row
        assert row.count > 0, row
        assert row.reason, row
        assert issubclass(row.error, (TypeError, ValueError, NotImplementedError, AssertionError)), row
    assert {*ACCEPTED, *CANCELLING} <= {*OPS, *known}
