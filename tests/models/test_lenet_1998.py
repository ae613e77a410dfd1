"""LeNet-5 as published, and Caffe's LeNet."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import close, counts, draw, load_from_torch, step_lowers_loss

import pyconv
from pyconv import models, nn
from pyconv.models.lenet_1998 import TABLE
from pyconv.nn import functional as F


def test_counts():
    assert counts("lenet_caffe", (1, 28, 28)) == (431_080, 2_293_000)
    assert counts("lenet5_1998", (1, 32, 32)) == (60_000, 325_680)


def test_parameters_and_connections_are_the_papers():
    """Layer by layer, as the paper lists them; a connection is a product or a bias at one place."""
    model, outputs = models.lenet5_1998(), {}
    names = ("c1", "s2", "c3", "s4", "c5", "f6", "rbf")
    for name in names:
        getattr(model, name).register_forward_hook(lambda module, args, out, name=name: outputs.__setitem__(name, out.shape[1:]))
    model(pyconv.zeros(1, 1, 32, 32))
    parameters = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in names}
    assert parameters == {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164, "rbf": 0}
    connections = {name: parameters[name] * int(np.prod(outputs[name][1:])) for name in ("c1", "c3", "c5", "f6")}
    connections |= {name: (2 * 2 + 1) * int(np.prod(outputs[name])) for name in ("s2", "s4")}
    connections["rbf"] = model.rbf.codes.numel()
    assert connections == {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164, "rbf": 840}
    assert sum(connections.values()) == 340_908
    assert sum(parameters.values()) == 60_000


def test_the_table_is_the_papers():
    """Table I, column by column."""
    columns = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235",
               "012345"]
    assert ["".join(map(str, maps)) for maps in TABLE] == columns


def test_maps_see_what_the_table_says():
    c3, x = models.lenet5_1998().c3, draw(1, 6, 14, 14)
    before = c3(pyconv.from_numpy(x)).detach().numpy()
    for i in range(6):
        changed = x.copy()
        changed[:, i] += 1
        moved = np.abs(c3(pyconv.from_numpy(changed)).detach().numpy() - before).max((0, 2, 3)) > 0
        assert moved.tolist() == [i in maps for maps in TABLE]


def test_codes_are_ten_pictures():
    codes = models.lenet5_1998().rbf.codes.numpy()
    assert codes.shape == (84, 10)
    assert set(np.unique(codes)) == {-1, 1}
    assert ((codes[:, :, None] != codes[:, None]).sum(0) + 84 * np.eye(10) > 5).all()
    assert "rbf.codes" in models.lenet5_1998().state_dict()


def test_the_nearest_code_scores_best():
    model = models.lenet5_1998()
    codes = model.rbf.codes.numpy()
    scores = model.rbf(pyconv.from_numpy(np.ascontiguousarray(codes.T))).numpy()
    np.testing.assert_array_equal(scores, -4.0 * (codes[:, :, None] != codes[:, None]).sum(0))
    assert scores.argmax(1).tolist() == list(range(10))


def test_subsampling_adds_scales_and_squashes():
    s2 = models.lenet5_1998().s2
    x = draw(2, 6, 4, 6)
    sums = x.reshape(2, 6, 2, 2, 3, 2).sum((3, 5))
    a = sums * s2.weight.detach().numpy().reshape(6, 1, 1) + s2.bias.detach().numpy().reshape(6, 1, 1)
    expected = 1.7159 * np.tanh(2 / 3 * a)
    np.testing.assert_allclose(s2(pyconv.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_initial_weights_shrink_with_the_number_of_inputs():
    model = models.lenet5_1998()
    for layer, inputs in ((model.c1, 25), (model.c3.three, 75), (model.c3.four, 100), (model.c3.six, 150), (model.c5, 400),
                          (model.f6, 120), (model.s4, 4)):
        largest = np.abs(layer.weight.detach().numpy()).max()
        assert 0.5 * 2.4 / inputs < largest <= 2.4 / inputs


@pytest.mark.parametrize("name", ["lenet5_1998", "lenet_caffe"])
def test_a_step_lowers_the_loss(name):
    model = models.create_model(name)
    x, labels = pyconv.from_numpy(draw(8, *model.input_size)), pyconv.tensor(np.arange(8))
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), labels), 1e-3)


def test_the_lenet_of_1998_learns_digits():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from pyconv.data import Digits

    model, data = models.lenet5_1998(), Digits(train=True)
    x, labels = (data.data * 1.275 - 0.1).astype(np.float32), data.targets
    optimizer = pyconv.optim.Adam(model.parameters(), lr=2e-3)
    order = np.random.default_rng(0).permutation(len(x))
    for _ in range(4):
        for i in range(0, len(x), 32):
            rows = order[i:i + 32]
            loss = F.cross_entropy(model(pyconv.from_numpy(x[rows])), pyconv.tensor(labels[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    test = Digits(train=False)
    with pyconv.no_grad():
        answers = model(pyconv.from_numpy((test.data * 1.275 - 0.1).astype(np.float32))).argmax(1).numpy()
    assert (answers == test.targets).mean() > 0.9


def test_caffes_layers_are_those_of_its_definition():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.nn

    class Net(t.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2, self.ip1, self.ip2 = t.Conv2d(1, 20, 5), t.Conv2d(20, 50, 5), t.Linear(800, 500), t.Linear(500, 10)

        def forward(self, x):
            x = t.functional.max_pool2d(self.conv1(x), 2)
            x = t.functional.max_pool2d(self.conv2(x), 2).flatten(1)
            return self.ip2(t.functional.relu(self.ip1(x)))

    theirs, ours, x = Net(), models.lenet_caffe(), draw(3, 1, 28, 28)
    load_from_torch(ours, theirs)
    with torch.no_grad():
        close(ours(pyconv.from_numpy(x)).detach().numpy(), theirs(torch.from_numpy(x)).numpy())


def test_caffes_weights_are_drawn_as_caffe_draws_them():
    model = models.lenet_caffe()
    for layer, inputs in ((model.conv1, 25), (model.conv2, 500), (model.ip1, 800), (model.ip2, 500)):
        weight = layer.weight.detach().numpy()
        assert 0.9 * np.sqrt(3 / inputs) < np.abs(weight).max() <= np.float32(np.sqrt(3 / inputs)) * 1.0001
        assert not layer.bias.detach().numpy().any()
    assert isinstance(model.relu1, nn.ReLU)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.lenet5_1998()(pyconv.zeros(1, 1, 28, 28)), ValueError,
     r"\[lenet5_1998\] x has 28 x 28 pixels, expected 32 x 32"),
    (lambda: models.lenet5_1998()(pyconv.zeros(1, 3, 32, 32)), ValueError,
     r"\[lenet5_1998\] x has shape \(1, 3, 32, 32\), expected \(N, 1, H, W\)"),
    (lambda: models.lenet_caffe(num_classes=0), ValueError, r"\[lenet_caffe\] num_classes is 0, expected at least 1"),
    (lambda: models.create_model("lenet5_1998", num_classes=5), TypeError, r"num_classes"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
