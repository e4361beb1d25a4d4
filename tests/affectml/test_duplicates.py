"""Images that a data set holds more than once: found by pixels, never chained, and never parted unnoticed."""

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from affectml import duplicates
from affectml.auditing import _checks as checks
from affectml.data import Dataset
from affectml.data.choose import crossing_copies, joined
from affectml.data.splits import split_dataset
from affectml.duplicates import LIKENESS, Copy, Duplicates, find_duplicates, grey, likenesses, same_pixels
from affectml.embeddings import EmbeddingStore, write_store
from affectml.encoders import EncoderIdentity, read_image
from affectml.importers.embeddings import import_embeddings
from affectml.training import TrainConfig, train_run

from .checks import answered, pictures_alone

SIZE = (120, 90)


def scene(seed: int) -> Image.Image:
    """A picture of coarse random shapes with some grain, as unlike another as photographs are."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = draw.integers(-9, 10, (SIZE[1], SIZE[0], 3))
    return Image.fromarray((np.asarray(coarse).astype(int) + grain).clip(0, 255).astype(np.uint8))


def embedded(root: Path, pictures: Mapping[str, Image.Image], features: np.ndarray, **columns: object) -> Dataset:
    """A data set with files and with embeddings made elsewhere."""
    data, width = pictures_alone(root, pictures, **columns), features.shape[1]
    made = EncoderIdentity("imported-hand", None, None, {}, "float32", False, width, False, "0" * 64)
    write_store(root, made, list(pictures), [features])
    return data


def found_in(data: Dataset) -> Duplicates:
    """Copies and near ones, by the data set's embeddings."""
    return find_duplicates(data, EmbeddingStore.for_dataset(data))


def apart(found: Duplicates) -> list[tuple[str, str, str, str]]:
    """Two images and their parts, of pairs that an audit lists as parted."""
    rows = pd.DataFrame(checks.copies(found)).query("check == 'split parts copies'")
    parts = rows["evidence"].str.extract(r" in (\w+) and in (\w+): what is learned there is judged here$")
    return list(zip(rows["image_id"], rows["other_id"], parts[0], parts[1], strict=True))


