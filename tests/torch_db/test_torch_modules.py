"""Every module that PyTorch's database and we have, with PyTorch's parameters: results, gradients, state afterwards."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest

import pyconv
from torch_db.names import MODULES
from torch_db.refusals import ACCEPTED, CANCELLING, ROWS
from torch_db.table import check

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own
ERRORS = (TypeError, ValueError, NotImplementedError, IndexError, RuntimeError)


@pytest.fixture
def entries(torch):
    """The databases, from the one version of PyTorch that the tables are about."""
    if not torch.__version__.startswith("2.13."):
        pytest.skip(f"the tables are about the samples of PyTorch 2.13, this is {torch.__version__}")
    pytest.importorskip("expecttest", reason="PyTorch's databases need expecttest")
    return importlib.import_module("torch_db.entries")


def run(info: Any, sample: Any, training: bool) -> Exception | None:
    """Construction, state_dict, forward and backward in both libraries; what went wrong."""
    from support import assert_close

    from torch_db.convert import Arguments, compare, tolerance

    made, given = sample.constructor_input, sample.forward_input
    theirs = info.module_cls(*made.args, **made.kwargs).train(training)
    wide = copy.deepcopy(theirs).double()
    expected = theirs_before = None

    def in_double() -> Any:
        args, kwargs, pairs = call.in_double()
        known = {id(b): a for b, a in parameters}
        mine = [(w, known[id(b)]) for b, w in zip(theirs.parameters(), wide.parameters(), strict=True)]
        return wide(*args, **kwargs), [*pairs[:len(pairs) - len(mine)], *mine]

    theirs_before = {k: v.clone() for k, v in theirs.state_dict().items()}
    expected = theirs(*given.args, **given.kwargs)
    try:
        construction = Arguments(made.args, made.kwargs)
        ours = getattr(pyconv.nn, info.module_cls.__name__)(*construction.args, **construction.kwargs).train(training)
        ours.load_state_dict({k: pyconv.from_numpy(v.numpy()) for k, v in theirs_before.items()})
        assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
        call = Arguments(given.args, given.kwargs)
        parameters = list(zip(theirs.parameters(), ours.parameters(), strict=True))
        call.pairs += parameters
        call.largest = max([call.largest, *[p.numel() for p, _ in parameters]])
        compare(call, ours(*call.args, **call.kwargs), expected, in_double, CANCELLING.get(info.name, (0.0, ""))[0])
        state = ours.state_dict()
        assert list(state) == list(theirs.state_dict())
        for name, value in theirs.state_dict().items():
            got = state[name].detach().numpy()
            assert_close(got, value.numpy(), tolerance(call, got.dtype), name, 1.0)
    except Exception as error:
        return error
    return None


def entry(entries: Any, name: str) -> Any:
    return next(m for m in entries.MODULES if m.module_cls.__name__ == name)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", MODULES)
def test_samples(name: str, training: bool, entries: Any, torch: Any):
    info = entry(entries, name)
    torch.manual_seed(0)
    errors = []
    found = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=True, training=training)
    assert found, "no samples"
    for sample in found:
        error = run(info, sample, training)
        if error is not None:
            made = sample.constructor_input
            errors.append((f"{sample.desc}: {made.args}, {made.kwargs}", error))
    check(info.name, "train" if training else "eval", errors, ROWS, True)


@pytest.mark.parametrize("name", MODULES)
def test_calls_that_raise(name: str, entries: Any, torch: Any):
    from torch_db.convert import Arguments

    info = entry(entries, name)
    accepted = []
    found = [] if info.module_error_inputs_func is None else info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True)
    for number, bad in enumerate(found):
        made, given = bad.module_error_input.constructor_input, bad.module_error_input.forward_input
        try:
            construction = Arguments(made.args, made.kwargs)
            module = getattr(pyconv.nn, name)(*construction.args, **construction.kwargs)
            if given is not None:
                call = Arguments(given.args, given.kwargs)
                module(*call.args, **call.kwargs)
        except ERRORS:
            continue
        accepted.append(number)
    numbers, _ = ACCEPTED.get(info.name, ((), ""))
    assert tuple(accepted) == numbers, f"{name}: accepted {accepted}, listed {numbers}"


def test_the_names_are_all_that_both_have(entries: Any):
    assert sorted(m.module_cls.__name__ for m in entries.MODULES) == sorted(MODULES)
