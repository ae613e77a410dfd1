"""Names from elsewhere: synthetic files for every step."""

from __future__ import annotations

import re

import numpy as np
import pytest
from state_names import Names, expect, load_state, numbered, renamed, shapes_of, version_one

from pyconv import nn
from pyconv.errors import StateDictError
from pyconv.models.keymaps import check, fit

SMALL = {"conv1.weight": (2, 1, 3, 3), "conv1.bias": (2,), "fc.weight": (3, 8), "fc.bias": (3,)}


@pytest.mark.parametrize(("rename", "steps"), [
    (lambda n: n, []),
    (lambda n: f"module.{n}", ['removed "module."']),
    (lambda n: f"_orig_mod.{n}", ['removed "module."']),
    (lambda n: f"module._orig_mod.{n}", ['removed "module."']),
    (lambda n: n.replace("conv1.", "conv1.module."), ['removed "module."']),
    *((lambda n, w=w: f"{w}.{n}", [f'took "{w}."']) for w in ("state_dict", "model", "model_state", "net", "params", "ema")),
    (lambda n: f"state_dict.module.{n}", ['took "state_dict."', 'removed "module."']),
    (lambda n: f"model.state_dict.{n}", ['took "model."', 'took "state_dict."']),
    (lambda n: f"state_dict.model.net.module.{n}", ['took "state_dict."', 'took "model."', 'took "net."', 'removed "module."']),
    (lambda n: n.replace("conv1", "conv_1"), ["compared names without their separators"]),
])
def test_wrappers_and_prefixes(rename, steps):
    model = Names(SMALL)
    expect(model, *renamed(model, rename), steps)


