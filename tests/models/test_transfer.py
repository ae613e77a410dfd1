"""Transfer learning: frozen layers, new heads, features computed once."""

from __future__ import annotations

import time

import numpy as np
import pytest

import pyconv
from pyconv import models, nn
from pyconv.data import DataLoader, Dataset, TensorDataset
from pyconv.models.transfer import layers_until
from pyconv.nn import functional as F
from pyconv.tensor import Node, listeners


def images(n=8, size=32, channels=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, channels, size, size)).astype(np.float32)


def small(seed=0):
    """A ResNet-18 on 32x32 images of ten classes; running statistics are not those of a fresh network."""
    pyconv.manual_seed(seed)
    model = models.resnet18(num_classes=10)
    model.train()
    with pyconv.no_grad():
        model(pyconv.from_numpy(images(seed=9)))
    return model


def state(model):
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def train(model, batches, optimizer):
    model.train()
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# --- freeze -------------------------------------------------------------------------------------
def names(model, until):
    found = set(layers_until("freeze", model, until))
    return [name for name, module in model.named_modules() if module in found]


def test_layers_up_to_and_including():
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    assert names(model, "0") == ["0", "0.0", "0.1"]
    assert names(model, "0.0") == ["0.0"]
    assert names(model, "1.0") == ["0", "0.0", "0.1", "1.0"]
    assert names(model, "1.1") == ["0", "0.0", "0.1", "1.0", "1.1"]
    assert names(model, None) == ["", "0", "0.0", "0.1", "1", "1.0", "1.1"]


class _Tape:
    """Operations of a backward pass, and what they computed gradients of."""

    def __init__(self):
        self.nodes = []

    def on_forward(self, op, ctx, inputs, outputs):
        pass

    def on_backward(self, node, gradients):
        self.nodes.append((node.name, sum(g is not None for g in gradients)))


def recorded(tensor):
    """Names of all operations on the tape behind a tensor, newest first."""
    found, stack = [], [tensor._node]
    while stack:
        node = stack.pop()
        assert isinstance(node, Node)
        found.append(node.name)
        stack += [edge[0] for edge in node.edges if isinstance(edge, tuple)]
    return found


def test_nothing_is_recorded_below_the_border_and_no_state_kept():
    model = models.freeze(small(), until="layer4")
    x, y = pyconv.from_numpy(images()), pyconv.tensor(np.arange(8))
    before = state(model)
    model.train()
    assert [name for name, m in model.named_modules() if m.training] == ["", "avgpool", "flatten", "fc"]
    scores = model(x)
    assert recorded(scores) == ["linear"]  # not even the pooling: no parameter of its own, none below it
    assert not model.layer4(pyconv.from_numpy(np.zeros((1, 256, 2, 2), np.float32))).requires_grad
    optimizer = pyconv.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    heard = _Tape()
    listeners.append(heard)
    try:
        F.cross_entropy(scores, y).backward()
    finally:
        listeners.remove(heard)
    assert heard.nodes == [("cross_entropy", 1), ("linear", 2)]
    optimizer.step()
    assert {id(p) for p in optimizer.state} == {id(model.fc.weight), id(model.fc.bias)}
    after = state(model)
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert changed == {"fc.weight", "fc.bias"}  # running statistics and their counters included


def test_memory_of_a_step_is_that_of_the_head():
    def held(model):
        model.train()
        before = pyconv.runtime.memory()["current_bytes"]
        loss = model(pyconv.from_numpy(images())).sum()
        return pyconv.runtime.memory()["current_bytes"] - before, loss

    whole, _ = held(small())
    frozen, _ = held(models.freeze(small(), until="layer4"))
    assert frozen < whole / 50


def test_unfreeze():
    model = models.freeze(small(), until="layer4.0.conv2").train()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained == ["layer4.0.bn2.weight", "layer4.0.bn2.bias", "layer4.0.downsample.0.weight",
                       "layer4.0.downsample.1.weight", "layer4.0.downsample.1.bias", *[n for n in state(model) if
                        n.startswith("layer4.1") and "running" not in n and "batches" not in n], "fc.weight", "fc.bias"]
    assert not model.layer4[0].conv1.training
    assert model.layer4[0].bn2.training
    models.unfreeze(model, since="layer3")
    assert model.layer3[1].bn1.training
    assert model.layer3[0].conv1.weight.requires_grad
    assert not model.layer2.training
    assert not model.layer2[1].conv2.weight.requires_grad
    models.unfreeze(model)
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    model.fc.bias.requires_grad = False  # what the user froze alone is not ours
    models.unfreeze(model.eval())
    assert not model.fc.bias.requires_grad
    assert not model.fc.training
    models.freeze(model)
    assert not any(m.training for m in model.train().modules())
    models.unfreeze(model, "fc")
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]


