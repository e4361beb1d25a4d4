"""From what systems answered and what people said to metrics.json."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from affectml.errors import BadInput
from affectml.judging.people import consensus_rows, people
from affectml.judging.scoring import SURE, Answers, Score, intervals, per_label, score, share_metrics
from affectml.judging.truth import TAUS, Truth
from affectml_metrics import FEW, STUDENT_BELOW
from affectml_metrics import functional as F
from affectml_metrics.floor import sampling_floors
from affectml_metrics.table import rules_of

SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """metrics.json's content, and how the set scores move with the cut: {tau: {system: set_f1}}."""

    metrics: dict[str, Any]
    by_tau: dict[str, dict[str, float]]


# The order of systems in metrics.json and in tables; those of other names come after them, as they were given.
KNOWN = ("prior", "zero_shot", "model", "human", "model_loo", "prior_loo", "half_panel", "consensus", "oracle")
MADE_HERE = ("human", "half_panel", "consensus", "oracle")
_ALONE = ("zero_shot", "oracle")  # not compared with people on their leave-one-out targets


def evaluate(
    answers: Mapping[str, Answers],
    truth: Truth,
    *,
    split: str,
    seed: int,
    why_not: Mapping[str, str] | None = None,
    consensus: bool = False,
) -> Result:
    """Score every system on `truth`; same answers, truth and seed, same result.

    People, each system's leave-one-out counterpart (NAME_loo), the oracle of a demo set and the sampling floor are
    added here.

    Args:
        answers: by the system's name: prior, zero_shot and model, or any other. Known names come first in the result,
            others after them in the order given.
        truth: what people said of the same images.
        split: the name of this part of the images, for metrics.json.
        seed: of halves of panels and of the floor.
        why_not: by the name of a system that has no answers: why.
        consensus: whether to add what the rest of a panel says of the person left out.

    Returns:
        metrics.json's content, and set_f1 by tau. `per_label` is about the model, or where there is none about the
        first system.

    Raises:
        BadInput: for no system at all, and for a name that belongs to what is added here.
    """
    answers = dict(answers)
    _check_names(answers)
    first = "model" if "model" in answers else next(iter(answers))
    if truth.oracle is not None:
        answers["oracle"] = _oracle(truth)
    systems = {name: score(given, truth) for name, given in answers.items()}
    beside = {name: given for name, given in answers.items() if name not in _ALONE}
    systems |= people(truth, beside, torch.Generator().manual_seed(seed))
    if consensus:
        for name, rows in consensus_rows(truth, beside).items():
            found = intervals(rows, truth)
            systems[name] = {**systems.get(name, {}), **found}
    floor, why_no_floor = _floor(truth, seed)
    conventions = rules_of(metric for scores in systems.values() for metric in scores)
    notes = {**(why_not or {}), **why_no_floor}
    rules = {**_rules(truth, notes), **conventions, **_of_shares(answers, systems, truth)}
    metrics: dict[str, Any] = {
        "schema": SCHEMA,
        "split": split,
        "n": len(truth.image_id),
        "rules": rules,
        "systems": {name: systems[name] for name in in_order(systems)},
        "sampling_floor": floor,
        "per_label": per_label(answers[first], truth),
    }
    if truth.stopped is not None:
        rules["stopping"] = truth.stopped
    if truth.pooled is not None:
        rules["languages"] = truth.pooled
    return Result(metrics, _by_tau(answers, truth))


def in_order(systems: Iterable[str]) -> list[str]:
    """Known systems in the order of reports, then the others as they came."""
    given = list(systems)
    return [name for name in KNOWN if name in given] + [name for name in given if name not in KNOWN]


def _check_names(answers: Mapping[str, Answers]) -> None:
    if not answers:
        raise BadInput("evaluate: no system's answers to score")
    for name in answers:
        if name in MADE_HERE or name.endswith("_loo"):
            raise BadInput(f"evaluate: {name!r} is the name of scores that are made here; call the system otherwise")


def _oracle(truth: Truth) -> Answers:
    """The true rates as a system: what could be known of these images, with the sets that tau cuts from them."""
    rates = torch.from_numpy(np.asarray(truth.oracle, dtype=np.float64))
    return Answers(rates, rates, None if truth.sets is None else (rates >= truth.tau - 1e-9).long())


