"""Targets from judgements: each rule by hand, and simulated people whose truth is known."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import affectml_annotation as aa
from affectml_annotation.aggregation import METHODS, Method

from .tasks import LABELS, refused, sets

TABLE = sets(
    ("a", "u", {"awe", "joy"}), ("a", "v", {"joy"}), ("a", "w", {}),
    ("b", "u", {"fear"}), ("b", "v", {}),
    ("c", "u", {}), ("c", "v", {}),
    ("d", "v", {}),
)  # fmt: skip
TABLE.loc[[4, 7], "kind"] = ["skip", "unsure"]


BY_HAND = [
    ("votes", {}, {"a": [1, 0, 2], "b": [0, 1, 0], "c": [0, 0, 0]}),
    ("shares", {}, {"a": [1 / 3, 0, 2 / 3], "b": [0, 1, 0], "c": [0, 0, 0]}),
    ("set_split", {}, {"a": [0.25, 0, 0.75], "b": [0, 1, 0]}),
    ("normalised", {}, {"a": [1 / 3, 0, 2 / 3], "b": [0, 1, 0]}),
    ("majority", {}, {"a": [0, 0, 1], "b": [0, 1, 0], "c": [0, 0, 0]}),
    ("mode", {}, {"a": [0, 0, 1], "b": [0, 1, 0]}),
    ("weighted", {}, {"a": [0.25, 0, 0.875], "b": [0, 1, 0], "c": [0, 0, 0]}),
    ("votes", {"minimum_people": 2}, {"a": [1, 0, 2], "c": [0, 0, 0]}),
    ("votes", {"image_ids": ["c", "a"]}, {"c": [0, 0, 0], "a": [1, 0, 2]}),
]


@pytest.mark.parametrize(("method", "options", "expected"), BY_HAND)
def test_each_rule_by_hand(method, options, expected):
    found = aa.aggregate(TABLE, LABELS, method, **options)
    assert found.image_id.tolist() == list(expected)
    np.testing.assert_allclose(np.asarray(found.values, dtype=float), list(expected.values()))


def test_a_method_with_a_prior_says_which():
    said = "awe/awe joy/awe", "fear//fear joy", "joy/awe", "/", "joy/joy/awe fear joy"  # of each image, by each person
    answers = [(f"i{at}", who, one.split()) for at, all_ in enumerate(said) for who, one in enumerate(all_.split("/"))]
    prior = "under Beta priors (awe 0.642/1.04, fear 1.53/4.6, joy 4.85/5.74)"
    for method, how in (("smoothed", "posterior mean"), ("posterior", "P(rate >= 0.3333 | votes) >= 1/2")):
        assert aa.aggregate(sets(*answers), LABELS, method).made_by == f"{how} {prior}"


def test_every_method_says_what_it_makes_and_has_a_function():
    assert list(get_args(Method)) == list(METHODS)


def test_what_is_left_out_is_said():
    assert aa.aggregate(TABLE, LABELS, "votes").left_out == {"no answers": 1}
    assert aa.aggregate(TABLE, LABELS, "set_split").left_out == {"no answers": 1, "only empty sets": 1}


def test_the_targets_table_holds_counts_and_nothing_else():
    found = aa.aggregate(TABLE, LABELS)
    assert (found.kind, found.values_are, found.vote_rule) == ("rates", "votes", None)
    counts = {"n": [3, 1, 2], "awe": [1, 0, 0], "fear": [0, 1, 0], "joy": [2, 0, 0]}
    assert found.table().to_dict("list") == {"image_id": ["a", "b", "c"], **counts}
    assert found.table()["awe"].dtype == np.int64


def test_tied_modes_are_left_out():
    assert len(aa.aggregate(sets(("a", "u", {"fear", "joy"})), LABELS, "mode").image_id) == 0


def test_one_choice_refuses_sets_and_names_the_row():
    refused(aa.BadJudgement, "judgement row 0: one_choice expects one label", aa.aggregate, TABLE, LABELS, "one_choice")
    single = TABLE[TABLE["labels"].map(len) == 1]
    assert aa.aggregate(single, LABELS, "one_choice").values.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_bad_options_are_refused():
    refused(aa.BadJudgement, "expected one of votes", aa.aggregate, TABLE, LABELS, "vote")
    refused(aa.BadJudgement, "twice", aa.aggregate, TABLE, LABELS, "votes", rounds="all")


def test_of_ferplus_counts_nothing_is_said_of_single_people(real_data):
    path = real_data / "ferplus" / "fer2013new.csv"
    labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    published = pd.read_csv(path)[labels].to_numpy()
    images = np.arange(len(published)).astype(str).astype(object)
    counted = aa.Votes(tuple(labels), images, published, published.sum(axis=1))
    agreement = aa.label_agreement(counted).set_index("label")
    assert agreement.loc["happiness", "alpha"] > agreement.loc["contempt", "alpha"] > 0
    assert aa.fit_beta_prior(counted.votes, counted.n).mean[1] == pytest.approx(0.28, abs=0.03)
    for statistic in (aa.annotator_report, aa.krippendorff_alpha):
        refused(aa.BadJudgement, "who said what is not known", statistic, counted, labels=labels)


def test_votes_and_counts_are_the_same_thing():
    assert (aa.aggregate(TABLE, LABELS).values == aa.count_votes(TABLE, LABELS, ["a", "b", "c"]).votes).all()


def test_weights_rank_the_annotators_rightly():
    """Decisive people are nearer to the others' shares than noisy ones; the panel's order is known."""
    from affectml.demo_set.people import Annotators, choice_chances, judge

    random, images = np.random.default_rng(0), np.arange(1500).astype(str).astype(object)
    rates = random.beta(0.7, 1.5, size=(1500, 4)).clip(0.02, 0.98)
    drawn = Annotators.draw(4, random)
    decisive = np.exp(np.linspace(-1.2, 1.2, len(drawn.ids)))
    panel = replace(drawn, talkativeness=drawn.talkativeness * 0, leaning=drawn.leaning * 0, decisiveness=decisive)
    table = judge(rates, tuple("abcd"), images, panel, random, judges=5)
    chances = choice_chances(rates, panel)
    true_error = ((chances - rates) ** 2 + chances * (1 - chances)).mean(axis=(1, 2))
    found = aa.aggregate(table, "abcd", "weighted").annotators.set_index("annotator_id").loc[list(panel.ids)]
    assert spearmanr(found["weight"], -true_error).statistic > 0.9
    assert (found["weight"] > 0).all()
    assert found["weight"].mean() == pytest.approx(1)
