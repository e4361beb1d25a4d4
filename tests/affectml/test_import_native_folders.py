"""Published sets whose labels are names of folders and files: FI, UnBiasedEmo, ArtPhoto, EmoSet; and the commands."""

import json

import pytest
from typer.testing import CliRunner

from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.importers import get_importer, import_emoset, import_fi
from affectml.importers.registry import PUBLISHED

from .fuzz.sources import MIKELS, PARROTT, emoset_folder, fi_folder, picture


def test_fi(tmp_path, bring):
    summary, dataset = bring("fi", fi_folder(tmp_path / "in"))
    target = dataset.target("single")
    assert (summary.images, summary.construct, target.taxonomy.name) == (8, "evoked", "mikels-8")
    assert all(
        target.taxonomy.labels[row.argmax()] in image for row, image in zip(target.table, target.image_id, strict=True)
    )
    assert [len(names) for names in summary.skipped.values()] == [1]
    assert import_fi(tmp_path / "in" / "emotion_dataset", tmp_path / "out2").images == 8


def test_fi_names_unknown_and_missing_folders(tmp_path, refused):
    root = fi_folder(tmp_path / "in", MIKELS[:-1])
    refused(r"no images for sadness, so half of the set is not there.*: partial=True", "fi", root)
    summary = import_fi(root, tmp_path / "out", partial=True)
    assert summary.images == 7
    assert any("no images for sadness" in note for note in summary.notes)
    picture(root / "emotion_dataset" / "saddness" / "1.jpg")
    refused(r"folder .*saddness: 'saddness' is none of .*did you mean 'sadness'.*rename it", "fi", root)
    (tmp_path / "empty").mkdir()
    refused(r"no folder called amusement, awe", "fi", tmp_path / "empty")
    refused(r"nowhere: no such folder", "fi", tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"lies inside"):
        import_fi(root, root / "out")


def test_unbiasedemo_keeps_the_folders_inside(tmp_path, bring):
    for label in PARROTT:
        picture(tmp_path / "in" / "images" / label / f"{label} baby" / "1.jpg")
    summary, data = bring("unbiasedemo", tmp_path / "in")
    assert (summary.images, summary.construct, summary.taxonomy) == (6, "query", "parrott-6")
    assert data.images["subfolder"].tolist() == [f"{label} baby" for label in PARROTT]


def test_artphoto_takes_the_word_before_the_underscore(tmp_path, refused, bring):
    words = ("sad", "content", *(label for label in MIKELS if label not in ("sadness", "contentment")))
    for word in words:
        picture(tmp_path / "in" / "testImages_artphoto" / f"{word}_0001.jpg")
    (tmp_path / "in" / "testImages_artphoto" / "ReadMe.rtf").write_text("x")
    summary, data = bring("artphoto", tmp_path / "in")
    target = data.target("single")
    labels = [target.taxonomy.labels[row.argmax()] for row in target.table]
    found = dict(zip(target.image_id, labels, strict=True))
    assert found["sad_0001.jpg"] == "sadness"
    assert found["content_0001.jpg"] == "contentment"
    assert (summary.images, summary.construct) == (8, "intended")
    picture(tmp_path / "in" / "testImages_artphoto" / "more" / "awe_0002.jpg")
    picture(tmp_path / "in" / "testImages_artphoto" / "__MACOSX" / "._awe_0002.jpg")
    skipped = bring("artphoto", tmp_path / "in")[0].skipped
    folder = tmp_path / "in" / "testImages_artphoto"
    left_out = skipped["files that are no images by their suffix, or lie where the set has none"]
    assert left_out == [str(folder / "ReadMe.rtf"), str(folder / "more" / "awe_0002.jpg")]
    picture(tmp_path / "in" / "testImages_artphoto" / "joy_0001.jpg")
    refused(r"joy_0001.jpg: 'joy' is none of", "artphoto", tmp_path / "in")


def test_emoset_keeps_splits_and_attributes(tmp_path, bring):
    summary, data = bring("emoset", emoset_folder(tmp_path / "in"))
    images = data.images
    assert summary.splits == {"train": 1, "val": 1, "test": 1}
    assert images["image_id"].tolist()[0] == "amusement/amusement_00000.jpg"
    assert images["object"].fillna("-").tolist() == ["Dog; Ball", "Dog; Ball", "-"]
    assert images["brightness"].tolist()[:2] == [0.4, 0.4]
    assert "facial_expression" not in images.columns
    assert summary.skipped == {"attributes of images: no annotation file": ["contentment/contentment_00002.jpg"]}


