"""summary: shapes, parameters, multiply-adds, receptive fields, and that nothing is left behind."""

from __future__ import annotations

import json
import tracemalloc
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import pyconv
from pyconv import models, nn
from pyconv.nn.summary import summary
from pyconv.tensor import listeners


def column(model, size, name):
    return {row.path: getattr(row, name) for row in summary(model, size).rows}


def test_lenet5():
    result = summary(models.lenet5(), (1, 1, 32, 32))
    assert result.total_parameters == result.trainable_parameters == 61_706
    assert result.total_macs == 416_520
    assert result.parameter_bytes == 4 * 61_706
    rows = {row.path: row for row in result.rows}
    assert list(rows) == ["conv1", "act1", "pool1", "conv2", "act2", "pool2", "flatten", "fc1", "act3", "fc2", "act4",
                          "fc3"]
    assert {name: rows[name].macs for name in ("conv1", "conv2", "fc1", "fc2", "fc3")} == {
        "conv1": 117_600, "conv2": 240_000, "fc1": 48_000, "fc2": 10_080, "fc3": 840}
    fields = {name: row.receptive_field[0] for name, row in rows.items()}
    assert [fields[n] for n in ("conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "fc3")] == [
        5, 6, 14, 16, 16, 32, 32]
    assert rows["pool2"].output_shape == (1, 16, 5, 5)
    assert rows["fc3"].output_shape == (1, 10)


def test_lenet1():
    result = summary(models.lenet1(), (1, 1, 28, 28))
    assert (result.total_parameters, result.total_macs) == (3_246, 136_320)


def test_multiply_adds_are_for_the_batch():
    assert summary(models.lenet5(), (7, 1, 32, 32)).total_macs == 7 * 416_520


def test_stacked_filters_see_as_much_as_one_larger():
    """Two 3x3 filters see 5x5, three see 7x7 (Simonyan and Zisserman 2015)."""
    model = nn.Sequential(*[nn.Conv2d(4, 4, 3, device="meta") for _ in range(3)])
    assert column(model, (1, 4, 16, 16), "receptive_field") == {"0": (3, 3), "1": (5, 5), "2": (7, 7)}


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ([nn.Conv2d(1, 1, (3, 5), stride=(2, 1)), nn.Conv2d(1, 1, 3)], (7, 7)),
        ([nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4)], (13, 13)),
        ([nn.AvgPool2d(2), nn.Conv2d(1, 1, 1)], (2, 2)),
        ([nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)], (32, 32)),
        ([nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveMaxPool2d(5)], (10, 10)),
        ([nn.MaxPool2d(3, 2, dilation=2)], (5, 5)),
        ([nn.ConvTranspose2d(1, 1, 2, 2)], (1, 1)),
        ([nn.ConvTranspose2d(1, 1, (3, 5), 2), nn.Conv2d(1, 1, 3)], (3, 4)),
        ([nn.ConvTranspose2d(1, 1, 2, 2), nn.Conv2d(1, 1, (4, 3))], (3, 2)),
        ([nn.ConvTranspose2d(1, 1, 3, stride=(2, 1), dilation=(2, 3))], (3, 7)),
        ([nn.ConvTranspose2d(1, 1, 3, stride=3, dilation=2)], (1, 1)),
        ([nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.ConvTranspose2d(1, 1, 4, 2), nn.Conv2d(1, 1, 3)], (8, 8)),
    ],
)
def test_receptive_fields(layers, field):
    assert summary(nn.Sequential(*layers), (1, 1, 32, 32)).rows[-1].receptive_field == field


def test_the_field_of_a_transposed_convolution_is_what_its_gradient_reaches():
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(1, 1, 4, (2, 3), dilation=(1, 2)), nn.Conv2d(1, 1, 3))
    for p in model.parameters():
        nn.init.ones_(p)
    x = pyconv.zeros(1, 1, 16, 16, requires_grad=True)
    y = model(x)
    reached = []
    for i in range(4):
        for j in range(6):
            x.grad = None
            y[0, 0, 10 + i, 14 + j].backward(retain_graph=True)
            rows, columns = np.nonzero(x.grad.array[0, 0])
            reached.append((np.ptp(rows) + 1, np.ptp(columns) + 1))
    found = summary(model, (1, 1, 16, 16)).rows[-1].receptive_field
    assert found == (5, 6)
    assert tuple(map(max, *reached)) == (5, 5)  # the bound may be one too high


