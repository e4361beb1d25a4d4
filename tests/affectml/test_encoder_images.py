"""An image is read as people saw it, or not at all."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from affectml.encoders import read_image
from affectml.encoders.images import quiet_about_size
from affectml.errors import BadInput

from .checks import refused


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_the_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held turned: show it rotated by 90 degrees clockwise
    image.save(tmp_path / "a.png", exif=exif)
    read = pixels(tmp_path / "a.png")
    assert read.shape == (4, 2, 3)
    assert read[0, 1].tolist() == [255, 255, 255]


def test_transparent_pixels_are_white_not_what_hides_below(tmp_path):
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    first, second = Image.new("RGB", (3, 3), "white"), Image.new("RGB", (3, 3), "black")
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[second], duration=100, lossless=True)
    assert (pixels(path) == 255).all()


@pytest.mark.parametrize(
    ("mode", "suffix"), [*((mode, "tif") for mode in ("1", "L", "LA", "RGB", "CMYK")), ("YCbCr", "jpg")]
)
def test_every_usual_mode_becomes_rgb(tmp_path, mode, suffix):
    Image.new(mode, (5, 4)).save(tmp_path / f"a.{suffix}")
    assert pixels(tmp_path / f"a.{suffix}").shape == (4, 5, 3)


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)).save(tmp_path / "a.tif")
    refused(BadInput, r"a\.tif: .*floating-point", read_image, tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_an_image_cut_short_is_refused_not_filled_with_grey(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(BadInput, rf"a\.{suffix}: ", read_image, path)


def test_a_file_that_is_no_image_no_file_and_a_folder(tmp_path):
    path = tmp_path / "a.jpg"
    for content, says in ((b"", "empty file"), (b"not an image", "not an image"), (b"\x89PNG hardly", "not an image")):
        path.write_bytes(content)
        refused(BadInput, rf"a\.jpg: {says}", read_image, path)
    path.unlink()
    for place, says in ((path, "no such file"), (tmp_path, "a folder, not a file")):
        refused(BadInput, says, read_image, place)


@pytest.mark.parametrize("limit", [10, 15])  # Pillow raises above twice its limit, and warns below
def test_an_image_of_too_many_pixels_is_refused_without_a_warning(tmp_path, monkeypatch, limit):
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    quiet_about_size.cache_clear()
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        refused(BadInput, f"more than the safe {limit} pixels", read_image, tmp_path / "a.png")
    assert not seen
