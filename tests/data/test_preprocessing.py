"""Preprocessing: against torchvision's published presets, Pillow, and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from weight_files import GOOD_CAFFE

import pyconv
from pyconv import io, models
from pyconv.data import Preprocessing
from pyconv.models import preprocessing_of

MEAN, STD = (np.array(v, np.float32)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def photo(width=300, height=200, seed=0):
    """Smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 255 / width, y * 255 / height, (x + y) % 256], 2) + rng.normal(0, 10, (height, width, 3))
    return np.clip(base, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (500, 333), (100, 77), (1000, 257)])
@pytest.mark.parametrize(("name", "preset"), [
    ("vgg16", {"crop_size": 224}), ("inception_v3", {"crop_size": 299, "resize_size": 342}), ("googlenet", {"crop_size": 224})])
def test_as_torchvision(size, name, preset):
    """Pretrained, torchvision's two of Google's take ImageNet's normalisation and change it to theirs themselves."""
    from peers import torchvision

    torchvision()
    import torch
    from torchvision.transforms._presets import ImageClassification

    picture = Image.fromarray(photo(*size))
    theirs = ImageClassification(**preset)(picture)
    assert isinstance(theirs, torch.Tensor)
    wanted = preprocessing_of(name)
    if name != "vgg16":
        found = wanted.apply(picture)
        back = found * 0.5 + 0.5
        np.testing.assert_allclose((back - MEAN) / STD, theirs.numpy(), atol=4e-6)
        with pyconv.device("meta"):
            assert models.create_model(name).preprocessing == wanted
            wanted = models.create_model(name, transform_input=True).preprocessing
    found = wanted.apply(picture)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, theirs.numpy(), atol=2e-6)


def test_caffe_is_blue_first_less_its_mean():
    image = photo(256, 256)
    found = preprocessing_of("alexnet2012").apply(image)
    assert found.shape == (3, 227, 227)
    # 256 - 227 is odd: 14.5 is rounded to the even 14
    expected = image[14:241, 14:241, ::-1].astype(np.float32).transpose(2, 0, 1) - np.array([104, 117, 123], np.float32)[:, None, None]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["bilinear", "bicubic", "nearest"])
def test_resizing_is_pillows(kind):
    image = Image.fromarray(photo())
    found = Preprocessing(resize=50, mode="exact", interpolation=kind).apply(image)
    expected = np.asarray(image.resize((50, 50), Image.Resampling[kind.upper()]), np.float32).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("size", "top", "left"), [((300, 200), 69, 0), ((200, 300), 0, 69), ((416, 416), 0, 0)])
def test_letterbox(size, top, left):
    found = preprocessing_of("yolov3").apply(photo(*size))
    assert found.shape == (3, 416, 416)
    gray = np.float32(128) / np.float32(255)
    if top:
        assert (found[:, :top] == gray).all()
        assert (found[:, -top:] == gray).all()
        assert not (found[:, top] == gray).all()
    if left:
        assert (found[:, :, :left] == gray).all()
        assert not (found[:, :, left] == gray).all()


def test_luma_and_gray():
    white, black = np.full((4, 6, 3), 255, np.uint8), np.zeros((4, 6, 3), np.uint8)
    luma = preprocessing_of("srcnn")
    np.testing.assert_allclose(luma.apply(white), np.full((1, 4, 6), 235 / 255), rtol=1e-6)
    np.testing.assert_allclose(luma.apply(black), np.full((1, 4, 6), 16 / 255), rtol=1e-6)
    gray = Preprocessing("L", mean=0.5, std=0.5)
    np.testing.assert_array_equal(gray.apply(white[..., 0]), np.ones((1, 4, 6), np.float32))


def test_files_of_many_kinds(tmp_path):
    image = Image.fromarray(photo(40, 30))
    wanted = Preprocessing()
    expected = wanted.apply(image)
    for name, picture in {"rgb.png": image, "p.png": image.quantize(256), "rgba.png": image.convert("RGBA")}.items():
        picture.save(tmp_path / name)
        assert np.abs(wanted.apply(tmp_path / name) - expected).max() < (0.2 if name[0] == "p" else 1e-7)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    image.save(tmp_path / "turned.png", exif=exif)
    assert wanted.apply(str(tmp_path / "turned.png")).shape == (3, 40, 30)
    clear = Image.new("RGBA", (5, 5), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert (wanted.apply(tmp_path / "clear.png") == 1).all()  # what is transparent is white
    Image.fromarray(np.full((4, 4), 65535, np.uint16)).save(tmp_path / "16.png")
    assert (wanted.apply(tmp_path / "16.png") == 1).all()
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "gray.png")
    assert (wanted.apply(tmp_path / "gray.png") == 1).all()


