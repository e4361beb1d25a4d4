"""Splits: stratified, whole groups, seeded, never an empty part, by a rule that is stated; written once and shown."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affectml
from affectml._files import with_column, write_parquet
from affectml.data import Dataset, DatasetMeta, TargetMeta, Targets, write_dataset
from affectml.data.splits import filled, folds_of, pick, split_dataset, split_table, strata
from affectml.errors import BadDataset, BadInput
from affectml.training import plan_run, prepare

from .checks import edit, refused, single

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def dataset(folder, shares, *, kind="sets", **columns) -> tuple[Dataset, Targets]:
    ids = [f"i{k:04d}" for k in range(len(shares))]
    table = pd.DataFrame(shares, columns=LABELS[: shares.shape[1]])
    table.insert(0, "image_id", ids)
    taxonomy = {"name": "some", "labels": list(LABELS[: shares.shape[1]])}
    entry = TargetMeta(kind=kind, construct="evoked", taxonomy=taxonomy, values="indicator", file="targets-t.parquet")
    meta = DatasetMeta(name="s", targets={"t": entry})
    data = write_dataset(folder, meta, pd.DataFrame({"image_id": ids, **columns}), {"t": table})
    return data, data.target("t")


def random_sets(n=600, seed=0, p=(0.5, 0.3, 0.2, 0.1, 0.05, 0.02)):
    return (np.random.default_rng(seed).random((n, len(p))) < p).astype(int)


def test_each_part_has_each_label_in_proportion(tmp_path):
    sets = random_sets(2000)
    data, targets = dataset(tmp_path, sets)
    shares = split_table(split_dataset(data, targets, seed=0), targets).set_index("split")
    assert shares["images"].sum() == 2000
    assert abs(shares.loc["test", "images"] - 300) < 30
    for label, whole in zip(LABELS, sets.mean(axis=0), strict=True):
        assert np.abs(shares[label] - whole).max() < 0.02


@settings(max_examples=15, deadline=None)
@given(groups=st.integers(12, 60), seed=st.integers(0, 5), single=st.booleans())
def test_no_group_is_parted_and_each_image_has_one_part(groups, seed, single):
    generator = np.random.default_rng(seed)
    labels = np.eye(6, dtype=int)[generator.integers(0, 6, 400)] if single else random_sets(400, seed)
    group = generator.integers(0, groups, 400).astype(str).astype(object)
    picked = pick(labels, 0.15, seed, group, single=single)
    folds = folds_of(labels, 4, seed, group)
    some = np.where(generator.random(400) < 0.7, None, folds.astype(str).astype(object))
    for parts in (np.isin(np.arange(400), picked), folds):
        assert pd.Series(parts).groupby(group).nunique().max() == 1
        assert len(set(parts)) == (2 if parts.dtype == bool else 4)
    now = filled(some, labels, group)
    assert (now == folds.astype(str))[~pd.isna(some)].all()  # nobody moves
    assert pd.Series(now).groupby(group).nunique().max() == 1  # new images join their group
    assert set(now) <= set("0123")


def test_images_without_a_group_are_groups_of_their_own(tmp_path):
    group = [f"g{k // 10}" if k < 300 else None for k in range(600)]
    split = split_dataset(*dataset(tmp_path, random_sets(), group=group), seed=0)
    parts = pd.Series(split.assignment[:300]).groupby(group[:300]).nunique()
    assert (parts.max(), set(split.assignment[300:])) == (1, {"train", "val", "test"})


def test_rates_are_binarised_by_the_stated_rule_and_not_by_a_cast(tmp_path):
    rates = np.array([[0.2, 0.9], [0.1, 0.2], [1 / 3, 0.0], [0.05, 0.04], [0.0, 0.0]])
    entry = TargetMeta(kind="rates", construct="evoked", taxonomy="polarity-2", values="shares", file="f")
    targets = Targets("t", entry, entry.resolve_taxonomy(), np.array(list("abcde"), dtype=object), rates, None)
    assert strata(targets).tolist() == [[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]


def test_given_splits_are_kept_and_missing_validation_is_cut_from_train(tmp_path):
    split = split_dataset(*dataset(tmp_path, random_sets(), split=["train"] * 400 + ["test"] * 200), seed=0)
    assert (split.assignment[400:] == "test").all()
    assert 40 < (split.assignment[:400] == "val").sum() < 80
    assert "validation" in " ".join(split.notes)


def test_an_empty_part_is_an_error_that_names_it(tmp_path):
    data, targets = dataset(tmp_path, random_sets(), split=["train"] * 600)
    refused(BadDataset, "'test' has no image", split_dataset, data, targets, seed=0)


def test_rare_labels_are_named_and_stop_nobody(tmp_path):
    sets = random_sets()
    sets[:, 3:5] = 0
    sets[:2, 3] = 1
    split = split_dataset(*dataset(tmp_path / "some", sets), seed=0)
    rare = "fewer than 3 positive images: joy (2), sadness (0); such labels are hardly learned"
    assert split.notes[-1].startswith(rare)
    data, targets = dataset(tmp_path / "none", 0 * sets)
    refused(BadDataset, "no image has any of its labels: collect more", split_dataset, data, targets, seed=0)


@pytest.mark.parametrize("images", [3, 4, 6])
@pytest.mark.parametrize(("kind", "groups"), [("single", {}), ("sets", {}), ("single", {"group": list("abcdef")})])
def test_every_part_is_filled_though_each_image_has_a_label_of_its_own(tmp_path, kind, groups, images):
    groups = {name: names[:images] for name, names in groups.items()}
    split = split_dataset(*dataset(tmp_path, np.eye(images, dtype=int), kind=kind, **groups), seed=0)
    assert set(split.assignment) == {"train", "val", "test"}


def test_a_given_split_that_parts_groups_is_said(tmp_path):
    parts = (["train"] * 4 + ["val", "test"]) * 100
    split = split_dataset(*dataset(tmp_path, random_sets(), split=parts, group=["g"] * 600), seed=0)
    assert "parts 1 groups" in " ".join(split.notes)


def two_targets(folder, **columns) -> Dataset:
    """Six hundred images with sets, and other sets of the last 200 as a second target."""
    data, targets = dataset(folder, random_sets(), year=np.arange(600), **columns)
    table = pd.DataFrame(random_sets(200, seed=1), columns=LABELS)
    write_parquet(folder / "targets-u.parquet", table.assign(image_id=targets.image_id[400:]))
    edit(folder / "dataset.json", targets={"u": data.meta.to_json()["targets"]["t"] | {"file": "targets-u.parquet"}})
    return Dataset.open(folder)


def column(data, name="split") -> pd.Series:
    return Dataset.open(data.root).images.set_index("image_id")[name]


def test_a_split_is_written_once_then_shown_and_replaced_only_when_asked(tmp_path, told):
    data = two_targets(tmp_path)
    path, before = tmp_path / "images.parquet", pq.read_table(tmp_path / "images.parquet")
    tables = json.loads(told("split", tmp_path, "--seed", 1, "--json"))["targets"]
    written = path.read_bytes()
    assert pq.read_table(path).drop(["split"]).equals(before)
    for name, images in (("t", 600), ("u", 200)):
        parts = pd.DataFrame(tables[name]).set_index("split")
        assert list(parts.index) == ["train", "val", "test"]
        assert (parts["images"].sum(), parts["images"]["test"]) == (images, pytest.approx(0.15 * images, abs=8))
        assert np.ptp(parts[[*LABELS]], axis=0).max() < 0.08
    for again in ([], ["--seed", 1], ["--test", ".15"]):
        assert "split: made with seed 1, val 0.15, test 0.15" in told("split", tmp_path, *again)
        assert path.read_bytes() == written
    stays = "made with seed 1, val 0.15, test 0.15, and stays; --replace parts all images anew"
    assert stays in told("split", tmp_path, "--seed", 2, code=2)
    assert path.read_bytes() == written
    out = told("split", tmp_path, "--seed", 2, "--val", 0, "--test", 0.3, "--replace")
    (kept,) = tmp_path.glob("images.replaced-*.parquet")
    assert (kept.read_bytes(), kept.name in out) == (written, True)
    assert column(data).value_counts().to_dict() == {"train": 420, "test": 180}


@pytest.mark.parametrize("kind", ["single", "sets"])
@pytest.mark.parametrize("groups", [False, True])
def test_of_one_target_it_is_the_split_that_train_makes(tmp_path, kind, groups):
    labels = np.eye(6, dtype=int)[np.arange(600) % 6] if kind == "single" else random_sets()
    film = [f"f{k // 5}" for k in range(600)]
    data, targets = dataset(tmp_path, labels, kind=kind, **({"group": film} if groups else {}))
    as_train = split_dataset(data, targets, seed=3)
    affectml.split(data, seed=3)
    assert (column(data) == as_train.assignment).all()
    frozen = split_dataset(Dataset.open(tmp_path), targets, seed=9)
    assert (frozen.assignment == as_train.assignment).all()
    assert frozen.notes == ("the data set's own split",)


def test_folds_lie_beside_the_split_and_one_of_them_is_the_test_part(tmp_path):
    data = two_targets(tmp_path, film=[f"f{k // 4}" for k in range(600)])
    says = r"fold=1: no image is in that fold; `affectml split .* --folds 5` writes"
    refused(BadDataset, says, split_dataset, data, data.target("t"), 0, fold=1)
    parted = affectml.split(data, folds=4, group="film", seed=2)
    folds = column(data, "fold")
    assert folds.groupby(data.images["film"].to_numpy()).nunique().max() == 1
    assert list(parted.tables["t"]["split"]) == ["fold 0", "fold 1", "fold 2", "fold 3"]
    assert parted.tables["t"]["images"].between(140, 160).all()
    assert np.ptp(parted.tables["t"]["fear"]) < 0.08
    affectml.split(data)
    assert parted.tables["u"].equals(affectml.split(data, folds=4).tables["u"][3:].reset_index(drop=True))
    split = split_dataset(Dataset.open(tmp_path), data.target("t"), 0, fold=1)
    assert ((split.assignment == "test") == (folds == 1)).all()
    assert split.notes[:2] == (
        "the data set's own folds, fold 1 as the test part",
        f"68 of its {(folds != 1).sum()} train images became the validation part",
    )
    says = "fold=4: no image is in that fold; it has 0, 1, 2, 3"
    refused(BadDataset, says, split_dataset, Dataset.open(tmp_path), data.target("t"), 0, fold=4)


def test_images_that_came_later_are_counted_and_get_a_part_when_asked(tmp_path):
    data, path = two_targets(tmp_path, group=["g"] * 3 + [None] * 597), tmp_path / "images.parquet"
    affectml.split(data)
    affectml.split(data, folds=3)
    before, new = column(data), np.isin(np.arange(600), [0, *range(300, 400)])
    table = pq.read_table(path)
    for name in ("split", "fold"):
        table = with_column(table, name, pc.if_else(pa.array(new), None, table[name]))
    write_parquet(path, table)
    told = f"101 images have none: `affectml split {tmp_path} --new` gives them one"
    assert affectml.split(data).notes[1::2] == (f"split: {told}", f"fold: {told}")
    assert pq.read_table(path).equals(table)
    affectml.split(data, new=True)
    now, written = column(data), path.read_bytes()
    assert (now == before)[~new].all()
    assert now.iloc[0] == before.iloc[1]  # where its group is
    assert (55 <= (now[new] == "train").sum() <= 85) & (5 <= (now[new] == "test").sum() <= 27)
    assert pq.read_schema(path).field("fold").type == pa.int64()
    assert affectml.split(data, new=True).notes == (
        "split: made with seed 0, val 0.15, test 0.15", "fold: made with seed 0, folds 3",
    )  # fmt: skip
    assert path.read_bytes() == written
    one = [filled(np.array(["train"] * 85 * k + ["test"] * 15 * k + [None]), np.ones((100 * k + 1, 1), int))[-1]
           for k in range(1, 41)]  # fmt: skip
    assert set(one) == {"train", "test"}  # and not all where most are


def test_copies_stay_together_and_those_that_a_split_parts_are_said(demo_set, command):
    data, copies = demo_set(images=40, seed=1), [f"{k:06d}" for k in (0, 7, 11, 12, 20, 31)]
    path = data.root / "images.parquet"
    for image in copies[1:]:
        shutil.copy(data.root / "images" / "000000.png", data.root / "images" / f"{image}.png")
    command("split", data.root, "--seed", 5)
    assert len(set(column(data)[copies])) == 1
    parts = ["train", "val", "test", "test"] * 10  # three of the copies in train, three in test
    write_parquet(path, with_column(pq.read_table(path).replace_schema_metadata(), "split", parts))
    command("embed", data.root, "--encoder", "affect-tiny")
    notes = affectml.split(data.root).notes
    assert notes[0].startswith("split: the data set's own")
    assert any("split: 5 images have the pixels of another, and 9 pairs of them lie in two parts" in n for n in notes)


NO_SPLITS = [
    ({"val": 0.6, "test": 0.4}, BadInput, "val=0.6, test=0.4: expected less than 1 together"),
    ({"test": 0.0}, BadInput, "test=0.0: expected less than 1 together, and test above 0"),
    ({"folds": 1}, BadDataset, "folds=1: expected 2 to 600, the number of images"),
    ({"folds": 3, "group": "half"}, BadDataset, "folds=3: expected 2 to 2, the number of groups"),
    ({"folds": 3, "val": 0.2}, BadInput, "folds=3: all are alike: leave out val and test"),
    ({"group": "half"}, BadDataset, "too few groups to split.*collect more, or group the images finer"),
    ({"group": "halves"}, BadInput, "images.parquet: group='halves': there is no such column"),
    ({"target": ["v"]}, BadDataset, r"no target 'v' .*\(it has: t, u\)"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "words"), NO_SPLITS)
def test_what_cannot_be_split_is_refused_and_nothing_is_written(tmp_path, options, error, words):
    data = two_targets(tmp_path, half=["a", "b"] * 300)
    before = (tmp_path / "images.parquet").read_bytes()
    refused(error, words, affectml.split, data, **options)
    assert (tmp_path / "images.parquet").read_bytes() == before


def test_a_file_that_changes_meanwhile_and_a_data_set_without_targets_are_refused(tmp_path, monkeypatch):
    write_dataset(tmp_path / "none", DatasetMeta(name="s", targets={}), pd.DataFrame({"image_id": ["a"]}), {})
    refused(BadDataset, "no target yet", affectml.split, tmp_path / "none")
    data = two_targets(tmp_path / "set")
    theirs, path = data.images.assign(late=1), tmp_path / "set" / "images.parquet"
    monkeypatch.setattr("affectml.splitting.same_pixels", lambda *given: write_parquet(path, theirs) or [])
    refused(BadDataset, "it was changed meanwhile, so nothing was written: run the same again", affectml.split, data)
    assert Dataset.open(data.root).images.equals(theirs)


def test_train_without_a_split_goes_on_with_rare_labels_and_leaves_the_data_set_alone(demo_set, tmp_path):
    root, said = single(demo_set(images=40, seed=1).root, tmp_path / "set"), []
    before = (root / "images.parquet").read_bytes()
    run = affectml.train(root, encoder="affect-tiny", threads=1, l2=0.1, out=tmp_path / "run", say=said.append)
    assert (root / "images.parquet").read_bytes() == before
    assert run.info.split.notes[-1].startswith("fewer than 3 positive images: ")
    assert {*run.info.split.notes} <= {*said}
    assert run.info.split.images.keys() == {"train", "val", "test"}
    affectml.split(root, folds=4)
    split = prepare(plan_run(replace(run.info.config, fold=3))).split
    assert split.notes[0] == "the data set's own folds, fold 3 as the test part"
    assert len(split.ids("test")) == 10


def test_same_seed_same_split_and_another_seed_another(tmp_path):
    data, targets = dataset(tmp_path, random_sets())
    one, two, other = (split_dataset(data, targets, seed) for seed in (1, 1, 2))
    assert (one.assignment == two.assignment).all()
    assert (one.assignment != other.assignment).any()
