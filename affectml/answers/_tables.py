"""The tables of judged answers: who leads, each difference, what was not read, and how often labels are said."""

from typing import TYPE_CHECKING

import pandas as pd

from affectml.answers._gaps import Gap, best_first, standing
from affectml.judging.bias import LEVEL
from affectml.page.tables import (
    Table,
    arrow,
    cell,
    chosen,
    number,
    order,
    p_value,
    shown_systems,
    starred,
    which_images,
)
from affectml_metrics.table import better

if TYPE_CHECKING:
    from affectml.answers._result import JudgedAnswers

LISTED = 5  # of each reason, in words; JSON has all


def listed(judged: "JudgedAnswers") -> list[str]:
    """Who stands in tables of systems: all but those on leave-one-out targets of their own; people among them."""
    scores = judged.metrics["systems"]
    return [*shown_systems(scores), *(["consensus"] if "consensus" in scores else [])]


def places(judged: "JudgedAnswers", metric: str) -> dict[str, str]:
    """Everyone in these tables who has a metric, best first, beside the best judged system; see `standing`."""
    scores = {name: judged.metrics["systems"][name] for name in listed(judged)}
    return standing(best_first(scores, metric), judged.systems, metric, judged.gaps)


def everyone(judged: "JudgedAnswers") -> list[str]:
    """The same names, best first by the metric that they are sorted by, then those that have it not."""
    return list(dict.fromkeys([*judged.standing, *listed(judged)]))


def main(judged: "JudgedAnswers") -> list[str]:
    """The main metrics, the one that systems are sorted by first."""
    return list(dict.fromkeys([judged.by, *chosen(judged.metrics["systems"])]))


def compared_by(judged: "JudgedAnswers") -> bool:
    """Whether anyone is compared by the metric that systems are sorted by: not where it is one over the whole table."""
    return any(gap.metric == judged.by for gap in judged.gaps)


def ranking(judged: "JudgedAnswers") -> Table:
    """Systems down, best first, main metrics across: the table for a paper."""
    scores, metrics = judged.metrics["systems"], main(judged)
    have = [metric for metric in metrics if any(metric in scores[name] for name in judged.systems)]
    standings = {metric: places(judged, metric) for metric in have}
    first, who = standings[judged.by], everyone(judged)
    rows = tuple((name, first.get(name, "–"), *(cell(scores[name].get(m)) for m in have)) for name in who)
    bold = {
        (row, column)
        for row, name in enumerate(who)
        for column, metric in enumerate(have, 2)
        if standings[metric].get(name) in ("best", "tied", "ahead")
        and {"tied", "ahead", "behind"} & {*standings[metric].values()}
    }
    best = next(iter(judged.systems))
    against = f"in which all are set against {best}" if compared_by(judged) else "which is no mean over images"
    note = (
        f"sorted by {judged.by}, {against}; ± is half the width of the 95 % interval; bold: "
        f"the best of the judged systems, and who is not behind it beyond chance ({LEVEL:.0%}, Holm over all "
        "differences), in metrics that are means over images; –: not compared"
    )
    if "not known" in first.values():
        note += "; not known: too few images for a p value (below 30)"
    if "human" in scores:
        note += "; people are scored on, and compared on, the rest of their panels"
    title = f"{which_images(judged.metrics)} of {judged.dataset}"
    columns = ("system", f"beside {best}", *map(arrow, have))
    return starred(Table(title, columns, rows, note, frozenset(bold), "ranking", bold=""))


def long(judged: "JudgedAnswers") -> pd.DataFrame:
    """A row per system and metric: what it is, value, interval, and how many images or groups, where few, carry it."""
    runs = dict.fromkeys(judged.runs, "run")
    kinds = {**runs, **dict.fromkeys(judged.systems, "system")}
    return pd.DataFrame(
        {
            "dataset": judged.dataset, "target": judged.target, "split": judged.metrics["split"],
            "images": judged.metrics["n"], "system": name, "kind": kinds.get(name, "beside"), "metric": metric,
            "better": better(metric), "value": score["value"], "low": score["low"], "high": score["high"],
            "few": score.get("few"),
        }
        for name, scores in judged.metrics["systems"].items()
        for metric, score in scores.items()
    ).astype({"few": "Int64"})  # fmt: skip