@pytest.mark.parametrize(("options", "match"), [
    ({"channels": "CMYK"}, r"channels is 'CMYK', expected one of 'RGB', 'BGR', 'L', 'Y'"),
    ({"scale": 2}, r"scale is 2, expected one of 1, 255"), ({"scale": True}, r"scale is True"),
    ({"mode": "stretch"}, r"mode is 'stretch'"), ({"interpolation": "lanczos"}, r"interpolation is 'lanczos'"),
    ({"resize": 0}, r"resize is 0, expected None or pixels, 1 to 8192"), ({"crop": 10**9}, r"crop is 1000000000"),
    ({"crop": 2.5}, r"crop is 2.5"), ({"mean": (1, 2)}, r"mean is \(1, 2\), expected 3 finite numbers for RGB"),
    ({"std": (1, 0, 1)}, r"std is \(1, 0, 1\), expected 3 finite numbers above 0"),
    ({"mean": (float("nan"), 0, 0)}, r"finite numbers"), ({"channels": "L", "mean": (1, 2, 3)}, r"expected 1 finite numbers for L"),
])
def test_settings_that_make_no_sense(options, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing(**options)


@pytest.mark.parametrize(("image", "error", "match"), [
    (np.zeros((2, 2), np.float32), ValueError, r"an array of float32 \(2, 2\), expected uint8"),
    (np.zeros((2, 2, 4), np.uint8), ValueError, r"expected uint8 \(height, width, 3\)"),
    (np.zeros((0, 2), np.uint8), ValueError, r"expected uint8"), ([1], TypeError, r"image is list, expected a path"),
    ("none.png", FileNotFoundError, "none.png"), (np.zeros((1, 8000), np.uint8), ValueError, r"8000x1, too long and narrow"),
])
def test_what_is_no_picture(image, error, match):
    with pytest.raises(error, match=match):
        preprocessing_of("vgg16").apply(image)


def test_a_picture_smaller_than_the_crop():
    with pytest.raises(ValueError, match=r"image is 5x4 after resizing, expected at least the 6x6"):
        Preprocessing(crop=6).apply(np.zeros((4, 5, 3), np.uint8))


def test_as_text():
    for name in ("vgg16", "alexnet2012", "yolov3", "srcnn", "inception_v4"):
        wanted = preprocessing_of(name)
        assert Preprocessing.from_json(wanted.to_json()) == wanted
    for text in ("", "[]", "{", '{"channel": "RGB"}', '{"mean": "abc"}', '{"mean": null}', '{"resize": [1]}', '{"std": [null]}',
                 '{"scale": []}', "[" * 100_000, '{"mean": [1e999, 0, 0]}'):
        with pytest.raises(ValueError, match=r"\[Preprocessing\]"):
            Preprocessing.from_json(text)


def test_it_travels_with_the_weights(tmp_path):
    model = models.create_model("lenet5")
    assert not hasattr(model, "preprocessing")  # nobody published weights for it
    wanted = Preprocessing("L", mean=0.3, std=0.35, resize=32, mode="exact")
    pyconv.save(model.state_dict(), tmp_path / "w", {"preprocessing": wanted.to_json()})
    assert models.create_model("lenet5", weights=tmp_path / "w").preprocessing == wanted
    assert json.loads(io.safetensors_metadata(tmp_path / "w")["preprocessing"])["channels"] == "L"
    pyconv.save(model.state_dict(), tmp_path / "bad", {"preprocessing": "os.system"})
    with pytest.raises(ValueError, match=r"\[Preprocessing\] text is 'os.system'"):
        models.create_model("lenet5", weights=tmp_path / "bad")


def test_caffes_weights_mean_caffes_pictures(tmp_path):
    (tmp_path / "w").write_bytes(GOOD_CAFFE)
    found = preprocessing_of("vgg16", tmp_path / "w")
    assert (found.channels, found.scale, found.crop) == ("BGR", 255, 224)
    assert preprocessing_of("vgg16").channels == "RGB"
    assert preprocessing_of("alexnet2012", tmp_path / "w") == preprocessing_of("alexnet2012")


def test_the_table_knows_only_models_that_fit_it():
    with pyconv.device("meta"):
        for name in models.list_models():
            wanted = preprocessing_of(name)
            if wanted is None:
                continue
            model = models.create_model(name)
            assert wanted.shape[0] == model.input_size[0], name
            if wanted.shape[1] is not None:
                assert wanted.shape[1:] == model.input_size[1:], name
    assert not hasattr(models.create_model("resnet18", in_channels=1, num_classes=2), "preprocessing")
