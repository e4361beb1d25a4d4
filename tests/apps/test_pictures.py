"""Images on their way to a page: what is converted, what is too large or cut off, what is made once."""

import io
import os
from base64 import b64decode

import pytest
from PIL import Image

from affectml_annotation.store import schema
from affectml_apps import pictures
from affectml_apps.pictures import MAX_PIXELS, BadImage, for_browser, preview

from .conftest import change, say
from .reading import page, said


def decoded(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(b64decode(content)))


def converted(path):
    content, kind = for_browser(path)
    assert kind == "image/webp"
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("size", "shown"), [((1000, 500), (560, 280)), ((300, 30), (300, 30))])
def test_a_preview_is_shrunk_to_fit(tmp_path, size, shown):
    Image.new("L", size, 200).save(tmp_path / "image.png")
    assert decoded(preview(tmp_path / "image.png")).size == shown


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.avif"])
def test_what_browsers_show_is_sent_as_it_is(tmp_path, name):
    path = tmp_path / name
    Image.new("RGB", (20, 10), "red").save(path)
    assert for_browser(path) == (path, f"image/{'jpeg' if name == 'a.jpg' else name[2:]}")


@pytest.mark.parametrize("name", ["a.tif", "a.jp2", "a.ppm"])
def test_what_browsers_do_not_show_is_converted(tmp_path, name):
    path = tmp_path / name
    Image.new("RGB", (20, 10), "red").save(path)
    path = path.rename(tmp_path / "renamed.png")  # the kind is read from the file, not from its name
    shown = converted(path)
    assert shown.size == (20, 10)
    assert shown.convert("RGB").getpixel((5, 5)) == pytest.approx((255, 0, 0), abs=19)


@pytest.mark.parametrize(("value", "grey"), [(32_768, 127), (65_535, 255), (257, 1)])
def test_sixteen_bits_keep_their_brightness(tmp_path, value, grey):
    Image.new("I;16", (8, 8), value).save(tmp_path / "a.tif")
    assert converted(tmp_path / "a.tif").convert("L").getpixel((3, 3)) == pytest.approx(grey, abs=2)


def test_too_many_pixels_are_not_decoded(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    Image.new("1", (13_000, 13_000)).save(path)
    assert path.stat().st_size < 600_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    refused(path, "limit is 40,000,000")


def refused(path, why):
    for show in (for_browser, preview):
        with pytest.raises(BadImage, match=why):
            show(path)


def test_a_camera_s_large_jpeg_is_decoded_small_and_a_progressive_one_not_at_all(tmp_path):
    assert MAX_PIXELS < 7000 * 6000
    image = Image.new("L", (7000, 6000), 90)
    image.save(tmp_path / "large.jpg")
    assert decoded(preview(tmp_path / "large.jpg")).size == (560, 480)
    assert converted(tmp_path / "large.jpg").size == (3500, 3000)
    image.save(tmp_path / "progressive.jpg", progressive=True)
    refused(tmp_path / "progressive.jpg", "7,000 × 6,000 pixels")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_an_image_that_was_cut_off_says_so(tmp_path, name):
    path = tmp_path / name
    Image.effect_noise((200, 200), 60).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage, match="cut off or damaged|cannot be read|no image"):
        preview(path)


@pytest.mark.parametrize("content", [b"", b"no image", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"])
def test_what_is_no_image_says_so(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    refused(tmp_path / "a.png", ".")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    refused(tmp_path / "a.png", r"a pipe \(FIFO\)")


def test_a_thumbnail_is_made_once_until_the_file_changes(tmp_path, monkeypatch):
    made, decode = [], pictures._decoded
    monkeypatch.setattr(pictures, "_decoded", lambda *args: made.append(args) or decode(*args))
    path = tmp_path / "a.png"
    Image.new("L", (600, 600)).save(path)
    first = preview(path)
    assert preview(path) == first
    assert len(made) == 1
    Image.new("L", (600, 300), 255).save(path)
    assert preview(path) != first
    assert len(made) == 2


def test_the_lead_sees_a_tile_that_says_why_an_image_is_not_shown(task):
    task.store.invite(["ann", "bob"])
    task.store.enqueue(task.store.images()["image_id"][:1])
    for who in ("ann", "bob"):
        say(task.store, who, 1, "awe")
    change(task.store, schema.image.update().values(file="images.parquet"))
    assert "no image that can be shown" in said(page("said"))