def test_multiply_adds_of_a_transposed_convolution():
    row = summary(nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2), (5, 4, 7, 8)).rows[0]
    assert row.output_shape == (5, 6, 15, 16)
    assert row.macs == 5 * 7 * 8 * 4 * 3 * 6  # every input value times every tap of its group's outputs
    assert row.parameters == 4 * 3 * 6 + 6


def test_one_and_three_axes():
    assert summary(nn.Sequential(nn.Conv1d(2, 3, 5)), (1, 2, 9)).rows[0].receptive_field == (5,)
    row = summary(nn.Sequential(nn.Conv3d(2, 3, (1, 2, 3))), (1, 2, 9, 9, 9)).rows[0]
    assert row.receptive_field == (1, 2, 3)
    assert row.macs == 9 * 8 * 7 * 3 * 2 * 6
    assert summary(nn.Linear(3, 4), (5, 3)).rows[0].receptive_field is None


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(1, 2, 3, padding=1)
        self.right = nn.Conv2d(1, 2, 7, padding=3)
        self.after = nn.Conv2d(2, 2, 3)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.after(self.left(x) + self.right(x))


def test_the_largest_branch_counts_and_uncalled_layers_are_listed():
    result = summary(Branches(), (1, 1, 9, 9))
    rows = {row.path: row for row in result.rows}
    assert rows["after"].receptive_field == (9, 9)
    assert rows["unused"].output_shape is None
    assert rows["unused"].parameters == 12
    assert sum(row.parameters for row in result.rows) == result.total_parameters
    assert "not called" in str(result)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.scale = nn.Parameter(np.ones(4, np.float32))

    def forward(self, x):
        return nn.functional.linear(self.layer(self.layer(x)), self.layer.weight) * self.scale


def test_shared_layers_count_once_and_functional_calls_belong_to_their_module():
    model = Shared()
    model.layer.requires_grad_(False)
    result = summary(model, (1, 4))
    assert [(row.path, row.parameters, row.macs, row.activation_bytes) for row in result.rows] == [
        ("layer", 20, 16, 16), ("layer", 0, 16, 16), ("", 4, 16, 32)]
    assert result.total_parameters == 24
    assert result.trainable_parameters == 4
    assert "(model)" in str(result)
    assert "20 of them frozen" in str(result)


