"""One name is one figure: `score`, the class and the evaluation of a run agree, for every row of the table."""

import inspect
import math

import numpy as np
import pytest
import torch

import affectml_metrics as am
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Rows
from affectml.judging.scoring import Answers, add_scores, row_scores
from affectml.judging.truth import Truth
from affectml.page.tables import scores_table
from affectml_metrics import streaming, table
from affectml_metrics.spec import KINDS, Given
from affectml_metrics.table import better, figures, find, specs

from .checks import refused

N, C = 40, 5
_g = torch.Generator().manual_seed(4)


def rand(*shape):
    return torch.rand(*shape, generator=_g, dtype=torch.float64)


SCORES = (rand(N, C) * 3).round() / 3  # with many ties
SETS, CHOSEN = rand(N, C) < 0.4, rand(N, C) < 0.4
SETS[:2], CHOSEN[1:3] = False, False  # with empty sets
PREDS, SHARES = (rand(N, C) * 4).softmax(-1), (rand(N, C) * 4).softmax(-1)
PREDS[0], SHARES[1] = torch.eye(C)[0].double(), torch.eye(C)[1].double()  # certain, and wrong in the first
RATES, TRUE = rand(N, C), (rand(N, C) * 4).round() / 4
RATES[0], RATES[1] = 0, 1
ONE = torch.eye(C, dtype=torch.float64)[torch.arange(N) % C]
VOTES, ASKED = (TRUE * 4).long(), torch.full((N,), 4)
NEAR = rand(C, C).fill_diagonal_(1)

GIVEN = Given(
    k=(1, 2, 3), shares=SHARES, votes=VOTES, n=ASKED, similarity=NEAR, ground="circle", wheel=tuple(range(C)),
    scale=3.0,
)  # fmt: skip
PAIRS = {
    "sets": (SETS, CHOSEN), "ranking": (SCORES, CHOSEN), "distribution": (PREDS, SHARES), "rates": (RATES, TRUE),
}  # fmt: skip
ALL = [(kind, figure) for kind in KINDS for figure in figures(kind, GIVEN, C)]


def truth(kind, **more):
    shares = {"rates": TRUE, "sets": CHOSEN.double(), "distribution": SHARES}.get(kind, ONE)
    right = ONE if kind == "single" else CHOSEN
    sets = CHOSEN.numpy() if kind in ("rates", "sets") else None
    ids, hits = np.arange(N).astype(str).astype(object), right.numpy().astype(int)
    return Truth(kind, tuple("abcde"), ids, shares.numpy(), hits, sets=sets, tau=0.3, wheel=tuple(range(C)), **more)


TRUTHS = {
    "rates": truth("rates"), "sets": truth("sets"), "distribution": truth("distribution"), "single": truth("single"),
    "single_positive": truth("single", single_positive=True),
}  # fmt: skip


def same(a, b):
    assert a == b if math.isinf(a) else a == pytest.approx(b, abs=1e-12)


@pytest.mark.parametrize("spec", list(specs()), ids=lambda spec: spec.name)
def test_without_any_option_the_class_keeps_the_conventions_of_the_table(spec):
    needed = {name: getattr(GIVEN, name) for name in ("similarity", "ground", "scale") if name in spec.needs}
    if "num_labels" in inspect.signature(getattr(am, spec.cls)).parameters:
        needed["num_labels"] = C
    plain = getattr(am, spec.cls)(**needed).config
    for option, value in spec.options.items():
        assert option in ("average", "match", "normalised") or plain[option] == value


@pytest.mark.parametrize("target", TRUTHS)
def test_a_run_is_judged_by_the_figures_of_score(target):
    of, kind = TRUTHS[target], "rates" if target in ("rates", "sets") else "distribution"
    answers = Answers(SCORES, PAIRS[kind][0], SETS if of.sets is not None else None)
    rows, scores = row_scores(answers, of), scored(answers, of)
    right = torch.from_numpy(of.hits if of.sets is None else of.sets)
    shares, ground = torch.from_numpy(of.shares), "circle" if kind == "distribution" else None
    tables = [
        am.score(SCORES, right, "ranking", shares=of.shares),
        am.score(SETS if of.sets is not None else am.functional.modes(SCORES, ties="first"), right, "sets"),
        am.score(PAIRS[kind][0], shares, kind, ground=ground),
    ]
    expected = {name: value for table in tables for name, value in zip(table.metric, table.value, strict=True)}
    # `score` has sets as the target of a ranking
    expected["kendall_tau_b"] = float(am.functional.kendall_tau_b(SCORES, shares).nanmean())
    for name in rows.keys() | scores.keys():
        if name in rows:
            same(float(rows[name].nanmean()), float(expected[name]))
        assert (name in scores) == math.isfinite(expected[name])
        if name in scores:
            same(scores[name].value, float(expected[name]))


def scored(answers, of):
    """Every figure by its name."""
    rows = Rows()
    add_scores(rows, answers, of)
    return {each.name: each for each in rows.rows}


