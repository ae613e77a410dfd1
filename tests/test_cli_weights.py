"""`pyconv convert`, `pyconv weights verify`, and `pyconv predict` with a network by name."""

from __future__ import annotations

import hashlib
import json
import re
import struct

import numpy as np
import pytest
from command_line import document, mistake, pyconv
from malformed_weights import MALFORMED
from PIL import Image
from weight_files import GOOD_CAFFE, GOOD_ZIP

from pyconv import io, models
from pyconv.data import Preprocessing

WANTED = Preprocessing("L", mean=0.3, std=0.35, resize=32, mode="exact")


@pytest.fixture(scope="module")
def lenet():
    return models.lenet5()


@pytest.fixture
def checkpoint(lenet, tmp_path):
    """A LeNet as a training script leaves it: nested, with a prefix, and an optimiser beside it."""
    state = {f"state_dict.module.{name}": value for name, value in lenet.state_dict().items()}
    io.save({**state, "optimizer.0.step": np.ones(1, np.float32)}, tmp_path / "in")
    return tmp_path / "in"


# --- convert --------------------------------------------------------------------------------------
def test_convert_to_the_names_of_a_model(lenet, checkpoint, tmp_path):
    done = document(pyconv("convert", checkpoint, "out.safetensors", "--model", "lenet5", "--preprocessing", WANTED.to_json(),
                           "--json", cwd=tmp_path))
    assert done["renamed"] == ['took "state_dict."', 'removed "module."']
    assert done["left_out"] == ["optimizer.0.step"]
    assert done["numbers"] == 61_706
    assert done["bytes"] == (tmp_path / "out.safetensors").stat().st_size
    assert done["tensors"][0] == {"name": "conv1.weight", "shape": [6, 1, 5, 5], "dtype": "float32"}
    loaded = io.load(tmp_path / "out.safetensors")
    for name, value in lenet.state_dict().items():
        np.testing.assert_array_equal(loaded[name].array, value.array)
    metadata = io.safetensors_metadata(tmp_path / "out.safetensors")
    assert metadata["model"] == "lenet5"
    assert metadata["source_format"] == "safetensors"
    assert models.preprocessing_of("lenet5", tmp_path / "out.safetensors") == WANTED


def test_convert_without_a_model_keeps_the_names(checkpoint, tmp_path):
    text = pyconv("convert", checkpoint, "out.npz", cwd=tmp_path).stdout
    assert re.search(r"^  state_dict.module.fc1.weight +float32  120 x 400$", text, re.M)
    assert re.search(r"^out.npz: 11 tensors, 61,707 numbers, [\d,]+ bytes, from safetensors$", text, re.M)
    with np.load(tmp_path / "out.npz") as theirs:  # numpy reads what we write
        ours = io.load(checkpoint)
        assert set(theirs.files) == set(ours)
        for name in theirs.files:
            np.testing.assert_array_equal(theirs[name], ours[name].array)


def test_convert_for_people_says_what_was_renamed(checkpoint, tmp_path):
    text = pyconv("convert", checkpoint, checkpoint.with_suffix(".safetensors"), "--model", "lenet5", cwd=tmp_path).stdout
    assert 'Took "state_dict."\nRemoved "module."\nLeft out 1: optimizer.0.step\n' in text


@pytest.mark.parametrize(("name", "content", "expected"), [
    ("zip", GOOD_ZIP, {"w": (4,)}), ("caffe", GOOD_CAFFE, {"conv1.weight": (2, 1, 1, 1), "conv1.bias": (2,)})],
    ids=["zip", "caffe"])
@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_convert_other_formats(tmp_path, name, content, expected, suffix):
    (tmp_path / name).write_bytes(content)
    pyconv("convert", name, f"out.{suffix}", cwd=tmp_path)
    assert {n: v.shape for n, v in io.load(tmp_path / f"out.{suffix}").items()} == expected


def test_convert_into_itself(checkpoint, tmp_path):
    path = checkpoint.rename(tmp_path / "w.safetensors")
    pyconv("convert", path, path, "--model", "lenet5", cwd=tmp_path)
    assert "conv1.weight" in io.load(path)


