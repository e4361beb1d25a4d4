"""What Hugging Face `datasets` reads comes in, and a data set goes out and comes back as it was."""

import io
import json
import shutil
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, List, Value
from PIL import Image

from affectml.data import Dataset, write_dataset
from affectml.data.schema import Asked, DatasetMeta, TargetMeta
from affectml.demo_set import write_demo
from affectml.errors import BadInput
from affectml.importers.containers import NO_COLUMN, VECTORS, Container
from affectml.sharing import share_dataset
from affectml.sharing._cards import licence_id

from .checks import edit, words
from .fuzz.sources import text

LABELS = ["joy", "awe"]
VOTES = [*({"joy": 4 - k % 3, "awe": k} for k in range(5)), None]


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = [picture(40 * number) for number in range(6)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One table of six images, with its features, for every container."""
    root = tmp_path_factory.mktemp("containers")
    for number, content in enumerate(PICTURES):
        (root / f"{number}.png").write_bytes(content)
    columns = {
        "image": (datasets.Image(), [str(root / f"{number}.png") for number in range(6)]),
        "emotion": (ClassLabel(names=LABELS), [0, 1, 0, -1, 0, None]),
        "felt": (List(ClassLabel(names=LABELS)), [[0], [0, 1], [], None, [1], [1]]),
        "asked": ({"awe": Value("int64"), "joy": Value("int64")}, VOTES),
        "n": (Value("int64"), [6] * 6),
        "shares": (List(Value("float64")), [[0.1 * k, 1 - 0.1 * k] for k in range(6)]),
        "vector": (List(Value("float32")), [[0.0] * 512] * 6),
        "caption": (Value("string"), [f"picture {k}" for k in range(6)]),
        "raw": ({"bytes": Value("binary")}, [{"bytes": b"any"}] * 6),
    }
    features = Features({name: feature for name, (feature, _) in columns.items()})
    content = {name: cells for name, (_, cells) in columns.items()}
    table = datasets.Dataset.from_dict(content, features=features)
    both = datasets.DatasetDict(train=table.select(range(4)), validation=table.select(range(4, 6)))
    both.save_to_disk(root / "saved")
    (root / "parquet" / "data").mkdir(parents=True)
    for name, part in both.items():
        embedded = part.map(lambda row: row, batched=True)
        embedded = embedded.with_format("arrow").map(datasets.table.embed_table_storage, batched=True)
        embedded.with_format(None).to_parquet(root / "parquet" / "data" / f"{name}-00000.parquet")
    return root


def pixels(data: Dataset) -> list[bytes]:
    return sorted(data.image_path(file).read_bytes() for file in data.images["file"])


LABEL_COLUMNS = [
    ("sets", ["01", "10", "01", "00", "01", "00"], {"label_column": "emotion", "empty": "none"}),
    ("single", ["01", "10", "01", None, "01", None], {"label_column": "emotion", "empty": "skip"}),
    ("sets", ["01", "11", "00", None, "10", "10"], {"label_column": "felt", "empty": "skip"}),
    ("rates", ["04", "13", "22", "34", "43", None], {"label_column": "asked"}),
]


@pytest.mark.parametrize("container", ["saved", "parquet"])
@pytest.mark.parametrize(("kind", "table", "options"), LABEL_COLUMNS)
def test_class_labels_lists_of_them_and_objects(made, bring, container, kind, table, options):
    """None is not the empty list, and objects are votes by label."""
    summary, data = bring("datasets", made / container, **options)
    target = data.target(kind)
    kept = [k for k in range(6) if table[k] is not None]
    found = target.votes if kind == "rates" else target.table
    np.testing.assert_allclose(found, [list(map(float, table[k])) for k in kept], atol=1e-12)
    assert target.image_id.tolist() == [f"{k}.png" for k in kept]
    assert summary.splits == {"train": sum(k < 4 for k in kept), "val": sum(k >= 4 for k in kept)}
    assert pixels(data) == sorted(PICTURES[k] for k in kept)
    assert data.images["caption"].tolist() == [f"picture {k}" for k in kept]
    gone = [f"validation, row {k - 3}" if kind == "rates" else f"row {k + 1}" for k in range(6) if k not in kept]
    assert summary.skipped.get("rows without a label", []) == [f"{made / container}, {row}" for row in gone]
    assert summary.skipped[NO_COLUMN] == ["raw"]
    assert summary.skipped[VECTORS] == [c for c in ("asked", "shares", "vector") if c != options["label_column"]]


def test_a_folder_of_images_with_metadata_and_one_without(made, bring, tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for number in range(3):
        shutil.copy(made / f"{number}.png", tmp_path / "photos" / "deep")
    summary, data = bring("datasets", tmp_path / "photos")
    assert (summary.images, summary.targets) == (3, {}), "a data set without targets is one too"
    lines = [{"file_name": f"deep/{k}.png", "emotion": LABELS[k % 2], "text": "seen"} for k in range(3)]
    text(tmp_path / "photos" / "metadata.jsonl", *map(json.dumps, lines))
    text(tmp_path / "photos" / "README.md", "---", "license: other", "license_name: ours-1", "---", "# Photos")
    _, data = bring("datasets", tmp_path / "photos")
    assert data.meta.licence == "other, ours-1", "as the card says"
    assert words(data.target("single"))["deep/1.png"] == {"awe"}
    assert pixels(data) == sorted(PICTURES[:3])


def parquet(file: Path, images: list[dict], **columns: list) -> Path:
    """A Parquet file of images and texts, or lists of them."""
    text = Value("string")
    kinds = {name: List(text) if isinstance(cells[0], list) else text for name, cells in columns.items()}
    features = Features({"image": datasets.Image(), **kinds})
    pq.write_table(pa.table({"image": images, **columns}).cast(features.arrow_schema), file)
    return file


def of_bytes(folder: Path, paths: list[str | None], **columns: list[str]) -> Path:
    """A Parquet file of pictures that came with these paths."""
    cells = [{"bytes": content, "path": path} for content, path in zip(PICTURES, paths, strict=False)]
    return parquet(folder / "train.parquet", cells, **columns)


def test_rows_of_judgements_share_an_image_by_its_bytes(bring, tmp_path):
    images = [{"bytes": PICTURES[at], "path": None} for at in (0, 0, 1, 1)]
    said = {"annotator": ["ann", "ben"] * 2, "labels": [["joy"], [], ["joy", "awe"], ["awe"]]}
    summary, data = bring("datasets", parquet(tmp_path / "judged.parquet", images, **said))
    assert (summary.images, summary.people, summary.judgements) == (2, 2, 4)
    assert sorted(map(tuple, data.target("rates").table.tolist())) == [(0, 1), (2, 1)]
    assert data.target("rates").n.tolist() == [2, 2]


def test_a_name_that_no_file_can_have_becomes_one_that_it_can(bring, tmp_path):
    _, data = bring("datasets", of_bytes(tmp_path, ["a\0b.png", "../c.png"], image_id=["7", "8"]))
    assert data.images["file"].tolist() == ["images/ab.png", "images/c.png"]
    assert data.images["image_id"].tolist() == ["7", "8"]


def test_two_images_of_one_id_are_not_taken_for_one(refused, tmp_path):
    table = of_bytes(tmp_path, ["a.png", "b.png"], image_id=["7", "7"])
    refused("row 2: image '7' stands in row 1 already", "datasets", table)


def test_paths_in_a_table_are_followed_only_within_the_source(made, bring, refused, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "own.png").write_bytes(PICTURES[0])
    (tmp_path / "secret.png").write_bytes(PICTURES[1])
    paths = ["own.png", "../secret.png", str(tmp_path / "secret.png"), "https://example.org/a.png"]
    images = [*({"path": path, "bytes": None} for path in paths), {"path": "in.png", "bytes": PICTURES[2]}]
    for file in (tmp_path / "plain.parquet", tmp_path / "in" / "t.parquet"):
        parquet(file, images, label=["joy", "awe", "awe", "awe", "awe"])
    summary, data = bring("datasets", tmp_path / "in")
    outside = "rows whose image lies outside of the source, which is not followed"
    assert len(summary.skipped[outside]) == 3
    assert data.images["file"].tolist() == ["images/own.png", "images/in.png"]
    card = f"---\nconfigs:\n- config_name: a\n  data_files: {tmp_path}/plain.parquet\n---\n"
    (tmp_path / "in" / "README.md").write_text(card)
    refused("which lies outside; nothing was read", "datasets", tmp_path / "in")


def test_addresses_are_of_a_container_or_lie_outside():
    here = Container("x", "/data/x", {}, {})
    inside = {
        "/data/x/joy/1.png": "joy/1.png",
        "./joy/1.png": "joy/1.png",
        "/data/xy/1.png": None,
        "/data/x/../y/1.png": None,
        "../1.png": None,
        "hf://datasets/org/x@5f2a/1.png": None,
        "zip://joy/1.png::/data/x/all.zip": None,
        "zip://1.png::/etc/all.zip": None,
        "/etc/passwd": None,
    }
    assert {path: here.contains(path) for path in inside} == inside


def test_what_cannot_be_had_is_said_in_one_line(refused, tmp_path):
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "a.tar").write_bytes(b"any")
    (tmp_path / "packed").mkdir()
    with ZipFile(tmp_path / "packed" / "a.zip", "w") as packed:
        packed.writestr("joy/1.png", PICTURES[0])
    for source, message in {
        "org/faces": "no such file or folder.*`hf download --repo-type dataset ORG/NAME --local-dir FOLDER` brings one",
        tmp_path / "damaged.parquet": r"damaged.parquet",
        tmp_path / "a.tar": r"a\.tar: a kind of file that is not read; .* unpack archives, and `affectml import im",
        tmp_path / "packed": r"packed/a\.zip is an archive; unpack it, and import the folder",
    }.items():
        refused(message, "datasets", source)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A demo set with three targets more, splits, an image without a file, and its shared copy."""
    root = tmp_path_factory.mktemp("shared")
    demo = write_demo(root / "demo", images=24, seed=5)
    images = demo.images.assign(split=["train"] * 12 + ["val"] * 5 + ["test"] * 5 + [None] * 2, group="one")
    images.loc[3, "file"] = None
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(3), size=20).round(4)
    three = {"name": "three", "labels": ["something else", "fear!", "joy"]}
    first, mikels = images[["image_id"]].head(20), demo.target("emotions").taxonomy
    tables = {
        "emotions": pd.read_parquet(demo.root / "targets-emotions.parquet"),
        "chosen": first.assign(**{label: random.integers(0, 2, 20) for label in mikels.labels}),
        "word": first.assign(**{"something else": 0, "fear!": 1, "joy": 0}),
        "caption": first.assign(**dict(zip(three["labels"], shares.T, strict=True))),
    }
    entry = {"construct": "query", "taxonomy": three, "question": "Nobody was asked: the words of a search."}
    targets = {
        **demo.meta.targets,
        "chosen": TargetMeta("sets", "evoked", "mikels-8", "indicator", "targets-chosen.parquet"),
        "word": TargetMeta(kind="single", values="indicator", file="targets-word.parquet", **entry),
        "caption": TargetMeta(
            "distribution", values="shares", vote_rule="unknown", file="targets-caption.parquet", **entry
        ),
    }
    asked = Asked("evoked", "What do you feel?")
    meta = DatasetMeta("mine", targets, "a paper", "research only", ["made by hand"], asked)
    (root / "mine").mkdir()
    judged = demo.judgements.assign(note="call me on 555")
    data = write_dataset(root / "mine", meta, images, tables, judged)
    shutil.copytree(demo.root / "images", root / "mine" / "images")
    return data, share_dataset(data, root / "copy"), root


