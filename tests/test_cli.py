"""The command line, as a user meets it: through a process of its own."""

import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import document, mistake, pyconv
from PIL import Image

COMMANDS = ("train", "predict", "evaluate", "summary", "export", "convert", "weights", "bench", "doctor", "selftest")
RUN_FILES = {"weights.safetensors", "config.json", "history.csv", "curves.png", "filters.png", "confusion.png"}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run of a few epochs and what ``--json`` said about it."""
    folder = tmp_path_factory.mktemp("cli")
    done = pyconv("train", "--epochs", 6, "--seed", 3, "--out", "run", "--json", cwd=folder)
    return folder / "run", document(done)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run to damage."""
    return shutil.copytree(trained[0], tmp_path / "run")


# --- help ---------------------------------------------------------------------------------------
def test_the_script_is_installed():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="pyconv")
    assert script.value == "pyconv.cli:main"


def test_help_lists_the_commands(tmp_path):
    text = pyconv("--help", cwd=tmp_path).stdout
    assert all(re.search(rf"^ +{name} ", text, re.M) for name in COMMANDS)
    assert "example:" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(tmp_path, command):
    text = pyconv(command, "--help", cwd=tmp_path).stdout
    assert re.search(rf"example: pyconv {command}\b", text)
    assert "--json" in text


def test_version(tmp_path):
    assert pyconv("--version", cwd=tmp_path).stdout == f"pyconv {importlib.metadata.version('pyconv')}\n"


