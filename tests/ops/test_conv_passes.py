"""The check of a pass finds errors wherever it looks, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.ops import conv_passes

LAYERS = [
    {"input_shape": (3, 5, 9, 8), "weight_shape": (7, 5, 3, 3), "padding": (1, 1)},
    {"input_shape": (2, 8, 9, 8), "weight_shape": (6, 4, 2, 3), "stride": (2, 1), "groups": 2},
    {"input_shape": (2, 6, 9, 9), "weight_shape": (6, 1, 3, 3), "padding": (2, 2), "dilation": (2, 2), "groups": 6},
    {"input_shape": (4, 40, 7, 7), "weight_shape": (70, 40, 1, 1)},
    {"input_shape": (0, 4, 7, 7), "weight_shape": (5, 4, 3, 3)},
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: "x".join(map(str, layer["input_shape"])))
@pytest.mark.parametrize("name", conv_passes.PASSES)
def test_right_results_pass(isa, layer, name):
    passes = conv_passes.Passes(conv_passes.layer(**layer))
    assert 0 <= passes.error(name) <= 1
    assert passes.seconds(name, 0) > 0


@pytest.mark.parametrize("layer", LAYERS[:-1], ids=lambda layer: "x".join(map(str, layer["input_shape"])))
@pytest.mark.parametrize("name", conv_passes.PASSES)
def test_wrong_results_do_not(monkeypatch, layer, name):
    passes = conv_passes.Passes(conv_passes.layer(**layer))
    function = getattr(core, f"conv_{name}")

    def wrong(*args):
        result = function(*args)
        if result.dtype == np.float32:
            result[-1, -1, -1, -1] += 0.1
        return result

    monkeypatch.setattr(core, f"conv_{name}", wrong)
    assert passes.error(name) > 1