def test_nested_dictionaries_as_pytorch_gives_them():
    model = Names(SMALL)
    state = numbered(SMALL)
    found = expect(model, {"epoch": 3, "state_dict": {f"module.{n}": v for n, v in state.items()},
                           "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "lr": 0.1}}, state,
                   ['took "state_dict."', 'removed "module."'])
    assert found.left_out == ["epoch", "optimizer.state.0.exp_avg"]


def test_of_two_dictionaries_the_first_that_fits_is_taken():
    model = Names(SMALL)
    state = numbered(SMALL)
    both = {**{f"state_dict_ema.{n}": v + 9 for n, v in state.items()}, **{f"state_dict.{n}": v for n, v in state.items()}}
    expect(model, both, state, ['took "state_dict."'])


def test_a_layer_that_is_called_like_a_wrapper():
    shapes = {"model.0.weight": (2, 2), "model.0.bias": (2,), "net.weight": (1,)}
    model = Names(shapes)
    expect(model, numbered(shapes), numbered(shapes), [])
    expect(model, {f"model.{n}": v for n, v in numbered(shapes).items()}, numbered(shapes), ['took "model."'])


DENSENET = {f"features.denseblock1.denselayer{i}.{part}{k}.weight": (2, 2)
            for i in (1, 12) for part in ("norm", "conv") for k in (1, 2)} | {"features.norm5.weight": (2,), "features.conv0.weight": (3,)}


def test_densenets_old_names():
    model = Names(DENSENET)
    expect(model, *renamed(model, lambda n: re.sub(r"(norm|conv)([12])\.weight", r"\1.\2.weight", n)),
           ["renamed denselayer's norm.1 to norm1"])
    # together with DataParallel in the middle
    expect(model, *renamed(model, lambda n: re.sub(r"(norm|conv)([12])\.weight", r"\1.\2.weight", n).replace(
        "features.", "features.module.")), ['removed "module."', "renamed denselayer's norm.1 to norm1"])


DETECTION = {
    **{f"backbone.fpn.{kind}_blocks.{i}.0.{t}": (2, i + 1) for kind in ("inner", "layer") for i in range(4) for t in ("weight", "bias")},
    **{f"rpn.head.{layer}.{t}": (3,) for layer in ("conv.0.0", "cls_logits", "bbox_pred") for t in ("weight", "bias")},
    **{f"roi_heads.mask_head.{i}.0.{t}": (4,) for i in range(4) for t in ("weight", "bias")},
    "roi_heads.box_head.fc6.weight": (1,),
}


def test_detectors_of_the_first_version():
    model = Names(DETECTION)
    expect(model, *renamed(model, version_one), [
        "renamed pyramid's blocks.0 to blocks.0.0", "renamed rpn.head.conv to rpn.head.conv.0.0", "renamed mask_fcn1 to 0.0"])


def test_vdsr_by_number():
    shapes = {f"{layer}.{t}": (2,) for layer in ("input", *(f"residual_layer.{i}.conv" for i in range(18)), "output")
              for t in ("weight",)}
    model = Names(shapes)
    numbers = {name: f"features.{2 * i}.weight" for i, name in enumerate(shapes)}
    expect(model, *renamed(model, numbers.__getitem__), ["renamed VDSR's features"])


def test_frozen_norms_and_old_files_without_counters():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    state = numbered(shapes_of(net))
    del state["1.num_batches_tracked"]
    assert load_state(net, {f"module.{n}": v for n, v in state.items()}).left_out == []
    frozen = Names({n: v.shape for n, v in state.items()})
    found = load_state(frozen, {**state, "1.num_batches_tracked": np.zeros((), np.int64)})
    assert found.left_out == ["1.num_batches_tracked"]
    assert "1.num_batches_tracked" not in found.state


AUX = {**SMALL, "aux1.conv.weight": (2, 2), "aux2.fc.weight": (2,)}


def test_auxiliary_heads_on_one_side_only():
    plain, with_heads = Names(SMALL), Names(AUX)
    found = load_state(plain, numbered(AUX))
    assert found.left_out == ["aux1.conv.weight", "aux2.fc.weight"]
    with_heads.aux1.conv.weight.array[:] = 7
    load_state(with_heads, numbered(SMALL))
    assert (with_heads.state_dict()["aux1.conv.weight"].array == 7).all()
    assert (with_heads.state_dict()["fc.bias"].array == 3).all()
    half = {name: value for name, value in numbered(AUX).items() if name != "aux2.fc.weight"}
    with pytest.raises(StateDictError, match=r'Missing key\(s\) in state_dict: "aux2.fc.weight"'):
        load_state(with_heads, half)
    check(plain, fit(plain, numbered(AUX)))
    check(with_heads, fit(with_heads, numbered(SMALL)))
    with pytest.raises(StateDictError, match=r"aux2.fc.weight"):
        check(with_heads, fit(with_heads, half))


def test_linear_layers_as_convolutions_and_back():
    linear, convolution = Names({"fc.weight": (3, 24)}), Names({"fc.weight": (3, 2, 3, 4)})
    values = np.arange(72, dtype=np.float32)
    load_state(convolution, {"fc.weight": values.reshape(3, 24)})
    np.testing.assert_array_equal(convolution.fc.weight.array, values.reshape(3, 2, 3, 4))
    load_state(linear, {"fc.weight": np.asfortranarray(values.reshape(3, 2, 3, 4))})
    np.testing.assert_array_equal(linear.fc.weight.array, values.reshape(3, 24))
    with pytest.raises(StateDictError, match=r"size mismatch for fc.weight"):
        load_state(linear, {"fc.weight": values.reshape(24, 3, 1, 1)})  # another number of outputs: no guess


# --- the report -----------------------------------------------------------------------------------
def test_the_report_is_by_layer_and_names_what_was_tried():
    model = Names({f"layer{i}.{t}": (2,) for i in range(20) for t in ("weight", "bias")} | {"fc.weight": (2, 2)})
    state = {f"module.{name}": value for name, value in numbered(shapes_of(model)).items()}
    for i in range(15):
        state[f"module.other{i}.weight"] = state.pop(f"module.layer{i}.weight")
        state[f"module.other{i}.bias"] = state.pop(f"module.layer{i}.bias")
    state["module.fc.weight"] = np.zeros((3, 2))
    before = {name: value.array.copy() for name, value in model.state_dict().items()}
    with pytest.raises(StateDictError) as caught:
        load_state(model, state)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Error(s) in loading state_dict for Names:"
    assert lines[1] == "\tMissing key(s) in state_dict: 30 of 15 layers"
    assert lines[2] == "\t    layer0: weight, bias"
    assert lines[14] == "\t    and 3 more layers"
    assert lines[15] == "\tUnexpected key(s) in state_dict: 30 of 15 layers"
    assert "size mismatch for fc.weight" in lines[-2]
    assert lines[-1] == '\tTried before: removed "module.".'
    assert len(caught.value.missing_keys) == len(caught.value.unexpected_keys) == 30
    assert list(caught.value.mismatched) == ["fc.weight"]
    assert caught.value.tried == ['removed "module."']
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.array, before[name])
    with pytest.raises(StateDictError, match=r"Tried before: no renaming that is known made more names fit"):
        load_state(model, {"x": np.zeros(1)})


def test_what_is_no_state():
    with pytest.raises(TypeError, match=r"\[load_weights\] state is list, expected a mapping"):
        fit(nn.Linear(1, 1), [])