def _floor(truth: Truth, seed: int) -> tuple[dict[str, float], dict[str, str]]:
    """What the truth itself would score against this many people's votes, or why that is not known."""
    if truth.kind in ("single", "sets"):
        return {}, {"sampling_floor": f"not available: a {truth.kind} target has no counts"}
    if truth.no_sets and truth.kind == "rates":
        return {}, {"sampling_floor": f"not available: {truth.no_sets}"}
    if truth.oracle is not None and truth.votes is not None:
        stand_in, what = truth.oracle, "the true rates" if truth.kind == "rates" else "the true distributions"
    else:
        drawn = truth.plausible(np.random.default_rng(seed))
        if drawn is None:
            return {}, {"sampling_floor": "not available: how many people answered is not known"}
        stand_in, what = drawn, "a draw from each image's posterior in place of the unknown truth"
    n = truth.people
    if n is None or truth.kind == "distribution":
        assert truth.votes is not None
        n = np.repeat(truth.votes.sum(axis=1, keepdims=True), len(truth.labels), axis=1)
    if (n != n[:, :1]).any():
        return {}, {"sampling_floor": "not available: people asked differ by label"}
    kind: Literal["rates", "distribution"] = "rates" if truth.kind == "rates" else "distribution"
    generator = torch.Generator().manual_seed(seed)
    floor = sampling_floors(stand_in, n[:, 0].copy(), share_metrics(truth), kind=kind, generator=generator)
    return {name: float(value) for name, value in floor.items()}, {"sampling_floor": what}


def _rules(truth: Truth, notes: Mapping[str, str]) -> dict[str, Any]:
    """The conventions behind the numbers, in words, and why a system has none."""
    rules: dict[str, Any] = {"hit": truth.hit_rule, "interval": _interval_rule(truth)}
    if truth.sets is not None:
        rules["tau"] = truth.tau
        rules["label_set"] = (
            "the given sets"
            if truth.kind == "sets"
            else "labels with P(rate >= tau | votes) >= 1/2, Beta prior fitted on train"
            if truth.votes is not None and truth.beta is not None
            else "labels with a share of at least tau"
        )
        rules["predicted_sets"] = "thresholds chosen on validation; the oracle's from tau"
        rules["mean_set_size"] = float(truth.sets.sum(axis=1).mean())
    else:
        rules["label_set"] = f"none: {truth.no_sets}"
    hits = torch.from_numpy(truth.hits)
    rules["mean_hits"] = float(hits.sum(dim=1).double().mean())
    if bool(hits.any()):
        rules["top_1_chance"] = float(F.top_k_chance(hits, k=1).nanmean())
    if truth.kind == "distribution" and truth.wheel:
        rules["earth_movers_distance"] = truth.wheel_rule
    if truth.chosen is None:
        rules["human"] = f"not available: {truth.no_judgements}"
    else:
        rules["human"] = (
            "one person against the rest of the panel; the *_loo systems on the same targets; "
            "half_panel: half of an image's people against the other half"
        )
    return {**rules, **notes}


def _of_shares(
    answers: Mapping[str, Answers], systems: Mapping[str, Mapping[str, Score]], truth: Truth
) -> dict[str, str]:
    """How sure a head's shares may be, and which systems were so sure of what is not so that a score is infinite."""
    metrics = share_metrics(truth)
    told = [name for name, given in answers.items() if given.shares is not None]
    if not metrics or not told:
        return {}
    lost = {m: [name for name in told if m not in systems[name]] for m in metrics}
    return {
        "shares": f"a head's share counts as at least {SURE:g} and at most 1 - {SURE:g}",
        **{m: f"not finite: {', '.join(names)}" for m, names in lost.items() if names},
    }


def _interval_rule(truth: Truth) -> str:
    units = len(truth.image_id) if truth.groups is None else len(np.unique(truth.groups))
    over = f"{units} images" if truth.groups is None else f"{units} groups"
    if units == 1:
        return f"none: {over.removesuffix('s')} says nothing of others"
    if units < STUDENT_BELOW:
        return f"95 %, Student's t with the jackknife's standard error over {over}: so few make it rough"
    how = f"95 %, Student's t and Hall's, which allows for skewness, with the jackknife's standard error over {over}"
    return f"{how}: fewer than {FEW} make it rough" if units < FEW else how


def _by_tau(answers: Mapping[str, Answers], truth: Truth) -> dict[str, dict[str, float]]:
    """Mean set F1 against the label sets of other cuts; predicted sets stay as they are."""
    if truth.sets is None or truth.kind == "sets":
        return {}
    out: dict[str, dict[str, float]] = {}
    for tau in TAUS:
        sets = truth.sets_at(tau)
        assert sets is not None
        cut = torch.from_numpy(sets.astype(np.int64))
        out[f"{tau:.3g}"] = {
            name: float(F.set_f1(given.sets, cut).mean()) for name, given in answers.items() if given.sets is not None
        }
    return out


__all__ = ["Result", "evaluate", "in_order"]
