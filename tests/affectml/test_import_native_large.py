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
from affectml.importers import import_artemis, import_emotic, import_findingemo, import_webemo
from affectml.importers.findingemo import plutchik_24
from affectml.taxonomies import get_taxonomy, mapping


def picture(path: Path, size=(6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (10, 90, 40))
    image.paste((250, 0, 0), (0, 0, size[0] // 2, size[1]))
    image.save(path, format="JPEG", quality=95)


def text(path: Path, lines, end="\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


URL = "https://ak.picdn.net/shutterstock/"
TRAIN = [f"{URL}a.jpg 0", f"{URL}b.jpg 24 ", f"{URL}a.jpg 19", f"{URL}both.jpg 2"]
TEST = [f"{URL}c.jpg\t7", f"{URL}both.jpg 5"]


def test_webemo_by_hand(tmp_path):
    text(tmp_path / "in" / "train25.txt", TRAIN, "\r")
    text(tmp_path / "in" / "test25.txt", TEST)
    picture(tmp_path / "in" / "train" / "zest" / "b.jpg")
    picture(tmp_path / "in" / "test" / "7" / "7_c.jpg")
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
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
    assert summary.skipped == {
        "images: a url and no file; they cannot be embedded until they are downloaded": [
            f"{URL}a.jpg",
            f"{URL}both.jpg",
        ]
    }
    assert any("2 of 4 urls have more than one label (6 lines)" in note for note in summary.notes)
    assert any("1 urls stand in both lists" in note for note in summary.notes)


@pytest.mark.parametrize(("name", "lines", "split"), [("train25.txt", TRAIN, "train"), ("test25.txt", TEST, "test")])
def test_either_list_alone_is_enough_and_is_no_split(tmp_path, name, lines, split):
    text(tmp_path / "in" / name, lines)
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    assert summary.splits == {}
    assert "split" not in Dataset.open(tmp_path / "out").images.columns
    assert any("25.txt is not there" in note for note in summary.notes)
    assert any(f"only the split {split} is there, and it is not kept" in note for note in summary.notes)


def test_webemo_files_are_found_however_they_are_written(tmp_path):
    root = tmp_path / "in" / "WEBEmo"
    lines = [f"{URL}a.jpg 3", f"{URL}b.jpg 24", f"{URL}c%20d.jpg?size=1 0", f"{URL}e.jpg 7"]
    text(root / "train25.txt", lines)
    text(root / "test25.txt", [f"{URL}e.jpg 7"])  # in both lists: kept in test, its file lies under train
    label = get_taxonomy("parrott-25").labels[3].title()
    files = [f"Train/{label}/a.jpg", "train/24/b.JPG", "train/0/c d.jpg", "train/7/e.jpg"]
    for file in [*files, "train/8/e.jpg"]:
        picture(root / file)
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    images = Dataset.open(tmp_path / "out").images
    assert images["file"].tolist() == [f"images/WEBEmo/{file}" for file in files]
    assert summary.skipped == {"images that no row names": [str(root / "train/8/e.jpg")]}


def test_a_file_that_two_urls_claim_is_neithers(tmp_path):
    text(tmp_path / "in" / "train25.txt", [f"{URL}x/a.jpg 3", f"{URL}y/a.jpg 3", f"{URL}x/b.jpg 3", f"{URL}x/c.jpg 3"])
    text(tmp_path / "in" / "test25.txt", [f"{URL}y/b.jpg 3"])
    picture(tmp_path / "in" / "train" / "3" / "a.jpg")
    picture(tmp_path / "in" / "train" / "3" / "b.jpg")  # its own split's url has it
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    images = Dataset.open(tmp_path / "out").images
    assert images.loc[images["file"].notna(), "image_id"].tolist() == [f"{URL}x/b.jpg"]
    assert summary.skipped == {
        "images: a url and no file, because another url claims the same file": [f"{URL}x/a.jpg", f"{URL}y/a.jpg"],
        "images: a url and no file; they cannot be embedded until they are downloaded": [
            f"{URL}x/c.jpg",
            f"{URL}y/b.jpg",
        ],
    }


def test_a_damaged_file_leaves_the_url_and_the_labels(tmp_path):
    text(tmp_path / "in" / "train25.txt", [f"{URL}a.jpg 3", f"{URL}b.jpg 3"])
    text(tmp_path / "in" / "train" / "3" / "a.jpg", ["no image"])
    picture(tmp_path / "in" / "train" / "3" / "b.jpg")
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.images["file"].fillna("-").tolist() == ["-", "images/train/3/b.jpg"]
    assert len(dataset.target("sets").image_id) == 2
    where = str(tmp_path / "in" / "train" / "3" / "a.jpg")
    assert summary.skipped == {"images: not an image, so its url alone is kept": [where]}
    with pytest.raises(BadInput, match=r"1 of 2 images cannot be used"):
        import_webemo(tmp_path / "in", tmp_path / "out2", strict=True)
    text(tmp_path / "in" / "train" / "3" / "b.jpg", ["no image either"])
    assert import_webemo(tmp_path / "in", tmp_path / "out3").images == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{URL}a.jpg 25", r"train25.txt, line 2: expected a url and an id from 0 to 24"),
        (f"{URL}a.jpg", r"line 2: expected a url"),
        ("a.jpg 3", r"line 2: expected a url"),
    ],
)
def test_webemo_names_the_line(tmp_path, line, message):
    text(tmp_path / "in" / "train25.txt", [TRAIN[0], line])
    with pytest.raises(BadInput, match=message):
        import_webemo(tmp_path / "in", tmp_path / "out")
    text(tmp_path / "empty" / "train25.csv", TRAIN)
    with pytest.raises(BadInput, match=r"neither train25.txt nor test25.txt"):
        import_webemo(tmp_path / "empty", tmp_path / "out")


@pytest.mark.slow
def test_268_000_rows_import_within_half_a_minute(tmp_path):
    rng = np.random.default_rng(0)
    for name, rows in (("train25.txt", 216_000), ("test25.txt", 52_000)):
        urls, labels = rng.integers(int(rows * 0.96), size=rows), rng.integers(25, size=rows)
        lines = [
            f"{URL}{name[:4]}/{u:07d}/some-longer-name-of-a-photograph.jpg {c}"
            for u, c in zip(urls, labels, strict=True)
        ]
        text(tmp_path / "in" / name, lines)
    began = time.process_time()
    summary = import_webemo(tmp_path / "in", tmp_path / "out")
    assert time.process_time() - began < 30
    assert summary.images > 150_000


# ArtEmis: a quoted utterance with a line end, names damaged on the way, capitals, both spellings of the ninth answer.
ARTEMIS = [
    "art_style,painting,emotion,utterance,repetition",
    'Baroque,rembrandt_the-night-watch-1642,awe,"so ""grand""\nand dark",3',
    "Baroque,rembrandt_the-night-watch-1642,Sadness,dark,3",
    "Baroque,rembrandt_the-night-watch-1642,something_else,odd,3",
    "Impressionism,l\u00c3\u00a9on_jardin,contentment,calm,1",
    "Impressionism,monet_lost,fear,gone,1",
]


def artemis_folder(root: Path, lines=ARTEMIS) -> Path:
    text(root / "artemis_dataset_release_v0.csv", lines)
    picture(root / "wikiart" / "Baroque" / "rembrandt_the-night-watch-1642.jpg")
    picture(root / "wikiart" / "Impressionism" / "lon_jardin.jpg")
    return root


def test_artemis_rows_stay_judgements(tmp_path):
    summary = import_artemis(artemis_folder(tmp_path / "in"), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
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


def test_artemis_finds_wikiart_elsewhere_or_takes_labels_alone(tmp_path):
    root = artemis_folder(tmp_path / "in")
    (root / "wikiart").rename(tmp_path / "pictures")
    with pytest.raises(BadInput, match=r"none of the 3 paintings .* is there .*images_root.*images='none'"):
        import_artemis(root, tmp_path / "out")
    assert import_artemis(root, tmp_path / "out", images_root=tmp_path / "pictures").images == 2
    assert import_artemis(root, tmp_path / "labels", images="none").images == 3
    with pytest.raises(BadInput, match=r"nowhere: no such folder"):
        import_artemis(root, tmp_path / "out2", images_root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([ARTEMIS[0].replace("emotion", "feeling"), ARTEMIS[2]], BadInput, r"no column 'emotion'; expected art_style"),
        (
            [ARTEMIS[0], ARTEMIS[2].replace("Sadness", "gloom")],
            UnknownLabel,
            r"line 2: no label 'gloom' in taxonomy artemis-9",
        ),
        (
            [ARTEMIS[0] + ",split", ARTEMIS[2] + ",trains"],
            BadInput,
            r"line 2: split 'trains' is none of train, val, test, rest",
        ),
        (
            [ARTEMIS[0] + ",split", ARTEMIS[2] + ",train", ARTEMIS[3] + ",test"],
            BadInput,
            r"line 3: split 'test', but 'train' in .*line 2 for the same painting",
        ),
        (
            [ARTEMIS[0], ARTEMIS[2].replace("Sadness", '"awe,fear"'), ARTEMIS[3].replace("something_else", "awe;fear")],
            UnknownLabel,
            r"line 2: no label 'awe,fear' in taxonomy artemis-9",
        ),
        ([ARTEMIS[0], ARTEMIS[2].replace("Sadness", "")], BadInput, r"'emotion' is empty: fill it in or take"),
    ],
)
def test_artemis_names_what_is_wrong(tmp_path, lines, error, message):
    with pytest.raises(error, match=message) as raised:
        import_artemis(artemis_folder(tmp_path / "in", lines), tmp_path / "out")
    assert "--" not in str(raised.value)


def test_artemis_gives_no_painting_the_file_of_another(tmp_path):
    names = ["\u00e9t\u00e9", "t", "x(1)", "andr\u00e9", "caf\u00e9-1", "Caf\u00e9-1", "lon_jardin", "l\u00e9on_jardin"]
    lines = [ARTEMIS[0], *(f"Baroque,{name},awe,u,1" for name in names)]
    text(tmp_path / "in" / "artemis_dataset_release_v0.csv", lines)
    folder = tmp_path / "in" / "Baroque"
    for name in ("t", "x-1", "andre\u0301", "cafe-1", "lon_jardin"):
        picture(folder / f"{name}.jpg")
    summary = import_artemis(tmp_path / "in", tmp_path / "out")
    # Only in accents do two paintings differ from cafe-1, so it is neither's.
    assert sorted(Dataset.open(tmp_path / "out").images["painting"]) == ["andr\u00e9", "lon_jardin", "t"]
    assert summary.skipped["images that no row names"] == [str(folder / "cafe-1.jpg"), str(folder / "x-1.jpg")]
    missing = {Path(name).stem for name in summary.skipped["images: missing"]}
    assert missing == {"\u00e9t\u00e9", "x(1)", "caf\u00e9-1", "Caf\u00e9-1", "l\u00e9on_jardin"}


def test_artemis_keeps_the_splits_of_the_preprocessed_file(tmp_path):
    parts = ["train", "train", "train", "rest", "test"]
    lines = [ARTEMIS[0] + ",split", *(f"{line},{part}" for line, part in zip(ARTEMIS[1:], parts, strict=True))]
    import_artemis(artemis_folder(tmp_path / "in", lines), tmp_path / "out")
    assert Dataset.open(tmp_path / "out").images["split"].fillna("-").tolist() == ["train", "-"]


FINDING = [
    "index,user,image_path,reject,tag,age,valence,arousal,emotion,dec_factors,ambiguity,datetime",
    "0,u1,/Run_1/party/a.jpg,Keep,\"['x', 'y']\",Adults,2,4,Joy,\"Facial expression, Body\",1,2022-01-01",
    "1,u2,/Run_1/party/b.jpg,Keep,,,-3,5,Terror,,0,2022-01-02",
    "2,u2,Run_2\\sad\\c.jpg,Keep,,,-1,1,Undefined,,3,2022-01-03",
    "3,u1,/Run_2/sad/d.jpg,Reject,,,0,0,,,0,2022-01-04",
    "4,u3,/Run_2/sad/e.jpg,Keep,,,-1,1,Grief,,0,2022-01-05",
]


def finding_folder(root: Path, lines=FINDING, urls=True) -> Path:
    text(root / "data" / "annotations_single.ann", lines)
    picture(root / "Run_1" / "party" / "a.jpg")
    if urls:
        rows = [
            {"rel_path": "Run_1/party/b.jpg", "url": "http://x/second.jpg", "idx_url": 1},
            {"rel_path": "Run_1/party/b.jpg", "url": "http://x/first.jpg", "idx_url": 0},
            {"rel_path": "/Run_2/sad/c.jpg", "url": "http://x/c.jpg", "idx_url": 0},
        ]
        (root / "data" / "dataset_urls_exploded.json").write_text(json.dumps(rows))
    return root


def test_findingemo_keeps_urls_and_annotators(tmp_path):
    summary = import_findingemo(finding_folder(tmp_path / "in"), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
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
        "images: a url and no file; they cannot be embedded until they are downloaded": 2,
    }


def test_findingemo_checks_files_and_urls(tmp_path):
    root = finding_folder(tmp_path / "in")
    (root / "Run_1" / "party" / "a.jpg").rename(root / "Run_1" / "party" / "A.JPG")
    picture(root / "Run_1" / "party" / "other.jpg")
    text(root / "Run_1" / "party" / "b.jpg", ["no image"])
    urls = root / "data" / "dataset_urls_exploded.json"
    rows = [*json.loads(urls.read_text()), {"rel_path": "Run_2/sad/e.jpg", "url": "javascript:alert(1)", "idx_url": 0}]
    urls.write_bytes(b"\xef\xbb\xbf" + json.dumps(rows).encode())
    summary = import_findingemo(root, tmp_path / "out")
    images = Dataset.open(tmp_path / "out").images
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


def test_findingemo_names_what_is_wrong(tmp_path):
    with pytest.raises(BadInput, match=r"none of the 4 images is there .* and no url is known"):
        import_findingemo(
            finding_folder(tmp_path / "a", urls=False), tmp_path / "out", images_root=tmp_path / "a" / "data"
        )
    with pytest.raises(UnknownLabel, match=r"line 2: no label 'bliss' in taxonomy plutchik-24"):
        import_findingemo(
            finding_folder(tmp_path / "b", [FINDING[0], FINDING[1].replace("Joy", "bliss")]), tmp_path / "out"
        )
    with pytest.raises(BadInput, match=r"line 2: column 'valence': expected a number"):
        import_findingemo(
            finding_folder(tmp_path / "c", [FINDING[0], FINDING[1].replace(",2,4,", ",?,4,")]), tmp_path / "out"
        )
    with pytest.raises(BadInput, match=r"columns 'tag' and 'tags' are two names of one thing"):
        import_findingemo(
            finding_folder(tmp_path / "f", [FINDING[0].replace("index", "tags"), FINDING[1]]), tmp_path / "out"
        )
    with pytest.raises(
        BadInput, match=r"line 3: person 'u1' judged .* already \(line 2\); take one of the two rows out"
    ):
        import_findingemo(finding_folder(tmp_path / "g", [*FINDING[:2], FINDING[1]]), tmp_path / "out")
    root = finding_folder(tmp_path / "d")
    (root / "data" / "dataset_urls_exploded.json").write_text('[{"path": 1}]')
    with pytest.raises(BadInput, match=r"dataset_urls_exploded.json: expected a list of rel_path, url, idx_url"):
        import_findingemo(root, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"none of annotations_single.ann"):
        import_findingemo(tmp_path / "empty", tmp_path / "out")
    assert import_findingemo(finding_folder(tmp_path / "e", urls=False), tmp_path / "out", images="none").images == 4


def struct(*entries):
    """MATLAB's array of structs."""
    table = np.zeros((1, len(entries)), dtype=[(key, object) for key in entries[0]])
    for at, entry in enumerate(entries):
        for key, value in entry.items():
            table[0, at][key] = value
    return table


def cell(*words):
    table = np.empty((1, len(words)), dtype=object)
    table[0, :] = words
    return table


def emotic_folder(root: Path, *, box=(0, 0, 10, 20), label="Happiness", images=True, valence=8.0) -> Path:
    axes = struct({"valence": valence, "arousal": 4.0, "dominance": 10.0})
    nothing = struct({"valence": np.nan, "arousal": np.nan, "dominance": np.nan})
    one = {
        "body_bbox": np.array([box], dtype=float),
        "annotations_categories": struct({"categories": cell(label, "Doubt/Confusion")}),
        "annotations_continuous": axes,
        "gender": "Female",
        "age": "Adult",
    }
    other = {
        **one,
        "body_bbox": np.array([[10.0, -5.0, 500.0, 18.5]]),
        "annotations_categories": struct({"categories": cell("Disquietment")}),
        "annotations_continuous": nothing,
    }
    judged = {
        "body_bbox": np.array([[2.0, 2.0, 8.0, 8.0]]),
        "annotations_categories": struct(
            {"categories": cell("Peace", "Affection")}, {"categories": cell("Peace")}, {"categories": cell("Fear")}
        ),
        "annotations_continuous": struct({"valence": 8.0, "arousal": 4.0, "dominance": 10.0}),
        "combined_categories": cell("Affection", "Fear", "Peace"),
        "combined_continuous": axes,
        "gender": "Male",
        "age": "Kid",
    }
    photo = {"image_size": struct({"n_col": 40, "n_row": 20}), "original_database": struct({"name": "mscoco"})}
    content = {
        "train": struct({"filename": "one.jpg", "folder": "mscoco/images", **photo, "person": struct(one, other)}),
        "val": struct({"filename": "two.jpg", "folder": "ade20k\\images", **photo, "person": struct(judged)}),
    }
    (root / "Annotations").mkdir(parents=True)
    savemat(root / "Annotations" / "Annotations.mat", content)
    if images:
        picture(root / "emotic" / "mscoco" / "images" / "one.jpg", (40, 20))
        picture(root / "emotic" / "ade20k" / "images" / "two.jpg", (40, 20))
    return root


def test_emotic_has_a_row_per_person(tmp_path):
    summary = import_emotic(emotic_folder(tmp_path / "in"), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
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
        with Image.open(tmp_path / "out" / file) as image:
            sizes.append(image.size)
    assert sizes == [(10, 20), (30, 19), (6, 6)]  # the second box is cut at the photograph's edges
    with Image.open(tmp_path / "out" / images["file"][0]) as image:
        assert image.getpixel((5, 10))[0] > 200  # the left, red half
    sets = dataset.target("sets")
    found = [{sets.taxonomy.labels[i] for i in np.flatnonzero(row)} for row in sets.table]
    assert found == [{"happiness", "doubt/confusion"}, {"disquietment"}, {"affection", "fear", "peace"}]
    rates = dataset.target("rates")
    assert rates.n.tolist() == [1, 1, 3]
    peace = rates.taxonomy.index("peace")
    assert rates.votes[2, peace] == 2
    assert (summary.construct, summary.judgements, summary.people) == ("expressed", 5, None)


def test_emotic_whole_photographs_share_a_file(tmp_path):
    import_emotic(emotic_folder(tmp_path / "in"), tmp_path / "out", region="image", images="hardlink")
    images = Dataset.open(tmp_path / "out").images
    assert images["file"].tolist() == ["images/mscoco/images/one.jpg"] * 2 + ["images/ade20k/images/two.jpg"]
    assert (tmp_path / "out" / images["file"][0]).samefile(tmp_path / "in/emotic/mscoco/images/one.jpg")


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


def test_emotic_names_what_is_wrong(tmp_path):
    with pytest.raises(BadInput, match=r"train\(1\) mscoco/images/one.jpg, person 1: 'Joy' is none of EMOTIC's 26"):
        import_emotic(emotic_folder(tmp_path / "a", label="Joy"), tmp_path / "out")
    with pytest.raises(BadInput, match=r"train\(1\) .*person 1: valence: expected numbers, but received 'high'"):
        import_emotic(emotic_folder(tmp_path / "v", valence="high"), tmp_path / "out")
    (tmp_path / "p" / "Annotations").mkdir(parents=True)
    photo = struct({"filename": "a.jpg", "folder": "f", "person": np.array([1.0, 2.0])})
    savemat(tmp_path / "p" / "Annotations" / "Annotations.mat", {"train": photo})
    with pytest.raises(BadInput, match=r"f/a.jpg, person 1: expected a struct with body_bbox .*, got 1.0"):
        import_emotic(tmp_path / "p", tmp_path / "out")
    with pytest.raises(BadInput, match=r"body_bbox: expected left, top, right, bottom"):
        import_emotic(emotic_folder(tmp_path / "b", box=(0, 0, 10)), tmp_path / "out")
    root = emotic_folder(tmp_path / "c", images=False)
    with pytest.raises(BadInput, match=r"Annotations.mat: none of the 2 images it names is in .*: images='none'"):
        import_emotic(root, tmp_path / "out")
    assert import_emotic(root, tmp_path / "labels", images="none").images == 3
    with pytest.raises(BadInput, match=r"region: expected person or image, but received 'face'"):
        import_emotic(root, tmp_path / "out", region="face")
    (root / "Annotations" / "Annotations.mat").write_bytes(b"no matlab at all" * 20)
    with pytest.raises(BadInput, match=r"Annotations.mat: not a readable MATLAB file"):
        import_emotic(root, tmp_path / "out")
    savemat(root / "Annotations" / "Annotations.mat", {"other": 1})
    with pytest.raises(BadInput, match=r"none of train, val, test in it \(it has: other\)"):
        import_emotic(root, tmp_path / "out")
    (root / "Annotations" / "Annotations.mat").unlink()
    with pytest.raises(BadInput, match=r"no Annotations.mat; expected Annotations/Annotations.mat beside"):
        import_emotic(root, tmp_path / "out")