@pytest.mark.parametrize(("content", "options", "match"), [
    (GOOD_ZIP, ("out.pth",), r"out.pth ends in .pth, expected .safetensors or .npz"),
    (GOOD_ZIP, ("out",), r"out ends in nothing"),
    (None, ("out.npz",), r"in: no such file"),
    (MALFORMED["GLOBAL os.system"][0], ("out.npz",), r"\[load\] in: the pickle asks for 'os.system'"),
    (GOOD_ZIP, ("out.npz", "--model", "lenett5"), r"unknown model 'lenett5': did you mean 'lenet5'\?"),
    (GOOD_ZIP, ("out.npz", "--model", "lenet5"), r"in does not fit LeNet5: .*Missing key.*conv1: weight, bias.*Tried before: no renaming"),
    (GOOD_ZIP, ("out.npz", "--num-classes", "3"), r"--num-classes goes with --model"),
    (GOOD_ZIP, ("out.npz", "--preprocessing", "{"), r"\[Preprocessing\] text is '\{'"),
    (struct.pack("<3iq", 0, 2, 0, 0) + bytes(16), ("out.npz",), r"file of Darknet's, which has no names: .* with --model"),
    (struct.pack("<3iq", 0, 2, 0, 0) + bytes(16), ("out.npz", "--model", "yolov3_tiny"), r"has 4 numbers, expected the 8858734"),
    (GOOD_ZIP, ("no/folder/out.npz",), r"no such file or directory"),
], ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else "")
def test_convert_mistakes(tmp_path, content, options, match):
    if content is not None:
        (tmp_path / "in").write_bytes(content)
    assert re.search(match, mistake("convert", "in", *options, cwd=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} <= {"in"}


# --- weights verify -------------------------------------------------------------------------------
def test_verify_reads_the_checksum_in_the_name(checkpoint, tmp_path):
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    path = checkpoint.rename(tmp_path / f"lenet5-{digest[:8]}.pth")
    found = document(pyconv("weights", "verify", path, "--model", "lenet5", "--json", cwd=tmp_path))
    assert found["sha256"] == digest
    assert found["checksum"] == {"expected": digest[:8], "right": True}
    assert found["content"] == {"format": "safetensors", "tensors": 11, "numbers": 61_707}
    assert found["model"] == {"name": "lenet5", "fits": True, "renamed": ['took "state_dict."', 'removed "module."'],
                              "left_out": ["optimizer.0.step"]}
    assert found["failed"] is False
    lines = pyconv("weights", "verify", path, "--model", "lenet5", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines[1:]] == ["right"] * 3


def test_verify_notices_what_is_wrong(checkpoint, tmp_path):
    path = checkpoint.rename(tmp_path / "lenet5-00000000.pth")
    found = document(pyconv("weights", "verify", path, "--model", "alexnet", "--json", cwd=tmp_path, status=1))
    assert found["checksum"] == {"expected": "00000000", "right": False}
    assert found["model"]["fits"] is False
    assert "does not fit AlexNet" in found["model"]["error"]
    text = pyconv("weights", "verify", path, "--model", "alexnet", cwd=tmp_path, status=1).stdout
    assert "checksum   WRONG: the name says 00000000" in text
    assert "model      WRONG" in text
    path.write_bytes(path.read_bytes()[:-1])
    text = pyconv("weights", "verify", path, cwd=tmp_path, status=1).stdout
    assert re.search(r"content    WRONG: \[load\] .* truncated", text)
    plain = path.rename(tmp_path / "plain")
    plain.write_bytes(GOOD_ZIP)
    text = pyconv("weights", "verify", plain, cwd=tmp_path).stdout
    assert "checksum   none in the file's name\ncontent    right: pth, 1 tensors, 4 numbers\n" in text


@pytest.mark.parametrize(("args", "match"), [
    (("weights",), r"required"), (("weights", "check", "x"), r"invalid choice: 'check'"),
    (("weights", "verify", "none"), r"none: no such file"), (("weights", "verify", "."), r"\[load\] \. is not a regular file"),
    (("weights", "verify", "/dev/zero"), r"is not a regular file"),
    (("weights", "verify", "none", "--num-classes", "2"), r"--num-classes goes with --model"),
])
def test_verify_mistakes(tmp_path, args, match):
    assert re.search(match, mistake(*args, cwd=tmp_path))


# --- predict --------------------------------------------------------------------------------------
@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def expected_shares(lenet, picture):
    from pyconv import Tensor, no_grad

    with no_grad():
        return lenet.eval()(Tensor(WANTED.apply(picture)[None])).softmax(1).array[0]


def test_predict_with_a_network_by_name(lenet, checkpoint, picture, tmp_path):
    shares = expected_shares(lenet, picture)
    found = document(pyconv("predict", "lenet5", "--weights", checkpoint, "--preprocessing", WANTED.to_json(), picture, picture,
                            "--json", cwd=tmp_path))
    assert len(found["predictions"]) == 2
    best = found["predictions"][0]["probabilities"]
    assert [entry["index"] for entry in best] == np.argsort(-shares)[:5].tolist()
    np.testing.assert_allclose([entry["probability"] for entry in best], np.sort(shares)[::-1][:5], rtol=1e-5)
    assert json.loads(found["preprocessing"])["mode"] == "exact"


def test_predict_takes_the_preprocessing_from_the_file_and_names_from_another(lenet, picture, tmp_path):
    io.save(lenet.state_dict(), tmp_path / "w.safetensors", {"preprocessing": WANTED.to_json()})
    (tmp_path / "names.txt").write_text("\n".join(f"digit {i}" for i in range(10)) + "\n")
    lines = pyconv("predict", "lenet5", "--weights", "w.safetensors", "--classes", "names.txt", "--top", 2, picture,
                   cwd=tmp_path).stdout.splitlines()
    best = int(np.argmax(expected_shares(lenet, picture)))
    assert lines[0] == f"{picture}: digit {best}"
    assert re.match(rf"  digit {best} +\d+\.\d %  #*", lines[1])
    assert len(lines) == 3


@pytest.mark.parametrize(("args", "match"), [
    (("lenet5", "a.png"), r"lenet5 is the name of a network, which needs --weights"),
    (("lenett5", "--weights", "w", "a.png"), r"unknown run folder or model 'lenett5': did you mean 'lenet5'\?"),
    (("lenet5", "--weights", "w", "a.png"), r"nothing says what pictures w was trained on: give --preprocessing"),
    (("alexnet", "--weights", "w", "--num-classes", "2", "a.png"), r"w does not fit alexnet: .*Missing"),
    (("lenet5", "--weights", "w", "--num-classes", "3", "a.png"),
     r"--num-classes is 3, but w holds other classes than the 3 asked for: new, and still to be trained, are fc3.weight"),
    (("lenet5", "--weights", "none", "a.png"), r"none: no such file"),
    (("lenet5", "--weights", "w", "--preprocessing", "[]", "a.png"), r"\[Preprocessing\] text is '\[\]'"),
    (("lenet5", "--weights", "w", "--preprocessing", '{"channels": "L"}', "a.png"), r"lenet5 does not take a picture of 1 x 40 x 50"),
    (("lenet5", "--weights", "w", "--preprocessing", WANTED.to_json(), "none.png"), r"none.png: no such file"),
    (("lenet5", "--weights", "w", "--preprocessing", WANTED.to_json(), "w"), r"w is not a PNG or JPEG picture"),
    (("lenet5", "--weights", "w", "--preprocessing", WANTED.to_json(), "--classes", "w", "a.png"), r"w is no UTF-8|--classes has"),
    (("lenet5", "--weights", "w", "--preprocessing", WANTED.to_json(), "--classes", "one.txt", "a.png"),
     r"--classes has 1 lines, but lenet5 tells 10 classes apart"),
    (("none", "--classes", "x", "a.png"), r"go with a network by name and --weights"),
    (("srcnn", "--weights", "sr", "a.png"), r"srcnn gives 1 x 1 x 40 x 50 for a picture, expected one score per class"),
])
def test_predict_mistakes(lenet, picture, tmp_path, args, match):
    io.save(lenet.state_dict(), tmp_path / "w")
    (tmp_path / "one.txt").write_text("only\n")
    if "sr" in args:
        io.save(models.create_model("srcnn").state_dict(), tmp_path / "sr")
    assert re.search(match, mistake("predict", *args, cwd=tmp_path))


@pytest.mark.full
def test_predict_from_a_pth_file_agrees_with_torchvision(torch, picture, tmp_path):
    """Preparation, reading, names and network together: the five likeliest classes and their probabilities."""
    from peers import torchvision

    torchvision = torchvision()
    from torchvision.transforms._presets import ImageClassification

    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    with torch.no_grad():
        theirs.fc.weight.mul_(20)  # scores that differ
        shares = theirs(ImageClassification(crop_size=224)(Image.open(picture))[None]).softmax(1)[0].numpy()
    torch.save({"epoch": 90, "state_dict": {f"module.{n}": v for n, v in theirs.state_dict().items()}}, tmp_path / "net.pth.tar")
    for weights in ("net.pth.tar", "net.safetensors"):
        if weights == "net.safetensors":
            pyconv("convert", "net.pth.tar", weights, "--model", "resnet18", cwd=tmp_path)
        found = document(pyconv("predict", "resnet18", "--weights", weights, picture, "--json", cwd=tmp_path))
        best = found["predictions"][0]["probabilities"]
        assert [entry["index"] for entry in best] == np.argsort(-shares)[:5].tolist()
        np.testing.assert_allclose([entry["probability"] for entry in best], np.sort(shares)[::-1][:5], rtol=1e-3)
