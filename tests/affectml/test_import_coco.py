"""COCO-style JSON whose categories are emotions: real shapes, and what is said when one cannot be read."""

import json
import shutil

import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import import_coco

JOY, AWE, FEAR = ({"id": at, "name": name} for at, name in enumerate(("joy", "awe", "fear")))
NAMES = {10: "a.jpg", 11: "deep/b.jpg", 12: "c.jpg"}


def box(number: int, image: int, category: int, crowd: int = 0) -> dict:
    shape = {"bbox": [0, 0, 4, 3], "area": 12, "segmentation": []}
    return {"id": number, "image_id": image, "category_id": category, "iscrowd": crowd, **shape}


def image(number: int, **more) -> dict:
    return {"id": number, "file_name": NAMES[number], "width": 6, "height": 4, **more}


@pytest.fixture
def load(tmp_path):
    """Import a file of three images, of which 12 has no annotation; keywords replace its lists."""
    for name in NAMES.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(tmp_path / name)

    def run(options=None, **lists):
        content = {
            "images": [image(number) for number in NAMES],
            "categories": [JOY, AWE, FEAR],
            "annotations": [box(1, 10, 0), box(2, 10, 1), box(3, 11, 2)],
            **lists,
        }
        (tmp_path / "labels.json").write_text(json.dumps(content))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        summary = import_coco(tmp_path / "labels.json", tmp_path / "out", **(options or {}))
        return summary, Dataset.open(tmp_path / "out")

    return run


def rows(dataset: Dataset, name: str) -> dict[str, list[int]]:
    target = dataset.target(name)
    assert target.taxonomy.labels == ("awe", "fear", "joy")
    return dict(zip(target.image_id, target.table.tolist(), strict=True))


SET = {"a.jpg": [1, 0, 1], "deep/b.jpg": [0, 1, 0]}
ONE = {"a.jpg": [0, 0, 1], "deep/b.jpg": [1, 0, 0], "c.jpg": [0, 1, 0]}
CROWDS = [box(1, 10, 0), box(2, 10, 0), box(3, 10, 2, crowd=1), box(4, 11, 1, crowd=1)]
PROJECT = {"id": 9, "name": "my-emotions-v3", "supercategory": "none"}
NOBODY, NEVER = "images without an annotation, left out of the target", "categories that no annotation has"


@pytest.mark.parametrize(
    ("lists", "options", "kind", "expected", "skipped"),
    [
        ({}, {}, "sets", SET, {NOBODY: ["c.jpg"]}),
        ({}, {"empty": "none"}, "sets", {**SET, "c.jpg": [0, 0, 0]}, {}),
        ({"annotations": [box(1, 10, 0), box(2, 11, 1), box(3, 11, 1), box(4, 12, 2)]}, {}, "single", ONE, {}),
        ({"annotations": CROWDS}, {}, "sets", {"a.jpg": [0, 1, 1], "deep/b.jpg": [1, 0, 0]}, {NOBODY: ["c.jpg"]}),
        ({"categories": [PROJECT, JOY, AWE, FEAR]}, {}, "sets", SET, {NEVER: [PROJECT["name"]], NOBODY: ["c.jpg"]}),
    ],
    ids=["several are a set", "none is the empty set", "one each is single", "once, crowds too", "no label"],
)
def test_categories_of_an_image_are_its_labels(load, lists, options, kind, expected, skipped):
    summary, dataset = load(options, **lists)
    assert rows(dataset, kind) == expected
    assert dataset.images["image_id"].tolist() == list(NAMES.values()), "of whom nobody spoke is there, too"
    assert (summary.construct, summary.targets, summary.skipped) == ("evoked", {kind: kind}, skipped)
    others = "unknown" if kind == "single" else "absent"  # where every image has one, nobody denied the others
    assert f"kind {kind}: a category that no annotation of an image has is {others} there" in summary.notes


def test_categories_are_renamed_and_checked_like_any_label(load):
    _, dataset = load({"mapping": {"awe": "surprise"}, "taxonomy": "ekman-6"})
    assert dataset.target("sets").taxonomy.name == "ekman-6"
    with pytest.raises(BadInput, match="empty: no 'nothing'"):
        load({"empty": "nothing"})
    with pytest.raises(UnknownLabel, match=r"labels\.json, category 'awe': no label 'awe' in taxonomy ekman-6"):
        load({"taxonomy": "ekman-6"})


def test_missing_files_are_left_out_and_counted(load, tmp_path):
    (tmp_path / "a.jpg").unlink()
    summary, dataset = load()
    assert rows(dataset, "sets") == {"deep/b.jpg": [0, 1, 0]}
    assert summary.skipped["images: no such file"] == [str(tmp_path / "a.jpg")]


def test_images_lie_where_the_user_says(load, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "a.jpg").rename(tmp_path / "pictures" / "a.jpg")
    assert load({"images_root": tmp_path / "pictures"})[0].images == 1
    (tmp_path / "none").mkdir()
    holds = "name the folder that holds the images: images_root"
    none = r"none of the 3 images it names is in .*name their folder \(images_root\)"
    for name, says in (("nowhere", holds), ("c.jpg", holds), ("none", none)):
        with pytest.raises(BadInput, match=says):
            load({"images_root": tmp_path / name})


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ({"images": [image(10), image(10)]}, r"images\[1\]: id 10 a second time"),
        ({"categories": [JOY, {"id": 0, "name": "awe"}]}, r"categories\[1\]: id 0 a second time"),
        ({"images": [image(10), {"id": 11, "file_name": "./a.jpg"}]}, r"images\[1\]: image 'a.jpg' stands in .*\[0\]"),
        ({"annotations": [box(1, 10, 5)]}, r"annotations\[0\]: category_id is 5, which is no id there"),
        ({"annotations": [box(1, 10, 0), box(2, 99, 0)]}, r"annotations\[1\]: image_id is 99, which is no id there"),
        ({"images": [{"id": 10}]}, r"images\[0\]: no file_name; expected an object with id, file_name"),
        ({"images": [image(11), {"id": 10, "file_name": " "}]}, r"images\[1\]: no image is named"),
        ({"images": [image(11), {"id": 10, "file_name": "../a"}]}, r"images\[1\]: '../a' leaves the folder"),
        ({"annotations": [[1, 10, 0]]}, r"annotations\[0\]: no image_id"),
        ({"annotations": []}, "no list 'annotations'; expected images, annotations and categories"),
        ({"annotations": [box(1, 10, 0)]}, "expected at least two labels, found joy"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(load, lists, says, tmp_path):
    with pytest.raises(BadInput, match=says):
        load(**lists)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["[]", "{", "", '{"images": {"1": "a.jpg"}}', "\0"])
def test_a_file_of_another_kind_is_refused(tmp_path, refused, text):
    (tmp_path / "labels.json").write_text(text)
    says = r"labels\.json: (no list 'images'|not valid JSON|empty file)"
    refused(says, "coco", tmp_path / "labels.json")
