"""LeNet and the list of models."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import io, models


def test_names_and_shapes_of_the_state():
    assert {k: v.shape for k, v in models.lenet5().state_dict().items()} == {
        "conv1.weight": (6, 1, 5, 5), "conv1.bias": (6,), "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,),
        "fc1.weight": (120, 400), "fc1.bias": (120,), "fc2.weight": (84, 120), "fc2.bias": (84,),
        "fc3.weight": (10, 84), "fc3.bias": (10,)}
    assert list(models.lenet1().state_dict())[::2] == ["c1.weight", "c2.weight", "fc.weight"]


@pytest.mark.parametrize(("name", "parameters", "size"), [("lenet1", 3_246, 28), ("lenet5", 61_706, 32)])
@pytest.mark.parametrize(
    "options", [{}, {"activation": "tanh", "pool": "avg"}, {"activation": "sigmoid", "pool": "max"}])
def test_forward_and_backward(name, parameters, size, options):
    model = models.create_model(name, **options)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model.input_size == (1, size, size)
    out = model(pyconv.randn(3, 1, size, size))
    assert out.shape == (3, 10)
    assert np.isfinite(out.array).all()
    out.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.array).all() for p in model.parameters())


def torch_lenet5(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = torch.nn.Linear(400, 120), torch.nn.Linear(120, 84), torch.nn.Linear(84, 10)

        def forward(self, x):
            f = torch.nn.functional
            x = f.max_pool2d(f.relu(self.conv1(x)), 2)
            x = f.max_pool2d(f.relu(self.conv2(x)), 2).flatten(1)
            return self.fc3(f.relu(self.fc2(f.relu(self.fc1(x)))))

    return Net()


def test_weights_travel_to_and_from_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs, ours = torch_lenet5(torch), models.lenet5()
    assert repr(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    x = np.random.default_rng(0).standard_normal((4, 1, 32, 32)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(pyconv.from_numpy(x)).detach().array, expected, rtol=1e-5, atol=1e-5)
    fresh = models.lenet5()
    theirs.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in fresh.state_dict().items()})
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(fresh(pyconv.from_numpy(x)).detach().array, expected, rtol=1e-5, atol=1e-5)


def test_create_model(tmp_path):
    assert models.list_models() == sorted(models.list_models())
    model = models.create_model("lenet5", num_classes=3, in_channels=2, activation="tanh")
    assert model.conv1.in_channels == 2
    assert model.fc3.out_features == 3
    io.save(model.state_dict(), tmp_path / "w.safetensors")
    other = models.create_model("lenet5", num_classes=3, in_channels=2, weights=tmp_path / "w.safetensors")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name].array, value.array)
    with pytest.raises(ValueError, match=r"size mismatch for conv1.weight: .* \[6, 2, 5, 5\] .* \[6, 1, 5, 5\]"):
        models.create_model("lenet5", weights=tmp_path / "w.safetensors")


def test_arguments_of_torchvision_that_ask_for_no_weights():
    with pyconv.device("meta"):
        assert models.resnet18(weights=None, progress=False).fc.out_features == 1000
        assert models.vgg11(pretrained=False, init_weights=True).input_size
        assert models.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, progress=True, num_classes=3).input_size


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.vgg11(init_weights=False), ValueError, r"\[vgg11\] init_weights is False, expected True"),
        (lambda: models.create_model("lenet6"), ValueError,
         r"name is 'lenet6', which is no network of list_models\(\): did you mean 'lenet"),
        (lambda: models.create_model(None), ValueError, r"name is None, .*expected one of .*lenet1"),
        (lambda: models.create_model("lenet5", depth=3), TypeError,
         r"\[lenet5\] depth is no option of this network, which has num_classes, in_channels, activation, pool; help"),
        (lambda: models.resnet18(depth=3), TypeError, r"\[resnet18\] depth is no option of this network"),
        (lambda: models.faster_rcnn(backbone_name="resnet18", depth=3), TypeError, r"\[faster_rcnn\] depth is no option of this network"),
        (lambda: models.lenet5_1998(depth=3), TypeError, r"\[lenet5_1998\] depth .*, which has none; help"),
        (lambda: models.resnet18(weights="DEFAULT"), ValueError,
         r"\[resnet18\] weights is 'DEFAULT', but nothing is fetched: models.create_model\('resnet18', weights=path\) reads"),
        (lambda: models.resnet18(pretrained=True), ValueError, r"\[resnet18\] pretrained is True, but nothing is fetched"),
        (lambda: models.fcn_resnet50(weights_backbone="DEFAULT"), ValueError, r"\[fcn_resnet50\] weights_backbone is 'DEFAULT', but"),
        (lambda: models.create_model("lenet5", weights="/nowhere"), FileNotFoundError, r"/nowhere"),
        (lambda: models.lenet5(activation="gelu"), ValueError,
         r"\[lenet5\] activation is 'gelu', expected one of relu"),
        (lambda: models.lenet5(pool="min"), ValueError, r"\[lenet5\] pool is 'min', expected one of max, avg"),
        (lambda: models.lenet5(num_classes=0), ValueError, r"\[LeNet5\] num_classes is 0, expected at least 1"),
        (lambda: models.lenet1(num_classes=-1), ValueError, r"\[LeNet1\] num_classes is -1, expected at least 1"),
        (lambda: models.lenet5(in_channels=0), ValueError, r"\[Conv2d\] in_channels is 0"),
        (lambda: models.lenet5()(pyconv.zeros(1, 1, 28, 28)), ValueError,
         r"fc1 \(Linear\): .*256 features, expected 400"),
    ],
)
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
