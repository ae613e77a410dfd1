"""The traces of a convolution and of a backward pass against the operations they explain."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import explain
from pyconv.errors import ShapeError
from pyconv.nn import functional as F
from pyconv.tensor import Tensor, listeners

IMAGE = np.array([[1.0, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
FILTER = np.array([[2.0, 0, 1], [0, 1, 2], [1, 0, 2]])
LAPLACIAN = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])

GEOMETRIES = [
    ((1, 1, 4, 4), (1, 1, 3, 3), {}),
    ((2, 3, 5, 6), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
    ((1, 4, 7, 5), (6, 2, 2, 3), {"groups": 2, "dilation": (3, 2), "padding": "same"}),
    ((1, 2, 3, 3), (2, 2, 1, 1), {"padding": 2, "stride": 2}),
]


@pytest.mark.parametrize(("image", "filters", "kwargs"), GEOMETRIES)
def test_both_views_add_up_to_the_convolution(image, filters, kwargs):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal(image), rng.standard_normal(filters), rng.standard_normal(filters[0])
    expected = F.conv2d(x, w, b, **kwargs)
    gathered = np.full(expected.shape, np.nan)
    trace = explain.trace_conv(x, w, b, **kwargs)
    steps = list(trace)
    assert len(trace) == len(steps) == expected.size
    for step in steps:
        gathered[(step.sample, step.channel, *step.position)] = step.total
        assert not step.window[~step.inside].any()
    np.testing.assert_allclose(gathered, expected, rtol=1e-12, atol=1e-12)
    scattered = np.empty(expected.shape)
    scattered[...] = b[:, None, None]
    trace = explain.trace_conv(x, w, b, mode="scatter", **kwargs)
    steps = list(trace)
    assert len(trace) == len(steps)
    for step in steps:
        for (where, tap), product in zip(step.targets, step.products, strict=True):
            per_group = filters[1]
            assert product == step.value * w[(step.output_channel, step.channel % per_group, *tap)]
            scattered[(step.sample, step.output_channel, *where)] += product
        np.testing.assert_allclose(step.output, scattered[step.sample, step.output_channel], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(scattered, expected, rtol=1e-12, atol=1e-12)


def test_scatter_view_of_one_pixel_is_the_flipped_filter():
    delta = np.zeros((3, 3))
    delta[1, 1] = 2
    (step,) = [s for s in explain.trace_conv(delta, FILTER, padding=1, mode="scatter") if s.value]
    np.testing.assert_array_equal(step.output, 2 * FILTER[::-1, ::-1])
    assert [tap for _, tap in step.targets] == list(np.ndindex(3, 3))


def test_text_of_the_gather_view():
    text = str(explain.trace_conv(IMAGE, FILTER, np.array([3.0]), padding=1)).split("\n\n")
    assert len(text) == 16
    assert text[0] == (
        "output[0, 0, 0, 0]: the window at row -1, column -1\n"
        ". . .   2 0 1   0 0 0\n"
        ". 1 2 * 0 1 2 = 0 1 4\n"
        ". 0 1   1 0 2   0 0 2\n"
        "1 + 4 + 0 + 2 + bias 3 = 10"
    )


def test_text_of_the_scatter_view():
    text = str(explain.trace_conv(np.eye(3), LAPLACIAN, padding=1, mode="scatter")).split("\n\n")
    assert text[0] == (
        "input[0, 0, 0, 0] = 1 into output channel 0:\n"
        "0 0 0    4 -1 .    4 -1 0\n"
        "0 0 0 + -1  0 . = -1  0 0\n"
        "0 0 0    .  . .    0  0 0"
    )
    unseen = list(map(str, explain.trace_conv(np.ones((1, 3)), np.ones((1, 1)), stride=2, mode="scatter")))
    assert unseen[1] == "input[0, 0, 0, 1] = 1 into output channel 0: no filter position sees it"


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: explain.trace_conv(IMAGE, FILTER, mode="both"), ValueError, r"mode is 'both', expected 'gather' or"),
    (lambda: explain.trace_conv([[1.0]], FILTER), TypeError, r"\[trace_conv\] input is list"),
    (lambda: explain.trace_conv(IMAGE, FILTER[None, None]), ShapeError, r"input has shape \(4, 4\), expected"),
    (lambda: explain.trace_conv(IMAGE[:2], FILTER), ShapeError, r"the filter spans 3 in height"),
    (lambda: explain.trace_conv(IMAGE, FILTER, np.ones(2)), ShapeError, r"bias has shape|expected \(1,\)"),
    (lambda: explain.trace_backward(lambda x: 1.0, 2), TypeError, r"function returned float, expected a Tensor"),
    (lambda: explain.trace_backward(lambda x: x * 2, [1, 2]), ValueError, r"a tensor of shape \(2,\), expected one"),
    (lambda: explain.trace_backward(lambda x: x, 1), ValueError, r"expected one element that depends on the inputs"),
    (lambda: explain.trace_backward(lambda x: x * x, 1, names=["a", "b"]), ValueError, r"names are \['a', 'b'\]"),
    (lambda: explain.trace_backward(lambda x: (x * x).sum(), np.ones(65)), ValueError,
     r"n1 = mul has 65 x 65 local gradients, expected at most 4096"),
])
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
    assert not listeners


def test_chain_rule_of_the_lecture():
    trace = explain.trace_backward(lambda x, y, z: (x + y) * z, -2, 5, -4)
    assert {k: float(v) for k, v in trace.gradients.items()} == {"x": -4, "y": -4, "z": 3}
    assert trace.result == -12
    first, second = trace.steps
    assert (first.formula, float(first.value), float(first.upstream)) == ("add(x, y)", 3, -4)
    assert [(e.operand, float(e.local), float(e.gradient)) for e in second.edges] == [("n1", -4, -4), ("z", 3, 3)]


def test_shared_operands_add_up_and_dead_ends_are_left_out():
    def function(w, x):
        h = (2.0 - w) * x
        h.exp()  # leads nowhere
        return (h * h).sum()

    trace = explain.trace_backward(function, [1.0, 3.0], [2.0, 5.0])
    w, x = Tensor(np.array([1.0, 3.0]), requires_grad=True), Tensor(np.array([2.0, 5.0]), requires_grad=True)
    (((2.0 - w) * x) ** 2).sum().backward()
    np.testing.assert_allclose(trace.gradients["w"], w.grad.array)
    np.testing.assert_allclose(trace.gradients["x"], x.grad.array)
    assert [s.formula for s in trace.steps][:3] == ["sub(2, w)", "mul(n1, x)", "mul(n2, n2)"]
    for step in trace.steps:
        for edge in step.edges:
            if edge.local.shape == step.upstream.shape == edge.gradient.shape:
                np.testing.assert_allclose(edge.gradient, step.upstream * edge.local)
            else:
                axes = step.upstream.ndim
                np.testing.assert_allclose(edge.gradient, np.tensordot(step.upstream, edge.local, axes))


def test_local_gradients_of_a_layer_are_a_jacobian():
    weight = np.array([[1.0, 2.0], [3.0, 4.0]])
    trace = explain.trace_backward(lambda x: F.linear(x, weight).sum(), [[1.0, -1.0]])
    (edge,) = trace.steps[0].edges
    np.testing.assert_array_equal(edge.local.reshape(2, 2), weight)
    with pyconv.no_grad():  # records all the same
        assert explain.trace_backward(lambda x: x * x, 3).gradients["x"] == 6
