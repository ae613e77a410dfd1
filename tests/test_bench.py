"""The benches run, find both sides equal, and print what compare.py reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"


def bench(name, *args):
    done = subprocess.run([sys.executable, str(BENCH / name), *map(str, args)], text=True, capture_output=True,
                          timeout=240, check=False, env={**os.environ, "PYTHONPATH": str(BENCH)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_step(torch, tmp_path):
    text = bench("bench_train.py", "--nets", "lenet5", "--pairs", 2, "--json")
    (row,) = json.loads(text)["rows"]
    assert row["name"] == "lenet5 B128"
    assert row["flop"] == 6 * 128 * 416_520  # three passes of a multiply and an add; the summary's figure
    assert min(row["torch NCHW"]["b"], row["torch NHWC"]["b"]) == row["best torch"]["b"] > 0
    (tmp_path / "a.json").write_text(text)
    assert "1.000x" in bench("compare.py", tmp_path / "a.json", tmp_path / "a.json")


def test_a_training_step_of_an_accelerated_model(torch):
    rows = json.loads(bench("bench_accelerate.py", "--nets", "lenet5", "--pairs", 2, "--json"))["rows"]
    assert [row["name"] for row in rows] == ["lenet5 B128 preserve", "lenet5 B128 channels_last"]
    assert all(row["best torch"]["b"] > 0 for row in rows)


def test_memory_and_profile_of_a_training_step(torch):
    found = json.loads(bench("bench_train.py", "--nets", "lenet5", "--memory", "--json"))["lenet5"]
    assert all(values["resident"] > 0 for values in found.values())
    assert found["pyconv"]["counted"] > 10 * 4 * 61_706
    text = bench("bench_train.py", "--nets", "lenet5", "--profile")
    for word in ("conv_grad_weight 5x5", "max_pool_forward", "sgd_step", "(Python)", "convolution_backward"):
        assert word in text


@pytest.mark.parametrize("net", ["resnet20", "resnet18", "unet", "vdsr"])
def test_networks_are_the_same_on_both_sides(torch, net, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import bench_train
    from nets import NETS, Net

    import pyconv

    full = next(n for n in NETS if n.name == net)
    size = 96 if net == "resnet18" else 32  # batch norm of a handful of pixels magnifies roundings
    small = Net(net, full.build, 2, (full.image[0], size, size), full.classes, full.per_pixel)
    state = small.build(torch).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        k: v.shape for k, v in small.build(pyconv).state_dict().items()}
    ours, theirs = bench_train.Step(pyconv, small), bench_train.Step(torch, small)
    bench_train.check(small, ours, {"torch": theirs})
    with torch.no_grad():
        list(theirs.model.parameters())[-1].add_(1)  # a state of its own does not matter: check copies
    bench_train.check(small, ours, {"torch": theirs})
    monkeypatch.setitem(bench_train.GRADIENT_TOLERANCE, "last", -1)
    with pytest.raises(SystemExit, match="wrong result"):
        bench_train.check(small, ours, {"torch": theirs})


def test_operations(torch):
    names = ["global_avg_pool 16x512x7x7", "cross_entropy 128x10", "dropout 32x9216", "sgd resnet18", "batch_norm 8x"]
    rows = json.loads(bench("bench_ops.py", "--ops", *names, "--pairs", 2, "--json"))["rows"]
    assert [row["name"].split()[0] for row in rows] == [
        "batch_norm", "global_avg_pool", "cross_entropy", "sgd", "dropout"]
    assert all(row["best torch"]["b"] > 0 for row in rows)
    assert ["torch NHWC" in row for row in rows] == [True, True, True, False, True]


def test_inference(torch):
    text = bench("bench_infer.py", "--models", "lenet5", "srcnn@17", "--pairs", 2, "--seconds", 0.1, "--json")
    rows = {row["name"]: row for row in json.loads(text)["rows"]}
    assert list(rows) == ["lenet5", "srcnn@17"]
    assert rows["srcnn@17"]["input"] == [1, 17, 17]
    assert rows["srcnn@17"]["macs"] == 8_032 * 17 * 17
    assert rows["lenet5"]["flop"] == 2 * 416_520
    assert rows["lenet5"]["parameters"] == 61_706
    for row in rows.values():
        assert min(row["torch NCHW"]["b"], row["torch NHWC"]["b"]) == row["best torch"]["b"] > 0
    lines = bench("bench_infer.py", "--models", "lenet5", "--pairs", 2, "--batch", 2, "--markdown").splitlines()
    assert lines[0].startswith("| Network | Input | Parameters | Multiply-adds |")
    assert lines[2].startswith("| `lenet5 B2` | 1×32×32 | 61,706 | 0.4 M | ")


def test_networks_in_pytorch(torch, monkeypatch):
    """Every network of the table has a twin with the same state names, and a wrong one is found out."""
    monkeypatch.syspath_prepend(str(BENCH))
    import bench_infer
    import twins

    import pyconv
    from pyconv import models

    for name in (text.partition("@")[0] for text in bench_infer.NETWORKS):
        with torch.device("meta"):
            theirs = twins.build(name, torch)
        with pyconv.device("meta"):
            ours = models.create_model(name)
        assert {k: tuple(v.shape) for k, v in theirs.state_dict().items()} == {
            k: v.shape for k, v in ours.state_dict().items()}, name
    monkeypatch.setattr(bench_infer, "TOLERANCE", -1)
    with pytest.raises(SystemExit, match="wrong result: lenet5 against torch NCHW: relative error"):
        bench_infer.measure("lenet5", 1, torch, 2, 0.1)
