"""Published sets of urls, judgements and person boxes: WEBEmo, ArtEmis, FindingEmo, EMOTIC."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import import_artemis, import_emotic, import_webemo
from affectml.importers.findingemo import plutchik_24
from affectml.taxonomies import get_taxonomy, mapping

from .fuzz.sources import (
    ARTEMIS,
    FINDING,
    TEST,
    TRAIN,
    URL,
    artemis_folder,
    cell,
    emotic_folder,
    finding_folder,
    picture,
    struct,
    text,
)

NOT_DOWNLOADED = "images: a url and no file; they cannot be embedded until they are downloaded"


def test_webemo_by_hand(tmp_path, bring):
    text(tmp_path / "in" / "train25.txt", *TRAIN, end="\r")
    text(tmp_path / "in" / "test25.txt", *TEST)
    picture(tmp_path / "in" / "train" / "zest" / "b.jpg")
    picture(tmp_path / "in" / "test" / "7" / "7_c.jpg")
    summary, dataset = bring("webemo", tmp_path / "in")
    target = dataset.target("sets")
    labels = target.taxonomy.labels
    found = {
        image.rpartition("/")[2]: {labels[i] for i in np.flatnonzero(row)}
        for image, row in zip(target.image_id, target.table, strict=True)
    }
    assert found == {
        "a.jpg": {"affection", "sadness"},
        "b.jpg": {"zest"},
        "both.jpg": {"confusion", "disgust"},
        "c.jpg": {"envy"},
    }
    images = dataset.images.set_index("image_id")
    assert images["split"].tolist() == ["train", "train", "test", "test"]
    assert images.loc[f"{URL}b.jpg", "file"] == "images/train/zest/b.jpg"
    assert images.loc[f"{URL}c.jpg", "file"] == "images/test/7/7_c.jpg"
    assert images["file"].isna().sum() == 2
    assert images["url"].tolist() == images.index.tolist()
    assert (summary.construct, summary.targets, summary.images) == ("query", {"sets": "sets"}, 4)
    assert summary.skipped == {NOT_DOWNLOADED: [f"{URL}a.jpg", f"{URL}both.jpg"]}
    assert any("2 of 4 urls have more than one label (6 lines)" in note for note in summary.notes)
    assert any("1 urls stand in both lists" in note for note in summary.notes)


@pytest.mark.parametrize(("name", "lines", "split"), [("train25.txt", TRAIN, "train"), ("test25.txt", TEST, "test")])
def test_either_list_alone_is_enough_and_is_no_split(tmp_path, name, lines, split):
    text(tmp_path / "in" / name, *lines)
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    assert summary.splits == {}
    assert "split" not in Dataset.open(tmp_path / "out").images.columns
    assert any("25.txt is not there" in note for note in summary.notes)
    assert any(f"only the split {split} is there, and it is not kept" in note for note in summary.notes)


def test_webemo_files_are_found_however_they_are_written(tmp_path, bring):
    root = tmp_path / "in" / "WEBEmo"
    lines = [f"{URL}a.jpg 3", f"{URL}b.jpg 24", f"{URL}c%20d.jpg?size=1 0", f"{URL}e.jpg 7"]
    text(root / "train25.txt", *lines)
    text(root / "test25.txt", f"{URL}e.jpg 7")  # in both lists: kept in test, its file lies under train
    label = get_taxonomy("parrott-25").labels[3].title()
    files = [f"Train/{label}/a.jpg", "train/24/b.JPG", "train/0/c d.jpg", "train/7/e.jpg"]
    for file in [*files, "train/8/e.jpg"]:
        picture(root / file)
    summary, data = bring("webemo", tmp_path / "in")
    assert data.images["file"].tolist() == [f"images/WEBEmo/{file}" for file in files]
    assert summary.skipped == {"images that no row names": [str(root / "train/8/e.jpg")]}


def test_a_file_that_two_urls_claim_is_neithers(tmp_path, bring):
    text(tmp_path / "in" / "train25.txt", f"{URL}x/a.jpg 3", f"{URL}y/a.jpg 3", f"{URL}x/b.jpg 3", f"{URL}x/c.jpg 3")
    text(tmp_path / "in" / "test25.txt", f"{URL}y/b.jpg 3")
    picture(tmp_path / "in" / "train" / "3" / "a.jpg")
    picture(tmp_path / "in" / "train" / "3" / "b.jpg")  # its own split's url has it
    summary, data = bring("webemo", tmp_path / "in")
    assert data.images.loc[data.images["file"].notna(), "image_id"].tolist() == [f"{URL}x/b.jpg"]
    assert summary.skipped == {
        "images: a url and no file, because another url claims the same file": [f"{URL}x/a.jpg", f"{URL}y/a.jpg"],
        NOT_DOWNLOADED: [f"{URL}x/c.jpg", f"{URL}y/b.jpg"],
    }


def test_a_damaged_file_leaves_the_url_and_the_labels(tmp_path, bring, refused):
    text(tmp_path / "in" / "train25.txt", f"{URL}a.jpg 3", f"{URL}b.jpg 3")
    text(tmp_path / "in" / "train" / "3" / "a.jpg", "no image")
    picture(tmp_path / "in" / "train" / "3" / "b.jpg")
    summary, dataset = bring("webemo", tmp_path / "in")
    assert dataset.images["file"].fillna("-").tolist() == ["-", "images/train/3/b.jpg"]
    assert len(dataset.target("sets").image_id) == 2
    where = str(tmp_path / "in" / "train" / "3" / "a.jpg")
    assert summary.skipped == {"images: not an image, so its url alone is kept": [where]}
    refused(r"1 of 2 images cannot be used", "webemo", tmp_path / "in", strict=True)
    text(tmp_path / "in" / "train" / "3" / "b.jpg", "no image either")
    assert bring("webemo", tmp_path / "in")[0].images == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{URL}a.jpg 25", r"train25.txt, line 2: expected a url and an id from 0 to 24"),
        (f"{URL}a.jpg", r"line 2: expected a url"),
        ("a.jpg 3", r"line 2: expected a url"),
    ],
)
def test_webemo_names_the_line(tmp_path, line, message, refused):
    text(tmp_path / "in" / "train25.txt", TRAIN[0], line)
    refused(message, "webemo", tmp_path / "in")
    text(tmp_path / "empty" / "train25.csv", *TRAIN)
    refused(r"neither train25.txt nor test25.txt", "webemo", tmp_path / "empty")


@pytest.mark.slow
def test_268_000_rows_import_within_half_a_minute(tmp_path):
    rng = np.random.default_rng(0)
    for name, rows in (("train25.txt", 216_000), ("test25.txt", 52_000)):
        urls, labels = rng.integers(int(rows * 0.96), size=rows), rng.integers(25, size=rows)
        lines = [
            f"{URL}{name[:4]}/{u:07d}/some-longer-name-of-a-photograph.jpg {c}"
            for u, c in zip(urls, labels, strict=True)
        ]
        text(tmp_path / "in" / name, *lines)
    began = time.process_time()
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    assert time.process_time() - began < 30
    assert summary.images > 150_000


def test_artemis_rows_stay_judgements(tmp_path, bring):
    summary, dataset = bring("artemis", artemis_folder(tmp_path / "in"))
    rates, shares = dataset.target("rates"), dataset.target("distribution")
    labels = get_taxonomy("artemis-9").labels
    assert rates.taxonomy.labels == labels
    votes = dict(zip(labels, rates.votes[0].tolist(), strict=True))
    assert votes == {label: int(label in ("awe", "sadness", "something else")) for label in labels}
    assert (rates.n.tolist(), shares.meta.vote_rule) == ([3, 1], "one_choice")
    assert (summary.judgements, summary.people) == (4, None)
    judgements = dataset.judgements
    assert judgements["utterance"][0] == 'so "grand"\nand dark'
    assert judgements["annotator_id"].is_unique
    images = dataset.images
    assert images["art_style"].tolist() == ["Baroque", "Impressionism"]
    assert images["repetition"].tolist() == [3, 1]
    assert images["file"].tolist()[1] == "images/Impressionism/l\u00c3\u00a9on_jardin.jpg"
    assert [len(names) for names in summary.skipped.values()] == [1]


def test_artemis_finds_wikiart_elsewhere_or_takes_labels_alone(tmp_path, refused):
    root = artemis_folder(tmp_path / "in")
    (root / "wikiart").rename(tmp_path / "pictures")
    refused(r"none of the 3 paintings .* is there .*images_root.*images='none'", "artemis", root)
    assert import_artemis(root, tmp_path / "out", images_root=tmp_path / "pictures").images == 2
    assert import_artemis(root, tmp_path / "labels", images="none").images == 3
    refused(r"nowhere: no such folder", "artemis", root, images_root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("before", "after", "error", "message"),
    [
        ("emotion,", "feeling,", BadInput, r"no column 'emotion'; expected art_style"),
        ("Sadness", "gloom", UnknownLabel, r"line 3: no label 'gloom' in taxonomy artemis-9"),
        ("Sadness", '"awe,fear;joy"', UnknownLabel, r"line 3: no label 'awe,fear;joy' in taxonomy artemis-9"),
        ("Sadness", "", BadInput, r"'emotion' is empty: fill it in or take"),
    ],
)
def test_artemis_names_what_is_wrong(tmp_path, refused, before, after, error, message):
    lines = [ARTEMIS[0].replace(before, after), "Baroque,other,awe,u,1", ARTEMIS[2].replace(before, after)]
    assert "--" not in refused(message, "artemis", artemis_folder(tmp_path / "in", lines), error)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["trains"], r"line 2: split 'trains' is none of train, val, test, rest"),
        (["train", "test"], r"line 4: split 'test', but 'train' in .*line 2 for the same painting"),
    ],
)
def test_artemis_names_a_split_that_cannot_be(tmp_path, refused, parts, message):
    lines = [f"{line},{part}" for line, part in zip(ARTEMIS, ["split", *parts], strict=False)]
    refused(message, "artemis", artemis_folder(tmp_path / "in", lines))


def test_artemis_gives_no_painting_the_file_of_another(tmp_path):
    names = ["\u00e9t\u00e9", "t", "x(1)", "andr\u00e9", "caf\u00e9-1", "Caf\u00e9-1", "lon_jardin", "l\u00e9on_jardin"]
    lines = [ARTEMIS[0], *(f"Baroque,{name},awe,u,1" for name in names)]
    text(tmp_path / "in" / "artemis_dataset_release_v0.csv", *lines)
    folder = tmp_path / "in" / "Baroque"
    for name in ("t", "x-1", "andre\u0301", "cafe-1", "lon_jardin"):
        picture(folder / f"{name}.jpg")
    summary = import_artemis(tmp_path / "in", tmp_path / "out")
    # Only in accents do two paintings differ from cafe-1, so it is neither's.
    assert sorted(Dataset.open(tmp_path / "out").images["painting"]) == ["andr\u00e9", "lon_jardin", "t"]
    assert summary.skipped["images that no row names"] == [str(folder / "cafe-1.jpg"), str(folder / "x-1.jpg")]
    missing = {Path(name).stem for name in summary.skipped["images: no such file"]}
    assert missing == {"\u00e9t\u00e9", "x(1)", "caf\u00e9-1", "Caf\u00e9-1", "l\u00e9on_jardin"}


def test_artemis_keeps_the_splits_of_the_preprocessed_file(tmp_path, bring):
    parts = ["train", "train", "train", "rest", "test"]
    lines = [ARTEMIS[0] + ",split", *(f"{line},{part}" for line, part in zip(ARTEMIS[1:], parts, strict=True))]
    _, data = bring("artemis", artemis_folder(tmp_path / "in", lines))
    assert data.images["split"].fillna("-").tolist() == ["train", "-"]


def test_findingemo_keeps_urls_and_annotators(tmp_path, bring):
    summary, dataset = bring("findingemo", finding_folder(tmp_path / "in"))
    images = dataset.images.set_index("image_id")
    assert images.index.tolist() == ["Run_1/party/a.jpg", "Run_1/party/b.jpg", "Run_2/sad/c.jpg"]
    assert images["file"].fillna("-").tolist() == ["images/Run_1/party/a.jpg", "-", "-"]
    assert images["url"].fillna("-").tolist() == ["-", "http://x/first.jpg", "http://x/c.jpg"]
    judgements = dataset.judgements.set_index("image_id")
    assert judgements["annotator_id"].tolist() == ["u1", "u2", "u2"]
    assert judgements["kind"].tolist() == ["labels", "labels", "unsure"]
    assert judgements["valence"].tolist() == [2, -3, -1]
    assert judgements["tags"].iloc[0] == "['x', 'y']"
    rates = dataset.target("rates")
    assert rates.image_id.tolist() == ["Run_1/party/a.jpg", "Run_1/party/b.jpg"]
    assert [rates.taxonomy.labels[row.argmax()] for row in rates.table] == ["joy", "terror"]
    assert (summary.construct, summary.people) == ("expressed", 2)
    reasons = {reason: len(names) for reason, names in summary.skipped.items()}
    assert reasons == {
        "rows that their annotator rejected": 1,
        "images: neither a file nor a url": 1,
        "images without an answer, left out of the targets": 1,
        NOT_DOWNLOADED: 2,
    }


def test_findingemo_checks_files_and_urls(tmp_path, bring):
    root = finding_folder(tmp_path / "in")
    (root / "Run_1" / "party" / "a.jpg").rename(root / "Run_1" / "party" / "A.JPG")
    picture(root / "Run_1" / "party" / "other.jpg")
    text(root / "Run_1" / "party" / "b.jpg", "no image")
    urls = root / "data" / "dataset_urls_exploded.json"
    rows = [*json.loads(urls.read_text()), {"rel_path": "Run_2/sad/e.jpg", "url": "javascript:alert(1)", "idx_url": 0}]
    urls.write_bytes(b"\xef\xbb\xbf" + json.dumps(rows).encode())
    summary, data = bring("findingemo", root)
    images = data.images
    assert images["image_id"].tolist() == ["Run_1/party/a.jpg", "Run_1/party/b.jpg", "Run_2/sad/c.jpg"]
    assert images["file"].fillna("-").tolist() == ["images/Run_1/party/a.jpg", "-", "-"]
    assert summary.skipped["urls that are not http or https"] == ["Run_2/sad/e.jpg: javascript:alert(1)"]
    assert summary.skipped["images that no row names"] == [str(root / "Run_1" / "party" / "other.jpg")]
    damaged = summary.skipped["images: not an image, so its url alone is kept"]
    assert damaged == [str(root / "Run_1" / "party" / "b.jpg")]


def test_findingemo_maps_to_plutchiks_eight():
    found = mapping(plutchik_24(), "plutchik-8")
    assert found.drops == ()
    assert found.merged["fear"] == ("apprehension", "fear", "terror")


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([FINDING[0], FINDING[1].replace("Joy", "bliss")], UnknownLabel, r"line 2: no label 'bliss' in .* plutchik-24"),
        ([FINDING[0], FINDING[1].replace(",2,4,", ",?,4,")], BadInput, r"line 2: column 'valence': expected a number"),
        ([FINDING[0].replace("index", "tags"), FINDING[1]], BadInput, r"columns 'tag' and 'tags' are two names of one"),
        (
            [*FINDING[:2], FINDING[1]],
            BadInput,
            r"line 3: person 'u1' judged .* already \(line 2\); take one of the two",
        ),
    ],
)
def test_findingemo_names_what_is_wrong(tmp_path, refused, lines, error, message):
    refused(message, "findingemo", finding_folder(tmp_path / "in", lines), error)


def test_findingemo_needs_its_table_and_images_or_urls(tmp_path, bring, refused):
    bare = finding_folder(tmp_path / "bare", urls=False)
    nothing = r"none of the 4 images is there .* and no url is known"
    refused(nothing, "findingemo", bare, images_root=bare / "data")
    assert bring("findingemo", bare, images="none")[0].images == 4
    root = finding_folder(tmp_path / "in")
    (root / "data" / "dataset_urls_exploded.json").write_text('[{"path": 1}]')
    refused(r"dataset_urls_exploded.json: expected a list of rel_path, url, idx_url", "findingemo", root)
    (tmp_path / "empty").mkdir()
    refused(r"none of annotations_single.ann", "findingemo", tmp_path / "empty")


def test_emotic_has_a_row_per_person(tmp_path, bring):
    summary, dataset = bring("emotic", emotic_folder(tmp_path / "in"))
    images = dataset.images
    assert images["image_id"].tolist() == [
        "mscoco/images/one.jpg#1",
        "mscoco/images/one.jpg#2",
        "ade20k/images/two.jpg#1",
    ]
    assert images["group"].tolist() == ["mscoco/images/one.jpg"] * 2 + ["ade20k/images/two.jpg"]
    assert images["split"].tolist() == ["train", "train", "val"]
    assert images["gender"].tolist() == ["Female", "Female", "Male"]
    assert images["valence"].fillna(-1).tolist() == [8, -1, 8]
    sizes = []
    for file in images["file"]:
        with Image.open(dataset.root / file) as image:
            sizes.append(image.size)
    assert sizes == [(10, 20), (30, 19), (6, 6)]  # the second box is cut at the photograph's edges
    with Image.open(dataset.root / images["file"][0]) as image:
        assert image.getpixel((5, 10))[0] > 200  # the left, red half
    sets = dataset.target("sets")
    found = [{sets.taxonomy.labels[i] for i in np.flatnonzero(row)} for row in sets.table]
    assert found == [{"happiness", "doubt/confusion"}, {"disquietment"}, {"affection", "fear", "peace"}]
    rates = dataset.target("rates")
    assert rates.n.tolist() == [1, 1, 3]
    peace = rates.taxonomy.index("peace")
    assert rates.votes[2, peace] == 2
    assert (summary.construct, summary.judgements, summary.people) == ("expressed", 5, None)


def test_emotic_whole_photographs_share_a_file(tmp_path, bring):
    _, data = bring("emotic", emotic_folder(tmp_path / "in"), region="image", images="hardlink")
    files = data.images["file"].tolist()
    assert files == ["images/mscoco/images/one.jpg"] * 2 + ["images/ade20k/images/two.jpg"]
    assert (data.root / files[0]).samefile(tmp_path / "in/emotic/mscoco/images/one.jpg")


def test_emotic_crops_of_two_photographs_stay_apart(tmp_path):
    root = tmp_path / "in"
    person = {
        "body_bbox": np.array([[0.0, 0.0, 4.0, 4.0]]),
        "annotations_categories": struct({"categories": cell("Peace")}),
    }
    folder = {"folder": "mscoco/images", "person": struct(person)}
    photos = struct({"filename": "a.jpg", **folder}, {"filename": "a.png", **folder})
    (root / "Annotations").mkdir(parents=True)
    savemat(root / "Annotations" / "Annotations.mat", {"train": photos})
    there = root / "emotic" / "mscoco" / "images"
    picture(there / "A.JPG", (40, 20))  # red on the left
    Image.new("RGB", (40, 20), (0, 0, 250)).save(there / "a.png")
    picture(there / "unnamed.jpg")
    picture(root / "emotic" / "ade20k" / "images" / "far.jpg")
    summary = import_emotic(root, tmp_path / "out")
    files = Dataset.open(tmp_path / "out").images["file"].tolist()
    assert files == ["images/mscoco/images/A.JPG-person1.jpg", "images/mscoco/images/a.png-person1.jpg"]
    colours = []
    for file in files:
        with Image.open(tmp_path / "out" / file) as image:
            colours.append(int(np.argmax(image.getpixel((1, 1)))))
    assert colours == [0, 2]
    assert list(summary.skipped.values()) == [[str(there / "unnamed.jpg")]]


def test_emotic_leaves_out_a_box_beside_the_photograph(tmp_path):
    summary = import_emotic(emotic_folder(tmp_path / "in", box=(50, 0, 60, 20)), tmp_path / "out")
    assert summary.images == 2
    assert list(summary.skipped) == ["images: the person's box lies outside the image"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"label": "Joy"}, r"train\(1\) mscoco/images/one.jpg, person 1: 'Joy' is none of EMOTIC's 26"),
        ({"valence": "high"}, r"train\(1\) .*person 1: valence: expected numbers, but received 'high'"),
        ({"box": (0, 0, 10)}, r"body_bbox: expected left, top, right, bottom"),
        ({"images": False}, r"Annotations.mat: none of the 2 images it names is in .*: images='none'"),
    ],
)
def test_emotic_names_what_is_wrong(tmp_path, refused, damage, message):
    refused(message, "emotic", emotic_folder(tmp_path / "in", **damage))


def test_emotic_names_a_file_that_is_no_set(tmp_path, bring, refused):
    root = emotic_folder(tmp_path / "in", images=False)
    assert bring("emotic", root, images="none")[0].images == 3
    refused(r"region: expected person or image, but received 'face'", "emotic", root, region="face")
    file = root / "Annotations" / "Annotations.mat"
    savemat(file, {"train": struct({"filename": "a.jpg", "folder": "f", "person": np.array([1.0, 2.0])})})
    refused(r"f/a.jpg, person 1: expected a struct with body_bbox .*, got 1.0", "emotic", root)
    file.write_bytes(b"no matlab at all" * 20)
    refused(r"Annotations.mat: not a readable MATLAB file", "emotic", root)
    savemat(file, {"other": 1})
    refused(r"none of train, val, test in it \(it has: other\)", "emotic", root)
    file.unlink()
    refused(r"no Annotations.mat; expected Annotations/Annotations.mat beside", "emotic", root)