def test_gradients_above_the_border_are_those_of_the_whole_network():
    x, y = pyconv.from_numpy(images()), pyconv.tensor(np.arange(8))
    whole, frozen = small().eval(), models.freeze(small(), until="layer3").eval()
    for model in (whole, frozen):
        F.cross_entropy(model(x), y).backward()
    theirs = dict(whole.named_parameters())
    for name, p in frozen.named_parameters():
        assert (p.grad is None) == (not name.startswith(("layer4", "fc")))
        if p.grad is not None:
            assert p.grad.numpy().tobytes() == theirs[name].grad.numpy().tobytes()


# --- another head -------------------------------------------------------------------------------
def test_weights_for_another_number_of_classes(tmp_path):
    path = tmp_path / "ten.safetensors"
    pyconv.save(small().state_dict(), path)
    expected = state(models.create_model("resnet18", num_classes=10, weights=path))
    with pytest.warns(UserWarning, match=r"\[create_model\] ten.safetensors holds other classes than the 3 asked for: new, and "
                      r"still to be trained, are fc.weight \(10 x 512 in the file\), fc.bias \(10 in the file\)$"):
        model = models.create_model("resnet18", num_classes=3, weights=path)
    found = state(model)
    assert found["fc.weight"].shape == (3, 512)
    assert np.isfinite(found["fc.weight"]).all()
    assert 0 < np.abs(found["fc.weight"]).max() < 1
    for name in expected:
        assert name.startswith("fc.") or np.array_equal(found[name], expected[name]), name
    with pytest.raises(ValueError, match=r"size mismatch for fc.weight: copying a param with shape \[10, 512\]"):
        models.create_model("resnet18", weights=path)  # nobody asked for other classes


def test_what_differs_beside_the_head_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    pyconv.save(models.lenet5(in_channels=3).state_dict(), path)
    with pytest.raises(ValueError, match=r"size mismatch for conv1.weight"):
        models.create_model("lenet5", num_classes=4, weights=path)
    own = models.lenet5().state_dict()
    pyconv.save({**own, "fc3.weight": pyconv.zeros(10, 83)}, path)
    with pytest.raises(ValueError, match=r"size mismatch for fc3.weight"):
        models.create_model("lenet5", num_classes=4, weights=path)
    del own["fc1.bias"]
    pyconv.save(own, path)
    with pytest.raises(ValueError, match=r"Missing key\(s\) in state_dict: \"fc1.bias\""), pytest.warns(UserWarning, match="fc3"):
        models.create_model("lenet5", num_classes=4, weights=path)


# --- features -----------------------------------------------------------------------------------
def frozen_pair():
    return [models.freeze(small(), until="avgpool") for _ in range(2)]


@pytest.mark.parametrize("suffix", [None, ".npz", ".safetensors"])
def test_training_on_cached_features_is_training(tmp_path, suffix):
    """The same batches: the same losses and weights, to the last bit."""
    data = TensorDataset(images(24), np.arange(24) % 10)
    plain, cached = frozen_pair()
    path = None if suffix is None else tmp_path / f"features{suffix}"
    features = models.cached_features(cached, "avgpool", data, path, batch_size=8)
    assert features[0][0].shape == (512, 1, 1)
    losses = []
    for model, source in ((plain, data), (features.head, features)):
        optimizer = pyconv.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        batches = DataLoader(source, batch_size=8)
        losses.append([train(model, batches, optimizer) for _ in range(3)])
    assert losses[0] == losses[1]
    assert losses[0][2] < losses[0][0]
    for (name, a), b in zip(state(plain).items(), state(cached).values(), strict=True):
        assert a.tobytes() == b.tobytes(), name


