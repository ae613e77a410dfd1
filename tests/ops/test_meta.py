"""Every sample on shapes alone: the same output shapes and types as with data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import support
from samples import Sample

from pyconv.errors import NoDataError
from pyconv.tensor import Tensor

#: The shape of the result depends on values: samples, or all of an operation's.
VALUES = {"one_hot-classes", "nms", "batched_nms"}
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")


def types(*tensors: Tensor) -> Iterator[object]:
    """What sums, quotients, roots and means have, or the error that they are."""
    a, b = tensors
    for call in (lambda: a + b, lambda: a / b, lambda: a - 2, lambda: a * 2.5, lambda: a.exp(), lambda: a.sum(),
                 lambda: a.mean(0), lambda: a.max(1)[1], lambda: a < b, lambda: -a):
        try:
            yield call().dtype
        except TypeError as error:
            yield str(error)


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
def test_types_are_those_of_a_computation(left: str, right: str):
    real = [Tensor(np.ones((2, 3), kind)) for kind in (left, right)]
    assert list(types(*[Tensor(None, meta=(x.shape, x.dtype)) for x in real])) == list(types(*real))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("sample", support.all_samples(), ids=lambda s: s.id)
def test_meta_tensors_give_the_shapes_of_real_ones(sample: Sample, dtype: type):
    if VALUES & {sample.id, sample.op}:
        with pytest.raises(NoDataError, match="has no data"):
            support.call(sample, *[Tensor(None, meta=(a.shape, a.dtype)) for a in support.inputs(sample, dtype)])
        return
    arrays = support.inputs(sample, dtype)
    expected = support.call(sample, *map(Tensor, arrays))
    found = support.call(sample, *[Tensor(None, meta=(a.shape, a.dtype)) for a in arrays])
    assert all(f.is_meta for f in found if isinstance(f, Tensor)) or not arrays
    assert [(f.shape, f.dtype) for f in found] == [(e.shape, e.dtype) for e in expected]
