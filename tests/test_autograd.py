"""grad, Function, gradcheck, detect_anomaly."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv as pc
from pyconv import autograd
from pyconv.autograd import Function
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor, listeners


def leaf(*values: float, dtype=np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def values(tensor: Tensor) -> list:
    return tensor.array.tolist()


# --- grad -----------------------------------------------------------------------------------------
def test_grad_touches_no_grad():
    x, y = leaf(2.0), leaf(5.0)
    gx, gy = autograd.grad((x * y).sum(), (x, y))
    assert (values(gx), values(gy)) == ([5.0], [2.0])
    assert x.grad is None
    assert y.grad is None


def test_grad_of_an_inner_tensor():
    x = leaf(3.0)
    h = x * x
    out = (h * h).sum()
    gh, gx = autograd.grad(out, [h, x])
    assert (values(gh), values(gx)) == ([18.0], [108.0])


def test_grad_outputs_and_several_outputs():
    x = leaf(3.0, 4.0)
    (g,) = autograd.grad((x * 2, x * 3), x, (np.array([1.0, 0.0]), Tensor(np.array([0.0, 10.0]))))
    assert values(g) == [2.0, 30.0]


def test_grad_results_do_not_share_memory():
    x, y = leaf(1.0), leaf(2.0)
    given = np.ones(1)
    gx, gy = autograd.grad(x + y, (x, y), given)
    assert not np.shares_memory(gx.array, gy.array)
    assert not np.shares_memory(gx.array, given)


def test_grad_runs_only_what_leads_to_the_inputs():
    ran = []

    class Watch:
        def on_forward(self, *args):
            pass

        def on_backward(self, node, gradients):
            ran.append([g is not None for g in gradients])

    x, w = leaf(2.0), leaf(5.0)
    first, second = x * w, w.exp()
    out = (first + second).sum()
    listeners.append(Watch())
    try:
        (g,) = autograd.grad(out, x)
    finally:
        listeners.pop()
    assert values(g) == [5.0]
    assert len(ran) == 3, "exp leads to w only"
    assert ran[-1] == [True, False], "the gradient of w was computed for nothing"


def test_grad_unused():
    x, y = leaf(2.0), leaf(5.0)
    with pytest.raises(RuntimeError, match=r"\[grad\] outputs do not depend on inputs\[1\]; allow_unused=True"):
        autograd.grad(x.sum(), (x, y))
    assert autograd.grad(x.sum(), (x, y), allow_unused=True)[1] is None
    assert values(autograd.grad(x.sum(), (x, y), materialize_grads=True)[1]) == [0.0]


def test_grad_frees_and_retains():
    x = leaf(2.0)
    out = (x * x).sum()
    autograd.grad(out, x, retain_graph=True)
    autograd.grad(out, x)
    with pytest.raises(RuntimeError, match="second pass"):
        autograd.grad(out, x)


@pytest.mark.parametrize(("name", "value"),
                         [("create_graph", True), ("only_inputs", False), ("is_grads_batched", True)])
def test_grad_refuses_what_it_does_not_support(name, value):
    x = leaf(2.0)
    with pytest.raises(ValueError, match=rf"\[grad\] {name} is {value}, only {not value} is supported"):
        autograd.grad((x * x).sum(), x, **{name: value})


def test_grad_checks_its_arguments():
    x = leaf(2.0)
    with pytest.raises(TypeError, match=r"\[grad\] inputs holds ndarray, expected Tensors"):
        autograd.grad(x.sum(), np.ones(1))
    with pytest.raises(TypeError, match=r"\[grad\] outputs holds float, expected Tensors"):
        autograd.grad(1.0, x)
    with pytest.raises(RuntimeError, match=r"\[grad\] inputs\[0\] does not require a gradient"):
        autograd.grad(x.sum(), Tensor(np.ones(1)))
    with pytest.raises(ValueError, match=r"\[grad\] grad_outputs has 2 entries, expected 1"):
        autograd.grad(x.sum(), x, (None, None))


# --- Function -------------------------------------------------------------------------------------
class Scale(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        ctx.save_for_backward(x)
        return x * factor

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


def test_function_with_a_number():
    x = leaf(2.0, 3.0)
    y = Scale.apply(x, 4.0)
    assert y._node.name == "Scale"
    y.sum().backward()
    assert values(x.grad) == [4.0, 4.0]


def test_function_with_setup_context():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * 2

    x = leaf(3.0)
    Square.apply(x).backward()
    assert values(x.grad) == [6.0]
    assert autograd.gradcheck(Square.apply, leaf(1.0, 2.0))


def test_function_several_outputs_and_needs():
    seen = {}

    class Sides(Function):
        @staticmethod
        def forward(ctx, a, b):
            seen["needs"] = ctx.needs_input_grad
            index = pc.zeros(1, dtype=pc.int64)
            ctx.mark_non_differentiable(index)
            return a + b, a - b, index, "text"

        @staticmethod
        def backward(ctx, plus, minus, index, text):
            seen["got"] = (values(plus), values(minus), text)
            return plus + minus, None

    a, b = leaf(5.0), Tensor(np.array([2.0]))
    plus, minus, index, text = Sides.apply(a, b)
    assert seen["needs"] == (True, False)
    assert text == "text"
    assert not index.requires_grad
    assert (values(plus), values(minus)) == ([7.0], [3.0])
    plus.backward()
    assert seen["got"] == ([1.0], [0.0], None)
    assert values(a.grad) == [1.0]


def test_function_without_materialized_gradients():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            assert b is None
            return a

    x = leaf(1.0)
    Two.apply(x)[0].backward()
    assert values(x.grad) == [1.0]


def test_backward_inside_backward():
    """Recompute in backward, with a walk of its own (checkpointing)."""

    class Recompute(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x * x * x).exp()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with pc.enable_grad():
                inner = x.detach().requires_grad_()
                y = (inner * inner * inner).exp()
            y.backward(g)
            return inner.grad

    x, w = leaf(0.5, 0.25), leaf(2.0, 3.0)
    (Recompute.apply(x * w) * w).sum().backward()
    got = values(x.grad), values(w.grad)
    x.grad = w.grad = None
    (((x * w) * (x * w) * (x * w)).exp() * w).sum().backward()
    np.testing.assert_allclose(got, (values(x.grad), values(w.grad)), rtol=1e-14)


def test_inner_backward_may_reach_the_same_leaf():
    x = leaf(2.0)

    class Inner(Function):
        @staticmethod
        def forward(ctx, y):
            return y * 1

        @staticmethod
        def backward(ctx, g):
            with pc.enable_grad():
                (x * x).sum().backward()
            return g

    Inner.apply(x * 3).sum().backward()
    assert values(x.grad) == [7.0]


def test_function_stale_and_freed():
    x = leaf(2.0)
    h = x * 1
    y = Scale.apply(h, 2.0)
    y.backward(retain_graph=True)
    with pc.no_grad():
        h.zero_()
    with pytest.raises(RuntimeError, match="Scale needs a tensor that was changed in place"):
        y.backward()
    y = Scale.apply(x, 2.0)
    y.backward()
    with pytest.raises(RuntimeError, match="second pass through Scale"):
        y.backward()


def test_function_that_returns_its_input():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(2.0)
    y = Same.apply(x)
    assert not np.shares_memory(x.array, y.array)
    y.backward()
    assert values(x.grad) == [2.0]


def test_function_without_gradients_or_tensors():
    assert not Scale.apply(Tensor(np.ones(1)), 2.0).requires_grad
    with pc.no_grad():
        assert not Scale.apply(leaf(1.0), 2.0).requires_grad

    class Plain(Function):
        @staticmethod
        def forward(ctx, n):
            return n + 1

    assert Plain.apply(1) == 2


@pytest.mark.parametrize(("returned", "error", "match"), [
    (lambda g: (g, None, g), RuntimeError, r"\[Bad\] backward returned 3 gradients, expected 2"),
    (lambda g: g, RuntimeError, r"\[Bad\] backward returned 1 gradients, expected 2"),
    (lambda g: (g.reshape(1, 1), None), ShapeError, r"\[Bad\] backward returned shape \(1, 1\) for argument 0,"),
    (lambda g: (g.float(), None), TypeError, r"\[Bad\] backward returned dtype float32 for argument 0,"),
    (lambda g: (1.0, None), TypeError, r"\[Bad\] backward returned float for argument 0, expected a Tensor or None"),
])
def test_function_checks_what_backward_returns(returned, error, match):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return returned(g)

    with pytest.raises(error, match=match):
        Bad.apply(leaf(1.0), 2.0).backward()


def test_function_refusals():
    with pytest.raises(NotImplementedError, match=r"\[Function\] a subclass must define the static method forward"):
        Function.apply(leaf(1.0))

    class Dirty(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)

    with pytest.raises(NotImplementedError, match=r"\[Function\] mark_dirty"):
        Dirty.apply(leaf(1.0))

    class Saves(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 3)

    with pytest.raises(TypeError, match=r"\[save_for_backward\] argument 1 is int"):
        Saves.apply(leaf(1.0))

    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(NotImplementedError, match="must define the static method backward"):
        NoBackward.apply(leaf(1.0)).backward()


# --- gradcheck ------------------------------------------------------------------------------------
def test_gradcheck_finds_a_wrong_gradient():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2.0

    text = r"\[gradcheck\] d output 0\[2\] / d input 0\[2\]: backward says 2, differences say 6"
    with pytest.raises(RuntimeError, match=text):
        autograd.gradcheck(Wrong.apply, leaf(1.0, 2.0, 3.0))
    assert not autograd.gradcheck(Wrong.apply, leaf(3.0), raise_exception=False)


def test_gradcheck_several_inputs_and_outputs():
    assert autograd.gradcheck(lambda a, b, n: (a * b, (a + b).exp() * n), (leaf(1.0, 2.0), leaf(0.5, -1.0), 3.0))


def test_gradcheck_arguments():
    with pytest.raises(TypeError, match=r"\[gradcheck\] inputs\[0\] has dtype float32, expected float64"):
        autograd.gradcheck(lambda x: x * 2, leaf(1.0, dtype=np.float32))
    with pytest.raises(ValueError, match=r"\[gradcheck\] no input requires a gradient"):
        autograd.gradcheck(lambda x: x * 2, Tensor(np.ones(2)))


# --- detect_anomaly -------------------------------------------------------------------------------
def test_anomaly_names_the_first_operation():
    x = leaf(0.0, 1.0)
    text = r"\[detect_anomaly\] log: its output 0 holds Inf at \(0,\); its inputs were finite"
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match=text):
        (x * 2).log().exp()


def test_anomaly_in_a_backward_pass_names_the_forward_line():
    x = leaf(0.0, 1.0)
    text = (r"\[detect_anomaly\] sqrt: the gradient of its input 0 holds Inf at \(0,\); "
            r"the forward call was at .*test_autograd.py:\d+")
    with autograd.detect_anomaly():
        y = x.sqrt()
        with pytest.raises(RuntimeError, match=text):
            y.sum().backward()
    assert not listeners
    x.sqrt().sum().backward()


def test_anomaly_shows_bad_inputs():
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"input 0 held NaN at \(1,\)"):
        leaf(0.0, np.nan) * 2


def test_anomaly_can_be_switched_off():
    with autograd.detect_anomaly(check_nan=False):
        leaf(0.0).log()


def test_anomalies_of_operations_in_place_are_named():
    x = pc.tensor([1.0, -1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"\[detect_anomaly\] div"), autograd.detect_anomaly():
        (x * 1.0).div_(0.0)
