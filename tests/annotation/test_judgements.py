"""The judgement table: what counts, what does not, and which row an error names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import affectml_annotation as aa

from .tasks import COLUMNS, LABELS, refused

SMALL = pd.DataFrame([
    ("a", "u", 1, "labels", ["awe", "joy"]),
    ("a", "v", 1, "none", []),
    ("a", "w", 1, "unsure", []),
    ("b", "u", 1, "labels", ["fear"]),
    ("b", "v", 1, "skip", None),
    ("b", "w", 1, "flag", float("nan")),
    ("a", "u", 2, "labels", ["fear"]),
], columns=COLUMNS)  # fmt: skip


def test_counts_worked_by_hand():
    """None of these is an answer; unsure, skip and flag are none, so that these people are not counted."""
    counted = aa.count_votes(SMALL, LABELS, ["b", "a", "c"])
    assert counted.image_id.tolist() == ["b", "a", "c"]
    assert counted.votes.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert counted.n.tolist() == [1, 2, 0]
    chosen, asked, people = aa.judgement_tensor(SMALL, LABELS, ["a", "b"])
    assert (people.tolist(), asked.tolist()) == (["u", "v", "w"], [[True, True, False], [True, False, False]])
    assert chosen.tolist() == [[[1, 0, 1], [0, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0], [0, 0, 0]]]


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


CHOSEN = st.none() | st.sets(st.sampled_from(LABELS))  # of who skipped the image: none
ROW = st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwx"), st.sampled_from([1, 2]), CHOSEN)


@given(st.lists(ROW, unique_by=lambda row: row[:3]))
def test_votes_are_those_of_people_s_first_looks_in_any_row_order(rows):
    kinds = ["skip" if chosen is None else "labels" if chosen else "none" for *_, chosen in rows]
    said = [(*key, kind, sorted(chosen or ())) for (*key, chosen), kind in zip(rows, kinds, strict=True)]
    counted = aa.count_votes(pd.DataFrame(said, columns=COLUMNS), LABELS, [*"dcba"])
    first = {row[:2]: row for row in sorted(rows, key=lambda row: -row[2])}.values()
    for image, votes, n in zip("dcba", counted.votes, counted.n, strict=True):
        answers = [chosen for of, _, _, chosen in first if of == image and chosen is not None]
        assert (votes.tolist(), n) == ([sum(label in chosen for chosen in answers) for label in LABELS], len(answers))