def test_every_metric_of_the_table_was_compared():
    assert {spec.name for spec in specs(place="score")} == {figure.spec.name for _, figure in ALL}
    reported = set()
    for target, of in TRUTHS.items():
        given = Answers(SCORES, RATES if target in ("rates", "sets") else PREDS, SETS if of.sets is not None else None)
        reported |= {find(name).name for name in row_scores(given, of).keys() | scored(given, of).keys()}
    people = truth("sets", chosen=CHOSEN[:, None].numpy(), asked=np.ones((N, 1), dtype=bool))
    alone = row_scores(Answers(SCORES, None, SETS), people)
    assert torch.equal(alone["set_f1_judgements"], alone["set_f1"])  # one person an image
    assert {spec.name for spec in specs(place="report")} == reported | {"set_f1_judgements"}


def test_every_class_has_its_direction_from_the_table():
    assert {spec.cls for spec in specs()} == set(streaming.__all__)
    for spec in specs():
        assert getattr(am, spec.cls).higher_is_better is {"higher": True, "lower": False, "": None}[spec.better]


def test_a_name_that_is_not_in_the_table_has_no_direction():
    assert better("top_12_accuracy") == "higher"
    assert better("top_12_chance") == better("top_0_accuracy") == better("no_such_metric") == ""


def worst_share(preds, target):
    """The largest miss of any label's share, per row."""
    return (preds - target).abs().amax(-1)


def mean_miss(preds, target, weights):
    return (weights @ (preds - target).abs()).mean() / weights.sum()


OURS = am.MetricSpec("worst_share", worst_share, kinds=("distribution", "rates"), better="lower")


def test_a_metric_from_outside_is_scored_evaluated_and_reported_until_it_is_removed():
    whole = am.MetricSpec("mean_miss", mean_miss, kinds=("distribution",), better="lower", over="table")
    answers = {"model": Answers(SCORES, PREDS)}
    with am.register_metric(OURS), am.register_metric(whole):
        table = am.score(*PAIRS["distribution"], "distribution")
        table = table.set_index("metric")
        found = evaluate(answers, TRUTHS["distribution"], split="test", seed=0, why_not={})
        shown = [row[0] for row in scores_table(found).rows]
        by_logits = am.score(PREDS.clamp(min=1e-9).log(), SHARES, "distribution", from_logits=True).set_index("metric")
    assert table.loc["worst_share", "better"] == table.loc["mean_miss", "better"] == "lower"
    by_hand = float(worst_share(PREDS, SHARES).mean())
    for made in (table, by_logits):
        assert made.loc["worst_share", "value"] == pytest.approx(by_hand, abs=1e-6)
    assert found.get("worst_share").value == pytest.approx(by_hand)
    mean = found.get("mean_miss")
    assert mean.value == pytest.approx(float((PREDS - SHARES).abs().mean()))
    assert mean.low < mean.value < mean.high
    assert {"worst_share ↓", "mean_miss ↓"} <= set(shown)
    assert find("worst_share") is None
    assert "worst_share" not in am.score(*PAIRS["rates"], "rates").to_string()
    assert "worst_share" in found.names()


def test_a_metric_of_an_installed_package_is_in_the_table_and_one_that_fails_is_left_out(installed, monkeypatch):
    monkeypatch.setattr(table, "_table", dict(table._table))
    monkeypatch.setattr(table, "_unread", [table.GROUP])
    ours = f"{__name__}:OURS"
    installed("affectml-worst", metrics={"worst_share": ours, "set_f1": ours, "no": "nowhere:x"})
    with pytest.warns(UserWarning, match="it is left out$") as warned:
        assert find("worst_share") is OURS
    assert sorted(str(each.message).partition(";")[0] for each in warned) == [
        "metric 'no': package affectml-worst 1.0 fails (ModuleNotFoundError: No module named 'nowhere')",
        "metric 'set_f1': affectml and affectml-worst 1.0 have one of this name",
    ]
    assert find("set_f1") is not OURS


def spec(name="worst", kinds=("rates",), better="lower", **more):
    return am.MetricSpec(name, worst_share, kinds=kinds, better=better, **more)


REFUSED_ROWS = [
    (spec("set_f1", ("sets",), "higher"), "in the table already"),
    (spec("top_3_accuracy", ("ranking",), "higher"), "in the table already"),
    (spec("Worst share"), "a name such as"),
    (spec("worst_{k}"), "'k' exactly where"),
    (spec(kinds=("rate",)), "kinds: expected one of"),
    (spec(better="smaller"), "better: expected one of"),
    (spec(over="table"), "`weights`"),
]


@pytest.mark.parametrize(("made", "match"), REFUSED_ROWS)
def test_a_row_that_contradicts_the_table_is_refused(made, match):
    before = list(specs())
    refused(am.ArgumentError, match, am.register_metric, made)
    assert list(specs()) == before
