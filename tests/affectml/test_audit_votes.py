"""Votes without embeddings or names, judged by the other votes of their image."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import affectml
from affectml.auditing import _checks as checks
from affectml.auditing._expect import Expected, Said, _beside, _folds, _odds, expect
from affectml.data import DatasetMeta, TargetMeta, write_dataset
from affectml.heads import SoftmaxHead
from affectml_annotation import encode

IDS = [f"i{at}" for at in range(1000)]


def counts(votes):
    """People who said one label each, and are not known."""
    votes = np.array(votes)
    labels, ids = (np.array(names, dtype=object) for names in (list("abcdefgh"[: votes.shape[1]]), IDS[: len(votes)]))
    nobody = encode(pd.DataFrame(columns=["image_id", "annotator_id", "round", "kind", "labels"]), labels, ids)
    n = np.repeat(votes.sum(axis=1)[:, None], votes.shape[1], axis=1)
    return Said(labels, ids, votes, n, nobody, exclusive=True, known=True)


KIND_RATES = np.array([[0.94, 0.02, 0.02, 0.02], [0.01, 0.54, 0.44, 0.01], [0.02, 0.02, 0.02, 0.94]])  # b and c meet


def kinds_of_images(seed, images=300, people=10):
    draw = np.random.default_rng(seed)
    return draw.multinomial(people, KIND_RATES[draw.integers(0, 3, images)])


def test_votes_beside_the_others_worked_by_hand():
    """Two kinds of images, as common as each other: a by .9 and b by .1, and the other way round."""
    weight, rate = np.log([0.5, 0.5]), np.log([[0.9, 0.1], [0.1, 0.9]])
    chance, (one, apart) = _odds(np.array([[2, 1], [3, 0]]), weight, rate)
    # beside a and b either kind is as likely; beside two a it is 81 to 1: (.81 x .1 + .01 x .9) / .82
    assert chance[0] == pytest.approx([0.5, 0.09 / 0.82])
    assert one[0] == pytest.approx([0, np.log(0.5 * 0.82 / 0.09)])
    # two a and one b of two images: .41 x .5; of one: (.81 x .1 + .01 x .9) / 2; one of three answers is another's
    assert apart[0] == pytest.approx(np.log([0.41 * 0.5 / 0.045 / 3] * 2))
    assert apart[1].tolist() == [pytest.approx(0), -np.inf]
    _, (one, apart) = _odds(np.array([[2, 1]]), weight[:1] * 0, rate[:1])  # one kind: votes say nothing of one another
    assert one == pytest.approx(0)
    assert apart == pytest.approx(-np.log(3))


def test_halves_that_rarely_meet_are_odd_and_halves_that_often_do_are_not(tmp_path):
    votes = kinds_of_images(0)
    votes[:3] = [[5, 0, 0, 5], [0, 5, 5, 0], [1, 1, 0, 0]]
    images = pd.DataFrame({"image_id": [f"i{at:03d}" for at in range(300)]})
    meta = TargetMeta("distribution", "expressed", {"name": "four", "labels": {each: {} for each in "abcd"}}, "votes",
                      "targets-four.parquet", vote_rule="one_choice")  # fmt: skip
    table = pd.concat([images.assign(n=votes.sum(axis=1)), pd.DataFrame(votes, columns=list("abcd"))], axis=1)
    found = affectml.audit(
        write_dataset(tmp_path, DatasetMeta("some", {"four": meta}), images, {"four": table}), top=400
    )
    rows = found.table[found.table["check"] == "image"].set_index("image_id")
    assert rows.index[0] == "i000"
    assert rows.loc["i000", "p"] < 1e-3
    assert rows.loc["i000", "evidence"].startswith("said 5 a, 5 d; ")
    assert rows.loc["i000", "evidence"].endswith(
        "if 5 of the 10 answers, such as those of a, were given to another image"
    )
    assert rows.loc["i001", "p"] > 0.2
    assert "i002" not in rows.index  # two answers
    assert any("as they go together in 4 kinds of images; 1 images have fewer than 3" in note for note in found.notes)


def test_an_answer_that_nobody_gives_beside_the_others_comes_first():
    votes = kinds_of_images(1)
    votes[7] = [0, 5, 4, 1]
    votes[8] = [0, 6, 4, 0]
    beside = _beside(counts(votes), _folds(np.arange(300), 0), 0)
    rows = {row["image_id"]: row for row in checks.answers(counts(votes), Expected(*[None] * 4, beside))[0]}
    assert (rows["i7"]["label"], rows["i7"]["said"]) == ("d", True)
    assert rows["i7"]["p"] < 0.2 < 0.5 < rows["i8"]["p"]
    assert "d is expected beside the others with a chance of" in rows["i7"]["evidence"]()


def test_votes_without_any_error_are_as_odd_as_chance_says():
    beside = _beside(counts(kinds_of_images(2, images=1000)), _folds(np.arange(1000), 0), 0)
    for p in beside.p.values():
        assert p.mean() == pytest.approx(0.5, abs=0.03)
        assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_only_votes_alone_are_judged_by_one_another():
    said, ids = counts(kinds_of_images(3)), np.arange(300).astype(str)
    assert expect(said, None, ids, SoftmaxHead, 0).beside is not None
    assert expect(said, said.votes[:, ::-1].astype(float), ids, SoftmaxHead, 0).beside is None  # embeddings
    few = counts(kinds_of_images(3, images=49))
    assert expect(few, None, ids[:49], SoftmaxHead, 0).beside is None
    agreed = counts(np.eye(4, dtype=np.int64)[np.arange(300) % 4])
    assert expect(agreed, None, ids, SoftmaxHead, 0).beside is None  # nothing stands beside a single answer
    several = replace(said, exclusive=False)
    assert expect(several, None, ids, SoftmaxHead, 0).beside is None