# --- train --------------------------------------------------------------------------------------
def test_train_leaves_a_run_folder(trained):
    folder, result = trained
    assert {path.name for path in folder.iterdir()} == RUN_FILES == set(result["files"])
    config = json.loads((folder / "config.json").read_text())
    assert config["finished"] is True
    assert config["recipe"] == {"model": "lenet5", "data": "digits", "epochs": 6, "batch_size": 64, "optimizer": "sgd",
                                "lr": 0.05, "seed": 3}
    assert (folder / "history.csv").read_text().count("\n") == 7
    for name in ("curves.png", "filters.png", "confusion.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 400


def test_train_learns(trained):
    # Six epochs reach 96 to 99 %; chance is 10 %.
    assert trained[1]["test"]["accuracy"] > 0.93
    losses = [row["loss"] for row in trained[1]["history"]]
    assert losses[-1] < 0.3 * losses[0]


def test_the_same_seed_and_other_threads_give_the_same_file(trained, tmp_path):
    for threads in (1, 3):
        pyconv("train", "--epochs", 6, "--seed", 3, "--threads", threads, "--out", f"{threads}", "--json", cwd=tmp_path)
        again = (tmp_path / f"{threads}" / "weights.safetensors").read_bytes()
        assert again == (trained[0] / "weights.safetensors").read_bytes()


def test_train_for_people_ends_with_the_accuracy_and_numbers_its_folders(tmp_path):
    for number in (1, 2):
        done = pyconv("train", "--epochs", 1, "--optimizer", "adam", cwd=tmp_path)
        assert re.fullmatch(r"test accuracy \d+\.\d % \(\d+ of 360\) after 1 epochs in \d+\.\d s",
                            done.stdout.splitlines()[-1])
        assert f"runs/lenet5-digits-{number}: " in done.stdout
        assert done.stderr == ""  # no bar without a terminal


def test_ctrl_c_saves_what_was_learned_and_the_run_continues_bit_by_bit(trained, tmp_path):
    command = [sys.executable, "-m", "pyconv", "train", "--epochs", "6", "--seed", "3", "--out", "run"]
    environment = {**os.environ, "PYCONV_POISON": "0"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    state = tmp_path / "run" / "checkpoint" / "state.json"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(r"pyconv train: stopped after [1-5] of 6 epochs; run holds what was learned. "
                        r"Continue with: pyconv train --resume run\n", errors)
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES | {"checkpoint"}
    assert 0 < document(pyconv("evaluate", "run", "--json", cwd=tmp_path))["accuracy"] <= 1

    done = document(pyconv("train", "--resume", "run", "--json", cwd=tmp_path))
    assert done["epochs"] == 6
    for name in ("weights.safetensors",):
        assert (tmp_path / "run" / name).read_bytes() == (trained[0] / name).read_bytes()
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES


# --- evaluate, predict --------------------------------------------------------------------------
def test_evaluate_agrees_with_the_training(trained):
    folder, result = trained
    found = document(pyconv("evaluate", folder, "--json", cwd=folder.parent))
    assert found["right"] == result["test"]["right"]
    assert np.trace(found["confusion"]) == found["right"]
    assert pyconv("evaluate", folder, cwd=folder.parent).stdout.splitlines()[-1].startswith("lenet5: test accuracy ")


def drawings(folder):
    """Test images as files of many sizes, kinds and colours, with their labels."""
    from pyconv.data import Digits
    from pyconv.data.images import resize

    data = Digits(train=False, size=8)
    rng = np.random.default_rng(0)
    files, labels = [], []
    for i in range(60):
        height, width = (int(n) for n in rng.integers(40, 300, 2))
        side = min(height, width) * 2 // 3
        canvas = np.zeros((height, width), np.float32)
        top, left = (height - side) // 2, (width - side) // 2
        canvas[top:top + side, left:left + side] = resize(data.data[i, 0], side, side)
        gray = (255 * canvas).astype(np.uint8)
        kind = ("L", "inverted", "RGB", "RGBA", "P", "16", "jpeg", "exif", "1", "paper")[i % 10]
        path = folder / f"{i}-{kind}.{'jpg' if kind in ('jpeg', 'exif', 'paper') else 'png'}"
        options = {}
        if kind == "inverted":
            image = Image.fromarray(255 - gray)
        elif kind == "16":
            image = Image.fromarray((65535 * canvas).astype(np.uint16))
        elif kind == "RGBA":  # black strokes on nothing
            image = Image.fromarray(np.dstack([0 * gray, 0 * gray, 0 * gray, gray]))
        elif kind == "exif":
            exif = Image.Exif()
            exif[0x0112] = 3
            image, options = Image.fromarray(gray[::-1, ::-1].copy()), {"exif": exif}
        elif kind == "paper":  # blue ink on yellowish paper, a little noise
            paper, ink = np.array([235, 228, 205]), np.array([30, 40, 120])
            colors = paper + canvas[..., None] * (ink - paper) + rng.normal(0, 4, (height, width, 1))
            image = Image.fromarray(np.clip(colors, 0, 255).astype(np.uint8))
        else:
            image = Image.fromarray(gray).convert("L" if kind == "jpeg" else kind)
        image.save(path, **options)
        files.append(path)
        labels.append(str(data.targets[i]))
    return files, labels


def test_predict_reads_pictures_of_every_kind(trained, tmp_path):
    files, labels = drawings(tmp_path)
    found = document(pyconv("predict", trained[0], *files, "--json", cwd=tmp_path))["predictions"]
    assert [f["image"] for f in found] == [str(path) for path in files]
    wrong = [path.name for path, label, f in zip(files, labels, found, strict=True) if f["class"] != label]
    assert len(wrong) <= 8, wrong  # of 60, after six epochs
    for path, f in zip(files, found, strict=True):
        shares = [p["probability"] for p in f["probabilities"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert f["inverted"] is any(kind in path.name for kind in ("inverted", "RGBA", "paper"))


def test_predict_for_people(trained, tmp_path):
    files, _ = drawings(tmp_path)
    lines = pyconv("predict", trained[0], files[1], cwd=tmp_path).stdout.splitlines()
    assert re.fullmatch(r".*1-inverted.png: \d \(dark on a bright ground: inverted\)", lines[0])
    assert re.match(r"  \d +\d+\.\d %", lines[1])
    assert len(lines) == 11


# --- export -------------------------------------------------------------------------------------
def test_export_writes_what_runs(trained, tmp_path):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from pyconv.interop.onnx import load
    from pyconv.train.run import load_run

    found = document(pyconv("export", trained[0], "--output", "net.onnx", "--dynamic-batch", "--json", cwd=tmp_path))
    assert found["input"] == ["batch", 1, 32, 32]
    assert found["bytes"] == (tmp_path / "net.onnx").stat().st_size
    loaded, (model, _) = load(tmp_path / "net.onnx"), load_run(trained[0])
    images = np.random.default_rng(0).standard_normal((3, 1, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(loaded(images).array, model(type(loaded(images))(images)).detach().array, rtol=1e-4, atol=1e-5)
    text = pyconv("export", "lenet5", "--weights", trained[0] / "weights.safetensors", "--output", "two.onnx",
                  cwd=tmp_path).stdout
    assert re.fullmatch(r"two.onnx: lenet5, input 1 x 1 x 32 x 32, opset 18, \d+ nodes, \d+ weights, [\d,]+ bytes\n", text)


@pytest.mark.parametrize(("options", "match"), [
    (("lenett5", "--output", "x"), r"unknown run folder or model 'lenett5': did you mean 'lenet5'\?"),
    (("lenet5",), r"--output"),
    (("lenet5", "--output", "x", "--opset", "3"), r"opset_version is 3, expected 18 to"),
    (("lenet5", "--output", "x", "--input-size", "1", "2", "2"), r"conv1 \(Conv2d\)"),
    (("lenet5", "--output", "x", "--weights", "nothing.safetensors"), r"nothing.safetensors: no such file"),
    ((".", "--output", "x"), r"config.json"),
    (("lenet5", "--output", "no/folder/x"), r"no such file"),
])
def test_export_mistakes(tmp_path, options, match):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    assert re.search(match, mistake("export", *options, cwd=tmp_path))


# --- summary, doctor ----------------------------------------------------------------------------
def test_summary(tmp_path):
    text = pyconv("summary", "lenet5", cwd=tmp_path).stdout
    assert "Conv2d" in text
    assert re.search(r"61,706", text)  # parameters of LeNet-5 with ten classes, by hand
    found = document(pyconv("summary", "lenet5", "--json", cwd=tmp_path))
    assert found["total_parameters"] == 61706
    assert found["total_macs"] == 416520
    found = document(pyconv("summary", "lenet5", "--json", "--batch", 3, "--num-classes", 7, "--depth", 0, cwd=tmp_path))
    assert found["layers"] == [{"path": "", "type": "LeNet5", "output_shape": [3, 7], "parameters": 61706 - 3 * 85,
                                "macs": 3 * (416520 - 3 * 84), "receptive_field": [32, 32],
                                "activation_bytes": found["total_activation_bytes"]}]
    for name in ("lenet.svg", "lenet.PNG"):
        assert pyconv("summary", "lenet5", "--picture", name, cwd=tmp_path).stdout.endswith(f"picture: {name}\n")
    assert "<title>lenet5</title>" in (tmp_path / "lenet.svg").read_text()
    with Image.open(tmp_path / "lenet.PNG") as image:
        assert image.width > 800
    args = ("summary", "lenet5", "--style", "slide", "--rounding", "nearest")
    assert re.search(r"^851 +FC 10 +840$", pyconv(*args, cwd=tmp_path).stdout, re.M) is None
    assert re.search(r"^840 +FC 10 +840$", pyconv(*args, cwd=tmp_path).stdout, re.M)
    assert document(pyconv(*args, "--json", cwd=tmp_path))["slide"][0]["weights"] == 150


def test_bench_measures_a_layer(tmp_path):
    args = ("bench", "--layer", "2,8,12,10,6", "--kernel", "3,5", "--stride", "2,1", "--groups", 2, "--threads", 2)
    found = document(pyconv(*args, "--json", cwd=tmp_path))
    assert found["threads"] == 2
    (layer,) = found["layers"]
    assert layer["weight_shape"] == [6, 4, 3, 5]
    assert layer["padding"] == [1, 2]
    assert layer["output_shape"] == [2, 6, 6, 10]
    assert layer["macs"] == 2 * 6 * 6 * 10 * 4 * 15
    for name in ("forward", "grad_input", "grad_weight"):
        values = layer["passes"][name]
        assert 0 < values["error"] <= 1
        assert values["gflops"] == pytest.approx(2 * layer["macs"] / values["ms"] / 1e6)
    lines = pyconv(*args, cwd=tmp_path).stdout.splitlines()
    assert re.fullmatch(r"(scalar|avx2|avx512), 2 threads, float32", lines[0])
    assert lines[1] == ("layer: 2x8x12x10, filter 6x4x3x5, stride 2x1, padding 1x2, 2 groups -> 2x6x6x10, "
                        "43,200 multiply-adds a pass")
    assert re.match(r"  weight gradient +\d+\.\d{3} ms +\d+\.\d GFLOP/s  \w+: .+", lines[4])
    assert len(lines) == 5


def test_bench_explains_a_model_without_running_it(tmp_path):
    found = document(pyconv("bench", "--model", "lenet5", "--batch", 100_000, "--explain", "--json", cwd=tmp_path))
    assert [(entry["name"], entry["input_shape"]) for entry in found["layers"]] == [
        ("conv1", [100_000, 1, 32, 32]), ("conv2", [100_000, 6, 14, 14])]
    plan = found["layers"][0]["passes"]["grad_weight"]
    assert set(plan) == {"plan"}
    assert {"algorithm", "why", "workspace_bytes"} <= set(plan["plan"])
    text = pyconv("bench", "--model", "lenet5", "--explain", cwd=tmp_path).stdout
    assert "conv2: 1x6x14x14, filter 16x6x5x5 -> 1x16x10x10, 240,000 multiply-adds a pass" in text
    assert re.search(r"^  input gradient +\w+: .*\n +rows per block \d+, .*workspace bytes [\d,]+$", text, re.M)


def test_doctor(tmp_path):
    found = document(pyconv("doctor", "--json", cwd=tmp_path, env={"PYCONV_NUM_THREADS": "3", "PYCONV_ISA": "scalar"}))
    assert found["isa"] == "scalar"
    assert "scalar" in found["isas"]
    assert found["threads"] == 3
    assert "PYCONV_NUM_THREADS" in found["threads_default"]["why"]
    assert found["numpy"] == np.__version__
    text = pyconv("doctor", cwd=tmp_path).stdout
    for word in ("pyconv", "instruction sets", "threads", "OpenMP", "numpy", "memory", "Python", "platform"):
        assert re.search(rf"^{word} ", text, re.M), word


# --- mistakes -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("args", "match"), [
    ((), r"pyconv: .*COMMAND"),
    (("fly",), r"invalid choice: 'fly'"),
    (("train", "--fly"), r"unrecognized arguments: --fly"),
    (("train", "--model", "lenett5"), r"unknown model 'lenett5': did you mean 'lenet5'\?"),
    (("train", "--model", "qqqqqqq"), r"unknown model 'qqqqqqq': there are .*lenet5"),
    (("train", "--data", "digit"), r"unknown data set 'digit': did you mean 'digits'\?"),
    (("train", "--optimizer", "sdg"), r"unknown optimizer 'sdg': did you mean 'sgd'\?"),
    (("train", "--epochs", "0"), r"argument --epochs: 0 is not in 1..1000000"),
    (("train", "--epochs", "x"), r"argument --epochs: invalid"),
    (("train", "--batch-size", "-1"), r"argument --batch-size"),
    (("train", "--lr", "nan"), r"argument --lr: nan is not a positive number"),
    (("train", "--seed", "-1"), r"argument --seed: -1 is not in"),
    (("train", "--threads", "0"), r"argument --threads"),
    (("train", "--out", "/proc/none/x"), r"/proc/none"),
    (("train", "--out", "."), r"\. already exists; choose another --out"),
    (("train", "--resume", "none"), r"none is not a run folder: there is no such folder"),
    (("evaluate", "none"), r"none is not a run folder: there is no such folder"),
    (("evaluate", "."), r"\. is not a run folder: it has no config.json"),
    (("evaluate",), r"required: RUN"),
    (("predict", "none", "x.png"), r"none is not a run folder"),
    (("summary", "lenett5"), r"unknown model 'lenett5': did you mean 'lenet5'\?"),
    (("summary", "lenet5", "--input-size", "1", "2", "2"), r"not fit that input size: conv1 \(Conv2d\): \[conv2d\]"),
    (("summary", "lenet5", "--input-size", "0", "32", "32"), r"--input-size"),
    (("summary", "lenet5", "--depth", "-1"), r"argument --depth: -1 is not at least 0"),
    (("summary", "carn", "--style", "slide"), r"carn: \[summary\] style is 'slide', for networks that are a chain"),
    (("summary", "lenet5", "--picture", "x.gif"), r"path is 'x.gif', expected one that ends in .svg or .png"),
    (("summary", "lenet5", "--picture", "none/x.svg"), r"none/x.svg: no such file"),
    (("summary", "srcnn", "--num-classes", "3"), r"srcnn has no number of classes to choose"),
    (("bench",), r"one of the arguments --layer --model is required"),
    (("bench", "--layer", "1,2,3,4"), r"argument --layer: 1,2,3,4 has 4 numbers, expected the five of N,C,H,W,K"),
    (("bench", "--layer", "1,2,x,4,5"), r"argument --layer: invalid"),
    (("bench", "--layer", "1,2,0,4,5"), r"argument --layer: 1,2,0,4,5 is not in 1..1000000"),
    (("bench", "--layer", "1,3,8,8,4", "--groups", "2"), r"--groups 2 does not divide the 3 channels"),
    (("bench", "--layer", "1,4,8,8,3", "--groups", "2"), r"\[conv2d\] groups is 2, which does not divide the 3 output"),
    (("bench", "--layer", "1,4,8,8,3", "--kernel", "3,3,3"), r"argument --kernel: 3,3,3 has 3 numbers"),
    (("bench", "--layer", "1,4,2,2,3", "--padding", "0"), r"\[conv2d\] the filter spans 3 in height but x .* only has 2"),
    (("bench", "--layer", "1000000,1000,1000,1000,3"), r"\[conv2d\] shape .* needs more than"),
    (("bench", "--layer", "10000,100,1000,1000,3"), r"layer: the arrays do not fit into memory"),
    (("bench", "--model", "lenett5"), r"unknown model 'lenett5': did you mean 'lenet5'\?"),
])
def test_mistakes(tmp_path, args, match):
    (tmp_path / "file").write_text("here")
    assert re.search(match, mistake(*args, cwd=tmp_path))


def test_an_unknown_instruction_set(tmp_path):
    assert "PYCONV_ISA" in mistake("doctor", cwd=tmp_path, env={"PYCONV_ISA": "avx9000"})


@pytest.mark.parametrize(("name", "content", "match"), [
    ("none.png", None, r"none.png: no such file or directory"),
    ("folder.png", "folder", r"folder.png: is a directory"),
    ("text.png", b"hello", r"text.png is not a PNG or JPEG picture"),
    ("blank.png", "blank", r"blank.png: the picture is blank"),
    ("cut.png", "cut", r"cut.png is a damaged picture"),
])
def test_pictures_that_are_none(trained, tmp_path, name, content, match):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content == "blank":
        Image.new("L", (20, 20), 200).save(path)
    elif content == "cut":
        Image.effect_noise((90, 90), 50).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif content is not None:
        path.write_bytes(content)
    assert re.search(match, mistake("predict", trained[0], path, cwd=tmp_path))


def edit(**changes):
    def change(text):
        config = json.loads(text)
        for key, value in changes.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) else value
        return json.dumps(config)

    return change


@pytest.mark.parametrize(("damage", "match"), [
    (lambda text: text[:50], r"config.json is damaged"),
    (lambda text: "[" * 100_000, r"config.json is damaged"),
    (lambda text: "[]", r"config.json is damaged"),
    (edit(format="other"), r"config.json has format 'other'"),
    (edit(recipe={"model": "lenett5"}), r"lenett5"),
    (edit(recipe={"seed": "x"}), r"config.json is damaged: TypeError recipe.seed is 'x'"),
    (edit(recipe={"more": 1}), r"config.json is damaged"),
    (edit(input={"size": 10**9}), r"config.json is damaged"),
    (edit(input={"std": 0}), r"config.json is damaged"),
    (edit(classes=["a", "b"]), r"weights.safetensors does not fit lenet5"),
    (edit(classes=[1]), r"config.json is damaged"),
])
def test_a_damaged_configuration(run, tmp_path, damage, match):
    path = run / "config.json"
    path.write_text(damage(path.read_text()))
    assert re.search(match, mistake("evaluate", run, cwd=tmp_path))


@pytest.mark.parametrize(("damage", "match"), [
    (lambda path: path.unlink(), r"has no weights.safetensors"),
    (lambda path: path.write_bytes(path.read_bytes()[:-5]), r"weights.safetensors does not fit lenet5: .*truncated"),
    (lambda path: path.write_bytes(b"\x80\x04pickle"), r"weights.safetensors does not fit lenet5"),
])
def test_damaged_weights(run, tmp_path, damage, match):
    damage(run / "weights.safetensors")
    assert re.search(match, mistake("evaluate", run, cwd=tmp_path))


@pytest.mark.parametrize("module", ["sklearn", "matplotlib", "PIL"])
def test_a_missing_extra(tmp_path, module):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / f"{module}.py").write_text(f"raise ModuleNotFoundError('No module named {module}')")
    line = mistake("train", "--epochs", 1, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "hidden")})
    assert 'pip install "pyconv[demo]"' in line
    assert not (tmp_path / "runs").exists()


def test_a_reader_that_leaves_is_no_error(tmp_path):
    command = f"{sys.executable} -m pyconv summary lenet5 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
