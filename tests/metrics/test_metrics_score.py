"""One call, every metric of a kind: the values are those of the functions, the intervals reproducible."""

import numpy as np
import pandas as pd
import pytest
import torch

import affectml_metrics as am
from affectml_metrics import functional as F
from affectml_metrics.spec import Given
from affectml_metrics.table import figures

from .checks import gen, refused

N, C = 60, 5
SCORES = torch.rand(N, C, generator=gen(1), dtype=torch.float64)
SETS = torch.rand(N, C, generator=gen(2)) < 0.4
SHARES = torch.rand(N, C, generator=gen(3), dtype=torch.float64).softmax(-1)
CHOSEN = torch.rand(N, C, generator=gen(4)) < 0.4
NEAR = torch.eye(C) * 0.5 + 0.5
ANSWERS = torch.rand(N, 8, C, generator=gen(5)) < 0.4
ASKED = torch.rand(N, 8, generator=gen(6)) < 0.8
ANSWERS &= ASKED[..., None]
PANEL = {"judgements": ANSWERS, "asked": ASKED}

SAID = torch.randint(0, 9, (2, N, 8), generator=gen(7))
CALLS = {
    "sets": (SETS, CHOSEN, {"similarity": NEAR}),
    "ranking": (SCORES, CHOSEN, {"shares": SHARES}),
    "distribution": (SCORES.softmax(-1), SHARES, {"ground": "circle"}),
    "rates": (SCORES, SHARES, {"votes": CHOSEN.long(), "n": torch.full((N,), 2)}),
    "perspectives": (*SAID, {"asked": ASKED, "scale": 8}),
}


def table(kind, **more):
    preds, target, options = CALLS[kind]
    return am.score(preds, target, kind, **options, **more).set_index("metric")


@pytest.mark.parametrize("kind", CALLS)
def test_it_is_a_tidy_table(kind):
    found = table(kind)
    assert list(found.columns) == ["value", "low", "high", "rows", "skipped", "units", "better"]
    assert found.index.is_unique
    assert found["value"].between(found["low"], found["high"]).all()
    assert set(found["better"]) <= {"higher", "lower", ""}
    assert (found["rows"] + found["skipped"] == N).all()
    pd.testing.assert_frame_equal(table(kind), found)


@pytest.mark.parametrize("kind", CALLS)
def test_values_are_those_of_the_functions(kind):
    preds, target, options = CALLS[kind]
    found, chosen = table(kind)["value"], figures(kind, Given(**options), C)
    assert found.to_dict() == pytest.approx({f.name: float(f.of(preds, target).nanmean()) for f in chosen}, abs=1e-12)
    if kind == "ranking":
        assert found["top_3_accuracy_all"] == float(F.top_k_accuracy(preds, target, 3, match="all").nanmean())


@pytest.mark.parametrize("kind", ["distribution", "rates"])
def test_logits_are_taken_when_said(kind):
    outputs = SCORES * 4 - 2
    soft = outputs.softmax(-1) if kind == "distribution" else outputs.sigmoid()
    pd.testing.assert_frame_equal(am.score(outputs, SHARES, kind, from_logits=True), am.score(soft, SHARES, kind))


def test_options_bring_in_their_metrics_and_only_they():
    for kind, names in {
        "sets": {"semantic_set_f1"},
        "ranking": {"human_mass_at_1", "human_mass_at_2", "human_mass_at_3", "kendall_tau_b", "weighted_kendall_tau"},
        "distribution": {"earth_movers_distance"},
        "rates": {"binomial_log_likelihood"},
        "perspectives": {"normalised_absolute_distance"},
    }.items():
        preds, target, _ = CALLS[kind]
        assert set(table(kind).index) - set(am.score(preds, target, kind)["metric"]) == names


def test_a_k_given_twice_comes_once():
    preds, target, _ = CALLS["ranking"]
    once, twice = (am.score(preds, target, "ranking", k=k) for k in ((2,), (2, np.int64(2))))
    assert once["metric"].tolist() == twice["metric"].tolist()


