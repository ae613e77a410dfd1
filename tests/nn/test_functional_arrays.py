"""Every public function on plain numpy arrays: arrays come back, in C order, with the values that Tensors give."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import support
from samples import Sample
from support import assert_close

import pyconv
from pyconv.nn import functional as F
from pyconv.tensor import Tensor

#: Rows that call a method of Tensors, or write into one, are not about arrays.
SAMPLES = [s for s in support.all_samples()
           if s.op in F.__all__ and s.op != "flatten" and not s.case.endswith("in-place")]
IN_PLACE = sorted(name for name in F.__all__ if name.endswith("_"))
#: Those without rows in the table: called with these arrays.
OTHERS = {
    "conv_matrix": lambda: F.conv_matrix(np.ones((1, 1, 2, 2), np.float32), (1, 3, 3)).toarray(),
    "flatten": lambda: F.flatten(np.ones((2, 3, 4), np.float32), 1),
    "convolve2d": lambda: F.convolve2d(np.ones((3, 3), np.float32), np.ones((2, 2), np.float32)),
}


def test_every_function_is_tested():
    assert sorted({s.op for s in SAMPLES} | set(IN_PLACE) | set(OTHERS)) == sorted(F.__all__)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.id)
def test_arrays_in_arrays_out(sample: Sample):
    arrays = support.inputs(sample, np.float32)
    kept = [a.copy() for a in arrays]
    expected = support.call(sample, *map(Tensor, [a.copy() for a in arrays]))
    for got, want in zip(support.call(sample, *arrays), expected, strict=True):
        assert type(got) is np.ndarray
        assert got.dtype == want.array.dtype
        assert got.flags.c_contiguous or any(np.shares_memory(got, a) for a in arrays)
        assert_close(got, want.array, support.tolerance(sample, np.float32), "arrays", 1.0)
    for array, before in zip(arrays[:1], kept[:1], strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_arrays_in_for_the_others(name):
    assert isinstance(OTHERS[name](), np.ndarray)


@pytest.mark.parametrize("name", sorted({s.op for s in SAMPLES}))
@pytest.mark.parametrize("form", [np.ndarray.tolist, lambda a: 1.0, lambda a: None], ids=["list", "number", "None"])
def test_nothing_else_is_taken_for_an_array(name, form):
    """A list would be copied without a word, and a number has no axes: a TypeError that names what came."""
    sample = next(s for s in SAMPLES if s.op == name)
    first, *rest = support.inputs(sample, np.float32)
    with pytest.raises(TypeError, match=r"^\[\w+\] .*(list|float|NoneType|None)"):
        sample.function(form(first), *rest, **sample.kwargs)


@pytest.mark.parametrize("value", [[1.0], 1.0, None])
def test_flatten_wants_an_array(value):
    with pytest.raises(TypeError, match=r"\[flatten\] .*(list|float|NoneType)"):
        F.flatten(value)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_functions_want_a_tensor(name):
    with pytest.raises(TypeError, match=r"\[\w+\] .* ndarray, expected a Tensor"):
        getattr(F, name)(np.ones(3, np.float32), *(0.0, 0.0)[:len(required(name)) - 1])


def required(name):
    parameters = inspect.signature(getattr(F, name)).parameters.values()
    return [p for p in parameters if p.default is p.empty]


def test_one_tensor_makes_the_result_a_tensor():
    x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
    assert isinstance(F.conv2d(x, w), np.ndarray)
    assert isinstance(F.conv2d(pyconv.tensor(x), w), Tensor)
    assert isinstance(F.conv2d(x, pyconv.tensor(w)), Tensor)