def test_the_shared_folder_is_what_datasets_loads(shared, tmp_path):
    data, copy, _ = shared
    loaded = datasets.load_dataset(str(copy.path), cache_dir=str(tmp_path))
    wanted = {"train": 12, "validation": 5, "test": 5, "unassigned": 2}
    assert {name: len(part) for name, part in loaded.items()} == copy.splits == wanted
    row = loaded["train"][0]
    target = data.target("emotions").take([row["image_id"]])
    assert list(row["emotions"].values()) == target.shares()[0].tolist()
    assert loaded["train"].features["chosen"].feature.names == list(data.target("chosen").taxonomy.labels)
    assert loaded["train"].features["word"].names == ["something else", "fear!", "joy"]
    assert row["image"].size == (256, 256)
    assert loaded["train"][3]["image"] is loaded["unassigned"][0]["word"] is None
    judgements = datasets.load_dataset(str(copy.path), "judgements", cache_dir=str(tmp_path))["train"]
    assert len(judgements) == len(data.judgements)


def test_a_target_of_a_shared_data_set_is_a_column_of_it(shared, bring):
    data, copy, _ = shared
    options = {"label_column": "emotions_votes", "n_column": "emotions_n", "kind": "rates"}
    after = bring("datasets", copy.path, **options)[1].target("rates")
    before = data.target("emotions").take(after.image_id)
    assert (after.votes.tolist(), after.n.tolist()) == (before.votes.tolist(), before.n.tolist())
    chosen = bring("datasets", copy.path, label_column="chosen", empty="skip")[1].target("sets")
    assert chosen.table.tolist() == data.target("chosen").take(chosen.image_id).table.tolist()


