"""What the tests of names share: models with given state names, values that tell which is which."""

from __future__ import annotations

import re

import numpy as np

from pyconv import nn
from pyconv.models.keymaps import fit, load_fitted


def load_state(model, state):
    """Both halves of what create_model does."""
    found = fit(model, state)
    load_fitted(model, found)
    return found


def numbered(shapes):
    """Arrays that tell which is which."""
    return {name: np.full(shape, i, np.float32) for i, (name, shape) in enumerate(shapes.items())}


def shapes_of(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


class Names(nn.Module):
    """A model with exactly these state names."""

    def __init__(self, shapes):
        super().__init__()
        for name, shape in shapes.items():
            *path, last = name.split(".")
            at = self
            for part in path:
                if part not in at._modules:
                    at.add_module(part, nn.Module())
                at = at._modules[part]
            at.register_parameter(last, nn.Parameter(np.zeros(shape, np.float32)))


def renamed(model, rename):
    """The model's state under other names, and which value belongs where."""
    state = numbered(shapes_of(model))
    return {rename(name): value for name, value in state.items()}, state


def expect(model, state, expected, steps):
    """The state fits after these steps, and every number stands where it belongs."""
    found = load_state(model, state)
    assert [re.sub(r"reshaped .*", "reshaped", step) for step in found.steps] == steps
    for name, value in expected.items():
        np.testing.assert_array_equal(model.state_dict()[name].array, value, err_msg=name)
    return found


def version_one(name):
    """A name of torchvision's detectors as their files of the first version have it."""
    name = re.sub(r"(_blocks\.\d)\.0\.", r"\1.", name).replace("rpn.head.conv.0.0.", "rpn.head.conv.")
    return re.sub(r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.", name)