def test_shuffled_batches_and_the_trainer():
    """Batches of other images: the same up to the rounding of another order of sums."""
    data = TensorDataset(images(24), np.arange(24) % 10)
    plain, cached = frozen_pair()
    features = models.cached_features(cached, "avgpool", data, batch_size=5)
    histories = []
    for model, source in ((plain, data), (features.head, features)):
        loader = DataLoader(source, batch_size=8, shuffle=True, generator=1)
        optimizer = pyconv.optim.Adam(model.parameters(), lr=0.01)
        trainer = pyconv.train.Trainer(model, optimizer, nn.CrossEntropyLoss())
        histories.append([row["loss"] for row in trainer.fit(loader, loader, epochs=3)])
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_training_layers_behind_the_border():
    """Two stages and the head are trained, batch norm among them; half of the network never runs again."""
    data = TensorDataset(images(8), np.arange(8))
    plain, cached = (models.freeze(small(), until="layer2") for _ in range(2))
    features = models.cached_features(cached, "layer2", data, batch_size=8)
    for model, source in ((plain, data), (features.head, features)):
        train(model, DataLoader(source, batch_size=8), pyconv.optim.SGD(model.parameters(), lr=0.1))
    for (name, a), b in zip(state(plain).items(), state(cached).values(), strict=True):
        assert a.tobytes() == b.tobytes(), name


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_is_used_again_only_for_what_it_was_made_from(tmp_path, suffix):
    path = tmp_path / f"features{suffix}"
    counted = []

    class Counting(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            counted.append(i)
            return images(6)[i, :1], i

    def runs(model, data=None):
        counted.clear()
        features = models.cached_features(model, "pool2", data or Counting(), path)
        assert features.tensors[1].tolist() == list(range(len(features)))
        return len(counted) > 4  # its first and last sample are looked at anyway

    pyconv.manual_seed(0)
    model = models.freeze(models.lenet5(), until="pool2")
    assert runs(model)
    assert not runs(model)
    with pyconv.no_grad():
        model.fc1.weight.fill_(0)  # behind the border
    assert not runs(model)
    with pyconv.no_grad():
        model.conv1.bias.add_(1)
    assert runs(model)
    assert not runs(model)
    path.write_bytes(b"PK\x03\x04 broken")
    assert runs(model)
    path.write_bytes(b"")
    assert runs(model)
    path.write_bytes(path.read_bytes()[:200])
    assert runs(model)
    assert not runs(model)


def test_the_head_is_fast():
    model = models.freeze(small(), until="avgpool")
    features = models.cached_features(model, "avgpool", TensorDataset(images(64), np.arange(64) % 10))
    x = features.tensors[0]
    start = time.perf_counter()
    for _ in range(5):
        features.head(x)
    cached = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(5):
        model(pyconv.from_numpy(images(64)))
    assert cached < (time.perf_counter() - start) / 4


class _Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return x + self.second(self.first(x))


class _Backwards(_Skip):
    def forward(self, x):
        return self.first(self.second(x))


class _Two(_Skip):
    def forward(self, x):
        return self.first(x), x


def data(shape=(4, 1, 3, 3)):
    return TensorDataset(np.ones(shape, np.float32), np.arange(shape[0]))


class _Words(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return np.ones((1, 3, 3), np.float32), "word"


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.freeze(3), TypeError, r"\[freeze\] model is int, expected a Module"),
    (lambda: models.unfreeze(3), TypeError, r"\[unfreeze\] model is int, expected a Module"),
    (lambda: models.freeze(models.lenet5(), "pool3"), ValueError,
     r"\[freeze\] until is 'pool3', which is no layer of LeNet5: did you mean 'pool"),
    (lambda: models.freeze(_Skip(), "xyz"), ValueError, r"which is no layer of _Skip: there are first, second"),
    (lambda: models.unfreeze(models.lenet5(), "fc9"), ValueError, r"\[unfreeze\] until is 'fc9', which is no layer"),
    (lambda: models.cached_features(_Skip(), "first", data()), ValueError,
     r"\[cached_features\] first is not frozen: call freeze\(model, 'first'\) first"),
    (lambda: models.cached_features(models.freeze(_Skip()), "first", data((0, 1, 3, 3))), ValueError, r"dataset is empty"),
    (lambda: models.cached_features(models.freeze(_Skip()), "first", data(), "x.pkl"), ValueError,
     r"path ends in '.pkl', expected .npz or .safetensors"),
    (lambda: models.cached_features(models.freeze(_Backwards(), "first"), "first", data()), ValueError,
     r"second runs before 'first' but is registered behind it"),
    (lambda: models.cached_features(models.freeze(nn.Sequential(_Two())), "0", data()), TypeError,
     r"\[cached_features\] 0 returns tuple, expected a Tensor"),
    (lambda: models.cached_features(models.freeze(_Skip()), "first", _Words()), TypeError,
     r"target 1 is list, expected numbers or tensors"),
    (lambda: models.Head(_Skip(), "first", (1, 3, 3))(pyconv.ones(2, 1, 3, 3)), ValueError,
     r"\[Head\] until is 'first', but what comes behind it reads earlier results as well"),
    (lambda: models.Head(_Skip(), "second", (1, 3, 3))(pyconv.ones(2, 1, 4, 3)), ValueError,
     r"\[Head\] features have shape \(2, 1, 4, 3\), expected \(2, 1, 3, 3\), that of 'second' for 2 images of \(1, 3, 3\)"),
    (lambda: models.Head(_Skip(), "first"), ValueError, r"\[Head\] input_size is None and _Skip has no input_size"),
    (lambda: models.Head(_Skip(), "first", (1, 3, 3))(np.ones((2, 1, 3, 3))), TypeError, r"features is ndarray, expected a"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