def test_nothing_of_a_person_is_shared_but_answers(shared):
    data, copy, root = shared
    judged = pd.read_parquet(copy.path / "judgements")
    assert not {"note", "at", "seconds", "event_id"} & set(judged.columns)
    assert not set(judged["annotator_id"]) & set(data.judgements["annotator_id"])
    same = pd.DataFrame({"before": data.judgements["annotator_id"], "after": judged["annotator_id"]}).drop_duplicates()
    assert len(same) == 12 == same["after"].nunique()
    assert any("not shared: seconds, at, note" in line for line in copy.warnings)
    kept = share_dataset(data, root / "kept", keep=["note"], annotator_ids=True, images=False)
    judged = pd.read_parquet(kept.path / "judgements")
    assert judged["annotator_id"].tolist() == data.judgements["annotator_id"].tolist()
    assert judged["note"].unique().tolist() == ["call me on 555"]
    with pytest.raises(BadInput, match="no column 'nots'.*did you mean 'note'"):
        share_dataset(data, root / "no", keep=["nots"])


def test_the_card_says_what_is_known_and_that_the_rest_is_not(shared, tmp_path):
    data, copy, _ = shared
    card = (copy.path / "README.md").read_text()
    for said in (
        "license: other",
        "Licence: research only.",
        "People asked of an image: ",
        "People were asked: “Which of these feelings does this image evoke",
        "Nobody was asked: the words of a search.",
        f"{len(data.judgements)} judgements by 12 people",
        "Vote rule: unknown",
        "Source, to be cited in any work that uses it: a paper.",
        "nobody was asked what they feel",
    ):
        assert said in card
    assert "call me" not in card
    assert licence_id("not stated by the source; the paintings remain their artists'") == "unknown"


@pytest.mark.parametrize("licence", ["on request; research only", "Not for redistribution", "All rights reserved"])
def test_a_licence_that_may_forbid_sharing_needs_a_word(shared, tmp_path, licence):
    data, *_ = shared
    shutil.copytree(data.root, tmp_path / "set", ignore=shutil.ignore_patterns("images"))
    edit(tmp_path / "set" / "dataset.json", licence=licence)
    share = partial(share_dataset, tmp_path / "set", tmp_path / "copy", images=False)
    with pytest.raises(BadInput, match="which may forbid sharing it.*may_share=True"):
        share()
    assert not (tmp_path / "copy").exists()
    assert share(may_share=True).splits["train"] == 12


@pytest.mark.parametrize("line", ["null", "[1]", "{", "3"])
def test_a_line_of_metadata_that_is_no_object_is_named(tmp_path, refused, line):
    """pyarrow, which `datasets` reads these lines with, ends the process at some of them."""
    text(tmp_path / "in" / "metadata.jsonl", '{"file_name": "b.jpg", "label": "awe"}', line)
    (tmp_path / "in" / "b.jpg").write_bytes(PICTURES[0])
    refused(r"metadata\.jsonl, line 2: expected a JSON object", "datasets", tmp_path / "in")
