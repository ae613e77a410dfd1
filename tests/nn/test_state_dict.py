"""state_dict and load_state_dict."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv import nn
from pyconv.errors import StateDictError
from pyconv.tensor import Tensor


class Layer(nn.Module):
    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.zeros(n, np.float32))
        self.register_buffer("count", Tensor(np.zeros((), np.int64)))


def model() -> nn.Sequential:
    return nn.Sequential(Layer(), Layer(2))


def test_values_share_memory_and_are_detached():
    net = model()
    state = net.state_dict()
    assert not state["0.weight"].requires_grad
    state["0.weight"].array[:] = 4
    assert net[0].weight.array[0] == 4
    assert net.state_dict(keep_vars=True)["0.weight"] is net[0].weight
    assert next(iter(net.state_dict(prefix="net."))) == "net.0.weight"


def test_round_trip_copies_and_bumps_the_version():
    source, target = model(), model()
    source[0].weight.array[:] = [1, 2, 3]
    source[1].count.array[...] = 9
    version = target[0].weight._version[0]
    keys = target.load_state_dict(source.state_dict())
    assert repr(keys) == "<All keys matched successfully>"
    np.testing.assert_array_equal(target[0].weight.array, [1, 2, 3])
    assert target[1].count.array == 9
    assert not np.shares_memory(target[0].weight.array, source[0].weight.array)
    assert target[0].weight._version[0] == version + 1


def test_numpy_and_other_dtypes():
    net = Layer()
    net.load_state_dict({"weight": np.array([1.5, 2, 3]), "count": 4})
    assert net.weight.dtype == np.float32
    assert net.weight.array[0] == 1.5
    assert net.count.array == 4
    net.load_state_dict({"weight": np.array([1, 2, 3]), "count": np.int32(7)})
    assert net.weight.array[2] == 3


def test_all_problems_in_one_message_and_nothing_is_copied():
    net = model()
    state = {
        "0.weight": np.ones(3),
        "0.count": 1,
        "1.weight": np.ones((2, 2)),
        "2.weight": np.ones(1),
        "more": 3,
    }
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "1.count".\n'
        '\tUnexpected key(s) in state_dict: "2.weight", "more".\n'
        "\tsize mismatch for 1.weight: copying a param with shape [2, 2] from checkpoint, "
        "the shape in current model is [2]."
    )
    assert isinstance(caught.value, RuntimeError)
    assert net[0].weight.array[0] == 0


@pytest.mark.parametrize(("rename", "tried"), [
    (lambda name: f"module.{name}", 'without "module."'),
    (lambda name: "module." + name if name != "1.count" else name, 'without "module."'),
    (lambda name: name[2:] if name.startswith("0.") else name, 'with "0."'),
    (lambda name: f"{name[0]}.{name}", None), (lambda name: name + "_", None), (lambda name: name.upper(), None)])
def test_a_common_beginning_is_named(rename, tried):
    net = model()
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict({rename(name): value for name, value in net.state_dict().items()})
    expected = [f"Tried: {tried} at their beginning the unexpected names are the missing ones."] if tried else []
    assert [line.strip() for line in str(caught.value).splitlines() if "Tried" in line] == expected


def test_not_strict():
    net = model()
    keys = net.load_state_dict({"0.weight": np.ones(3), "more": 3}, strict=False)
    assert keys.missing_keys == ["0.count", "1.weight", "1.count"]
    assert keys.unexpected_keys == ["more"]
    assert "missing_keys=['0.count'" in repr(keys)
    assert net[0].weight.array[0] == 1
    with pytest.raises(StateDictError, match=r"size mismatch for 0\.weight"):
        net.load_state_dict({"0.weight": np.ones(4)}, strict=False)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("text", r"type mismatch for weight: got str, expected a tensor or a numpy array"),
        (np.array([1j, 2, 3]), r"type mismatch for weight: got ndarray"),
        (np.array(["a", "b", "c"]), r"type mismatch for weight"),
        (
            Tensor(None, meta=((3,), np.dtype("float32"))),
            r"no data for weight: the value in state_dict is a meta",
        ),
    ],
)
def test_values_that_cannot_be_loaded(value, match):
    with pytest.raises(StateDictError, match=match):
        Layer().load_state_dict({"weight": value, "count": 0})


def test_fractions_are_not_stored_as_integers():
    with pytest.raises(
        StateDictError, match=r"dtype mismatch for count: cannot store float64 in a parameter of int64"
    ):
        Layer().load_state_dict({"weight": np.zeros(3), "count": 1.5})


def test_state_dict_must_be_a_mapping():
    with pytest.raises(TypeError, match=r"\[load_state_dict\] state_dict is list, expected a mapping"):
        Layer().load_state_dict([])


def test_meta_models_are_filled_by_assignment():
    net = Layer().to("meta")
    state = {"weight": np.ones(3, np.float32), "count": np.zeros((), np.int64)}
    with pytest.raises(StateDictError, match=r"no memory for weight: .* load with assign=True"):
        net.load_state_dict(state)
    net.load_state_dict(state, assign=True)
    assert isinstance(net.weight, nn.Parameter)
    assert net.weight.requires_grad
    assert np.shares_memory(net.weight.array, state["weight"])
