"""Everybody's answers and what people said, to figures: one way for heads, the prior, models elsewhere, and people.

`evaluate` scores every system against all people and each beside the rest of a panel, adds people's own figures, the
oracle's and the sampling floor's, and asks each of `VIEWS` for more: by label, by stated share, by subgroup. A view is
a function of a `Case` that adds to the rows and returns what is to be said in words, if anything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from affectml.errors import BadInput
from affectml.judging import views
from affectml.judging.compare import differences
from affectml.judging.figures import MADE_HERE, Evaluation, Rows, scores_table
from affectml.judging.scoring import SURE, Answers, add_means, add_scores, against_rest, share_metrics, stating
from affectml.judging.truth import Truth
from affectml.judging.views import Case
from affectml_metrics import FEW, STUDENT_BELOW
from affectml_metrics import functional as F
from affectml_metrics.floor import sampling_floors
from affectml_metrics.table import rules_of

ALONE = ("zero_shot", "oracle")  # not compared with people on their leave-one-out targets


View = Callable[[Case], Mapping[str, Any] | None]
"""Adds to the rows of a case, and returns further facts: rules and findings join those of other views."""
VIEWS: tuple[View, ...] = (
    views.by_tau, views.by_label, views.of_sets, views.instead_of, views.stated,
    views.undecided,
)  # fmt: skip


def evaluate(
    answers: Mapping[str, Answers],
    truth: Truth,
    *,
    split: str,
    seed: int,
    dataset: str = "",
    target: str = "",
    space: str = "",
    why_not: Mapping[str, str] | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    also: Sequence[View] = (),
    **more: Any,
) -> Evaluation:
    """Score every system on `truth`; same answers, truth and seed, same result.

    Args:
        answers: by the system's name: prior, zero_shot and model, or any other.
        truth: what people said of the same images.
        split: the name of this part of the images.
        seed: of halves of panels and of the floor.
        dataset, target, space: what the figures are of.
        why_not: by the name of a system that has no answers: why.
        pairs: of systems whose differences are tested; None is the first system with each other one.
        also: further views, such as those of a promise.
        more: what these need (`Case.more`, but `images`).

    Returns:
        The figures, scores image by image, and facts: split, n, space, kind, rules, findings.

    Raises:
        BadInput: for no system at all, and for a name that belongs to what is added here.
    """
    systems = dict(answers)
    if not systems:
        raise BadInput("evaluate: no system's answers to score")
    if taken := [name for name in systems if name in MADE_HERE]:
        raise BadInput(f"evaluate: {taken[0]!r} is the name of figures that are made here; call the system otherwise")
    first = "model" if "model" in systems else next(iter(systems))
    if truth.oracle is not None:
        systems["oracle"] = stating(truth.oracle, truth)
    key = {"dataset": dataset, "target": target, "space": space}
    rows = Rows(**key, tau=None)
    case = Case(systems, truth, first, seed, rows, more.pop("images", None), more)
    by_image = {(name, "people"): add_scores(rows, answer, truth, system=name) for name, answer in systems.items()}
    beside = {name: answer for name, answer in systems.items() if name not in ALONE}
    resting = against_rest(truth, beside, torch.Generator().manual_seed(seed))
    for (system, against), values in resting.items():
        add_means(rows, values, truth.groups, system=system, against=against)
    by_image |= resting
    notes = {**(why_not or {}), **_floor(case)}
    rules = _rules(case, notes)
    facts = {"split": split, "n": len(truth.image_id), "space": space, "kind": truth.kind, "labels": list(truth.labels)}
    facts |= {"people": None if truth.panels is None else "judgements", "first": first}
    findings: list[dict[str, str]] = []
    for view in (*VIEWS, *also):
        added = dict(view(case) or {})
        rules |= added.pop("rules", {})
        findings += added.pop("findings", [])
        facts |= added
    facts |= {"rules": rules, "findings": findings}
    tested = pairs if pairs is not None else [(first, other) for other in answers if other != first]
    rows.rows += differences(by_image, tested, truth.groups, **key)
    kept = {place: values for place, values in by_image.items() if place[0] in systems}
    scores = scores_table(kept, truth.image_id, groups=truth.groups, **key)
    return Evaluation(tuple(rows.rows), scores, facts)


def _floor(case: Case) -> dict[str, str]:
    """Add what the truth itself would score against this many people's votes, as a system; or why that is not known."""
    truth = case.truth
    if truth.kind in ("single", "sets"):
        return {"floor": f"not available: a {truth.kind} target has no counts"}
    if truth.no_sets and truth.kind == "rates":
        return {"floor": f"not available: {truth.no_sets}"}
    if truth.oracle is not None and truth.votes is not None:
        stand_in, what = truth.oracle, "the true rates" if truth.kind == "rates" else "the true distributions"
    else:
        drawn = truth.plausible(np.random.default_rng(case.seed))
        if drawn is None:
            return {"floor": "not available: how many people answered is not known"}
        stand_in, what = drawn, "a draw from each image's posterior in place of the unknown truth"
    n = views.people_behind(truth)
    assert n is not None
    if (n != n[:, :1]).any():
        return {"floor": "not available: people asked differ by label"}
    kind: Literal["rates", "distribution"] = "rates" if truth.kind == "rates" else "distribution"
    generator = torch.Generator().manual_seed(case.seed)
    floors = sampling_floors(stand_in, n[:, 0].astype(np.int64), share_metrics(truth), kind=kind, generator=generator)
    for name, value in floors.items():
        case.rows.add(name, value, system="floor")
    return {"floor": what}


