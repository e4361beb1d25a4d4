"""Embeddings that somebody else computed come in whole, or not at all."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore
from affectml.errors import EncoderUnavailable, UnknownLabel
from affectml.importers import import_table
from affectml.importers.embeddings import import_embeddings
from affectml.training import TrainConfig, train_run

from . import checks
from .checks import GOLDEN

RNG = np.random.default_rng(0)
N, DIM = 60, 5


def npz(folder: Path, **changes) -> Path:
    """Sixty rows of three labels, two thirds of them train; changes: other arrays, None for one that is left out."""
    content = {
        "image": np.array([f"a/{i}.jpg" for i in range(N)]),
        "embedding": RNG.normal(size=(N, DIM)).astype(np.float32),
        "label": np.array(["joy", "fear", "sadness"])[np.arange(N) % 3],
        "split": np.array(["train", "train", "test"])[np.arange(N) // 3 % 3],
        **changes,
    }
    np.savez(folder / "features.npz", **{key: value for key, value in content.items() if value is not None})
    return folder / "features.npz"


@pytest.mark.real_data
def test_emotion6_as_it_is_published(tmp_path, real_data):
    file = real_data / "emotion6" / "emotion6_clip_vit_l_14.npz"
    dataset = import_embeddings(file, tmp_path / "out")
    single = dataset.target("single")
    assert (single.taxonomy.name, single.table.sum(axis=0).tolist()) == ("ekman-6", [330] * 6)
    assert dataset.images["split"].value_counts().to_dict() == {"train": 1386, "test": 594}
    store = EmbeddingStore.for_dataset(dataset)
    with np.load(file) as content:
        np.testing.assert_array_equal(store.rows(content["image"]), content["embedding"].astype(np.float32))
        assert dataset.images["split"].tolist() == content["split"].tolist()
    identity = store.identity
    assert (identity.normalised, identity.precision, len(identity.source_sha256)) == (False, "float16", 64)


def test_splits_are_kept_and_without_labels_and_splits_there_are_neither(tmp_path):
    wanted = np.array(["train", "val", "test"])[np.arange(N) // 3 % 3]
    split = np.array(["training", "Valid", "TEST"])[np.arange(N) // 3 % 3]
    dataset = import_embeddings(npz(tmp_path, split=split), tmp_path / "kept")
    assert dataset.images["split"].tolist() == wanted.tolist()
    dataset = import_embeddings(npz(tmp_path, label=None, split=None), tmp_path / "bare")
    assert dataset.meta.targets == {}
    assert "split" not in dataset.images.columns
    assert len(EmbeddingStore.for_dataset(dataset).ids) == N


def test_the_store_says_that_it_was_imported(tmp_path):
    unit = RNG.normal(size=(N, DIM))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    dataset = import_embeddings(npz(tmp_path, embedding=unit), tmp_path / "out", name="my set")
    store = EmbeddingStore.for_dataset(dataset)
    made, identity = ("imported-my set", None, True, "float32"), store.identity  # normalised, as was measured
    assert (identity.architecture, identity.weights_sha256, identity.normalised, identity.precision) == made
    assert store.folder.name == "imported-my-set"
    assert json.loads((store.folder / "encoder.json").read_text())["identity"]["dim"] == DIM
    checks.refused(EncoderUnavailable, "without a text tower", store.text_features, None, ["joy"])


def test_a_taxonomy_may_be_given_and_labels_renamed(tmp_path):
    options = {"taxonomy": "ekman-7", "mapping": {"fear": "disgust"}, "construct": "evoked"}
    dataset = import_embeddings(npz(tmp_path), tmp_path / "out", **options)
    assert dataset.meta.constructs == ("evoked",)
    target = dataset.target("single")
    totals = dict(zip(target.taxonomy.labels, target.table.sum(axis=0), strict=True))
    assert {label: count for label, count in totals.items() if count} == {"joy": 20, "disgust": 20, "sadness": 20}


def changed(array: np.ndarray, value: float, at: tuple[int, int] = (1, 2)) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


ROWS = np.ones((N, DIM), dtype=np.float32)


BAD_ARRAYS = [
    ({"embedding": changed(ROWS, np.nan, (7, 2))}, r"row 7 .*'a/7\.jpg' has NaN or infinity in it \(1 such row\)"),
    ({"embedding": ROWS.astype(float) * 1e300}, "row 0 .*NaN or infinity"),
    ({"embedding": ROWS[1:]}, r"image has shape \[60\] and dtype <U8, expected 59 texts, one for each row"),
    ({"embedding": np.ones(N)}, r"shape \(60,\) and dtype float64, expected one row of numbers per image"),
    ({"embedding": np.ones((N, 0))}, r"shape \(60, 0\)"),
    ({"embedding": np.full((N, DIM), "x")}, r"shape \(60, 5\) and dtype <U1, expected one row of numbers"),
    ({"embedding": None}, "no array 'embedding'.*it has: image, label, split"),
    ({"embedding": None, "embeddings": np.ones((N, DIM))}, "did you mean 'embeddings'"),
    ({"image": np.full(N, "same.jpg")}, "row 1 .*'same.jpg' a second time .*row 0"),
    ({"image": np.full(N, " ")}, "row 0 .*no image name"),
    ({"image": np.ones((N, 1))}, r"image has shape \[60, 1\]"),
    ({"image": np.ones(N)}, r"image has shape \[60\] and dtype float64, expected 60 texts"),
    ({"label": np.full(N - 2, "joy")}, r"label has shape \[58\] and dtype <U3, expected 60 texts"),
    ({"label": np.array(["joy", "", "awe"] * (N // 3))}, r"row 1 .*column 'label' is empty: fill it in"),
    ({"label": np.full(N, "joy")}, "at least two labels"),
    ({"split": np.full(N, "holdout")}, "row 0 .*split 'holdout' is none of train, val, test"),
    ({"image": np.array([f"{i}.jpg" for i in range(N)], dtype=object)}, "pickled Python objects"),
]


@pytest.mark.parametrize(("changes", "says"), BAD_ARRAYS)
def test_bad_arrays(tmp_path, refused, changes, says):
    refused(says, "embeddings", npz(tmp_path, **changes))


def test_files_that_are_not_what_they_should_be(tmp_path, refused):
    file, alone, table = npz(tmp_path), tmp_path / "alone.npy", tmp_path / "rows.csv"
    says = "row 1 .*no label 'feer' in taxonomy ekman-6; did you mean 'fear'"
    words = npz(tmp_path, label=np.array(["joy", "feer", "sadness"])[np.arange(N) % 3])
    refused(says, "embeddings", words, UnknownLabel, taxonomy="ekman-6")
    refused("no such file", "embeddings", tmp_path / "absent.npz")
    refused("no labels in it", "embeddings", npz(tmp_path, label=None), taxonomy="ekman-6")
    (tmp_path / "text.npz").write_text("not an array")
    refused("not a readable .npz or .npy file .its first bytes", "embeddings", tmp_path / "text.npz")
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:300])
    refused("not a readable .npz or .npy file", "embeddings", tmp_path / "cut.npz")
    np.save(alone, ROWS)
    refused(r"name the table .*\(csv\)", "embeddings", alone)
    for said, message in (
        ("file\na.jpg\nb.jpg\n", "60 rows, but 2 rows of"),
        ("who\na.jpg\n", r"no column image_id or file .*it has: who"),
        ("file\n" + "a.jpg\n" * N, r"rows\.csv: row 1 .*: image 'a\.jpg' a second time \(first: .*row 0 "),
    ):
        table.write_text(said)
        refused(message, "embeddings", alone, csv=table)
    refused("names its own rows", "embeddings", file, csv=table)


PEOPLE = np.array([[4, 2, 0], [0, 5, 5], [1, 1, 1]])  # of five people each, over anger, joy and awe
WORDS = np.array(["anger", "joy", "awe"])


def answers(folder: Path, rows: int = 3, **content) -> Path:
    """Three embeddings, and what people said of them."""
    file = folder / "answers.npz"
    names = np.array([f"{i}.jpg" for i in range(rows)])
    np.savez(file, **{"image": names, "embedding": np.eye(rows, 4, dtype=np.float16), "labels": WORDS, **content})
    return file


def test_shares_become_a_distribution_whose_rule_the_user_may_say(tmp_path):
    dataset = import_embeddings(answers(tmp_path, shares=SHARES.astype(np.float32)), tmp_path / "out")
    entry = dataset.meta.targets["distribution"]
    said = (entry.kind, entry.values, entry.vote_rule, entry.construct)
    assert said == ("distribution", "shares", "unknown", "evoked")
    target = dataset.target("distribution")
    assert target.taxonomy.labels == ("anger", "awe", "joy")
    np.testing.assert_allclose(target.table, SHARES[:, [0, 2, 1]], atol=1e-7)
    said = import_embeddings(answers(tmp_path, shares=SHARES), tmp_path / "b", vote_rule="set_split", construct="query")
    assert (said.meta.targets["distribution"].vote_rule, said.meta.constructs) == ("set_split", ("query",))


ONES = np.array([[4, 1, 0], [0, 5, 0], [1, 2, 2]])  # of five people each, who chose one label
FIVE = np.full(3, 5)


VOTED = [
    ({"votes": PEOPLE, "n": FIVE}, "rates", "votes", PEOPLE, FIVE),
    ({"votes": ONES, "n": FIVE}, "distribution", "votes", ONES, FIVE),
    ({"votes": ONES, "n": FIVE, "shares": ONES / 5}, "distribution", "votes", ONES, FIVE),  # votes say more
    # one vote each is still a vote, not the one right label
    ({"votes": np.eye(3, dtype=int)}, "distribution", "votes", np.eye(3), None),
]


@pytest.mark.parametrize(("content", "kind", "values", "votes", "n"), VOTED)
def test_votes_of_several_labels_are_rates_and_of_one_label_a_distribution(tmp_path, content, kind, values, votes, n):
    dataset = import_embeddings(answers(tmp_path, **content), tmp_path / "out")
    assert list(dataset.meta.targets) == [kind]
    target, rule = dataset.target(kind), "one_choice" if kind == "distribution" else None
    assert (target.meta.values, target.meta.vote_rule) == (values, rule)
    assert target.votes.tolist() == votes[:, [0, 2, 1]].tolist()
    np.testing.assert_array_equal(target.n, n)
    assert any("shares left out" in note for note in dataset.meta.notes) == ("shares" in content)


def test_sets_and_rates_stand_beside_each_other(tmp_path):
    file = answers(tmp_path, sets=np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]]), rates=PEOPLE / 5, n=np.array([5, 5, 4]))
    dataset = import_embeddings(file, tmp_path / "out")
    assert dataset.target("sets").table.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    rates = dataset.target("rates")
    assert (rates.meta.values, rates.n.tolist()) == ("shares", [5, 5, 4])


def test_other_arrays_of_one_value_a_row_are_columns(tmp_path):
    file = answers(
        tmp_path, shares=np.eye(3), valence=np.array([1.5, 2, 9], dtype=np.float32), artist=np.array(["a", "b", ""]),
        pixels=np.zeros((3, 2, 2)),
    )  # fmt: skip
    dataset = import_embeddings(file, tmp_path / "out")
    assert dataset.images["valence"].tolist() == [1.5, 2, 9]
    assert dataset.images["artist"].tolist()[:2] == ["a", "b"]
    assert any("arrays left out: pixels [3, 2, 2]" in note for note in dataset.meta.notes)


def test_an_array_label_names_columns_or_rows_by_its_length(tmp_path, refused):
    four = {"shares": np.full((4, 3), 1 / 3), "labels": np.array(["joy", "awe", "joy", "awe"])}
    names = import_embeddings(answers(tmp_path, 4, **four | {"label": WORDS}), tmp_path / "names")
    assert set(names.meta.targets) == {"distribution", "single"}
    two_names = answers(tmp_path, shares=np.eye(3), label=WORDS, labels=WORDS[:2])
    refused("nothing says which columns of shares are which labels", "embeddings", two_names)
    file = answers(tmp_path, label=np.array([2, 0, 2]))
    assert import_embeddings(file, tmp_path / "codes").target("single").taxonomy.labels == ("anger", "awe")
    far = answers(tmp_path, label=np.array([2, 3, 2]))
    refused(r"row 1 .*label 3, but labels has 3 names, from 0 on", "embeddings", far)


SHARES = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0.2, 0.3, 0.5]])


NO_ANSWERS = [
    ({"shares": changed(SHARES, 0.5)}, r"shares, row 1 .*: the shares sum to 1\.5, not to 1"),
    ({"shares": changed(SHARES, 50)}, r"shares, row 1 .*'awe': shares lie in \[0, 1\] .*, but received 50"),
    ({"sets": changed(SHARES, 0)}, r"sets, row 0 .*'anger': kind sets needs 0 or 1, but received 0\.5"),
    ({"votes": PEOPLE, "n": np.array([5, 4, 5])}, r"votes, row 1 .*'joy': more votes than people asked"),
    ({"votes": PEOPLE, "n": np.array([5, 5])}, r"n has shape \[2\] .*expected whole numbers \[3\]"),
    ({"shares": SHARES[:2]}, r"shares has shape \[2, 3\] .*, expected numbers \[3, 3\]: a row for each image"),
    ({"shares": SHARES[:, :2]}, "nothing says which columns of shares are which labels"),
    ({"shares": SHARES.astype(str)}, r"shares has shape \[3, 3\] and dtype <U.*, expected numbers"),
    ({"shares": SHARES.astype(object)}, "pickled Python objects"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), NO_ANSWERS)
def test_answers_that_cannot_be_are_named_by_array_and_row(tmp_path, refused, content, says):
    refused(says, "embeddings", answers(tmp_path, **content))


@pytest.mark.parametrize("head", ["contrastive", "zero_shot"])
def test_a_text_head_on_features_without_a_text_tower_says_what_is_missing(head):
    says, config = f"a {head} head compares .* take head='softmax'", TrainConfig(str(GOLDEN / "imported"), head=head)
    checks.refused(EncoderUnavailable, says, train_run, config)


@pytest.mark.real_data
def test_emotion6_with_peoples_shares_comes_in_by_one_call(tmp_path, real_data):
    file = real_data / "emotion6" / "emotion6_clip_vit_l_14_people.npz"
    dataset = import_embeddings(file, tmp_path / "out")
    target = dataset.target("distribution")
    assert (target.taxonomy.name, target.meta.vote_rule, target.meta.construct) == ("ekman-7", "unknown", "evoked")
    with np.load(file) as content:
        order = [list(content["label"]).index(label) for label in target.taxonomy.labels]
        np.testing.assert_allclose(target.table, content["shares"][:, order], atol=1e-6)
        assert dataset.images["valence"].tolist() == pytest.approx(content["valence"].tolist())


FACTS = {"label": ["joy", "fear", "joy"], "split": ["train", "test", "val"], "score": [1, None, 3]}
COLUMNS = {"image": ["b.jpg", "a.jpg", "c.jpg"], **FACTS}
EYE = np.eye(3, 4, dtype=np.float32)


def as_parquet(folder: Path, size: int = -1, **changes) -> Path:
    lists = pa.array(EYE.tolist(), pa.list_(pa.float32(), size))
    pq.write_table(pa.table({"embedding": lists, **COLUMNS, **changes}), folder / "t.parquet", row_group_size=2)
    return folder / "t.parquet"


def as_npy(folder: Path) -> Path:
    np.save(folder / "t.npy", EYE.astype(np.float16))
    pd.DataFrame(COLUMNS).rename(columns={"image": "file"}).to_csv(folder / "t.csv", index=False)
    return folder / "t.npy"


@pytest.mark.parametrize("save", [as_parquet, lambda folder: as_parquet(folder, 4), as_npy])
def test_every_form_says_the_same(tmp_path, save):
    file, table = save(tmp_path), tmp_path / "t.csv"
    dataset = import_embeddings(file, tmp_path / "out", csv=table if table.exists() else None)
    assert dataset.images["image_id"].tolist() == COLUMNS["image"]
    assert dataset.images["split"].tolist() == COLUMNS["split"]
    assert "file" not in dataset.images
    assert dataset.images["score"].tolist()[2] == 3
    single = dataset.target("single")
    assert (single.taxonomy.labels, single.table.tolist()) == (("fear", "joy"), [[0, 1], [1, 0], [0, 1]])
    stored = EmbeddingStore.for_dataset(dataset).rows(["a.jpg", "b.jpg"])
    np.testing.assert_array_equal(stored, EYE[[1, 0]])


def test_what_names_a_parquet_files_rows(tmp_path, refused):
    """A column called like a file does."""
    file = as_parquet(tmp_path)
    table = pq.read_table(file)
    pq.write_table(table.rename_columns({"image": "file"}), file)
    assert import_embeddings(file, tmp_path / "out").images["image_id"].tolist() == COLUMNS["image"]
    refused("names its own rows", "embeddings", file, csv=tmp_path / "rows.csv")
    pq.write_table(table.drop_columns(["image"]), file)
    refused("no array 'image'", "embeddings", file)


NO_ROWS = [
    ("embedding", [[1.0, 2.0], [3.0], [4.0, 5.0]], "'embedding': row 1 .* holds 1 numbers, expected 2 as in others"),
    ("embedding", [[1.0, 2.0], None, [4.0, 5.0]], "'embedding': row 1 .* holds 0 numbers, expected 2"),
    ("embedding", [1.0, 2.0, 3.0], r"shape \(3,\) and dtype float64, expected one row of numbers per image"),
    ("embedding", [[1.0, 2.0], [3.0, 4.0], [None, 5.0]], "row 2 .*'c.jpg' has NaN or infinity in it"),
    ("label", [["joy"], None, []], r"label has shape \[3\] and dtype object, expected 3 texts"),
]


@pytest.mark.parametrize(("column", "cells", "says"), NO_ROWS)
def test_cells_of_a_table_that_cannot_be_rows_or_labels(tmp_path, refused, column, cells, says):
    refused(says, "embeddings", as_parquet(tmp_path, **{column: cells}))


def test_what_datasets_saved_says_how_it_becomes_parquet(tmp_path, refused):
    way_out = r"becomes Parquet by datasets\.load_from_disk\(FOLDER\)\.to_parquet\(FILE\)"
    (tmp_path / "saved").mkdir()
    refused(rf"saved: a folder; expected an \.npz, .* or Parquet file; .* {way_out}", "embeddings", tmp_path / "saved")
    (tmp_path / "t.arrow").write_bytes(b"ARROW1\0\0")
    refused(f"its first bytes are another format's.*{way_out}", "embeddings", tmp_path / "t.arrow")


BESIDE_VOTES = [
    ("f.npz", ["a.png", "b.png"], "of 2 of the 3 images, from f.npz; 1 of other images are left out"),
    ("f.npy", ["b.png", "a.png", "c.png"], "of 3 of the 3 images, from f.npy"),
]


@pytest.mark.parametrize(("file", "ids", "said"), BESIDE_VOTES)
def test_a_table_of_votes_and_ready_features_are_one_import(tmp_path, refused, file, ids, said):
    (tmp_path / "votes.csv").write_text("image;joy;awe;n\nb.png;3;1;4\na.png;0;4;4\nc.png;1;1;4\n")
    rows = np.eye(3, 5, dtype=np.float32)
    np.save(tmp_path / "f.npy", rows)
    np.savez(tmp_path / "f.npz", image=["a.png", "b.png", "other.png"], embedding=rows[[1, 0, 2]])
    np.savez(tmp_path / "g.npz", image=["x.png"], embedding=rows[:1])
    options = {"images": "none", "kind": "rates"}
    summary = import_table(tmp_path / "votes.csv", tmp_path / "out", embeddings=tmp_path / file, **options)
    store = EmbeddingStore.for_dataset(Dataset.open(tmp_path / "out"))
    assert (store.ids.tolist(), store.rows(["a.png", "b.png"]).tolist()) == (ids, rows[[1, 0]].tolist())
    assert f"embeddings {said}" in summary.notes
    says = r"g.npz: none of its 1 images is in .*votes.csv \(first: 'x.png'\)"
    refused(says, "table", tmp_path / "votes.csv", embeddings=tmp_path / "g.npz", **options)
