"""The judgement table: what counts, what does not, and which row an error names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import affectml_annotation as aa

from .tasks import LABELS, refused


def table(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "annotator_id", "round", "kind", "labels"])


SMALL = table(
    ("a", "u", 1, "labels", ["awe", "joy"]),
    ("a", "v", 1, "none", []),
    ("a", "w", 1, "unsure", []),
    ("b", "u", 1, "labels", ["fear"]),
    ("b", "v", 1, "skip", None),
    ("b", "w", 1, "flag", float("nan")),
    ("a", "u", 2, "labels", ["fear"]),
)


def test_counts_worked_by_hand():
    counted = aa.count_votes(SMALL, LABELS, ["b", "a", "c"])
    assert counted.image_id.tolist() == ["b", "a", "c"]
    assert counted.votes.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert counted.n.tolist() == [1, 2, 0]


def test_none_of_these_is_not_the_same_as_unasked():
    chosen, asked, people = aa.judgement_tensor(SMALL, LABELS, ["a", "b"])
    assert people.tolist() == ["u", "v", "w"]
    assert asked.tolist() == [[True, True, False], [True, False, False]]
    assert chosen[0].tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("rounds", "votes", "n"),
    [("first", [1, 0, 1], 2), ("last", [0, 1, 0], 2), (2, [0, 1, 0], 1), ("all", [1, 1, 1], 3), (3, [0, 0, 0], 0)],
)
def test_a_second_look_counts_only_where_it_is_asked_for(rounds, votes, n):
    counted = aa.count_votes(SMALL, LABELS, ["a"], rounds=rounds)
    assert counted.votes[0].tolist() == votes
    assert counted.n.tolist() == [n]


def test_an_empty_table_counts_nobody():
    counted = aa.count_votes(SMALL.iloc[:0], LABELS, ["a"])
    assert counted.votes.tolist() == [[0, 0, 0]]
    assert counted.n.tolist() == [0]
    assert aa.count_votes(SMALL.iloc[:0], LABELS).votes.shape == (0, 3)


def test_labels_come_as_lists_arrays_or_tuples():
    others = SMALL.assign(labels=[np.array(["awe", "joy"]), (), [], {"fear"}, None, pd.NA, ("fear",)])
    assert (aa.count_votes(others, LABELS).votes == aa.count_votes(SMALL, LABELS).votes).all()
    assert aa.found_labels(others) == LABELS


BAD_ROWS = [
    ({"labels": ["joyfull"]}, aa.UnknownLabel, r"row 1 \(image 'a', annotator 'x'\).*'joyfull'.*mean 'joy'"),
    ({"labels": []}, aa.BadJudgement, r"row 1 .*kind 'labels' with 0 labels"),
    ({"kind": "skip"}, aa.BadJudgement, r"row 1 .*kind 'skip' with 1 labels"),
    ({"kind": "maybe"}, aa.BadJudgement, r"row 1 .*expected kind.*'maybe'"),
    ({"labels": ["awe", "awe"]}, aa.BadJudgement, r"row 1 .*twice"),
    ({"labels": "awe"}, aa.BadJudgement, r"row 1 .*expected a list in labels.*'awe'"),
    ({"round": 1.5}, aa.BadJudgement, r"row 1 .*whole number in round.*1.5"),
    ({"round": None}, aa.BadJudgement, r"row 1 .*whole number in round"),
    ({"image_id": None}, aa.BadJudgement, r"row 1 .*expected text in image_id"),
    ({"annotator_id": ""}, aa.BadJudgement, r"row 1 .*expected text in annotator_id"),
    ({"annotator_id": "u"}, aa.BadJudgement, r"row 1 .*second judgement in round 1 \(the other is row 0\)"),
]


@pytest.mark.parametrize(("change", "error", "words"), BAD_ROWS)
def test_a_bad_row_is_named(change, error, words):
    row = {"image_id": "a", "annotator_id": "x", "round": 1, "kind": "labels", "labels": ["awe"]} | change
    bad = pd.concat([SMALL.iloc[:1].astype({"round": object}), pd.DataFrame([row], dtype=object)], ignore_index=True)
    refused(error, words, aa.validate_judgements, bad, LABELS)


def test_a_missing_column_and_repeated_labels_and_images_are_refused():
    nobody = SMALL.drop(columns="annotator_id")
    refused(aa.BadJudgement, "annotator_id is missing", aa.validate_judgements, nobody, LABELS)
    refused(aa.BadJudgement, "different labels", aa.encode, SMALL, ["awe", "awe"])
    refused(aa.BadJudgement, "'a' stands there twice", aa.encode, SMALL, LABELS, ["a", "a"])


CHOSEN = st.sets(st.sampled_from(LABELS))
ROW = st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwx"), st.sampled_from([1, 2]), CHOSEN, st.booleans())


@given(st.lists(ROW, unique_by=lambda row: row[:3]), st.randoms(use_true_random=False))
def test_votes_are_the_sum_of_the_tensor_in_any_row_order(rows, random):
    def make(some):
        kinds = [("labels" if row[3] else "none") if row[4] else "skip" for row in some]
        lists = [sorted(row[3]) if row[4] else [] for row in some]
        return table(*((*row[:3], kind, chosen) for row, kind, chosen in zip(some, kinds, lists, strict=True)))

    images = ["d", "c", "b", "a"]
    counted = aa.count_votes(make(rows), LABELS, images)
    chosen, asked, _ = aa.judgement_tensor(make(rows), LABELS, images)
    assert (counted.votes == chosen.sum(axis=1)).all()
    assert (counted.n == asked.sum(axis=1)).all()
    random.shuffle(rows)
    again = aa.count_votes(make(rows), LABELS, images)
    assert (again.votes == counted.votes).all()
    assert (again.n == counted.n).all()
