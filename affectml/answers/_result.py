"""What judging a system's answers found, as values, tables and sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.answers._said import Received
from affectml.answers._words import shown
from affectml.errors import few, option
from affectml.evaluation.bias import LEVEL, LabelBias
from affectml.report.tables import (
    Table,
    arrow,
    as_html,
    cell,
    main_table,
    number,
    order,
    p_value,
    people_table,
    starred,
)
from affectml.runs.scores import score_table

LISTED = 5  # of each reason, in words; JSON has all


@dataclass(frozen=True)
class Gap:
    """The system less another one, on the same images. p: of equal means, None below 30 images or groups; p_holm:
    corrected for all gaps.
    """

    other: str
    metric: str
    score: dict[str, float]
    p: float | None
    p_holm: float | None = None

    @property
    def found(self) -> bool:
        """Whether it is beyond chance."""
        return self.p_holm is not None and self.p_holm < LEVEL


@dataclass(frozen=True)
class AsEmpty:
    """Scores on all judged images, those without an answer counted as the empty set: {SYSTEM: {METRIC: score}}."""

    images: int
    unanswered: int
    systems: dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True, eq=False, repr=False)
class JudgedAnswers:
    """A system's answers, judged.

    metrics: as metrics.json, on the images with an answer. received: what the file held, and what could not be used.
    gaps: differences to each other system. bias: how often it names each label, beside people; first: whether that is
    how often it names it first. as_empty: None where every judged image has an answer. source: the published set that
    the images are from, else None.
    """

    name: str
    dataset: str
    target: str
    metrics: dict[str, Any]
    received: dict[str, Any]
    gaps: tuple[Gap, ...]
    bias: tuple[LabelBias, ...]
    first: bool
    as_empty: AsEmpty | None
    source: str | None

    @property
    def scores(self) -> pd.DataFrame:
        """A row per system, and per metric columns value, low, high, as `Run.scores`."""
        return score_table(self.metrics)

    @property
    def differences(self) -> pd.DataFrame:
        """The system less each other one: other, metric, value, low, high, p and p_holm."""
        rows = [{"other": g.other, "metric": g.metric, **g.score, "p": g.p, "p_holm": g.p_holm} for g in self.gaps]
        return pd.DataFrame(rows)

    @property
    def label_bias(self) -> pd.DataFrame:
        """A row per label, see `LabelBias`."""
        return pd.DataFrame([asdict(each) for each in self.bias]).set_index("label")

    @property
    def warning(self) -> str:
        """That the set is public, and what follows; "" for a set that nobody published."""
        if not self.source:
            return ""
        return (
            f"{self.source} is a published set: {self.name} may have been trained on its images or labels, and a high "
            "score may be memory; ask its makers, or judge it on images that nobody published"
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """In words: the labels that it names more or less often than people, beyond chance; or that there are none."""
        what = "names first" if self.first else "says"
        found = [each.in_words(self.name, what) for each in sorted(self.bias, key=lambda b: b.p) if each.found]
        none = f"{self.name} {what} no label more or less often than people, beyond chance ({LEVEL:.0%}, Holm)"
        return tuple(found) or (none,)

    def __repr__(self) -> str:
        answered = f"{self.received['answered']} of {self.received['judged']} images"
        return f"<JudgedAnswers of {self.name} on {self.dataset}, target {self.target}: {answered}>"

    def _repr_html_(self) -> str:
        """For notebooks: what was read, scores, and differences."""
        tables = [main_table(self.metrics, brief=True), self._differences()]
        lines = [f"<p>{escape(self.name)} on {escape(self.dataset)}, target {escape(self.target)}</p>"]
        lines += [as_html(shown) for shown in tables if shown is not None]
        return "".join([*lines, *(f"<p>{escape(line)}</p>" for line in self.findings)])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.metrics,
            "name": self.name,
            "dataset": self.dataset,
            "target": self.target,
            "answers": self.received,
            "differences": [asdict(gap) for gap in self.gaps],
            "bias": {"first": self.first, "labels": [{**asdict(b), "found": b.found} for b in self.bias]},
            "findings": list(self.findings),
            "unanswered_as_empty": None if self.as_empty is None else asdict(self.as_empty),
            "published": self.source,
            "warning": self.warning,
        }

    def tables(self) -> list[Table]:
        """What could not be used, scores, people, differences, unanswered images as empty sets, and bias."""
        scores = (main_table(self.metrics, brief=True), people_table(self.metrics))
        made = (self._problems(), *scores, self._differences(), self._as_empty(), self._bias())
        return [table for table in made if table is not None]

    def _problems(self) -> Table | None:
        problems = self.received["problems"]
        if not problems:
            return None
        rows = tuple((reason, str(len(places)), _some(places)) for reason, places in problems.items())
        return Table("What could not be used", ("reason", "number", "where"), rows)

    def _differences(self) -> Table | None:
        if not self.gaps:
            return None
        others = list(dict.fromkeys(gap.other for gap in self.gaps))
        by_metric: dict[str, dict[str, Gap]] = {}
        for gap in self.gaps:
            by_metric.setdefault(gap.metric, {})[gap.other] = gap
        names = order({"": by_metric}, brief=True)
        rows, best = [], set()
        for at, metric in enumerate(names):
            found = by_metric[metric]
            rows.append((arrow(metric), *(_signed(found[o].score) if o in found else "–" for o in others)))
            best |= {(at, c + 1) for c, o in enumerate(others) if o in found and found[o].found}
        note = (
            f"{self.name} minus each other system, on the same images; ± is half the width of the 95 % interval; "
            f"bold: beyond chance ({LEVEL:.0%}, studentised bootstrap, Holm over this table)"
        )
        if {"human", "consensus"} & set(others):
            note += "; against people: on the leave-one-out targets"
        return starred(Table(f"{self.name} minus ...", ("metric", *others), tuple(rows), note, frozenset(best)))

    def _as_empty(self) -> Table | None:
        if self.as_empty is None:
            return None
        systems = self.as_empty.systems
        rows = tuple((arrow(m), *(cell(systems[s].get(m)) for s in systems)) for m in order(systems, brief=True))
        title = f"All {self.as_empty.images} images, {self.as_empty.unanswered} without an answer as empty sets"
        note = "an empty set ranks no label before another; a rate or a distribution has no such stand-in"
        return starred(Table(title, ("metric", *systems), rows, note)) if rows else None

    def _bias(self) -> Table:
        rows = tuple(
            (b.label, number(b.system), number(b.people), f"{_sign(b.difference)} ±{number((b.high - b.low) / 2)}",
             p_value(b.p_holm), "yes" if b.found else "")
            for b in self.bias
        )  # fmt: skip
        what = "is named first" if self.first else "is said"
        note = "share of images; of people, and of several answers, the mean; ± is half the width of the 95 % interval"
        columns = ("label", self.name, "people", "difference", "p (Holm)", "beyond chance")
        return Table(f"How often each label {what}", columns, rows, note)

    def summary(self) -> list[str]:
        """What was read, in lines."""
        r = self.received
        several = f", up to {r['samples']} answers an image" if r["samples"] > 1 else ""
        lines = [
            f"{r['rows']} {r['what']} read as {r['shape']}{several}; {r['used']} count",
            f"{r['answered']} of {r['judged']} {self.metrics['split']} images have an answer "
            f"({r['answered'] / r['judged']:.0%}); all systems are scored on these",
        ]
        if r["without_an_answer"]:
            lines.append(f"images without an answer: {_some(r['without_an_answer'])}")
        if r["unknown_labels"]:
            named = ", ".join(f"{label} ({count})" for label, count in list(r["unknown_labels"].items())[:12])
            more = f" and {len(r['unknown_labels']) - 12} more" if len(r["unknown_labels"]) > 12 else ""
            ways = f"{option('mapping', {next(iter(r['unknown_labels'])): 'LABEL'})} says what a word stands for"
            lines.append(f"unknown labels, left out of answers that name others: {named}{more}; {ways}")
        if r["renamed"]:
            pairs = [f"{spelt} -> {label}" for spelt, label in r["renamed"].items()]
            lines.append(f"labels renamed: {few(pairs, 8)}")
        return [*lines, *r["notes"]]


def received_json(
    received: Received, judged: NDArray[np.object_], answered: NDArray[np.bool_], images: NDArray[np.object_]
) -> dict[str, Any]:
    """What a file held, as plain values; images: those with an answer, judged or not."""
    notes = list(received.notes)
    elsewhere = int((~np.isin(images, judged)).sum())
    if elsewhere:
        notes.append(f"{elsewhere} answered images are not among those judged")
    return {
        "rows": received.rows,
        "what": received.what,
        "shape": received.shape,
        "samples": received.samples,
        "used": received.used,
        "judged": len(judged),
        "answered": int(answered.sum()),
        "without_an_answer": [shown(str(image)) for image in judged[~answered]],
        "problems": received.problems,
        "unknown_labels": dict(received.unknown_labels.most_common()),
        "unknown_images": received.unknown_images,
        "renamed": received.renamed,
        "notes": notes,
    }


def _some(names: list[str]) -> str:
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _sign(value: float) -> str:
    rounded = round(value, 3) + 0.0  # no -.000
    return f"{'+' if rounded > 0 else ''}{number(rounded)}"


def _signed(score: Mapping[str, float]) -> str:
    text = cell(score)
    return f"+{text}" if score["value"] > 0 else text
