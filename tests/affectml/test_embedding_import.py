"""Embeddings that somebody else computed come in whole, or not at all."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput, EncoderUnavailable, UnknownLabel
from affectml.importers.embeddings import import_embeddings

RNG = np.random.default_rng(0)
N, DIM = 60, 5
LABELS = np.array(["joy", "fear", "sadness"])


def arrays(**changes) -> dict[str, np.ndarray]:
    """Sixty rows of three labels, two thirds of them train."""
    content = {
        "image": np.array([f"a/{i}.jpg" for i in range(N)]),
        "embedding": RNG.normal(size=(N, DIM)).astype(np.float32),
        "label": LABELS[np.arange(N) % 3],
        "split": np.array(["train", "train", "test"])[np.arange(N) // 3 % 3],
    }
    content.update(changes)
    return {key: value for key, value in content.items() if value is not None}


def npz(folder: Path, **changes) -> Path:
    np.savez(folder / "features.npz", **arrays(**changes))
    return folder / "features.npz"


def refused(file: Path, kind: type[Exception], says: str, **options) -> None:
    """Refused with this message in one line, and nothing is left beside the input."""
    before = sorted(p.name for p in file.parent.iterdir())
    with pytest.raises(kind, match=says) as caught:
        import_embeddings(file, file.parent / "out", **options)
    assert "\n" not in str(caught.value)
    assert sorted(p.name for p in file.parent.iterdir()) == before


@pytest.mark.real_data
def test_emotion6_as_it_is_published(tmp_path, real_data):
    file = real_data / "emotion6" / "emotion6_clip_vit_l_14.npz"
    dataset = import_embeddings(file, tmp_path / "out")
    single = dataset.target("single")
    assert single.taxonomy.name == "ekman-6"
    assert single.table.sum(axis=0).tolist() == [330] * 6
    counts = dataset.images["split"].value_counts()
    assert counts["test"] == 594
    assert counts["train"] + counts["val"] == 1386
    assert 200 <= counts["val"] <= 216  # 15 % of 1,386 is 208
    in_val = single.table[dataset.images["split"].eq("val").to_numpy()].sum(axis=0)
    assert in_val.min() >= 31
    assert in_val.max() <= 38
    store = EmbeddingStore.for_dataset(dataset)
    with np.load(file) as content:
        np.testing.assert_array_equal(store.rows(content["image"]), content["embedding"].astype(np.float32))
        given = pd.Series(content["split"], index=content["image"])
    ours = dataset.images.set_index("image_id")["split"]
    assert (ours.eq("test") == given.eq("test")).all()
    assert store.identity.normalised is False
    assert store.identity.precision == "float16"
    assert len(store.identity.source_sha256) == 64
    assert any("became val" in note for note in dataset.meta.notes)


def test_the_same_seed_cuts_the_same_validation(tmp_path):
    file = npz(tmp_path)
    one, two, other = (import_embeddings(file, tmp_path / str(i), seed=s) for i, s in enumerate((0, 0, 1)))
    assert one.fingerprint("single") == two.fingerprint("single")
    assert (one.images["split"] != other.images["split"]).any()


def test_a_split_that_has_a_validation_part_is_kept(tmp_path):
    split = np.array(["training", "Valid", "TEST"])[np.arange(N) // 3 % 3]
    dataset = import_embeddings(npz(tmp_path, split=split), tmp_path / "out")
    wanted = np.array(["train", "val", "test"])[np.arange(N) // 3 % 3]
    assert dataset.images["split"].tolist() == wanted.tolist()


def test_without_labels_and_splits_there_are_neither(tmp_path):
    dataset = import_embeddings(npz(tmp_path, label=None, split=None), tmp_path / "out")
    assert dataset.meta.targets == {}
    assert "split" not in dataset.images.columns
    assert len(EmbeddingStore.for_dataset(dataset).ids) == N


def test_groups_stay_together_in_the_validation_part(tmp_path):
    group = np.array([f"film {i // 6}" for i in range(N)])
    for changes in ({}, {"label": None}):
        folder = tmp_path / f"{len(changes)}"
        folder.mkdir()
        split = np.full(N, "train")
        dataset = import_embeddings(npz(folder, group=group, split=split, **changes), folder / "out")
        assert set(dataset.images["split"]) == {"train", "val"}
        assert dataset.images.groupby("group")["split"].nunique().max() == 1


def test_the_store_says_that_it_was_imported(tmp_path):
    unit = RNG.normal(size=(N, DIM))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    dataset = import_embeddings(npz(tmp_path, embedding=unit), tmp_path / "out", name="my set")
    store = EmbeddingStore.for_dataset(dataset)
    assert store.folder.name == "imported-my-set"
    assert store.identity.architecture == "imported-my set"
    assert store.identity.weights_sha256 is None
    assert store.identity.normalised is True  # measured
    assert store.identity.precision == "float32"
    assert json.loads((store.folder / "encoder.json").read_text())["identity"]["dim"] == DIM
    with pytest.raises(EncoderUnavailable, match="without a text tower"):
        store.text_features(None, ["joy"])


def test_npy_and_a_table(tmp_path):
    embedding = RNG.normal(size=(3, DIM)).astype(np.float16)
    np.save(tmp_path / "e.npy", embedding)
    (tmp_path / "rows.csv").write_text(
        "file,label,split,source,score\nb.jpg,joy,train,x,1\na.jpg,fear,test,y,\nc.jpg,joy,val,,3\n"
    )
    dataset = import_embeddings(tmp_path / "e.npy", tmp_path / "out", csv=tmp_path / "rows.csv")
    assert dataset.images["image_id"].tolist() == ["b.jpg", "a.jpg", "c.jpg"]
    assert dataset.images["split"].tolist() == ["train", "test", "val"]
    assert dataset.images["score"].tolist()[::2] == [1, 3]
    assert "file" not in dataset.images.columns
    assert dataset.target("single").taxonomy.labels == ("fear", "joy")
    rows = EmbeddingStore.for_dataset(dataset).rows(["a.jpg", "b.jpg"])
    np.testing.assert_array_equal(rows, embedding[[1, 0]].astype(np.float32))


def test_a_taxonomy_may_be_given_and_labels_renamed(tmp_path):
    dataset = import_embeddings(
        npz(tmp_path), tmp_path / "out", taxonomy="ekman-7", mapping={"fear": "disgust"}, construct="evoked"
    )
    assert dataset.meta.constructs == ("evoked",)
    totals = dict(
        zip(dataset.target("single").taxonomy.labels, dataset.target("single").table.sum(axis=0), strict=True)
    )
    assert {label: count for label, count in totals.items() if count} == {"joy": 20, "disgust": 20, "sadness": 20}


def with_value(value: float) -> np.ndarray:
    embedding = np.ones((N, DIM), dtype=np.float32)
    embedding[7, 2] = value
    return embedding


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"embedding": with_value(np.nan)}, BadInput, r"row 7 .*'a/7\.jpg' has NaN or infinity in it \(1 such rows"),
        ({"embedding": with_value(np.inf)}, BadInput, "row 7 .*NaN or infinity"),
        ({"embedding": with_value(1).astype(float) * 1e300}, BadInput, "row 0 .*NaN or infinity"),
        ({"embedding": np.ones((N - 1, DIM))}, BadInput, "59 rows, but 60 image names"),
        ({"embedding": np.ones(N)}, BadInput, r"shape \(60,\), expected one row of numbers per image"),
        ({"embedding": np.ones((N, 0))}, BadInput, r"shape \(60, 0\)"),
        ({"embedding": np.full((N, DIM), "x")}, BadInput, "dtype <U1, expected floats"),
        ({"embedding": None}, BadInput, "no array 'embedding'.*it has: image, label, split"),
        ({"embedding": None, "embeddings": np.ones((N, DIM))}, BadInput, "did you mean 'embeddings'"),
        ({"image": np.full(N, "same.jpg")}, BadInput, "row 1 .*'same.jpg' a second time .*row 0"),
        ({"image": np.full(N, " ")}, BadInput, "row 0 .*no image name"),
        ({"image": np.ones((N, 1))}, BadInput, r"image has shape \(60, 1\)"),
        ({"image": np.ones(N)}, BadInput, "image has dtype float64, expected texts"),
        ({"label": np.full(N - 2, "joy")}, BadInput, "label has 58 rows, expected 60"),
        ({"label": np.array(["joy", ""] * (N // 2))}, BadInput, r"row 1 .*'a/1\.jpg' has no label"),
        ({"label": np.full(N, "joy")}, BadInput, "at least two labels"),
        ({"split": np.full(N, "holdout")}, BadInput, "row 0 .*split 'holdout', expected train, val or test"),
        ({"image": np.array([f"{i}.jpg" for i in range(N)], dtype=object)}, BadInput, "pickled Python objects"),
    ],
)
def test_bad_arrays(tmp_path, changes, kind, says):
    refused(npz(tmp_path, **changes), kind, says)


def test_a_label_that_the_taxonomy_lacks(tmp_path):
    file = npz(tmp_path, label=np.array(["joy", "feer", "sadness"])[np.arange(N) % 3])
    refused(file, UnknownLabel, "row 1 .*no label 'feer' in taxonomy ekman-6; did you mean 'fear'", taxonomy="ekman-6")


def test_files_that_are_not_what_they_should_be(tmp_path):
    file = npz(tmp_path)
    refused(tmp_path / "absent.npz", BadInput, "no such file")
    text = tmp_path / "text.npz"
    text.write_text("not an array")
    refused(text, BadInput, "pickled|not a readable")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(file.read_bytes()[:300])
    refused(cut, BadInput, "not a readable .npz or .npy file")
    alone = tmp_path / "alone.npy"
    np.save(alone, np.ones((N, DIM)))
    refused(alone, BadInput, r"name the table .*\(csv\)")
    table = tmp_path / "rows.csv"
    table.write_text("file,label\na.jpg,joy\nb.jpg,fear\n")
    refused(alone, BadInput, "60 rows, but 2 rows of", csv=table)
    refused(file, BadInput, "names its own rows", csv=table)
    table.write_text("picture,label\na.jpg,joy\n")
    np.save(alone, np.ones((1, DIM)))
    refused(alone, BadInput, r"no column image_id or file .*it has: picture, label", csv=table)
    table.write_text("file,label\na.jpg,joy\nb.jpg,fear\na.jpg,joy\n")
    np.save(alone, np.ones((3, DIM)))
    refused(alone, BadInput, r"rows\.csv, line 4: image 'a\.jpg' a second time \(first: .*line 2\)", csv=table)
    refused(npz(tmp_path, label=None), BadInput, "no labels in it", taxonomy="ekman-6")


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    out = tmp_path / "out"
    import_embeddings(npz(tmp_path), out)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    with pytest.raises(BadInput, match="is not empty"):
        import_embeddings(npz(tmp_path), out)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before