def test_nothing_is_computed_and_nothing_left_behind():
    model = models.lenet5()
    model.conv2.eval()
    seen = []
    model.conv1.register_forward_hook(lambda module, args, output: seen.append(output.is_meta))
    training = [m.training for m in model.modules()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    before = list(listeners)
    summary(model, (1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"^fc1 \(Linear\): \[linear\] input has 576 features, expected 400"):
        summary(model, (1, 1, 36, 36))
    assert seen == [True, True]
    assert training == [m.training for m in model.modules()]
    assert hooks == [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    assert listeners == before


def test_running_statistics_stay():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, momentum=None), nn.Dropout(0.9))
    summary(model, (4, 1, 8, 8))
    assert model[1].num_batches_tracked.item() == 0
    assert model[1].training
    assert (model[1].running_var.array == 1).all()


def test_huge_layers_cost_no_memory():
    tracemalloc.start()
    try:
        result = summary(nn.Sequential(nn.Linear(40_000, 40_000, device="meta")), (1, 40_000))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert result.total_macs == 1_600_000_000
    assert result.total_parameters == 1_600_040_000
    # A small model on a huge image, with real parameters.
    row = summary(nn.Sequential(nn.Conv2d(3, 8, 3)), (64, 3, 10_000, 10_000)).rows[0]
    assert row.output_shape == (64, 8, 9998, 9998)


def test_table_and_json():
    result = pyconv.summary(models.lenet5(), (1, 1, 32, 32))
    text = str(result).splitlines()
    assert text[0].split() == ["Layer", "Type", "Output", "shape", "Parameters", "Multiply-adds", "Activations",
                               "Receptive", "field"]
    assert text[2].split() == ["conv1", "Conv2d", "1", "x", "6", "x", "28", "x", "28", "156", "117,600", "18.4", "KiB", "5"]
    assert text[-2].split() == ["Total", "61,706", "416,520", "57.0", "KiB"]
    assert text[-1] == "LeNet5, input 1 x 1 x 32 x 32: 241.0 KiB of parameters"
    assert len({len(line) for line in text[:2]}) == 1
    data = json.loads(result.to_json())
    assert data["model"] == "LeNet5"
    assert data["input_size"] == [1, 1, 32, 32]
    assert data["total_macs"] == 416_520
    assert data["layers"][0] == {"path": "conv1", "type": "Conv2d", "output_shape": [1, 6, 28, 28], "parameters": 156,
                                 "macs": 117_600, "receptive_field": [5, 5], "activation_bytes": 4 * 6 * 28 * 28}


class Two(nn.Module):
    def forward(self, a, b):
        return a + b, b


def test_several_inputs_and_outputs():
    result = summary(Two(), [(2, 3), (2, 3)])
    assert result.rows[0].output_shape == [(2, 3), (2, 3)]
    assert "2 x 3, 2 x 3" in str(result)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: summary("lenet5", (1, 1, 32, 32)), TypeError, r"model is str, expected a Module"),
        (lambda: summary(models.lenet5(), 32), TypeError, r"input_size is 32, expected a shape such as"),
        (lambda: summary(models.lenet5(), (1, 1, 32.0, 32)), TypeError, r"input_size is 32.0, expected a whole number"),
        (lambda: summary(models.lenet5(), (1, 1, -32, 32)), ValueError, r"input_size is -32, expected at least 0"),
        (lambda: summary(models.lenet5(), (1, 1, 32, 32), "int64"), TypeError, r"dtype is 'int64', expected float32"),
        (lambda: summary(models.lenet5(), (1, 3, 32, 32)), ValueError, r"conv1 \(Conv2d\): \[conv2d\] weight has 1"),
        (lambda: summary(nn.ReLU()), ValueError, r"input_size is None and ReLU has no input_size of its own"),
        (lambda: summary(models.lenet5(), style="tree"), ValueError, r"style is 'tree', expected 'table' or 'slide'"),
        (lambda: summary(models.lenet5(), rounding="up"), ValueError, r"rounding is 'up', expected 'slide' or 'floor' or"),
        (lambda: summary(models.lenet5(), depth=-1), ValueError, r"\[summary\] depth is -1, expected at least 0"),
        (lambda: summary(Branches(), (1, 1, 9, 9), style="slide"), ValueError, r"has branches, which meet at conv in right"),
    ],
)
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_in_place_layers_need_no_data_either():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Dropout(0.5, True),
                          nn.Flatten())
    assert [row.output_shape for row in summary(model, (1, 1, 8, 8)).rows][-1] == (1, 72)


@pytest.mark.parametrize(("layer", "fields"), [
    (nn.Upsample(scale_factor=2), [3, 3, 4]),  # a 3x3 filter behind it sees two of its inputs' neighbours, rounded up
    (nn.Upsample(scale_factor=2, mode="bilinear"), [3, 4, 5]),
    (nn.PixelShuffle(2), [3, 3, 4]),
    (nn.PixelUnshuffle(2), [3, 4, 8]),
])
def test_receptive_fields_behind_a_change_of_size(layer, fields):
    out = {"PixelShuffle": 1, "PixelUnshuffle": 16}.get(type(layer).__name__, 4)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), layer, nn.Conv2d(out, 2, 3, padding=1))
    found = column(model, (1, 1, 12, 12), "receptive_field")
    assert [found[path][0] for path in ("0", "1", "2")] == fields


def test_receptive_field_of_local_connections():
    model = nn.Sequential(nn.LocallyConnected2d(1, 2, 9, 3, stride=2), nn.LocallyConnected2d(2, 2, 4, 2))
    assert [f[0] for f in column(model, (1, 1, 9, 9), "receptive_field").values()] == [3, 5]


# --- memory -------------------------------------------------------------------------------------
def test_views_and_results_in_place_cost_no_memory():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(18, 5))
    found = summary(model, (4, 1, 8, 8))
    assert [row.activation_bytes for row in found.rows] == [4 * 4 * 72, 0, 4 * 4 * 72, 4 * 4 * 18, 0, 4 * 4 * 5]
    assert found.total_activation_bytes == 4 * 4 * (72 + 72 + 18 + 5)
    assert summary(model, (4, 1, 8, 8), "float64").total_activation_bytes == 2 * found.total_activation_bytes