def test_emoset_names_what_is_wrong(tmp_path, refused):
    root = emoset_folder(tmp_path / "in", splits=("train", "val"))
    refused(r"no test.json; complete it, or take what there is: partial=True", "emoset", root)
    assert import_emoset(root, tmp_path / "out", partial=True).images == 2
    annotation = root / "annotation" / "amusement" / "amusement_00000.json"
    annotation.write_text(json.dumps({"emotion": "awe"}))
    refused(
        r"train.json, entry 0 .*the list says 'amusement', but annotation/.* says 'awe'", "emoset", root, partial=True
    )
    annotation.write_text("{")
    refused(r"amusement_00000.json: not valid JSON", "emoset", root, partial=True)
    (root / "train.json").write_text(json.dumps([["joy", "image/x.jpg", "annotation/x.json"]]))
    refused(r"train.json, entry 0 \(counted from 0\): 'joy' is none of", "emoset", root, partial=True)
    (root / "train.json").write_text(json.dumps([["awe", 3]]))
    refused(r"entry 0 .*expected \[emotion, image, annotation\]", "emoset", root, partial=True)
    (root / "info.json").write_text(json.dumps({"emotion": {"label2idx": {"joy": 0}}}))
    refused(r"info.json: its emotions are joy", "emoset", root, partial=True)


def test_emoset_without_images_imports_labels_alone(tmp_path, refused):
    root = emoset_folder(tmp_path / "in", annotations=False)
    for image in (root / "image").rglob("*.jpg"):
        image.unlink()
    refused(r"train.json: none of the 3 images it names is in .*: images='none'", "emoset", root)
    assert import_emoset(root, tmp_path / "out", images="none").images == 3


def test_emoset_images_in_other_capitals_are_found_and_those_that_no_list_names_are_counted(tmp_path):
    root = emoset_folder(tmp_path / "in")
    (root / "image").rename(root / "Image")
    awe = root / "Image" / "awe"
    (awe / "awe_00001.jpg").rename(awe / "AWE_00001.JPG")
    picture(awe / "awe_00009.jpg")
    summary = import_emoset(root, tmp_path / "out")
    assert summary.images == 3
    assert Dataset.open(tmp_path / "out").images["file"].tolist()[1] == "images/awe/AWE_00001.JPG"
    assert summary.skipped["images that no row names"] == [str(awe / "awe_00009.jpg")]


def test_emoset_images_may_lie_behind_a_link(tmp_path):
    root = emoset_folder(tmp_path / "in")
    (root / "image").rename(tmp_path / "elsewhere")
    (root / "image").symlink_to(tmp_path / "elsewhere")
    assert import_emoset(root, tmp_path / "out").images == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"emotion": None}, r"train.json, entry 0 .*but annotation/amusement/amusement_00000.json says None"),
        ({"emotion": 1}, r"annotation/amusement/amusement_00000.json says 1"),
        ({"brightness": "dark"}, r"amusement_00000.json: brightness: expected a number, but received 'dark'"),
        ({"scene": {"a": 1}}, r"amusement_00000.json: scene: expected a text or a list of texts"),
    ],
)
def test_emoset_names_the_annotation_that_is_no_annotation(tmp_path, content, message, refused):
    root = emoset_folder(tmp_path / "in")
    (root / "annotation" / "amusement" / "amusement_00000.json").write_text(json.dumps(content))
    refused(message, "emoset", root)


def test_emoset_with_an_empty_list(tmp_path, refused):
    root = emoset_folder(tmp_path / "in")
    (root / "val.json").write_text("[]")
    refused(r"val.json: expected a list of .*, got an empty one", "emoset", root)


def test_two_folders_with_the_same_list_are_not_chosen_between(tmp_path, refused):
    emoset_folder(tmp_path / "in" / "a")
    emoset_folder(tmp_path / "in" / "b")
    refused(r"both .*a/train.json and .*b/train.json are there; name the folder of one", "emoset", tmp_path / "in")
    assert import_emoset(tmp_path / "in" / "a", tmp_path / "out").images == 3


def test_every_published_set_has_a_command_and_says_its_source_and_licence(tmp_path):
    runner = CliRunner()
    for name in PUBLISHED:
        about = get_importer(name).about
        assert all((about.name == name, about.question, about.source, about.licence)), name
        result = runner.invoke(app, [name, str(tmp_path / "nowhere"), str(tmp_path / "out")])
        assert isinstance(result.exception, BadInput), name
        assert "nowhere: no such f" in str(result.exception)


def test_a_command_prints_the_summary(tmp_path):
    arguments = ["fi", str(fi_folder(tmp_path / "in")), str(tmp_path / "out"), "--json", "--name", "mine"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    found = json.loads(result.stdout)
    assert (found["name"], found["images"], found["targets"]) == ("mine", 8, {"single": "single"})
