"""Learning-rate schedules: against PyTorch step by step, formulas, arguments, saving."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyconv import optim
from pyconv.optim import lr_scheduler as S
from pyconv.tensor import Tensor


def parameter():
    return Tensor(np.ones(2, np.float32), requires_grad=True)


def sgd(lr=0.4, groups=1, **options):
    return optim.SGD([{"params": [parameter()], "lr": lr / (i + 1)} for i in range(groups)], **options)


SCHEDULES = {
    "step": ("StepLR", {"step_size": 3, "gamma": 0.5}),
    "multi-step": ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.9}),
    "cosine": ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    "cosine-one": ("CosineAnnealingLR", {"T_max": 1}),
    "lambda": ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    "lambdas": ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1.0]}),
    "one-cycle": ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24}),
    "one-cycle-linear": (
        "OneCycleLR",
        {
            "max_lr": [1.0, 0.5],
            "epochs": 6,
            "steps_per_epoch": 4,
            "anneal_strategy": "linear",
            "pct_start": 0.25,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ),
    "one-cycle-three": ("OneCycleLR", {"max_lr": 1.0, "total_steps": 25, "three_phase": True, "cycle_momentum": False}),
}
METRICS = [
    5.0,
    4.0,
    4.1,
    4.2,
    3.9999,
    4.3,
    4.4,
    4.5,
    4.6,
    1.0,
    1.1,
    1.2,
    1.3,
    1.4,
    1.5,
    1.6,
    1.7,
    1.8,
    math.nan,
    1.9,
    2.0,
]
PLATEAUS = {
    "default": {"patience": 2},
    "max": {"mode": "max", "patience": 1, "factor": 0.5},
    "abs": {"threshold_mode": "abs", "threshold": 0.5, "patience": 1},
    "max-abs": {"mode": "max", "threshold_mode": "abs", "threshold": 0.5, "patience": 1},
    "cooldown": {"patience": 0, "cooldown": 2, "min_lr": 0.01},
    "eps": {"patience": 0, "eps": 0.05},
}


def of_torch(torch, kind, **options):
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": 0.4 / (i + 1)} for i in range(2)]
    return torch.optim.Adam(groups) if kind == "Adam" else torch.optim.SGD(groups, lr=0.4, momentum=0.9)


def of_ours(kind):
    groups = [{"params": [parameter()], "lr": 0.4 / (i + 1)} for i in range(2)]
    return optim.Adam(groups) if kind == "Adam" else optim.SGD(groups, lr=0.4, momentum=0.9)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("case", SCHEDULES)
def test_rates_match_torch(case, kind, torch):
    name, options = SCHEDULES[case]
    theirs, ours = of_torch(torch, kind), of_ours(kind)
    expected = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    got = getattr(S, name)(ours, **options)
    for epoch in range(23):
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert a["lr"] == pytest.approx(b["lr"], rel=1e-12), f"epoch {epoch}"
            if kind == "Adam":
                assert a["betas"] == pytest.approx(b["betas"], rel=1e-12), f"epoch {epoch}"
            else:
                assert a["momentum"] == pytest.approx(b["momentum"], rel=1e-12), f"epoch {epoch}"
        assert got.get_last_lr() == pytest.approx([float(x) for x in expected.get_last_lr()], rel=1e-12)
        theirs.step()
        expected.step()
        got.step()


@pytest.mark.parametrize("case", PLATEAUS)
def test_plateau_matches_torch(case, torch):
    theirs, ours = of_torch(torch, "SGD"), of_ours("SGD")
    expected = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **PLATEAUS[case])
    got = S.ReduceLROnPlateau(ours, **PLATEAUS[case])
    for metric in METRICS:
        expected.step(metric)
        got.step(metric)
        assert got.get_last_lr() == pytest.approx(expected.get_last_lr(), rel=1e-12), metric


def test_formulas():
    """Closed forms, without PyTorch."""
    optimizer = sgd(1.0)
    cosine = S.CosineAnnealingLR(optimizer, T_max=10, eta_min=0.1)
    for epoch in range(25):
        assert cosine.get_last_lr()[0] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * epoch / 10)) / 2, rel=1e-9)
        cosine.step()
    step = S.StepLR(sgd(1.0), step_size=2, gamma=0.1)
    rates = []
    for _ in range(5):
        rates += step.get_last_lr()
        step.step()
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_one_cycle_starts_peaks_and_ends_where_it_says():
    optimizer = sgd(momentum=0.9)
    cycle = S.OneCycleLR(optimizer, max_lr=1.0, total_steps=100)
    rates, momenta = [], []
    for step in range(100):
        rates += cycle.get_last_lr()
        momenta.append(optimizer.param_groups[0]["momentum"])
        if step < 99:
            cycle.step()
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[29] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(1 / 25 / 1e4)
    assert (max(momenta), min(momenta)) == pytest.approx((0.95, 0.85))
    cycle.step()
    with pytest.raises(ValueError, match=r"\[OneCycleLR\] step 101 is past total_steps=100"):
        cycle.step()


def test_a_phase_of_one_step_is_its_end():
    assert S.OneCycleLR(sgd(momentum=0.9), max_lr=1.0, total_steps=10, pct_start=0.1).get_last_lr() == [1.0]


def test_two_schedules_act_on_one_optimiser():
    optimizer = sgd(1.0)
    one, two = S.StepLR(optimizer, 1, 0.5), S.StepLR(optimizer, 2, 0.1)
    for _ in range(2):
        one.step()
        two.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * 0.5 * 0.1)


@pytest.mark.parametrize("case", [c for c in SCHEDULES if "lambda" not in c])
def test_a_saved_schedule_continues(case):
    name, options = SCHEDULES[case]
    straight, first, second = (getattr(S, name)(of_ours("SGD"), **options) for _ in range(3))
    for _ in range(10):
        straight.step()
    for _ in range(4):
        first.step()
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    for _ in range(6):
        second.step()
    assert second.get_last_lr() == straight.get_last_lr()


def test_last_epoch_resumes():
    optimizer = sgd(0.5)
    with pytest.raises(KeyError, match=r"\[StepLR\] parameter group 0 has no initial_lr, which last_epoch=3 needs"):
        S.StepLR(optimizer, 2, last_epoch=3)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    assert S.CosineAnnealingLR(optimizer, 10, last_epoch=4).get_last_lr() == pytest.approx([0.5])


def raises(kind, match, call):
    return pytest.param(kind, match, call, id=match[:60])


@pytest.mark.parametrize(
    ("kind", "match", "call"),
    [
        raises(TypeError, r"\[StepLR\] optimizer is int, expected an Optimizer", lambda: S.StepLR(3, 1)),
        raises(TypeError, r"\[OneCycleLR\] optimizer is NoneType", lambda: S.OneCycleLR(None, 1.0, 5)),
        raises(TypeError, r"\[ReduceLROnPlateau\] optimizer is str", lambda: S.ReduceLROnPlateau("sgd")),
        raises(TypeError, r"\[LambdaLR\] optimizer is list", lambda: S.LambdaLR([], len)),
        raises(ValueError, r"\[StepLR\] step_size is 0, expected at least 1", lambda: S.StepLR(sgd(), 0)),
        raises(TypeError, r"\[StepLR\] step_size is float, expected a whole number", lambda: S.StepLR(sgd(), 1.5)),
        raises(ValueError, r"\[StepLR\] gamma is -1, expected at least 0", lambda: S.StepLR(sgd(), 1, -1)),
        raises(
            ValueError, r"\[StepLR\] last_epoch is -2, expected at least -1", lambda: S.StepLR(sgd(), 1, last_epoch=-2)
        ),
        raises(
            TypeError, r"\[MultiStepLR\] milestones is int, expected whole numbers", lambda: S.MultiStepLR(sgd(), 3)
        ),
        raises(
            TypeError,
            r"\[MultiStepLR\] milestones is str, expected a whole number",
            lambda: S.MultiStepLR(sgd(), ["3"]),
        ),
        raises(ValueError, r"\[MultiStepLR\] milestones is -1", lambda: S.MultiStepLR(sgd(), [-1])),
        raises(
            TypeError, r"\[ExponentialLR\] gamma is NoneType, expected a number", lambda: S.ExponentialLR(sgd(), None)
        ),
        raises(
            ValueError, r"\[CosineAnnealingLR\] T_max is 0, expected at least 1", lambda: S.CosineAnnealingLR(sgd(), 0)
        ),
        raises(ValueError, r"\[CosineAnnealingLR\] eta_min is -1", lambda: S.CosineAnnealingLR(sgd(), 5, -1)),
        raises(
            ValueError,
            r"\[LambdaLR\] lr_lambda has 2 entries, expected 1, one per parameter group",
            lambda: S.LambdaLR(sgd(), [abs, abs]),
        ),
        raises(TypeError, r"\[LambdaLR\] lr_lambda is float, expected a function", lambda: S.LambdaLR(sgd(), 0.5)),
        raises(
            ValueError,
            r"\[OneCycleLR\] got neither total_steps nor both",
            lambda: S.OneCycleLR(sgd(momentum=0.9), 1.0, epochs=3),
        ),
        raises(ValueError, r"\[OneCycleLR\] total_steps is 0", lambda: S.OneCycleLR(sgd(momentum=0.9), 1.0, 0)),
        raises(
            ValueError, r"\[OneCycleLR\] epochs is -1", lambda: S.OneCycleLR(sgd(), 1.0, epochs=-1, steps_per_epoch=2)
        ),
        raises(
            ValueError,
            r"\[OneCycleLR\] pct_start is 1.5, expected at least 0 and at most 1",
            lambda: S.OneCycleLR(sgd(), 1.0, 9, pct_start=1.5),
        ),
        raises(
            ValueError,
            r"\[OneCycleLR\] anneal_strategy is 'sin', expected 'cos' or 'linear'",
            lambda: S.OneCycleLR(sgd(), 1.0, 9, anneal_strategy="sin"),
        ),
        raises(
            ValueError,
            r"\[OneCycleLR\] cycle_momentum needs an optimiser with momentum or betas, got Adagrad",
            lambda: S.OneCycleLR(optim.Adagrad([parameter()]), 1.0, 9),
        ),
        raises(
            ValueError, r"\[OneCycleLR\] max_lr has 2 entries, expected 1", lambda: S.OneCycleLR(sgd(), [1.0, 2.0], 9)
        ),
        raises(
            ValueError,
            r"\[ReduceLROnPlateau\] mode is 'low', expected 'min' or 'max'",
            lambda: S.ReduceLROnPlateau(sgd(), "low"),
        ),
        raises(
            ValueError,
            r"\[ReduceLROnPlateau\] threshold_mode is 'x', expected 'rel' or 'abs'",
            lambda: S.ReduceLROnPlateau(sgd(), threshold_mode="x"),
        ),
        raises(
            ValueError,
            r"\[ReduceLROnPlateau\] factor is 1.0, expected at least 0 and less than 1",
            lambda: S.ReduceLROnPlateau(sgd(), factor=1.0),
        ),
        raises(ValueError, r"\[ReduceLROnPlateau\] patience is -1", lambda: S.ReduceLROnPlateau(sgd(), patience=-1)),
        raises(
            ValueError,
            r"\[ReduceLROnPlateau\] min_lr has 3 entries",
            lambda: S.ReduceLROnPlateau(sgd(), min_lr=[0, 0, 0]),
        ),
        raises(
            ValueError,
            r"\[StepLR\] state_dict has the unknown keys \['x'\]",
            lambda: S.StepLR(sgd(), 1).load_state_dict({"x": 1}),
        ),
    ],
)
def test_arguments(kind, match, call):
    with pytest.raises(kind, match=match):
        call()
