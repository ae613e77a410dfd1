"""Optimisers: what they refuse, and that nothing has changed then."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyconv import optim
from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor


def parameter(*shape, dtype=np.float32):
    return Tensor(np.ones(shape or (2,), dtype), requires_grad=True)


def raises(kind, match, call):
    return pytest.param(kind, match, call, id=match[:60])


@pytest.mark.parametrize(
    ("kind", "match", "call"),
    [
        raises(
            ValueError,
            r"\[SGD\] lr is -0.1, expected at least 0 and a finite number",
            lambda: optim.SGD([parameter()], lr=-0.1),
        ),
        raises(ValueError, r"\[SGD\] lr is nan", lambda: optim.SGD([parameter()], lr=math.nan)),
        raises(ValueError, r"\[SGD\] lr is inf", lambda: optim.SGD([parameter()], lr=math.inf)),
        raises(TypeError, r"\[SGD\] lr is str, expected a number", lambda: optim.SGD([parameter()], lr="0.1")),
        raises(TypeError, r"\[SGD\] lr is NoneType, expected a number", lambda: optim.SGD([parameter()], lr=None)),
        raises(TypeError, r"\[SGD\] lr is Tensor, expected a number", lambda: optim.SGD([parameter()], lr=parameter())),
        raises(TypeError, r"\[SGD\] lr is bool, expected a number", lambda: optim.SGD([parameter()], lr=True)),
        raises(
            ValueError, r"\[SGD\] momentum is -1, expected at least 0", lambda: optim.SGD([parameter()], momentum=-1)
        ),
        raises(
            ValueError,
            r"\[SGD\] weight_decay is -1, expected at least 0",
            lambda: optim.SGD([parameter()], weight_decay=-1),
        ),
        raises(
            ValueError,
            r"\[SGD\] nesterov needs momentum above 0 and dampening 0, got momentum 0 and dampening 0",
            lambda: optim.SGD([parameter()], nesterov=True),
        ),
        raises(
            ValueError,
            r"\[SGD\] nesterov needs .* dampening 0.5",
            lambda: optim.SGD([parameter()], momentum=0.9, dampening=0.5, nesterov=True),
        ),
        raises(ValueError, r"\[SGD\] foreach=True is not supported", lambda: optim.SGD([parameter()], foreach=True)),
        raises(ValueError, r"\[SGD\] fused=True is not supported", lambda: optim.SGD([parameter()], fused=True)),
        raises(
            ValueError, r"\[Adam\] capturable=True is not supported", lambda: optim.Adam([parameter()], capturable=True)
        ),
        raises(
            ValueError,
            r"\[AdamW\] differentiable=True is not supported",
            lambda: optim.AdamW([parameter()], differentiable=True),
        ),
        raises(TypeError, r"\[SGD\] params is Tensor, expected an iterable", lambda: optim.SGD(parameter())),
        raises(
            TypeError, r"\[SGD\] params is dict, expected an iterable", lambda: optim.SGD({"params": [parameter()]})
        ),
        raises(TypeError, r"\[SGD\] params is int, expected an iterable", lambda: optim.SGD(3)),
        raises(ValueError, r"\[SGD\] params is empty", lambda: optim.SGD([])),
        raises(TypeError, r"\[SGD\] params is a set", lambda: optim.SGD([{"params": {parameter()}}])),
        raises(TypeError, r"\[SGD\] params\[0\] is ndarray, expected a Tensor", lambda: optim.SGD([np.ones(2)])),
        raises(
            TypeError, r"\[SGD\] params\[1\] is NoneType, expected a Tensor", lambda: optim.SGD([parameter(), None])
        ),
        raises(
            TypeError,
            r"\[SGD\] params\[0\] has dtype int64, expected float32 or float64",
            lambda: optim.SGD([Tensor(np.ones(2, np.int64))]),
        ),
        raises(
            ValueError, r"\[SGD\] params\[0\] is the result of an operation", lambda: optim.SGD([parameter() * 2.0])
        ),
        raises(ValueError, r"\[SGD\] params\[1\] is listed twice", lambda: optim.SGD([parameter()] * 2)),
        raises(
            ValueError,
            r"\[SGD\] param_group has the keys \['lr'\], expected one named params",
            lambda: optim.SGD([{"lr": 1.0}]),
        ),
        raises(
            TypeError,
            r"\[SGD\] param_group is list, expected a dict",
            lambda: optim.SGD([parameter()]).add_param_group([]),
        ),
        raises(
            ValueError,
            r"\[SGD\] param_group has the unknown options \['weight_deacy'\]",
            lambda: optim.SGD([{"params": [parameter()], "weight_deacy": 0.1}]),
        ),
        raises(
            ValueError,
            r"\[Adam\] betas\[0\] is 1, expected at least 0 and less than 1",
            lambda: optim.Adam([parameter()], betas=(1, 0.9)),
        ),
        raises(ValueError, r"\[Adam\] betas\[1\] is -0.5", lambda: optim.Adam([parameter()], betas=(0.9, -0.5))),
        raises(
            ValueError, r"\[Adam\] betas is 0.9, expected two numbers", lambda: optim.Adam([parameter()], betas=0.9)
        ),
        raises(
            ValueError,
            r"\[Adam\] betas is \(0.9,\), expected two numbers",
            lambda: optim.Adam([parameter()], betas=(0.9,)),
        ),
        raises(ValueError, r"\[Adam\] eps is -1", lambda: optim.Adam([parameter()], eps=-1)),
        raises(ValueError, r"\[AdamW\] weight_decay is -1", lambda: optim.AdamW([parameter()], weight_decay=-1)),
        raises(ValueError, r"\[Adagrad\] lr_decay is -1", lambda: optim.Adagrad([parameter()], lr_decay=-1)),
        raises(
            ValueError,
            r"\[Adagrad\] initial_accumulator_value is -1",
            lambda: optim.Adagrad([parameter()], initial_accumulator_value=-1),
        ),
        raises(
            ValueError,
            r"\[Adadelta\] rho is 1.5, expected at least 0 and at most 1",
            lambda: optim.Adadelta([parameter()], rho=1.5),
        ),
        raises(ValueError, r"\[RMSprop\] alpha is -1", lambda: optim.RMSprop([parameter()], alpha=-1)),
        raises(ValueError, r"\[RMSprop\] momentum is -1", lambda: optim.RMSprop([parameter()], momentum=-1)),
        raises(TypeError, r"\[SGD\] closure is int, expected a function", lambda: optim.SGD([parameter()]).step(3)),
        raises(ValueError, r"\[SGD\] state_dict lacks the keys", lambda: optim.SGD([parameter()]).load_state_dict({})),
    ],
)
def test_arguments(kind, match, call):
    with pytest.raises(kind, match=match):
        call()


def test_a_gradient_that_does_not_fit_changes_nothing():
    a, b = parameter(), parameter()
    a.grad, b.grad = Tensor(np.ones(2, np.float32)), Tensor(np.ones((2, 1), np.float32))
    with pytest.raises(ShapeError, match=r"\[SGD\] params\[1\].grad has shape \(2, 1\), expected \(2,\)"):
        optim.SGD([a, b]).step()
    b.grad = Tensor(np.ones(2))
    with pytest.raises(TypeError, match=r"\[SGD\] params\[1\].grad has dtype float64, expected float32"):
        optim.SGD([a, b]).step()
    np.testing.assert_array_equal(a.array, 1)


def test_a_rate_set_later_is_checked():
    w = parameter()
    w.grad = Tensor(np.ones(2, np.float32))
    optimizer = optim.SGD([w])
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"\[SGD\] lr is -1.0"):
        optimizer.step()


def test_read_only_and_broadcast_parameters():
    frozen = np.ones(2, np.float32)
    frozen.flags.writeable = False
    for array, match in (
        (frozen, r"\[sgd\] parameter 0 is read-only"),
        (
            np.lib.stride_tricks.as_strided(np.ones(1, np.float32), (2,), (0,)),
            r"\[sgd\] parameter 0 is a broadcast view",
        ),
    ):
        w = Tensor(array, requires_grad=True)
        w.grad = Tensor(np.ones(2, np.float32))
        with pytest.raises(ValueError, match=match):
            optim.SGD([w]).step()


def test_state_of_other_parameters_is_refused():
    def stepped(*shape):
        w = parameter(*shape)
        w.grad = Tensor(np.ones(w.shape, np.float32))
        optimizer = optim.Adam([w])
        optimizer.step()
        return optimizer

    saved = stepped(3).state_dict()
    with pytest.raises(ShapeError, match=r"\[Adam\] state exp_avg has shape \(3,\), expected \(2,\)"):
        optim.Adam([parameter()]).load_state_dict(saved)
    with pytest.raises(TypeError, match=r"\[Adam\] state exp_avg has dtype float32, expected float64"):
        optim.Adam([parameter(3, dtype=np.float64)]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"\[Adam\] group 0 of state_dict has 1 parameters, expected 2"):
        optim.Adam([parameter(3), parameter(3)]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"\[Adam\] state_dict has 1 parameter groups, expected 2"):
        optim.Adam([{"params": [parameter(3)]}, {"params": [parameter(3)]}]).load_state_dict(saved)
    saved["state"][7] = {}
    with pytest.raises(ValueError, match=r"\[Adam\] state_dict has state for parameter 7, which is in no group"):
        optim.Adam([parameter(3)]).load_state_dict(saved)


@pytest.mark.parametrize(
    ("kind", "match", "change"),
    [
        (ValueError, r"\[sgd\] got 0 gradients, expected 1, one per parameter", {"grads": []}),
        (ValueError, r"\[sgd\] got 2 state arrays, expected 1", {"momentum_buffers": [np.ones(2, np.float32)] * 2}),
        (ValueError, r"\[sgd\] momentum needs one momentum buffer per parameter", {"momentum": 0.9}),
        (
            TypeError,
            r"\[sgd\] parameter 0 has dtype int64, expected float32 or float64",
            {"params": [np.ones(2, np.int64)]},
        ),
        (TypeError, r"\[sgd\] gradient 0 has dtype float64, expected float32", {"grads": [np.ones(2)]}),
        (
            ShapeError,
            r"\[sgd\] gradient 0 has shape 3, expected its parameter's, 2",
            {"grads": [np.ones(3, np.float32)]},
        ),
        (ShapeError, r"\[sgd\] state 0 has shape 3, expected 2", {"momentum_buffers": [np.ones(3, np.float32)]}),
    ],
)
def test_the_kernel_refuses_what_does_not_fit(kind, match, change):
    arguments = {
        "params": [np.ones(2, np.float32)],
        "grads": [np.ones(2, np.float32)],
        "momentum_buffers": [],
        "lr": 0.1,
        "momentum": 0.0,
        "dampening": 0.0,
        "weight_decay": 0.0,
        "nesterov": False,
        "maximize": False,
        "first": False,
    }
    with pytest.raises(kind, match=match):
        core.sgd_step(**{**arguments, **change})


def test_the_other_kernels_refuse_missing_states():
    one, zero = [np.ones(2, np.float32)], []
    with pytest.raises(ValueError, match=r"\[adam\] got 2 step numbers, expected 1"):
        core.adam_step(one, one, one, one, zero, [1, 2], 0.1, 0.9, 0.99, 1e-8, 0.0, False, False, False)
    with pytest.raises(ValueError, match=r"\[adam\] expected one array of each state per parameter"):
        core.adam_step(one, one, one, one, zero, [1], 0.1, 0.9, 0.99, 1e-8, 0.0, False, True, False)
    with pytest.raises(ValueError, match=r"\[adagrad\] expected one sum per parameter"):
        core.adagrad_step(one, one, zero, [1], 0.1, 0.0, 0.0, 1e-8, False)
    with pytest.raises(ValueError, match=r"\[adadelta\] expected one array of each state per parameter"):
        core.adadelta_step(one, one, one, zero, 0.1, 0.9, 1e-6, 0.0, False)
    with pytest.raises(ValueError, match=r"\[rmsprop\] expected one array of each state per parameter"):
        core.rmsprop_step(one, one, one, zero, zero, 0.1, 0.9, 1e-8, 0.0, 0.9, False, False)