def test_activations_are_what_training_holds():
    """Sigmoid keeps its output, a convolution its input: everything that is written is held until the backward pass."""
    model = nn.Sequential(*[layer for _ in range(8) for layer in (nn.Conv2d(4, 4, 3, padding=1), nn.Sigmoid())])
    x = pyconv.randn(2, 4, 64, 64)
    before = pyconv.runtime.memory()["current_bytes"]
    y = model(x)
    held = pyconv.runtime.memory()["current_bytes"] - before
    size = 4 * x.numel()
    assert summary(model, tuple(x.shape)).total_activation_bytes == 16 * size
    assert y.requires_grad
    assert held == 8 * size  # of each pair the convolution's output is needed by nobody


# --- depth --------------------------------------------------------------------------------------
class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.body = nn.Sequential(nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()), nn.Conv2d(2, 2, 3))
        self.spare = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(3, 3)))

    def forward(self, x):
        return self.body(self.stem(x)) * 2


@pytest.mark.parametrize(("depth", "paths"), [
    (0, [""]),
    (1, ["stem", "body", "", "spare"]),
    (2, ["stem", "body.0", "body.1", "", "spare.0", "spare.1"]),
    (None, ["stem", "body.0.0", "body.0.1", "body.1", "", "spare.0", "spare.1.0"]),
])
def test_depth(depth, paths):
    whole = summary(Nested(), (1, 1, 9, 9))
    found = summary(Nested(), (1, 1, 9, 9), depth=depth)
    assert [row.path for row in found.rows] == paths
    for name in ("parameters", "macs", "activation_bytes"):
        assert sum(getattr(row, name) for row in found.rows) == sum(getattr(row, name) for row in whole.rows)
    assert found.total_parameters == whole.total_parameters
    rows = {row.path: row for row in found.rows}
    assert rows[""].output_shape == (1, 2, 3, 3)
    if depth == 1:
        assert (rows["body"].type, rows["body"].output_shape, rows["body"].receptive_field) == (
            "Sequential", (1, 2, 3, 3), (7, 7))


