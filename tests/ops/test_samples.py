"""Every sample of the table, in every kind of test."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import support
from samples import Sample
from support import assert_close, assert_results_close

from pyconv._backend import core
from pyconv.tensor import Tensor

SAMPLES = support.all_samples()
each = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.id)
THREADS = (1, 2, 3, 4, 7)


@functools.cache
def reference(name: str) -> support.Result:
    """The float64 path: naive loops with a double accumulator."""
    sample = next(s for s in SAMPLES if s.id == name)
    return support.run(sample, support.inputs(sample, np.float64))


def test_ids_are_unique():
    names = [s.id for s in SAMPLES]
    assert not {n for n in names if names.count(n) > 1}


@each
def test_float32_matches_the_float64_reference(sample: Sample, isa: str):
    got = support.run(sample, support.inputs(sample, np.float32))
    for g, t in zip(got.outputs, got.tensors, strict=True):
        assert g.dtype != np.float64 or not t.requires_grad, "a float64 output of float32 inputs"
    assert_results_close(got, reference(sample.id), support.tolerance(sample, np.float32), isa)


@each
def test_bits_do_not_depend_on_the_number_of_threads(sample: Sample, keep_threads: None):
    arrays = support.inputs(sample, np.float32)
    first = None
    for n in THREADS:
        core.set_num_threads(n)
        got = support.run(sample, arrays)
        first = first or got
        for (what, a), (_, b) in zip(got.named(), first.named(), strict=True):
            assert (a is None) == (b is None), what
            if a is not None:
                assert a.dtype == b.dtype
                assert a.tobytes() == b.tobytes(), f"{what} differs between 1 and {n} threads"


@pytest.mark.filterwarnings("ignore")  # PyTorch's own
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.torch is not None], ids=lambda s: s.id)
def test_matches_torch(sample: Sample, dtype: type, torch):
    arrays = support.inputs(sample, dtype)
    got = support.run(sample, arrays)
    args = [torch.tensor(np.array(a, order="C"), requires_grad=t)
            for a, t in zip(arrays, (t.requires_grad for t in support.leaves(sample, arrays)), strict=True)]
    kwargs = sample.kwargs if sample.torch_kwargs is None else sample.torch_kwargs
    outputs = support.as_tuple(sample.torch(*args, **kwargs))
    values = [o.detach().numpy() for o in outputs]
    gradients: list[np.ndarray | None] = [None] * len(args)
    if sample.gradients:
        weights = support.cotangents(sample, values)
        roots = [(o, torch.from_numpy(np.array(g, order="C"))) for o, g in zip(outputs, weights, strict=True)
                 if o.requires_grad]
        wanted = [i for i, a in enumerate(args) if a.requires_grad]
        found = torch.autograd.grad([o for o, _ in roots], [args[i] for i in wanted], [g for _, g in roots],
                                    allow_unused=True)
        for i, g in zip(wanted, found, strict=True):
            gradients[i] = None if g is None else g.numpy()
    for a, b in zip(got.outputs, values, strict=True):
        assert a.dtype == b.dtype, f"dtype {a.dtype}, PyTorch's is {b.dtype}"
    # Both sides round, hence twice the tolerance.
    assert_results_close(got, support.Result(values, gradients, []), 2 * support.tolerance(sample, dtype), "PyTorch")


def _value(sample: Sample, arrays: list[np.ndarray], weights: list[np.ndarray]) -> tuple[float, float]:
    """sum(outputs * cotangents), and the same with magnitudes, which bounds its rounding error."""
    outputs = [o.array for o in support.call(sample, *map(Tensor, arrays))]
    terms = [o * w for o, w in zip(outputs, weights, strict=True) if support.is_float(o)]
    return sum(float(t.sum()) for t in terms), sum(float(np.abs(t).sum()) for t in terms)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.gradients], ids=lambda s: s.id)
def test_gradcheck(sample: Sample):
    """Central differences in float64: along each axis for small inputs, along random directions for all.

    With a step h the difference has an error of about h^2 (truncation) plus eps / h of the summed magnitudes
    (rounding): 1e-12 and 1e-10 of them for h = 1e-6, and 1e-7 leaves room for steep functions.
    """
    step, allowed = 1e-6, 1e-7
    arrays = support.inputs(sample, np.float64)
    result = support.run(sample, arrays)
    weights = support.cotangents(sample, result.outputs)
    rng = support.generator(sample)
    for index, leaf in enumerate(support.leaves(sample, arrays)):
        if not leaf.requires_grad:
            continue
        x, gradient = arrays[index], result.gradients[index]
        if gradient is None:
            gradient = np.zeros_like(x)
        assert gradient.shape == x.shape
        directions = [rng.standard_normal(x.shape) for _ in range(2)]
        if x.size <= 16:
            directions += [np.eye(1, x.size, i).reshape(x.shape) for i in range(x.size)]
        for v in directions:
            moved = list(arrays)
            moved[index] = np.asarray(x + step * v)
            above, size = _value(sample, moved, weights)
            moved[index] = np.asarray(x - step * v)
            below, _ = _value(sample, moved, weights)
            numeric, analytic = (above - below) / (2 * step), float((gradient * v).sum())
            limit = allowed * (size + float(np.abs(gradient * v).sum()))
            assert abs(numeric - analytic) <= limit, (
                f"input {index}: backward says {analytic!r}, differences {numeric!r}, allowed error {limit:.1e}")


def _in_channels_last(a: np.ndarray) -> bool:
    return np.moveaxis(a, 1, -1).flags.c_contiguous


#: Products of matrices and normalised rows keep their rows together; a result without a batch axis is a view of one with it.
OTHER_ORDER = {"linear", "matmul", "layer_norm", "rms_norm"}


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op not in OTHER_ORDER and "unbatched" not in s.case],
                         ids=lambda s: s.id)
def test_outputs_of_rank_4_and_5_are_channels_last(sample: Sample):
    arrays = support.inputs(sample, np.float32)
    for output in support.call(sample, *support.leaves(sample, arrays)):
        a = output.array
        if a.ndim in (4, 5) and not any(np.shares_memory(a, x) for x in arrays):
            assert _in_channels_last(a), f"strides {a.strides} of shape {a.shape}"


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.function.__module__.startswith("pyconv")],
                         ids=lambda s: s.id)
def test_numpy_arrays_give_c_order(sample: Sample):
    arrays = support.inputs(sample, np.float32)
    expected = support.call(sample, *map(Tensor, arrays))
    for got, want in zip(support.call(sample, *arrays), expected, strict=True):
        assert type(got) is np.ndarray
        assert got.dtype == want.array.dtype
        assert got.flags.c_contiguous or any(np.shares_memory(got, x) for x in arrays)
        assert_close(got, want.array, support.tolerance(sample, np.float32), "numpy call", 1.0)


def _strided(a: np.ndarray) -> np.ndarray:
    """Every second element, backwards, of memory full of NaN (or of ones); read-only."""
    if a.ndim == 0:
        return a
    memory = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan if support.is_float(a) else 1).astype(a.dtype)
    view = memory[..., ::-2]
    view[...] = a
    view.flags.writeable = False
    return view


def _other_order(a: np.ndarray) -> np.ndarray:
    if a.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    return np.asfortranarray(a) if a.ndim else a


def _misaligned(a: np.ndarray) -> np.ndarray:
    memory = np.zeros(a.nbytes + 1, np.uint8)
    view = memory[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


@pytest.mark.parametrize("arrange", [_strided, _other_order, _misaligned], ids=["strided", "other-order", "misaligned"])
@each
def test_memory_of_the_inputs_does_not_matter(sample: Sample, arrange):
    arrays = support.inputs(sample, np.float32)
    kept = [a.copy() for a in arrays]
    got = support.run(sample, [arrange(a) for a in arrays])
    assert_results_close(got, reference(sample.id), support.tolerance(sample, np.float32), arrange.__name__)
    for a, b in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(a, b, err_msg="an input was changed")
