"""Counting parameters, units and multiply-adds, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyconv import nn
from pyconv.course.item import Claim, item
from pyconv.nn.summary import Row, summary


def parameters(module: nn.Module) -> int:
    """How many values are trained."""
    return sum(p.numel() for p in module.parameters())


def alexnet(groups: int) -> nn.Module:
    """The layers of AlexNet 2012 that hold weights, with what changes sizes between them; one or two groups.

    Normalisation and dropout change neither shapes nor counts and are left out.
    """
    meta: dict[str, Any] = {"device": "meta"}
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4, **meta), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=groups, **meta), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1, **meta), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=groups, **meta), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=groups, **meta), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(9216, 4096, **meta), nn.ReLU(), nn.Linear(4096, 4096, **meta), nn.ReLU(),
        nn.Linear(4096, 1000, **meta))


def vgg(*stages: int) -> nn.Module:
    """VGG with so many 3x3 convolutions per stage, each stage behind a pooling; then three dense layers."""
    meta: dict[str, Any] = {"device": "meta"}
    layers: list[nn.Module] = []
    before = 3
    for convolutions, maps in zip(stages, (64, 128, 256, 512, 512), strict=True):
        for _ in range(convolutions):
            layers += [nn.Conv2d(before, maps, 3, padding=1, **meta), nn.ReLU()]
            before = maps
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512 * 7 * 7, 4096, **meta), nn.ReLU(),
                         nn.Linear(4096, 4096, **meta), nn.ReLU(), nn.Linear(4096, 1000, **meta))


def _layers(groups: int) -> list[Row]:
    return [row for row in summary(alexnet(groups), (1, 3, 227, 227)).rows if row.parameters]


def _weights(row: Row) -> int:
    return row.parameters - row.output_shape[1]  # a bias per map or unit


@item("T16", "UCSD, Number of weights")
def _neuron(dtype: str) -> Iterator[Claim]:
    yield Claim("one neuron on 7x7x3", 147, parameters(nn.Conv2d(3, 1, 7, bias=False, dtype=dtype)))
    yield Claim("5 neurons", 735, parameters(nn.Conv2d(3, 5, 7, bias=False, dtype=dtype)))
    yield Claim("with bias: 1 and 5", [148, 740], [parameters(nn.Conv2d(3, n, 7, dtype=dtype)) for n in (1, 5)])


@item("T17", "UCSD, Images as input: 200x200, 40K hidden units")
def _hidden(dtype: str) -> Iterator[Claim]:
    layer = nn.Linear(200 * 200, 40_000, device="meta", dtype=dtype)
    yield Claim("weights (the slide rounds up to 2B)", 1_600_000_000, layer.weight.numel())
    yield Claim("biases", 40_000, parameters(layer) - layer.weight.numel())


@item("T18", "Ajou, Neural network with images: 10,000 inputs")
def _explosion(dtype: str) -> Iterator[Claim]:
    for units, weights in ((1, 10_000), (10, 100_000), (100, 1_000_000), (100_000, 1_000_000_000)):
        yield Claim(f"{units} units", weights, parameters(nn.Linear(10_000, units, bias=False, device="meta",
                                                                  dtype=dtype)))


@item("T19", "Virginia Tech 39: why 3x3 layers, 64 channels")
def _small_filters(dtype: str) -> Iterator[Claim]:
    def weights(taps: int, layers: int) -> int:
        return parameters(nn.Sequential(*[nn.Conv2d(64, 64, taps, bias=False, dtype=dtype) for _ in range(layers)]))

    yield Claim("two 3x3, one 5x5", [73_728, 102_400], [weights(3, 2), weights(5, 1)])
    yield Claim("three 3x3, one 7x7", [110_592, 200_704], [weights(3, 3), weights(7, 1)])
    yield Claim("receptive field of one, two, three 3x3", [3, 5, 7], [
        row.receptive_field[0] for row in summary(nn.Sequential(*[nn.Conv2d(1, 1, 3, dtype=dtype) for _ in range(3)]),
                                                  (1, 1, 9, 9)).rows if row.receptive_field])


@item("T20", "Chalmers, Network structure: 10x16x16 to 100 units")
def _dense(dtype: str) -> Iterator[Claim]:
    layer = nn.Linear(10 * 16 * 16, 100, bias=False, dtype=dtype)
    yield Claim("inputs of one unit", 2_560, layer.in_features)
    yield Claim("weights", 256_000, parameters(layer))


@item("T21", "Virginia Tech 34: AlexNet has 650,000 units")
def _units(dtype: str) -> Iterator[Claim]:
    counts = [_count(row.output_shape) for row in _layers(2)]
    yield Claim("units by layer", [290_400, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000], counts)
    yield Claim("units", 659_272, sum(counts))


def _count(shape: Any) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


@item("C11", "UCSD, AlexNet: params and FLOPs")
def _table(dtype: str) -> Iterator[Claim]:
    grouped, full = _layers(2), _layers(1)
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    weights = [34_848, 307_200, 884_736, 663_552, 442_368, 37_748_736, 16_777_216, 4_096_000]
    macs = [105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192, 37_748_736, 16_777_216, 4_096_000]
    for i, name in enumerate(names):
        yield Claim(f"{name}, two groups: weights, multiply-adds", [weights[i], macs[i]],
                    [_weights(grouped[i]), grouped[i].macs])
    yield Claim("conv2, conv4, conv5, one group: weights", [614_400, 1_327_104, 884_736],
                [_weights(full[i]) for i in (1, 3, 4)])
    yield Claim("conv2, conv4, conv5, one group: multiply-adds", [447_897_600, 224_280_576, 149_520_384],
                [full[i].macs for i in (1, 3, 4)])
    yield Claim("parameters, two groups and one", [60_965_224, 62_378_344],
                [sum(row.parameters for row in rows) for rows in (grouped, full)])
    yield Claim("multiply-adds, two groups and one", [724_406_816, 1_135_256_096],
                [sum(row.macs for row in rows) for rows in (grouped, full)])
    yield Claim("conv1 as the slide writes it, rounded: weights", "35K", f"{round(_weights(grouped[0]) / 1e3)}K")
    yield Claim("the others, rounded down; conv4 is 663K, not 1.3M", ["307K", "884K", "663K", "442K", "37M", "16M", "4M"],
                [_short(_weights(row)) for row in grouped[1:]])
    yield Claim("multiply-adds, rounded down", ["105M", "223M", "149M", "112M", "74M", "37M", "16M", "4M"],
                [_short(row.macs) for row in grouped])


@item("D25", "Chalmers, Overfitting: VGG-16, 138M parameters; Virginia Tech 38, 39")
def _vgg(dtype: str) -> Iterator[Claim]:
    found = summary(vgg(2, 2, 3, 3, 3), (1, 3, 224, 224), dtype)
    yield Claim("parameters", 138_357_544, found.total_parameters)
    yield Claim("multiply-adds", 15_470_264_320, found.total_macs)
    pools = [row.output_shape[-1] for row in found.rows if row.type == "MaxPool2d"]
    yield Claim("five poolings, each halves", [112, 56, 28, 14, 7], pools)
    yield Claim("about 140M per net: 11 to 19 layers", [132_863_336, 143_667_240],
                [parameters(vgg(1, 1, 2, 2, 2)), parameters(vgg(2, 2, 4, 4, 4))])


def _short(n: int) -> str:
    """Whole thousands or millions, rounded down."""
    return f"{n // 10**6}M" if n >= 10**6 else f"{n // 10**3}K"