def test_intervals_are_those_of_rows_or_groups_within_the_bounds():
    for groups in (None, torch.arange(N) // 3):
        found = am.score(SETS, CHOSEN, "sets", groups=groups, level=0.8).set_index("metric").loc["set_f1"]
        expected = am.mean_interval(F.set_f1(SETS, CHOSEN), groups=groups, level=0.8, bounds=[(0, 1)])
        for field in ("low", "high", "units"):
            assert found[field] == pytest.approx(float(getattr(expected, field)))


@pytest.mark.parametrize("kind", ["sets", "ranking", "distribution", "rates"])
def test_with_judgements_intervals_are_for_other_people_and_images(kind):
    found, again = (am.score(CALLS[kind][0], None, kind, **PANEL) for _ in range(2))
    pd.testing.assert_frame_equal(found, again)
    defined = found.dropna()
    assert len(defined) >= len(found) - 1
    assert defined["value"].between(defined["low"], defined["high"]).all()


def test_people_of_one_mind_have_the_interval_over_images():
    same = SETS[:, None].expand(N, 8, C) & (torch.rand(N, 1, C, generator=gen(9)) < 0.7)  # eight people of one mind
    found = am.score(SETS, judgements=same, asked=torch.ones(N, 8)).set_index("metric").loc["set_f1"]
    by_images = am.score(SETS, same[:, 0], "sets").set_index("metric").loc["set_f1"]
    assert found["value"] == pytest.approx(by_images["value"])
    assert 0.8 < (found["high"] - found["low"]) / (by_images["high"] - by_images["low"]) < 1.2
    assert (found["units"], by_images["units"]) == (8, N)


def test_labels_nobody_was_asked_about_may_lack_votes_and_shares():
    preds, votes, n = torch.tensor([[0.4, 0.5], [0.2, 0.3]]), torch.tensor([[1, -1], [2, 0]]), torch.tensor([2, 3])
    rates = torch.where(votes < 0, -1.0, votes / n[:, None])
    found = am.score(preds, rates, "rates", votes=votes, n=n).set_index("metric")
    expected = float(F.binomial_log_likelihood(preds, votes, n).mean())
    assert found.loc["binomial_log_likelihood", "value"] == pytest.approx(expected)
    ranking = am.score(preds, torch.tensor([[1, -1], [1, 0]]), "ranking", shares=votes).set_index("metric")
    assert ranking.loc["human_mass_at_1", "value"] == pytest.approx(0.5)  # all of one vote, none of two
    says = "votes: expected a finite number of 0 or more"
    refused(am.DomainError, says, am.score, preds, rates, "rates", votes=votes - 1, n=n)


def test_the_target_of_people_is_their_votes_or_what_a_rule_of_ones_own_makes_of_them():
    seen = ASKED.any(-1)
    rates = ANSWERS[seen].sum(1) / ASKED[seen].sum(-1, keepdim=True)
    by_rates = am.score(SCORES, None, "rates", **PANEL).set_index("metric")["value"]
    assert by_rates["rate_brier_score"] == pytest.approx(float(F.rate_brier_score(SCORES[seen], rates).mean()))
    by_rule = am.score(SETS, None, "sets", **PANEL, rule=lambda votes, n: votes >= 1).set_index("metric")["value"]
    assert by_rule["set_recall"] == pytest.approx(float(F.set_recall(SETS[seen], ANSWERS[seen].any(1)).mean()))


WRONG_CALLS = [
    (lambda: am.score(SETS, CHOSEN, "set"), am.ArgumentError, "kind: expected one of 'sets'"),
    (lambda: am.score(SETS), am.ArgumentError, "exactly one of the two"),
    (lambda: am.score(SETS, judgements=ANSWERS), am.ArgumentError, "both or neither"),
    (lambda: am.score(SETS, kind="perspectives", **PANEL), am.ArgumentError, "judgements: expected none"),
    (lambda: am.score(SETS, CHOSEN, from_logits=True), am.ArgumentError, "from_logits"),
    (lambda: am.score(SETS[:0], CHOSEN[:0]), am.ShapeError, "at least one row"),
    (lambda: am.score(SETS, **PANEL, groups=range(N)), am.ArgumentError, "groups, shares, votes and n"),
    (lambda: am.score(SETS[:9], **PANEL), am.ShapeError, "of one N and C"),
    (lambda: am.score(SCORES, CHOSEN, "ranking", shares=SHARES[:2]), am.ShapeError, "preds and shares"),
    (lambda: am.score(SETS, judgements=ANSWERS[:, :1], asked=ASKED[:, :1]), am.ShapeError, "at least 2 people"),
]


@pytest.mark.parametrize(("call", "error", "match"), WRONG_CALLS)
def test_wrong_calls_are_refused(call, error, match):
    refused(error, match, call)


@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_intervals_for_other_people_and_images_are_neither_too_wide_nor_too_narrow(spread, monkeypatch):
    """Of people who do not differ, and who do; replicates of both together were 4 to 5 times too wide for Brier."""
    g, kept, names = gen(4), {}, ("rate_brier_score", "soft_f1_macro", "set_f1", "label_f1_macro")
    monkeypatch.setattr(am._score, "figures", lambda *asked: [f for f in figures(*asked) if f.name in names])
    for _ in range(60):
        logit = 1.2 * torch.randn(60, 1, 5, generator=g) - 1
        said = (logit + spread * torch.randn(1, 12, 1, generator=g)).sigmoid()
        said = torch.rand(60, 12, 5, generator=g) < said
        rates = (logit[:, 0] + 0.6 * torch.randn(60, 5, generator=g)).sigmoid()
        for kind, preds in (("rates", rates), ("sets", rates > 0.4)):
            found = am.score(preds, kind=kind, judgements=said, asked=torch.ones(60, 12)).set_index("metric")
            for name in found.index:
                kept.setdefault(name, []).append(found.loc[name, ["value", "low", "high"]].to_numpy(float))
    for values in map(np.array, kept.values()):
        width = (values[:, 2] - values[:, 1]).mean() / (2 * 1.96 * values[:, 0].std())
        assert 0.9 < width < 1.6
        mean = values[:, 0].mean()
        assert ((values[:, 1] <= mean) & (mean <= values[:, 2])).mean() >= 0.9


@pytest.mark.parametrize("kind", ["rates", "distribution"])
def test_the_interval_of_calibration_is_of_the_figure_without_bias(kind):
    (figure,) = (f for f in figures(kind, Given(from_logits=True), 4) if f.name == "squared_calibration_error")
    g = gen()
    logits, target = torch.randn(40, 4, generator=g), torch.rand(40, 4, generator=g).softmax(-1)
    weighted = figure.weighted(logits, target)
    activation = "softmax" if kind == "distribution" else "sigmoid"
    expected = F.squared_calibration_error(logits, target, from_logits=True, activation=activation)
    assert float(weighted(torch.ones(40))) == pytest.approx(float(expected))
    assert float(figure.of(logits, target)) == pytest.approx(float(expected))
