"""Splits: stratified, whole groups, seeded, never an empty part, and by a rule that is stated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml.data import Dataset, DatasetMeta, TargetMeta, Targets, write_dataset
from affectml.data.splits import pick, split_dataset, split_table, strata
from affectml.errors import BadDataset

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def dataset(folder, shares, *, kind="sets", values="indicator", n=None, **columns) -> tuple[Dataset, Targets]:
    ids = [f"i{k:04d}" for k in range(len(shares))]
    table = pd.DataFrame(shares, columns=LABELS[: shares.shape[1]])
    table.insert(0, "image_id", ids)
    if n is not None:
        table.insert(1, "n", n)
    taxonomy = {"name": "some", "labels": list(LABELS[: shares.shape[1]])}
    entry = TargetMeta(kind=kind, construct="evoked", taxonomy=taxonomy, values=values, file="targets-t.parquet")
    meta = DatasetMeta(name="s", targets={"t": entry})
    data = write_dataset(folder, meta, pd.DataFrame({"image_id": ids, **columns}), {"t": table})
    return data, data.target("t")


def random_sets(n=600, seed=0, p=(0.5, 0.3, 0.2, 0.1, 0.05, 0.02)):
    return (np.random.default_rng(seed).random((n, len(p))) < p).astype(int)


def test_each_part_has_each_label_in_proportion(tmp_path):
    sets = random_sets(2000)
    data, targets = dataset(tmp_path, sets)
    split = split_dataset(data, targets, seed=0)
    shares = split_table(split, targets).set_index("split")
    assert shares["images"].sum() == 2000
    assert abs(shares.loc["test", "images"] - 300) < 30
    for label, whole in zip(LABELS, sets.mean(axis=0), strict=True):
        assert np.abs(shares[label] - whole).max() < 0.02


def test_same_seed_same_split_and_another_seed_another(tmp_path):
    data, targets = dataset(tmp_path, random_sets())
    one, two, other = (split_dataset(data, targets, seed) for seed in (1, 1, 2))
    assert (one.assignment == two.assignment).all()
    assert (one.assignment != other.assignment).any()


@settings(max_examples=15, deadline=None)
@given(groups=st.integers(12, 60), seed=st.integers(0, 5), single=st.booleans())
def test_no_group_is_parted(groups, seed, single):
    generator = np.random.default_rng(seed)
    labels = np.eye(6, dtype=int)[generator.integers(0, 6, 400)] if single else random_sets(400, seed)
    group = generator.integers(0, groups, 400).astype(str).astype(object)
    picked = pick(labels, 0.15, seed, group, single=single)
    rest = np.setdiff1d(np.arange(400), picked)
    assert len(picked) > 0
    assert len(rest) > 0
    assert not set(group[picked]) & set(group[rest])


def test_images_without_a_group_are_groups_of_their_own(tmp_path):
    group = [f"g{k // 10}" if k < 300 else None for k in range(600)]
    data, targets = dataset(tmp_path, random_sets(), group=group)
    split = split_dataset(data, targets, seed=0)
    parts = pd.DataFrame({"group": group, "part": split.assignment}).dropna().groupby("group")["part"].nunique()
    assert parts.max() == 1
    assert set(split.assignment[300:]) == {"train", "val", "test"}


def test_rates_are_binarised_by_the_stated_rule_and_not_by_a_cast(tmp_path):
    rates = np.array([[0.2, 0.9], [0.1, 0.2], [1 / 3, 0.0], [0.05, 0.04], [0.0, 0.0]])
    entry = TargetMeta(kind="rates", construct="evoked", taxonomy="polarity-2", values="shares", file="f")
    targets = Targets("t", entry, entry.resolve_taxonomy(), np.array(list("abcde"), dtype=object), rates, None)
    assert strata(targets).tolist() == [[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]


def test_given_splits_are_kept_and_missing_validation_is_cut_from_train(tmp_path):
    given_split = np.array(["train"] * 400 + ["test"] * 200, dtype=object)
    data, targets = dataset(tmp_path, random_sets(), split=given_split)
    split = split_dataset(data, targets, seed=0)
    assert (split.assignment[400:] == "test").all()
    assert 40 < (split.assignment[:400] == "val").sum() < 80
    assert "validation" in " ".join(split.notes)


def test_a_whole_given_split_is_left_alone(tmp_path):
    given_split = np.array((["train"] * 4 + ["val", "test"]) * 100, dtype=object)
    data, targets = dataset(tmp_path, random_sets(), split=given_split)
    assert (split_dataset(data, targets, seed=0).assignment == given_split).all()


def test_an_empty_part_is_an_error_that_names_it(tmp_path):
    data, targets = dataset(tmp_path, random_sets(), split=["train"] * 600)
    with pytest.raises(BadDataset, match="'test' has no image"):
        split_dataset(data, targets, seed=0)


def test_a_single_label_of_two_images_is_an_error_that_names_it(tmp_path):
    labels = np.eye(6, dtype=int)[np.arange(60) % 3]
    labels[:2] = np.eye(6, dtype=int)[3]
    data, targets = dataset(tmp_path, labels, kind="single")
    with pytest.raises(BadDataset, match=r"label 'joy' has 2 positive images.*at least 3.*--map"):
        split_dataset(data, targets, seed=0)


def test_where_several_labels_may_hold_rare_ones_are_named_and_stop_nobody(tmp_path):
    sets = random_sets()
    sets[:, 3:5] = 0
    sets[:2, 3] = 1
    data, targets = dataset(tmp_path / "some", sets)
    split = split_dataset(data, targets, seed=0)
    assert split.notes[-1].startswith(
        "fewer than 3 positive images: joy (2), sadness (0); such labels are hardly learned"
    )
    sets[2:] = 0
    data, targets = dataset(tmp_path / "none", sets)
    with pytest.raises(BadDataset, match=r"label 'anger' has [012] positive images.*collect more"):
        split_dataset(data, targets, seed=0)


@pytest.mark.parametrize("single", [False, True])
def test_too_few_groups_is_an_error_in_one_line(single):
    labels = np.eye(6, dtype=int)[np.arange(60) % 6]
    with pytest.raises(BadDataset, match="too few groups"):
        pick(labels, 0.15, 0, np.full(60, "only", dtype=object), single=single)


def test_a_given_split_that_parts_groups_is_said(tmp_path):
    parts = np.array((["train"] * 4 + ["val", "test"]) * 100, dtype=object)
    data, targets = dataset(tmp_path, random_sets(), split=parts, group=["g"] * 600)
    assert "parts 1 groups" in " ".join(split_dataset(data, targets, seed=0).notes)
