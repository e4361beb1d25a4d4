"""How far systems are apart on the same images, which of them leads, and who cannot be told from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from affectml.errors import BadInput, did_you_mean, option
from affectml.judging.bias import LEVEL, corrected_for_all
from affectml.judging.people import consensus_rows, people_rows
from affectml.judging.scoring import Answers, apart_within, as_scores, row_scores
from affectml.judging.truth import Truth
from affectml.page.tables import chosen
from affectml_metrics import paired_difference
from affectml_metrics.table import better, find


@dataclass(frozen=True)
class Gap:
    """The system less another one, on the same images. p: of equal means, None below 30 images or groups; p_holm:
    corrected for all gaps.
    """

    system: str
    other: str
    metric: str
    score: dict[str, float]
    p: float | None
    p_holm: float | None = None

    @property
    def found(self) -> bool:
        """Whether it is beyond chance."""
        return self.p_holm is not None and self.p_holm < LEVEL


def gaps_of(given: Mapping[str, Answers], systems: Sequence[str], truth: Truth, by: str, seed: int) -> list[Gap]:
    """Each of the systems less each that comes after it, and less everything else; p values corrected for all of these.

    Metrics by rows: those of brief tables, and the one that systems are sorted by; with people on the leave-one-out
    targets.
    """
    rows = {name: row_scores(answers, truth) for name, answers in given.items()}
    pairs = [
        (one, other, rows[one], rows[other])
        for at, one in enumerate(systems)
        for other in (*systems[at + 1 :], *(name for name in given if name not in systems))
    ]
    judged = {name: given[name] for name in systems}
    for person, rows_of in (
        ("human", people_rows(truth, judged, torch.Generator().manual_seed(seed))),
        ("consensus", consensus_rows(truth, judged)),
    ):
        alike = {name: {m: of[m] for m in ("set_f1_judgements",) if m in of} for name, of in rows.items()}
        theirs = rows_of.get(person, {})
        pairs += [(name, person, alike[name] | rows_of.get(f"{name}_loo", {}), theirs) for name in systems]
    kept = [
        (one, other, metric, ours[metric].double(), values.double())
        for one, other, ours, theirs in pairs
        for metric, values in theirs.items()
        if metric in ours and (metric == by or compared(metric))
    ]
    if not kept:
        return []
    one = torch.stack([ours for *_, ours, _ in kept], dim=1)
    two = torch.stack([values for *_, values in kept], dim=1)
    found = paired_difference(one, two, groups=truth.groups, bounds=[apart_within(metric) for *_, metric, _, _ in kept])
    gaps = [
        Gap(name, other, metric, score, None if np.isnan(p) else p)
        for (name, other, metric, *_), score, p in zip(kept, as_scores(found), found.p.tolist(), strict=True)
        if np.isfinite(score["value"])
    ]
    corrected = corrected_for_all([gap.p for gap in gaps])
    return [replace(gap, p_holm=p) for gap, p in zip(gaps, corrected, strict=True)]


def compared(metric: str) -> bool:
    """Whether systems are compared by it: it is shown in brief tables, and says which value is better."""
    spec = find(metric)
    return spec is not None and spec.better != "" and "brief" in spec.shown


def sorting(scores: Mapping[str, Mapping[str, Any]], systems: Sequence[str], by: str | None) -> str:
    """The metric that systems are sorted by: the one asked for, else the first of the main ones that all of them have.

    scores: by system and metric.

    Raises:
        BadInput: for a metric that some system has not, or that knows no better and worse; those that can be are named.
    """
    known = [m for m in scores[systems[0]] if better(m) and all(m in scores[name] for name in systems)]
    if by is None:
        return next((metric for metric in chosen(scores) if metric in known), known[0])
    if by not in known:
        ways = f"{did_you_mean(by, known)} (every system has {', '.join(known)})"
        raise BadInput(f"{option('by', by)}: not every system has that metric, or it knows no better and worse{ways}")
    return by


def best_first(scores: Mapping[str, Mapping[str, Any]], metric: str) -> list[str]:
    """Everyone who has the metric, best first; equal ones in the order given."""
    have = [name for name in scores if metric in scores[name]]
    return sorted(have, key=lambda name: scores[name][metric]["value"], reverse=better(metric) == "higher")


def standing(ranked: Sequence[str], systems: Collection[str], metric: str, gaps: Sequence[Gap]) -> dict[str, str]:
    """Everyone who is ranked beside the first of the judged systems, which is "best".

    "tied": no difference beyond chance; "ahead" or "behind": one that is; "not known": too few images for a p value;
    "–": not compared, as all are by a metric over the table. People are compared on the leave-one-out targets.
    """
    first = next(name for name in ranked if name in systems)
    apart = {frozenset((gap.system, gap.other)): gap for gap in gaps if gap.metric == metric}
    found = {}
    for name in ranked:
        gap = apart.get(frozenset((first, name)))
        if gap is None:
            found[name] = "best" if name == first else "–"
        elif not gap.found:
            found[name] = "not known" if gap.p is None else "tied"
        else:
            higher = gap.system if gap.score["value"] > 0 else gap.other
            found[name] = "ahead" if (higher == name) == (better(metric) == "higher") else "behind"
    return found
