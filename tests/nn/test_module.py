"""Registration, walking, hooks, conversion, repr and error paths of Module."""

from __future__ import annotations

import contextlib
import copy
import pickle

import numpy as np
import pytest

from pyconv import nn
from pyconv.tensor import Tensor


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape))


def buffer(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


class Scale(nn.Module):
    """A layer without any operation, so that these tests need no kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = parameter(3)
        self.register_buffer("seen", buffer(3))
        self.register_buffer("scratch", buffer(1), persistent=False)

    def forward(self, x, fail=None):
        if fail is not None:
            raise fail
        return x

    def extra_repr(self) -> str:
        return "3"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Identity(), Scale())
        self.head = Scale()

    def forward(self, x, fail=None, where="features.1"):
        return self.get_submodule(where)(x, fail)


def test_registration_and_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["features.1.weight", "head.weight"]
    assert [n for n, _ in net.named_modules()] == ["", "features", "features.0", "features.1", "head"]
    assert [n for n, _ in net.named_children()] == ["features", "head"]
    assert list(net.state_dict()) == ["features.1.weight", "features.1.seen", "head.weight", "head.seen"]
    assert [n for n, _ in net.named_buffers()] == [
        "features.1.seen",
        "features.1.scratch",
        "head.seen",
        "head.scratch",
    ]
    assert len(list(net.parameters(recurse=False))) == 0
    assert len(list(net.modules())) == 5


def test_shared_modules_and_parameters_are_listed_once():
    layer = Scale()
    model = nn.Sequential(layer, layer)
    assert [n for n, _ in model.named_parameters()] == ["0.weight"]
    assert [n for n, _ in model.named_parameters(remove_duplicate=False)] == ["0.weight", "1.weight"]
    assert list(model.state_dict()) == ["0.weight", "0.seen", "1.weight", "1.seen"]
    assert len(list(model.children())) == 1


def test_assigning_none_and_replacing():
    layer = Scale()
    layer.weight = None
    assert list(layer.parameters()) == []
    assert layer.weight is None
    layer.weight = parameter(2)
    assert layer.weight.shape == (2,)
    layer.weight_2 = 5
    layer.weight_2 = parameter(1)  # a plain attribute becomes a parameter
    assert [n for n, _ in layer.named_parameters()] == ["weight", "weight_2"]
    layer.seen = parameter(1)  # and so does a buffer
    assert "seen" not in dict(layer.named_buffers())
    del layer.seen
    assert not hasattr(layer, "seen")
    del layer.scratch
    assert list(layer.state_dict()) == ["weight", "weight_2"]


@pytest.mark.parametrize(
    ("action", "error", "match"),
    [
        (
            lambda m: setattr(m, "weight", 3),
            TypeError,
            r"weight is assigned int, expected a Parameter or None",
        ),
        (lambda m: setattr(m, "weight", buffer(3)), TypeError, r"weight is assigned Tensor"),
        (lambda m: setattr(m, "seen", 3), TypeError, r"seen is assigned int, expected a Tensor or None"),
        (lambda m: m.register_buffer("a.b", None), KeyError, r"expected a non-empty name without a dot"),
        (lambda m: m.register_buffer("", None), KeyError, r"non-empty name"),
        (lambda m: m.register_buffer(3, None), TypeError, r"name is int, expected a str"),
        (lambda m: m.register_buffer("forward", None), KeyError, r"attribute forward exists already"),
        (
            lambda m: m.register_buffer("c", np.zeros(3)),
            TypeError,
            r"c is ndarray, expected a Tensor or None",
        ),
        (
            lambda m: m.register_parameter("c", buffer(1)),
            TypeError,
            r"c is Tensor, expected a Parameter or None",
        ),
        (lambda m: m.register_parameter("seen", parameter(1)), KeyError, r"attribute seen exists already"),
        (lambda m: m.add_module("c", "relu"), TypeError, r"c is str, expected a Module or None"),
        (lambda m: m.train(1), ValueError, r"mode is 1, expected a bool"),
        (lambda m: m.nothing, AttributeError, r"'Scale' object has no attribute 'nothing'"),
        (lambda m: m.get_submodule("a.b"), AttributeError, r"'a.b': Scale has no submodule 'a'"),
        (lambda m: m.get_parameter("bias"), AttributeError, r"'bias': Scale has no such name"),
        (lambda m: m.get_buffer("weight"), AttributeError, r"\[get_buffer\] 'weight'"),
        (lambda m: m.register_forward_hook(3), TypeError, r"hook is int, expected a callable"),
        (lambda m: nn.Module()(3), NotImplementedError, r"\[Module\] forward is not defined"),
        (lambda m: nn.Parameter("text"), TypeError, r"data is str, expected a Tensor or a numpy array"),
        (
            lambda m: nn.Parameter(np.zeros(3, np.int64)),
            TypeError,
            r"dtype is int64, only float32 and float64",
        ),
        (lambda m: m.to("cuda"), ValueError, r"device is 'cuda', expected 'cpu' or 'meta'"),
        (lambda m: m.to(np.int64), TypeError, r"expected float32 or float64"),
        (lambda m: m.to(volume=3), TypeError, r"unexpected argument 'volume'"),
    ],
)
def test_misuse(action, error, match):
    with pytest.raises(error, match=match):
        action(Scale())


def test_assignment_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Identity()

    with pytest.raises(AttributeError, match=r"cannot assign layer before Module.__init__\(\)"):
        Early()


def test_train_eval_apply_and_freeze():
    net = Net()
    assert net.training
    assert not any(m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())
    order = []
    net.apply(lambda m: order.append(type(m).__name__))
    assert order == ["Identity", "Scale", "Sequential", "Scale", "Net"]
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_zero_grad():
    layer = Scale()
    layer.weight.grad = buffer(3)
    layer.zero_grad()
    assert layer.weight.grad is None


def test_conversion_in_place():
    layer = Scale()
    weight = layer.weight
    weight.grad = buffer(3)
    layer.register_buffer("steps", Tensor(np.zeros((), np.int64)))
    assert layer.double() is layer
    assert layer.weight is weight
    assert weight.dtype == weight.grad.dtype == layer.seen.dtype == np.float64
    assert layer.steps.dtype == np.int64
    assert layer.float().weight.dtype == np.float32
    np.testing.assert_array_equal(weight.array, np.arange(3, dtype=np.float32))
    assert layer.to("meta").weight.is_meta
    assert layer.to(np.float64).weight.dtype == np.float64
    with pytest.raises(NotImplementedError, match="to_empty"):
        layer.to("cpu")
    assert layer.to_empty(device="cpu").weight.array.shape == (3,)


def test_forward_hooks():
    layer, seen = Scale(), []
    handles = [
        layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,)),
        layer.register_forward_pre_hook(
            lambda m, args, kwargs: (args, {**kwargs, "fail": None}), with_kwargs=True
        ),
        layer.register_forward_hook(lambda m, args, out: out * 10),
        layer.register_forward_hook(
            lambda m, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True
        ),
        layer.register_forward_hook(lambda m, args, out: out * 3, prepend=True),
    ]
    assert layer(1, fail=ValueError("never raised")) == 60
    assert seen == [((2,), {"fail": None}, 60)]
    for handle in handles:
        handle.remove()
        handle.remove()
    assert layer(1) == 1
    with layer.register_forward_hook(lambda m, args, out: "hooked"):
        assert layer(1) == "hooked"
    assert layer(1) == 1


def test_deepcopy_and_pickle_keep_values_apart():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert list(other.state_dict()) == list(net.state_dict())
        other.head.weight.array[:] = 7
        assert net.head.weight.array[1] == 1
    meta = copy.deepcopy(Net().to("meta"))
    assert pickle.loads(pickle.dumps(meta)).head.weight.is_meta


def test_repr():
    assert repr(Net()) == (
        "Net(\n  (features): Sequential(\n    (0): Identity()\n    (1): Scale(3)\n  )\n  (head): Scale(3)\n)"
    )


# --- where an error was raised ------------------------------------------------------------------
class Picky(Exception):
    """An exception that cannot be made from one text and whose args cannot be written."""

    def __init__(self, a, b):
        super().__init__(a, b)

    args = property(lambda self: ("one text",))


class Annotated(ValueError):
    pass


def raised(error, **kwargs):
    with pytest.raises(type(error)) as caught:
        Net()(1, error, **kwargs)
    return caught.value


def test_error_path():
    original = ValueError("[conv2d] weight has 16 input channels but x has 3")
    error = raised(original)
    assert str(error) == "features.1 (Scale): [conv2d] weight has 16 input channels but x has 3"
    assert type(error) is ValueError
    assert error.__cause__ is original


def test_error_path_is_assembled_once_and_from_the_root():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, x):
            return self.net(x, ValueError("wrong"))

    with pytest.raises(ValueError, match=r"^net\.features\.1 \(Scale\): wrong$"):
        Outer()(1)
    model = nn.Sequential(Net())
    model[0].register_forward_pre_hook(lambda m, args: (args[0], ValueError("wrong")))
    with pytest.raises(ValueError, match=r"^0\.features\.1 \(Scale\): wrong$"):
        model(1)


def test_error_of_the_root_itself_has_no_path():
    with pytest.raises(ValueError, match=r"^wrong$"):
        Scale()(1, ValueError("wrong"))


def test_error_attributes_survive():
    original = Annotated("wrong")
    original.code = 7
    assert raised(original).code == 7


def test_errors_that_cannot_be_renamed_get_a_note():
    original = Picky(1, 2)
    error = raised(original)
    assert error is original
    assert error.__notes__ == ["in features.1 (Scale)"]
    error = raised(OSError(2, "no such file"))
    assert error.errno == 2
    assert error.__notes__ == ["in features.1 (Scale)"]


def test_keyboard_interrupt_is_untouched():
    with pytest.raises(KeyboardInterrupt) as caught:
        Net()(1, KeyboardInterrupt("stop"))
    assert caught.value.args == ("stop",)
    assert not hasattr(caught.value, "__notes__")


def test_swallowed_error_leaves_no_trace():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = Scale(), Scale()

        def forward(self, x):
            with contextlib.suppress(ValueError):
                self.a(x, ValueError("first"))
            return self.b(x, KeyError("second"))

    with pytest.raises(KeyError, match=r"b \(Scale\): second"):
        Careful()(1)
