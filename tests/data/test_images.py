"""Pictures of every kind that a user may hand us."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pyconv.data.images import bright_on_dark, read_gray, resize

STROKE = np.zeros((20, 30), np.uint8)
STROKE[4:16, 12:17] = 255


def save(tmp_path, image, name="x.png", **kwargs):
    path = tmp_path / name
    image.save(path, **kwargs)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK"])
def test_modes_agree(tmp_path, mode):
    name = "x.jpg" if mode == "CMYK" else "x.png"
    options = {"quality": 100} if mode == "CMYK" else {}
    gray = read_gray(save(tmp_path, Image.fromarray(STROKE).convert(mode), name, **options))
    assert gray.dtype == np.float32
    # 8 bits per channel, weights of the colours rounded to 16 bits; JPEG at full quality errs by a few levels.
    np.testing.assert_allclose(gray, STROKE / 255, atol=8 / 255 if mode == "CMYK" else 1 / 255)


def test_16_bits_keep_their_range(tmp_path):
    values = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    np.testing.assert_allclose(read_gray(save(tmp_path, Image.fromarray(values))), values / 65535, atol=1e-6)


def test_exif_rotation_is_undone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to view
    path = save(tmp_path, Image.fromarray(STROKE), "x.jpg", exif=exif, quality=100)
    gray = read_gray(path)
    assert gray.shape == (30, 20)
    np.testing.assert_allclose(gray, np.rot90(STROKE, -1) / 255, atol=16 / 255)


@pytest.mark.parametrize("stroke", [0, 255])
def test_what_is_transparent_becomes_the_opposite_of_what_is_drawn(tmp_path, stroke):
    rgba = np.full((20, 30, 4), stroke, np.uint8)
    rgba[..., 3] = STROKE
    gray = read_gray(save(tmp_path, Image.fromarray(rgba)))
    expected = STROKE / 255 if stroke else 1 - STROKE / 255
    np.testing.assert_allclose(gray, expected, atol=1 / 255)


def test_ground_is_recognised_by_the_border():
    bright = STROKE.astype(np.float32) / 255
    for gray, expected in ((bright, False), (1 - bright, True), (np.ones((4, 4), np.float32), False)):
        out, inverted = bright_on_dark(gray)
        assert inverted is expected
        np.testing.assert_array_equal(out, bright if gray.shape == bright.shape else gray)


def test_resize_averages_when_it_shrinks():
    checks = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    np.testing.assert_allclose(resize(checks, 8, 8)[1:-1, 1:-1], 0.5, atol=1e-6)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9000, 9000), (60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_claims_to_be_enormous(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(*size))
    with pytest.raises(ValueError, match=r"bomb.png is too large a picture.* expected at most 67,108,864"):
        read_gray(path)


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_a_truncated_picture(tmp_path, name):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8))
    path = save(tmp_path, noise, name)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"is a damaged picture"):
        read_gray(path)


@pytest.mark.parametrize(("content", "match"), [
    (b"", "is not a PNG or JPEG picture"),
    (b"hello", "is not a PNG or JPEG picture"),
    (b"GIF89a" + b"\0" * 50, "is not a PNG or JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "is not a PNG or JPEG|damaged picture"),
    (png_that_claims(5, 5), "is a damaged picture"),
    (png_that_claims(0, 5), "damaged picture|not a PNG or JPEG"),
])
def test_no_picture(tmp_path, content, match):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match):
        read_gray(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_gray(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        read_gray(tmp_path)


def test_random_bytes_after_a_valid_start_never_escape(tmp_path):
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (30, 30, 3), np.uint8))
    for name in ("x.png", "x.jpg"):
        good = save(tmp_path, noise, name).read_bytes()
        for _ in range(60):
            bad = bytearray(good)
            for i in rng.integers(8, len(bad), 12):
                bad[i] = rng.integers(256)
            path = tmp_path / f"bad{name}"
            path.write_bytes(bad)
            try:
                gray = read_gray(path)
            except ValueError:  # anything else fails the test
                continue
            assert np.isfinite(gray).all()
