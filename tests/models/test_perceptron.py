"""The perceptron and layers of them."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import counts, draw, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])


def test_counts():
    assert counts("perceptron") == (3, 2)
    assert counts("mlp") == counts("mlp", (1, 28, 28)) == (266_610, 266_200)
    assert counts("mlp", in_features=2, hidden=(2,), num_classes=1) == (9, 6)
    assert counts("mlp", in_features=5, hidden=(), num_classes=3) == (18, 15)


def test_corrections_follow_the_rule():
    """By hand."""
    unit = models.perceptron(2)
    x, y = np.array([[2.0, 1.0], [1.0, 3.0], [3.0, -1.0]]), [1, 0, 1]
    assert unit.fit_step(x[:1], y[:1]) == 1  # 0 is not above 0
    assert unit.linear.weight.detach().tolist() == [[2, 1]]
    assert unit.linear.bias.detach().tolist() == [1]
    assert unit.fit_step(x, y) == 1  # (1, 3) scores 6: minus (1, 3)
    assert unit.linear.weight.detach().tolist() == [[1, -2]]
    assert unit.linear.bias.detach().tolist() == [0]
    assert unit.fit_step(x, y) == 2  # (2, 1) scores 0: plus (2, 1); (1, 3) scores 1: minus (1, 3)
    assert unit.linear.weight.detach().tolist() == [[2, -4]]
    assert unit.fit_step(x, y) == 1  # (2, 1) scores 0 again
    assert unit.linear.weight.detach().tolist() == [[4, -3]]
    assert unit.linear.bias.detach().tolist() == [1]
    assert unit.fit(x, y)[-1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_separable_classes_are_separated_within_the_bound(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, 5))
    cut, offset = rng.standard_normal(5), 0.3
    distance = (x * cut).sum(1) + offset
    x, distance = x[np.abs(distance) > 0.2], distance[np.abs(distance) > 0.2]
    y = (distance > 0).astype(int)
    unit = models.perceptron(5)
    history = unit.fit(x, y)
    assert history[-1] == 0
    assert history[0] > 0
    radius = (1 + (x**2).sum(1)).max()
    margin = np.abs(distance).min() / np.sqrt((cut**2).sum() + offset**2)
    assert sum(history) <= radius / margin**2  # Novikoff
    np.testing.assert_array_equal(unit.predict(x), y)
    np.testing.assert_array_equal(unit(pyconv.tensor(x.astype(np.float32))).detach().numpy() > 0, y)


def test_the_rate_changes_no_answer():
    y = [0, 1, 1, 1]
    units = [models.perceptron() for _ in range(2)]
    assert units[0].fit(CORNERS, y) == units[1].fit(pyconv.from_numpy(CORNERS), np.array(y, bool), lr=0.125)
    np.testing.assert_array_equal(units[0].linear.weight.detach().numpy(), 8 * units[1].linear.weight.detach().numpy())


def test_no_cut_separates_xor():
    history = models.perceptron().fit(CORNERS, XOR, epochs=100)
    assert len(history) == 100
    assert min(history) > 0


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_layers_learn_xor(activation):
    pyconv.manual_seed(1)
    model = models.mlp(num_classes=2, in_features=2, hidden=(8,), activation=activation)
    optimizer = pyconv.optim.Adam(model.parameters(), lr=0.05)
    x, y = pyconv.from_numpy(CORNERS), pyconv.tensor(XOR)
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert model(x).argmax(1).tolist() == XOR.tolist()


def test_steps_lower_the_loss():
    model, x, y = models.mlp(), pyconv.from_numpy(draw(8, 784)), pyconv.tensor(np.arange(8))
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y))
    unit, sign = models.perceptron(784), pyconv.from_numpy(np.where(np.arange(8) % 2, 1, -1).astype(np.float32))
    step_lowers_loss(unit, lambda: F.relu(1 - sign * unit(x)).mean())


def test_names_of_the_state():
    assert list(models.perceptron(3).state_dict()) == ["linear.weight", "linear.bias"]
    assert list(models.mlp().state_dict())[::2] == ["layers.1.weight", "layers.3.weight", "layers.5.weight"]


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.perceptron(0), ValueError, r"\[perceptron\] in_features is 0, expected at least 1"),
    (lambda: models.perceptron(3).fit(CORNERS, XOR), ValueError,
     r"\[perceptron.fit_step\] x has shape \(4, 2\), expected \(N, 3\)"),
    (lambda: models.perceptron().fit_step(CORNERS, XOR[:3]), ValueError, r"y has 3 classes, expected 4, one per sample"),
    (lambda: models.perceptron().fit_step(CORNERS, [0, 1, 2, 1]), ValueError, r"y is \[0 1 2 1\], expected .* each 0 or 1"),
    (lambda: models.perceptron().fit_step(CORNERS, [[0, 1, 0, 1]]), ValueError, r"expected a list of classes"),
    (lambda: models.perceptron().fit_step(CORNERS, XOR, lr=0), ValueError, r"lr is 0.0, expected a number above 0"),
    (lambda: models.perceptron().fit_step(CORNERS, XOR, lr=-1), ValueError, r"lr is -1.0, expected a number above 0"),
    (lambda: models.perceptron().fit(CORNERS, XOR, epochs=0), ValueError, r"\[perceptron.fit\] epochs is 0, expected at least 1"),
    (lambda: models.perceptron().predict(CORNERS * np.nan), ValueError, r"\[perceptron.predict\] x has values that are not finite"),
    (lambda: models.perceptron().predict([[1, 2]]), TypeError, r"\[perceptron.predict\] x is list, expected a Tensor or a numpy array"),
    (lambda: models.mlp(activation="step"), ValueError, r"\[mlp\] activation is 'step', expected one of tanh, sigmoid, relu"),
    (lambda: models.mlp(hidden=300), TypeError, r"\[mlp\] hidden is 300, expected the sizes"),
    (lambda: models.mlp(hidden=(300, 0)), ValueError, r"\[mlp\] hidden is 0, expected at least 1"),
    (lambda: models.mlp(num_classes=0), ValueError, r"\[mlp\] num_classes is 0"),
    (lambda: models.mlp()(pyconv.zeros(2, 1, 32, 32)), ValueError, r"layers.1 \(Linear\): .*1024 features, expected 784"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