def problems(judged: "JudgedAnswers") -> list[Table]:
    """What could not be used of each system's file, by reason."""
    made = []
    for name, system in judged.systems.items():
        rows = tuple((why, str(len(at)), some(at)) for why, at in system.received["problems"].items())
        if rows:
            made.append(Table(f"What could not be used{_of(judged, name)}", ("reason", "number", "where"), rows))
    return made


def differences(judged: "JudgedAnswers") -> list[Table]:
    """Each system less all that come after it, metrics down."""
    made = []
    for name in dict.fromkeys(gap.system for gap in judged.gaps):
        gaps = [gap for gap in judged.gaps if gap.system == name]
        others = list(dict.fromkeys(gap.other for gap in gaps))
        cells = {(gap.metric, gap.other): gap for gap in gaps}
        metrics = order({"": {gap.metric: None for gap in gaps}})
        found = [[cells.get((metric, other)) for other in others] for metric in metrics]
        rows = tuple((arrow(m), *map(_signed, row)) for m, row in zip(metrics, found, strict=True))
        bold = frozenset((at, c) for at, row in enumerate(found) for c, gap in enumerate(row, 1) if gap and gap.found)
        over = "this table" if len(judged.systems) == 1 else "all of these tables"
        note = (
            f"{name} minus each other system, on the same images; ± is half the width of the 95 % interval; "
            f"bold: beyond chance ({LEVEL:.0%}, Holm over {over})"
        )
        if {"human", "consensus"} & set(others):
            note += "; against people: on the leave-one-out targets"
        made.append(starred(Table(f"{name} minus ...", ("metric", *others), rows, note, bold, bold="")))
    return made


def as_empty(judged: "JudgedAnswers") -> Table | None:
    """Scores with unanswered images as empty sets; None where there are none."""
    if judged.as_empty is None:
        return None
    systems = judged.as_empty.systems
    rows = tuple((arrow(m), *(cell(systems[s].get(m)) for s in systems)) for m in order(systems, brief=True))
    several = len(judged.systems) > 1
    counts = [f"{n}{f' of {name}' * several}" for name, n in judged.as_empty.unanswered.items()]
    title = f"All {judged.as_empty.images} images, {', '.join(counts)} without an answer as empty sets"
    note = "an empty set ranks no label before another; a rate or a distribution has no such stand-in"
    return starred(Table(title, ("metric", *systems), rows, note, name="as-empty")) if rows else None


def bias(judged: "JudgedAnswers") -> list[Table]:
    """How often each label is named by a system, and by people."""
    made = []
    for name, system in judged.systems.items():
        rows = tuple(
            (b.label, number(b.system), number(b.people), f"{_sign(b.difference)} ±{number((b.high - b.low) / 2)}",
             p_value(b.p_holm), "yes" if b.found else "")
            for b in system.bias
        )  # fmt: skip
        note = "share of images; of people, and of several answers, the mean; ± is half the width of the 95 % interval"
        if len(judged.systems) > 1:
            note += "; Holm over the labels of all systems"
        title = f"How often each label is {'named first' if system.first else 'said'}{_of(judged, name)}"
        made.append(Table(title, ("label", name, "people", "difference", "p (Holm)", "beyond chance"), rows, note))
    return made


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _of(judged: "JudgedAnswers", name: str) -> str:
    """Whose a table is, where there are several systems."""
    return f": {name}" if len(judged.systems) > 1 else ""


def _sign(value: float) -> str:
    rounded = round(value, 3) + 0.0  # no -.000
    return f"{'+' if rounded > 0 else ''}{number(rounded)}"


def _signed(gap: Gap | None) -> str:
    text = cell(None if gap is None else gap.score)
    return f"+{text}" if gap is not None and gap.score["value"] > 0 else text