def alike(n: int) -> np.ndarray:
    """Features of which every two have a cosine near 1, so that every pair is proposed, and no two are equal."""
    return (np.ones((n, 64)) + np.random.default_rng(0).normal(size=(n, 64)) / 9).astype(np.float32)


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Dataset:
    """One scene in seven files, the same but for a pixel, another scene, and files that cannot be read."""
    root = tmp_path_factory.mktemp("copies") / "set"
    one, nearly = scene(1), scene(1)
    nearly.putpixel((3, 3), tuple((value + 1) % 256 for value in one.getpixel((3, 3))))
    pictures = dict.fromkeys(("a.png", "b.bmp", "c.tif", "d.png", "e.png", "f.png", "turned.png", "lossless.webp",
                              "broken.png", "missing.png"), one)  # fmt: skip
    data = pictures_alone(root, pictures | {"d.png": one.convert("RGBA"), "e.png": nearly, "f.png": scene(2)})
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter before it is shown
    one.transpose(Image.Transpose.ROTATE_90).save(root / "images" / "turned.png", exif=exif)
    one.save(root / "images" / "lossless.webp", lossless=True)
    whole = (root / "images" / "broken.png").read_bytes()
    (root / "images" / "broken.png").write_bytes(whole[: len(whole) // 2])
    (root / "images" / "missing.png").unlink()
    return data


COPIES = ("a.png", "b.bmp", "c.tif", "d.png", "lossless.webp", "turned.png")


def test_rows_that_another_set_holds_too_are_found_whatever_batch_they_were_embedded_in():
    rows = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
    rounded = rows[[3, 7]] * np.float32(1 + 1e-6) + np.float32(1e-7)
    near = rows[[9]] + np.float32(0.05)
    assert duplicates.copies_among(np.concatenate([rounded, near]), rows).tolist() == [True, True, False]
    assert duplicates.copies_among(rows[:5], rows[5:]).tolist() == [False] * 5


@given(order=st.permutations(range(10)))
@settings(max_examples=10, deadline=None)
def test_copies_have_the_same_pixels_whatever_the_file_and_one_pixel_makes_another_image_in_any_order(copies, order):
    ids = copies.images["image_id"].to_numpy()[order]
    place = np.array([0 if image in COPIES else int(k) + 1 for k, image in zip(order, ids, strict=True)])
    features = np.random.default_rng(0).normal(size=(11, 64))[place]
    assert same_pixels(copies, ids) == same_pixels(copies, ids, features) == [COPIES]


def test_with_embeddings_only_images_that_have_a_twin_are_read(copies, monkeypatch):
    read, ids = [], copies.images["image_id"]
    monkeypatch.setattr("affectml.encoders.read_image", lambda path: read.append(path.name) or read_image(path))
    features = np.random.default_rng(0).normal(size=(10, 64))
    assert (same_pixels(copies, ids, features), read) == ([], [])
    features[5] = features[0] * 2
    assert same_pixels(copies, ids, features) == []
    assert read == ["a.png", "f.png"]  # the embeddings are equal, the pixels are not
    features[2] = features[0]
    assert same_pixels(copies, ids, features) == [("a.png", "c.tif")]


def edits(picture: Image.Image, root: Path) -> dict[str, Image.Image]:
    picture.save(root / "low.jpg", quality=50)
    width, height = picture.size
    cut = picture.crop((round(width * 0.03), round(height * 0.03), width, height))
    half, bright = picture.resize((width // 2, height // 2)), ImageEnhance.Brightness(picture).enhance(1.05)
    return {"jpeg.png": read_image(root / "low.jpg"), "half.png": half, "cut.png": cut, "bright.png": bright}


def test_near_duplicates_are_confirmed_by_pixels_though_embeddings_find_all_alike(tmp_path):
    pictures = {"original.png": scene(1), **edits(scene(1), tmp_path), **{f"{k}.png": scene(k) for k in range(2, 9)}}
    found = found_in(embedded(tmp_path / "set", pictures, alike(len(pictures))))
    assert {copy.kind for copy in found.copies} == {"near"}
    same = ["bright.png", "cut.png", "half.png", "jpeg.png", "original.png"]
    assert sorted({image for pair in found.confirmed for image in pair}) == same
    assert all(LIKENESS <= copy.likeness < 1 for copy in found.copies)
    assert found.without_file == 0


def test_likeness_is_symmetric_and_of_flat_pictures_0():
    one, black = scene(1), Image.new("RGB", SIZE)
    images = {
        "a": one, "cut": one.crop((4, 0, 120, 88)), "other": scene(2), "grey": one.convert("L"), "black": black,
        "mirrored": one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "white": Image.new("RGB", SIZE, "white"),
    }  # fmt: skip
    pictures = {name: grey(image) for name, image in images.items()}
    pairs = list(itertools.combinations(pictures, 2))
    likeness = dict(zip(pairs, likenesses(pictures, pairs), strict=True))
    assert likenesses(pictures, [pair[::-1] for pair in pairs[::-1]])[::-1].tolist() == list(likeness.values())
    assert likeness["a", "cut"] > 0.97
    assert likeness["a", "grey"] > 0.99
    assert max(likeness["a", "other"], likeness["a", "mirrored"]) < 0.8
    assert {value for pair, value in likeness.items() if {"black", "white"} & set(pair)} == {0}
    assert likenesses(pictures, [("a", "a")]) == pytest.approx(1)
    assert likenesses({}, []).shape == (0,)


def test_every_copy_is_found_once_beside_the_first_that_has_a_part(tmp_path):
    one, features = scene(1), alike(4)
    pictures = {"a.png": one, "a1.png": one, "a2.bmp": one, "b.png": edits(one, tmp_path)["half.png"]}
    features[2] = features[1] = features[0]
    found = found_in(embedded(tmp_path / "set", pictures, features, split=[None, "train", "test", "val"]))
    pairs = [("exact", "a1.png", "a2.bmp"), ("exact", "a1.png", "a.png"), ("near", "a1.png", "b.png")]
    assert [(copy.kind, *copy.pair) for copy in found.copies] == pairs
    assert apart(found) == [("a1.png", "a2.bmp", "train", "test"), ("a1.png", "b.png", "train", "val")]


def test_a_copy_of_a_copy_is_in_its_group(tmp_path):
    files, split = {f"{k}.png": scene(1) for k in "abcd"}, ["train", "train", "test", "test"]
    data = pictures_alone(tmp_path / "set", files, split=split)
    found = Duplicates(data, tuple(Copy("near", pair, 0.95) for pair in itertools.pairwise(data.images["image_id"])))
    assert apart(found) == [("b.png", "c.png", "train", "test")]
    found.write_groups()
    assert set(pd.read_parquet(data.root / "images.parquet")["group"]) == {"duplicates of a.png"}


def test_without_files_there_are_proposals_which_are_listed_by_themselves_and_not_written(tmp_path):
    features = np.eye(4, 8, dtype=np.float32)
    features[1] = features[0] + features[3] * 0.2  # cosine .98
    features[2] = features[0] + features[3] * 0.4  # cosine .93 with the first, .98 with the second
    np.savez(tmp_path / "f.npz", image=np.array(list("abcd")), embedding=features, label=np.array(["joy", "fear"] * 2))
    data = import_embeddings(tmp_path / "f.npz", tmp_path / "set")
    found = found_in(data)
    assert [(copy.kind, copy.pair) for copy in found.copies] == [("alike", ("a", "b")), ("alike", ("b", "c"))]
    assert (found.confirmed, found.without_file) == ([], 4)
    assert found.notes() == ["4 images have no file, so their pixels cannot be compared"]
    listed = [(row["check"], row["image_id"], row["other_id"]) for row in checks.copies(found)]
    assert listed == [("alike embeddings", "b", "c"), ("alike embeddings", "a", "b")]
    assert found.write_groups() is None
    assert find_duplicates(data).copies == ()


def test_groups_are_written_and_the_old_file_and_every_other_cell_are_kept(tmp_path):
    data = pictures_alone(tmp_path / "set", {f"{k}.png": scene(k // 2) for k in range(8)})
    path = data.root / "images.parquet"
    before = pq.read_table(path)
    columns = {
        "year": pa.array([2**53 + 1, None, *range(6)]),
        "group": pa.array([3, None, None, None, 7, 3, 8, None]),
        "seen": pa.array([None, *range(6), 2**62 + 1]),
        "tags": pa.array([["x"], [], None, ["y", "z"], *[[]] * 4]),
    }
    for name, cells in columns.items():
        before = before.append_column(name, cells)
    pq.write_table(before, path)
    kept = find_duplicates(Dataset.open(data.root)).write_groups()
    now = pq.read_table(path)
    assert pq.read_table(kept).equals(before)
    assert now.drop(["group"]).equals(before.drop(["group"]))
    assert now["group"].to_pylist() == [group for group in ("3", "duplicates of 2.png", "3", "8") for _ in range(2)]
    assert find_duplicates(Dataset.open(data.root)).write_groups() is None
    assert len(list(data.root.glob("images.replaced-*.parquet"))) == 1


@given(st.lists(st.sampled_from([None, "g", "h", "i"]), min_size=6, max_size=6), st.permutations(range(6)))
def test_joined_groups_are_the_same_in_any_order_and_hold_what_belongs_together(names, order):
    ids = np.array(list("abcdef"), dtype=object)
    groups = np.array([name or f"image {image}" for name, image in zip(names, ids, strict=True)], dtype=object)
    found = joined(groups, ids, [("a", "b"), ("b", "c"), ("e", "gone")])
    assert found[0] == found[1] == found[2]
    for one in range(6):
        assert all(found[one] == found[other] for other in range(6) if groups[one] == groups[other])
    assert joined(groups[order], ids[order], [("b", "c"), ("a", "b")]).tolist() == found[order].tolist()
    assert joined(None, ids, [("e", "gone")]) is None


def test_pairs_in_two_parts_are_counted_by_hand():
    ids = np.array(list("abcdef"), dtype=object)
    parts = np.array(["train", "train", "test", "val", "unused", None], dtype=object)
    assert crossing_copies(ids, parts, [("a", "b")]) == 0
    assert crossing_copies(ids, parts, [("a", "b", "c", "d", "e", "f", "elsewhere")]) == 5  # ac ad bc bd cd


def test_train_keeps_9_copies_in_one_part_of_a_new_split_and_says_so(demo_set, tmp_path):
    data = demo_set(images=60, seed=1)
    ids = ["000000", *(f"{k:06d}" for k in range(3, 57, 6))]
    for image in ids[1:]:
        shutil.copy(data.root / "images" / "000000.png", data.root / "images" / f"{image}.png")
    parted = split_dataset(data, data.target("emotions"), 0)
    own = pd.Series(parted.assignment, index=parted.image_id)
    assert own[ids].nunique() == 3  # what happens where nobody looks
    said = list[str]()
    run = train_run(TrainConfig(str(data.root), multilabel=True, threads=1), out=tmp_path / "run", say=said.append)
    split = answered(run).set_index("image_id")["split"]
    assert len(set(split[ids])) == 1
    assert "9 images have the pixels of another; they are in one part with it" in said
    assert set(split) == {"train", "val", "test"}


def test_of_more_proposals_than_there_is_time_for_the_most_alike_are_compared_and_it_is_said(tmp_path, monkeypatch):
    ids, features = np.array(list("abcdef"), dtype=object), alike(6)
    every, lowest = duplicates.proposals(ids, features)
    assert (len(every), lowest) == (15, 0.9)
    best = sorted(every, key=every.get)[-5:]
    monkeypatch.setattr("affectml.duplicates.MOST_PROPOSALS", 5)
    found = found_in(embedded(tmp_path / "set", {f"{k}.png": scene(k) for k in range(4)}, alike(4)))
    assert found.notes() == [f"of more than 5 pairs, none with a cosine below {found.lowest:.4f} is compared"]
    for block in (2048, 2):
        monkeypatch.setattr("affectml.duplicates._BLOCK", block)
        some, lowest = duplicates.proposals(ids, features)
        assert set(some) == set(best)
        assert 0.9 < lowest <= every[best[0]]
    assert duplicates.proposals(ids, np.ones((6, 4)))[0] == {}  # all are as alike as the first one too many