def _rules(case: Case, notes: Mapping[str, str]) -> dict[str, Any]:
    """The conventions behind the numbers, in words, and why a system has none."""
    truth = case.truth
    rules: dict[str, Any] = {"hit": truth.hit_rule, "interval": _interval_rule(truth)}
    if truth.sets is None:
        rules["label_set"] = f"none: {truth.no_sets}"
    else:
        by_votes = "labels with P(rate >= tau | votes) >= 1/2, Beta prior fitted on train"
        cut = "labels with a share of at least tau" if truth.votes is None or truth.beta is None else by_votes
        rules["tau"], rules["label_set"] = truth.tau, "the given sets" if truth.kind == "sets" else cut
        rules["predicted_sets"] = "thresholds chosen on validation; the oracle's from tau"
        rules["mean_set_size"] = float(truth.sets.sum(axis=1).mean())
    hits = torch.from_numpy(truth.hits)
    rules["mean_hits"] = float(hits.sum(dim=1).double().mean())
    if bool(hits.any()):
        rules["top_1_chance"] = float(F.top_k_chance(hits, k=1).nanmean())
    if truth.kind == "distribution" and truth.wheel:
        rules["earth_movers_distance"] = truth.wheel_rule
    rules["person"] = f"not available: {truth.no_judgements}"
    if truth.chosen is not None:
        rules["person"] = (
            "one person against the rest of the panel, and systems on the same targets (against rest); half: half of "
            "an image's people against the other half"
        )
    told = {"stopping": truth.stopped, "languages": truth.pooled}
    rules |= {**notes, **{name: words for name, words in told.items() if words is not None}}
    metrics, have = share_metrics(truth), {(f.system, f.name) for f in case.rows.rows if f.against == "people"}
    rules |= rules_of(dict.fromkeys(figure.name for figure in case.rows.rows))
    if sure := [name for name, answer in case.answers.items() if answer.shares is not None and metrics]:
        rules["shares"] = f"a head's share counts as at least {SURE:g} and at most 1 - {SURE:g}"
        lost = {metric: [name for name in sure if (name, metric) not in have] for metric in metrics}
        rules |= {metric: f"not finite: {', '.join(names)}" for metric, names in lost.items() if names}
    return rules


def _interval_rule(truth: Truth) -> str:
    units = len(truth.image_id) if truth.groups is None else len(np.unique(truth.groups))
    over = f"{units} {'images' if truth.groups is None else 'groups'}"
    if units == 1:
        return f"none: {over.removesuffix('s')} says nothing of others"
    if units < STUDENT_BELOW:
        return f"95 %, Student's t with the jackknife's standard error over {over}: so few make it rough"
    how = f"95 %, Student's t and Hall's, which allows for skewness, with the jackknife's standard error over {over}"
    return f"{how}: fewer than {FEW} make it rough" if units < FEW else how
