"""Sequential, ModuleList, ModuleDict, Identity."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from pyconv import nn


class Add(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x):
        return x + self.n


def numbers(container):
    return [m.n for m in container]


def test_sequential_runs_in_order():
    model = nn.Sequential(Add(1), nn.Identity("ignored", also=3), Add(10))
    assert model(0) == 11
    assert nn.Sequential()(5) == 5
    named = nn.Sequential(OrderedDict(a=Add(1), b=Add(2)))
    assert [n for n, _ in named.named_children()] == ["a", "b"]
    assert named.b.n == 2


@pytest.mark.parametrize("kind", [lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)])
def test_list_operations(kind):
    model = kind(Add(0), Add(1), Add(2), Add(3))
    assert len(model) == 4
    assert model[-1].n == 3
    assert numbers(model[1:3]) == [1, 2]
    model[0] = Add(9)
    assert numbers(model) == [9, 1, 2, 3]
    del model[1:3]
    assert [n for n, _ in model.named_children()] == ["0", "1"]
    assert model.append(Add(5)) is model
    model.extend([Add(6)])
    model.insert(1, Add(7))
    model.insert(len(model), Add(8))
    assert numbers(model) == [9, 7, 3, 5, 6, 8]
    assert model.pop().n == 8
    assert model.pop(0).n == 9
    assert [n for n, _ in model.named_children()] == ["0", "1", "2", "3"]


def test_slice_of_sequential_keeps_names_and_shares_modules():
    model = nn.Sequential(Add(0), Add(1), Add(2))
    part = model[1:]
    assert [n for n, _ in part.named_children()] == ["1", "2"]
    assert part[0] is model[1]


def test_module_list_addition():
    assert numbers(nn.ModuleList([Add(1)]) + nn.ModuleList([Add(2)])) == [1, 2]
    together = nn.ModuleList()
    together += [Add(3)]
    assert numbers(together) == [3]


def test_module_dict():
    model = nn.ModuleDict({"a": Add(1)})
    model["b"] = Add(2)
    model.update([("c", Add(3))])
    assert "c" in model
    assert list(model) == list(model.keys()) == ["a", "b", "c"]
    assert [m.n for m in model.values()] == [1, 2, 3]
    assert model.pop("b").n == 2
    del model["a"]
    assert [(k, m.n) for k, m in model.items()] == [("c", 3)]
    model.clear()
    assert len(model) == 0


@pytest.mark.parametrize(
    ("action", "error", "match"),
    [
        (lambda: nn.Sequential(Add(1), 3), TypeError, r"\[Sequential\] got int, expected a Module"),
        (lambda: nn.Sequential({"a": 3}), TypeError, r"\[Sequential\] got int"),
        (lambda: nn.Sequential([Add(1)]), TypeError, r"\[Sequential\] got list"),
        (lambda: nn.Sequential(Add(1))[1], IndexError, r"index 1 is out of range for 1 modules"),
        (lambda: nn.Sequential(Add(1))["0"], TypeError, r"index is str, expected an int or a slice"),
        (lambda: nn.Sequential().pop(), IndexError, r"index -1 is out of range for 0 modules"),
        (lambda: nn.ModuleList([None]), TypeError, r"\[ModuleList\] got NoneType, expected a Module"),
        (lambda: nn.ModuleList().insert(3, Add(1)), IndexError, r"index 3 is out of range"),
        (lambda: nn.ModuleList()(1), NotImplementedError, r"\[ModuleList\] forward is not defined"),
        (lambda: nn.ModuleDict({"a.b": Add(1)}), KeyError, r"expected a non-empty name without a dot"),
        (lambda: nn.ModuleDict({"a": 1}), TypeError, r"\[ModuleDict\] got int"),
        (lambda: nn.ModuleDict({"keys": Add(1)}), KeyError, r"attribute keys exists already"),
    ],
)
def test_misuse(action, error, match):
    with pytest.raises(error, match=match):
        action()