# --- a model that needs values ------------------------------------------------------------------
class Chooses(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(1, 2, 3)
        self.weight = nn.Parameter(np.ones(3, np.float32))
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        maps = self.body(x)
        return self.head(maps) if maps.max().item() > 0 else maps


def test_as_far_as_shapes_lead():
    found = summary(nn.Sequential(nn.ReLU(), Chooses()), (1, 1, 9, 9))
    assert [(row.path, row.output_shape) for row in found.rows] == [
        ("0", (1, 1, 9, 9)), ("1.body", (1, 2, 7, 7)), ("1", None), ("1.head", None)]
    assert sum(row.parameters for row in found.rows) == found.total_parameters == 20 + 3 + 6
    assert "1 (Chooses)" in found.stopped
    assert "As far as shapes lead; then values are needed: 1 (Chooses)" in str(found)
    assert found.to_dict()["stopped"] == found.stopped


# --- the lecture's table ------------------------------------------------------------------------
def alexnet(groups=2):
    with pyconv.device("meta"):
        return models.create_model("alexnet2012", groups=groups)


def test_the_table_of_the_lecture():
    lines = str(summary(alexnet(), style="slide")).splitlines()
    width = len(lines[1]) - len("multiply-adds")
    body = [[cell.strip() for cell in (line[:8], line[8:width], line[width:])] for line in lines[2:15]]
    assert [row[0] for row in body if row[0]] == ["4M", "16M", "37M", "442K", "663K", "884K", "307K", "35K"]
    assert [row[2] for row in body if row[2]] == ["4M", "16M", "37M", "74M", "112M", "149M", "223M", "105M"]
    assert [row[1] for row in body] == [
        "FC 1000", "FC 4096 / ReLU", "FC 4096 / ReLU", "Max Pool 3x3s2", "Conv 3x3s1, 256 / ReLU",
        "Conv 3x3s1, 384 / ReLU *", "Conv 3x3s1, 384 / ReLU", "Max Pool 3x3s2", "Local Response Norm",
        "Conv 5x5s1, 256 / ReLU", "Max Pool 3x3s2", "Local Response Norm", "Conv 11x11s4, 96 / ReLU"]
    notes = " ".join(lines[17:])
    assert "* The lecture's table has 1.3M weights beside 112M multiply-adds: 1,327,104 are the weights" in notes
    assert "60,954,656 of 60,965,224 parameters" in notes
    assert "724,406,816 multiply-adds" in notes
    assert "the lecture's 35K excepted" in notes


@pytest.mark.parametrize(("groups", "rounding", "weights", "macs"), [
    (2, "floor", "4M 16M 37M 442K 663K 884K 307K 34K", "4M 16M 37M 74M 112M 149M 223M 105M"),
    (2, "nearest", "4.1M 17M 38M 442K 664K 885K 307K 35K", "4.1M 17M 38M 75M 112M 150M 224M 105M"),
    (1, "slide", "4M 16M 37M 884K 1.3M 884K 614K 35K", "4M 16M 37M 149M 224M 149M 447M 105M"),
])
def test_rounding(groups, rounding, weights, macs):
    found = summary(alexnet(groups), (5, 3, 227, 227), style="slide", rounding=rounding)  # counts are for one image
    lines = str(found).splitlines()[2:15]
    assert [line[:7].strip() for line in lines if line[0] != " "] == weights.split()
    assert [line.split()[-1] for line in lines if line[0] != " "] == macs.split()
    assert found.to_dict()["slide"][0] == {"layer": "Conv 11x11s4, 96 / ReLU", "weights": 34_848, "macs": 105_415_200,
                                           "groups": 1}


def test_names_of_layers():
    model = nn.Sequential(
        nn.Conv2d(1, 4, (3, 5), 2, dilation=2), nn.BatchNorm2d(4), nn.ReLU6(), nn.Dropout(), nn.ConvTranspose2d(4, 4, 2, 2),
        nn.LocallyConnected2d(4, 2, (44, 40), 3), nn.Upsample(scale_factor=2), nn.PixelUnshuffle(2), nn.AvgPool2d(2, 1),
        nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(8 * 6, 3), nn.Softmax(1))
    found = summary(model, (1, 1, 48, 48), style="slide").to_dict()["slide"]
    assert [line["layer"] for line in found] == [
        "Conv 3x5s2d2, 4 / Batch Norm / ReLU6", "Up-Conv 2x2s2, 4", "Local 3x3s1, 2", "Upsample to 84x76", "Rearrange",
        "Avg Pool 2x2s1", "Avg Pool to 2x3", "FC 3 / Softmax"]


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Identity()

    def forward(self, x):
        return {"a": [x, x, "word"], "b": (x, None, [x])}


def test_many_outputs():
    (row,) = summary(nn.Sequential(Several()), (2, 3), depth=1).rows
    assert row.output_shape == [[(2, 3), (2, 3), None], [(2, 3), None, [(2, 3)]]]
    assert "2 x 3 and 3 more" in str(summary(nn.Sequential(Several()), (2, 3), depth=1))


def test_a_detector_is_counted_with_the_boxes_that_it_may_propose():
    with pyconv.device("meta"):
        model = models.create_model("fasterrcnn_resnet50_fpn")
    found = summary(model, depth=2)
    assert (found.total_parameters, found.total_macs, found.stopped) == (41_755_286, 134_379_721_216, None)
    assert "1 x 256 x 200 x 200 and 3 more" in str(found)


# --- every network ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", models.list_models())
def test_every_network_without_memory(name):
    before = pyconv.runtime.memory()["current_bytes"]
    pyconv.runtime.reset_peak()
    with pyconv.device("meta"):
        model = models.create_model(name)
    found = summary(model)
    assert pyconv.runtime.memory()["peak_bytes"] - before < 2**25  # what is no parameter, such as anchors
    assert sum(row.parameters for row in found.rows) == found.total_parameters > 0
    assert all(row.output_shape is not None for row in found.rows if row.macs) or found.stopped
    assert sum(row.macs for row in summary(model, depth=1).rows) == found.total_macs
    assert ElementTree.fromstring(found.to_svg()) is not None
    json.loads(found.to_json())
