"""Layers' forward and gradients against PyTorch's with the same state, and what they do beyond their one operation."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pyconv
from pyconv import nn

EPS = 2.0**-24


@pytest.fixture(autouse=True)
def seed():
    pyconv.manual_seed(5)


LAYERS = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 4, 9)),
    ("Conv2d", (4, 6, (3, 2)), {"groups": 2, "dilation": (1, 2)}, (2, 4, 7, 8)),
    ("Conv2d", (4, 6, 3), {"padding": "same", "dilation": 2, "bias": False}, (2, 4, 7, 8)),
    ("Conv3d", (2, 3, 2), {}, (2, 2, 4, 5, 6)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 4, 9)),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"groups": 2, "dilation": (1, 2), "stride": (2, 1)}, (2, 4, 5, 6)),
    ("ConvTranspose2d", (4, 6, 2), {"stride": 3, "output_padding": (2, 1), "bias": False}, (2, 4, 5, 6)),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, (2, 2, 3, 4, 5)),
    ("Conv1d", (4, 6, 3), {"padding": 2, "padding_mode": "reflect"}, (2, 4, 9)),
    ("Conv2d", (4, 6, (3, 2)), {"padding": "same", "padding_mode": "replicate"}, (2, 4, 7, 8)),
    ("Conv2d", (4, 6, 3), {"padding": (1, 2), "padding_mode": "circular", "stride": 2}, (2, 4, 7, 8)),
    ("Conv3d", (2, 3, 2), {"padding": 1, "padding_mode": "circular"}, (2, 2, 4, 5, 6)),
    ("Linear", (5, 7), {}, (2, 3, 5)),
    ("MaxPool1d", (2,), {}, (2, 3, 9)),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 9, 8)),
    ("MaxPool3d", (2,), {}, (2, 3, 4, 5, 6)),
    ("AvgPool1d", (2, 1), {}, (2, 3, 9)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 9, 8)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, (2, 3, 4, 5, 6)),
    ("AdaptiveAvgPool1d", (4,), {}, (2, 3, 9)),
    ("AdaptiveAvgPool2d", ((1, None),), {}, (2, 3, 9, 8)),
    ("AdaptiveAvgPool3d", (2,), {}, (2, 3, 4, 5, 6)),
    ("AdaptiveMaxPool1d", (4,), {}, (2, 3, 9)),
    ("AdaptiveMaxPool2d", (5,), {}, (2, 3, 9, 8)),
    ("AdaptiveMaxPool3d", (2,), {}, (2, 3, 4, 5, 6)),
    ("LPPool1d", (2, 3), {}, (2, 3, 9)),
    ("LPPool2d", (2, (2, 3), 2), {"ceil_mode": True}, (2, 3, 9, 8)),
    ("LPPool3d", (float("inf"), 2), {}, (2, 3, 4, 5, 6)),
    ("Upsample", (), {"scale_factor": 1.5, "mode": "linear"}, (2, 3, 8)),
    ("Upsample", ((4, 11),), {"mode": "bicubic", "align_corners": True}, (2, 3, 9, 8)),
    ("Upsample", (), {"scale_factor": (2, 1, 0.5), "mode": "trilinear"}, (2, 3, 4, 5, 6)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", (7,), {}, (2, 3, 4, 5)),
    ("ZeroPad1d", (2,), {}, (2, 3, 5)),
    ("ZeroPad2d", ((1, -1, 2, 0),), {}, (2, 3, 4, 5)),
    ("ZeroPad3d", (1,), {}, (2, 3, 4, 5, 6)),
    ("ConstantPad2d", (1, 2.5), {}, (2, 3, 4, 5)),
    ("ReflectionPad1d", ((2, 1),), {}, (2, 3, 5)),
    ("ReflectionPad2d", (2,), {}, (2, 3, 4, 5)),
    ("ReflectionPad3d", (1,), {}, (2, 3, 4, 5, 6)),
    ("ReplicationPad2d", ((5, 1, 0, 2),), {}, (2, 3, 4, 5)),
    ("CircularPad2d", ((1, 2, 3, 4),), {}, (2, 3, 4, 5)),
    ("CircularPad3d", (1,), {}, (2, 3, 4, 5, 6)),
    ("Unfold", ((2, 3),), {"stride": 2, "padding": 1}, (2, 3, 6, 7)),
    ("Fold", ((4, 5), 2), {}, (2, 8, 12)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("ChannelShuffle", (3,), {}, (2, 6, 3, 4)),
    ("BatchNorm1d", (4,), {}, (6, 4)),
    ("BatchNorm1d", (4,), {"momentum": 0.3}, (3, 4, 5)),
    ("BatchNorm2d", (4,), {"momentum": None}, (3, 4, 5, 6)),
    ("BatchNorm2d", (4,), {"affine": False, "eps": 0.1}, (3, 4, 5, 6)),
    ("BatchNorm2d", (4,), {"track_running_stats": False}, (3, 4, 5, 6)),
    ("BatchNorm2d", (4,), {"bias": False}, (3, 4, 5, 6)),
    ("BatchNorm3d", (2,), {}, (3, 2, 3, 4, 5)),
    ("ReLU", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("LogSoftmax", (-1,), {}, (3, 4, 5)),
    ("Flatten", (), {}, (3, 4, 5, 6)),
    ("Flatten", (2, 3), {}, (3, 4, 5, 6)),
    ("Dropout", (0.0,), {}, (3, 4)),
]


def close(got, expected, length):
    expected = expected.detach().numpy()
    got = got.array if hasattr(got, "array") else got
    assert got.shape == expected.shape
    # Two sums of `length` float32 terms in different orders, each with rounding errors that grow as the root.
    tolerance = 16 * EPS * max(1, math.sqrt(length)) * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("case", LAYERS, ids=lambda c: f"{c[0]}-{len(c[3])}d-{'-'.join(c[2])}")
def test_forward_gradients_and_state_as_in_torch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    name, args, kwargs, shape = case
    theirs, ours = getattr(torch.nn, name)(*args, **kwargs), getattr(nn, name)(*args, **kwargs)
    assert repr(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    rng = np.random.default_rng(1)
    length = 4 * int(np.prod(shape))
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x = rng.standard_normal(shape).astype(np.float32)
        a, b = pyconv.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, expected = ours(a), theirs(b)
        close(y, expected, length)
        gradient = rng.standard_normal(expected.shape).astype(np.float32)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(pyconv.tensor(gradient))
        expected.backward(torch.tensor(gradient))
        close(a.grad, b.grad, length)
        for (key, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert key == other
            close(p.grad, q.grad, length)
        for (key, p), q in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            if key == "num_batches_tracked":
                assert p.item() == q.item()
            else:
                close(p, q, length)


def test_transposed_convolution_to_a_size(torch):
    theirs = torch.nn.ConvTranspose2d(2, 3, (3, 4), stride=(2, 3), padding=1, dilation=(2, 1))
    ours = nn.ConvTranspose2d(2, 3, (3, 4), stride=(2, 3), padding=1, dilation=(2, 1))
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 2, 4, 5)).astype(np.float32)
    for size in ((9, 14), [10, 16], (2, 3, 10, 15)):
        expected = theirs(torch.tensor(x), size)
        assert expected.shape[2:] == tuple(size)[-2:]
        close(ours(pyconv.tensor(x), output_size=size), expected, 24)
        close(ours(pyconv.tensor(x[0]), size[-2:]), expected[0], 24)
    for size, match in (((8, 14), r"\[ConvTranspose2d\] output_size is 8 in spatial axis 0, expected 9 to 10 for an "),
                        ((9, 17), r"output_size is 17 in spatial axis 1, expected 14 to 16 for an input of 5"),
                        ((9,), r"output_size is \(9,\), expected 2 or 4 whole numbers"),
                        (9, r"output_size is 9, expected 2 or 4 whole numbers")):
        with pytest.raises(ValueError, match=match):
            ours(pyconv.tensor(x), size)
    with pytest.raises(TypeError, match=r"output_size is 9.5, expected a whole number"):
        ours(pyconv.tensor(x), (9.5, 14))


LOSSES = [
    ("CrossEntropyLoss", {}, (5, 4), "labels"),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "reduction": "sum"}, (5, 4, 3), "labels"),
    ("CrossEntropyLoss", {"ignore_index": 2, "weight": [1.0, 2.0, 0.5, 0.1]}, (5, 4), "labels"),
    ("CrossEntropyLoss", {}, (5, 4), "probabilities"),
    ("NLLLoss", {"reduction": "none"}, (5, 4), "labels"),
    ("NLLLoss", {"weight": [1.0, 2.0, 0.5, 0.1]}, (5, 4), "labels"),
    ("MSELoss", {}, (5, 4), "values"),
    ("MSELoss", {"reduction": "none"}, (5, 4), "values"),
    ("L1Loss", {"reduction": "sum"}, (5, 4), "values"),
    ("SmoothL1Loss", {"beta": 0.5}, (5, 4), "values"),
    ("HuberLoss", {"delta": 0.5}, (5, 4), "values"),
    ("BCEWithLogitsLoss", {}, (5, 4), "probabilities"),
    ("BCEWithLogitsLoss", {"weight": [1.0, 2.0, 0.5, 0.1], "pos_weight": [2.0, 1.0, 0.5, 0.1]}, (5, 4),
     "probabilities"),
    ("KLDivLoss", {"reduction": "batchmean"}, (5, 4), "probabilities"),
]


@pytest.mark.parametrize("case", LOSSES, ids=lambda c: f"{c[0]}-{'-'.join(c[1])}-{c[3]}")
def test_losses_as_in_torch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    name, kwargs, shape, kind = case
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    target = {"labels": rng.integers(0, 4, (shape[0], *shape[2:])),
              "probabilities": rng.dirichlet(np.ones(4), 5).astype(np.float32),
              "values": rng.standard_normal(shape).astype(np.float32)}[kind]
    ours = getattr(nn, name)(**{k: pyconv.tensor(v) if "weight" in k else v for k, v in kwargs.items()})
    theirs = getattr(torch.nn, name)(**{k: torch.tensor(v) if "weight" in k else v for k, v in kwargs.items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    a, b = pyconv.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a, pyconv.from_numpy(target)), theirs(b, torch.from_numpy(target))
    close(y, expected, 20)
    y.sum().backward()
    expected.sum().backward()
    close(a.grad, b.grad, 20)


def test_batch_norm_refuses_other_ranks():
    for kind, shape in ((nn.BatchNorm1d, (2, 3, 4, 4)), (nn.BatchNorm2d, (2, 3)), (nn.BatchNorm3d, (2, 3, 4, 4))):
        layer = kind(3)
        with pytest.raises(ValueError, match=rf"\[{type(layer).__name__}\] input has {len(shape)} axes"):
            layer(pyconv.zeros(*shape))


def test_a_batch_that_does_not_fit_is_not_counted():
    norm = nn.BatchNorm2d(3)
    with pytest.raises(pyconv.ShapeError, match=r"\[batch_norm\] running_mean has shape 3, expected 4"):
        norm(pyconv.ones(2, 4, 5, 5))
    assert norm.num_batches_tracked.item() == 0
    norm(pyconv.ones(2, 3, 5, 5))
    assert norm.num_batches_tracked.item() == 1


def test_batch_norm_accepts_files_without_the_count():
    layer = nn.BatchNorm2d(3)
    state = layer.state_dict()
    del state["num_batches_tracked"]
    assert layer.load_state_dict(state).missing_keys == []
    del state["running_mean"]
    with pytest.raises(ValueError, match=r'Missing key\(s\) in state_dict: "running_mean"\.'):
        layer.load_state_dict(state)


def test_dropout_only_in_training():
    x = pyconv.ones(1000)
    layer = nn.Dropout(0.25)
    values = layer(x).array
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((values == 0).mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 1000)
    assert (layer.eval()(x).array == 1).all()
    image = nn.Dropout2d(0.5)(pyconv.ones(8, 32, 3, 3)).array
    assert ((image == 0).all(axis=(2, 3)) | (image == 2).all(axis=(2, 3))).all()
    assert 0 < (image == 0).mean() < 1


def test_pool_with_indices_returns_both():
    values, indices = nn.MaxPool2d(2, return_indices=True)(pyconv.arange(16, dtype=pyconv.float32).reshape(1, 1, 4, 4))
    assert values.array.ravel().tolist() == indices.array.ravel().tolist() == [5, 7, 13, 15]


def test_relu_in_place():
    x = pyconv.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0, 2]
    with pytest.raises(TypeError, match=r"\[relu_\] input is ndarray, expected a Tensor to change in place"):
        nn.functional.relu(np.zeros(3, np.float32), inplace=True)


def test_relu_in_place_behind_every_layer_that_may_come_before_it():
    rng = np.random.default_rng(0)
    for layer, shape in ((nn.Linear(3, 4), (5, 3)), (nn.Conv2d(3, 4, 3), (2, 3, 5, 5)),
                         (nn.BatchNorm2d(3), (2, 3, 4, 4)), (nn.BatchNorm1d(3), (5, 3))):
        x = rng.standard_normal(shape).astype(np.float32)
        a, b = pyconv.tensor(x, requires_grad=True), pyconv.tensor(x, requires_grad=True)
        nn.functional.relu(layer(a), inplace=True).sum().backward()
        nn.functional.relu(layer(b)).sum().backward()
        assert a.grad.tolist() == b.grad.tolist()


def test_softmax_needs_its_axis():
    with pytest.raises(ValueError, match=r"\[softmax\] dim is None"):
        nn.Softmax()(pyconv.zeros(2, 3))


def test_functional_on_arrays_alone_returns_arrays():
    f = nn.functional
    image, weight = np.ones((1, 2, 6, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)
    row = np.float32([[1, 2, 3]])
    results = [
        f.conv_transpose2d(image, weight[:2]), f.conv2d(image, weight), f.conv1d(image[:, :, 0], weight[:, :, 0]),
        f.linear(row, np.ones((2, 3), np.float32)),
        f.relu(row), f.sigmoid(row), f.tanh(row), f.softmax(row, 1), f.log_softmax(row, 1), f.max_pool2d(image, 2),
        f.avg_pool2d(image, 2), f.adaptive_avg_pool2d(image, 1), f.adaptive_max_pool2d(image, 1), f.flatten(image, 1),
        f.batch_norm(image, np.zeros(2, np.float32), np.ones(2, np.float32)), f.dropout(row), f.dropout2d(image),
    ]
    assert all(type(r) is np.ndarray for r in results)
    assert all(r.flags.c_contiguous for r in results)
    label = np.array([1])
    losses = [f.cross_entropy(row, label), f.nll_loss(row, label), f.mse_loss(row, row), f.l1_loss(row, row)]
    assert not any(isinstance(r, pyconv.Tensor) for r in losses)


def test_functional_signatures_as_in_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import inspect

    checked = 0
    for name in nn.functional.__all__:
        try:
            theirs = inspect.signature(getattr(torch.nn.functional, name, None)).parameters
        except (TypeError, ValueError):  # PyTorch's builtins don't tell
            continue
        ours = inspect.signature(getattr(nn.functional, name)).parameters
        variable = [p.kind.name for p in theirs.values() if p.kind.name.startswith("VAR")]
        if variable:
            continue
        assert list(ours)[: len(theirs)] == list(theirs), name
        checked += 1
    assert checked >= 10
