"""What judging a system's answers found, as values, tables and sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.answers._gaps import Gap, best_first, standing
from affectml.answers._usable import Received
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
    shown_systems,
    starred,
)
from affectml.runs.scores import score_table

LISTED = 5  # of each reason, in words; JSON has all


@dataclass(frozen=True)
class AsEmpty:
    """Scores on all judged images, those without an answer counted as the empty set: {SYSTEM: {METRIC: score}}.

    unanswered: how many those are, by system.
    """

    images: int
    unanswered: dict[str, int]
    systems: dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class JudgedSystem:
    """What one system's file held, and how often it names each label beside people.

    received: what was read, and what could not be used. first: whether bias is of how often it names a label first.
    """

    received: dict[str, Any]
    bias: tuple[LabelBias, ...]
    first: bool

    @property
    def does(self) -> str:
        """What is counted of it, as a verb."""
        return "names first" if self.first else "says"


@dataclass(frozen=True, eq=False, repr=False)
class JudgedAnswers:
    """Systems' answers, judged.

    metrics: as metrics.json, on the images that every system answered. by: the metric that systems are sorted by;
    systems: the judged ones by name, best first. gaps: each system less each other one and less all that stands beside
    them. as_empty: None where every judged image has an answer of every system. source: the published set that the
    images are from, else None.
    """

    dataset: str
    target: str
    metrics: dict[str, Any]
    by: str
    systems: dict[str, JudgedSystem]
    gaps: tuple[Gap, ...]
    as_empty: AsEmpty | None
    source: str | None

    @property
    def scores(self) -> pd.DataFrame:
        """A row per system, and per metric columns value, low, high, as `Run.scores`."""
        return score_table(self.metrics)

    @property
    def differences(self) -> pd.DataFrame:
        """Each system less each other one: system, other, metric, value, low, high, p and p_holm."""
        return pd.DataFrame(
            [
                {
                    "system": gap.system,
                    "other": gap.other,
                    "metric": gap.metric,
                    **gap.score,
                    "p": gap.p,
                    "p_holm": gap.p_holm,
                }
                for gap in self.gaps
            ]
        )

    @property
    def label_bias(self) -> pd.DataFrame:
        """A row per judged system and label, see `LabelBias`."""
        rows = [{"name": name, **asdict(each)} for name, system in self.systems.items() for each in system.bias]
        return pd.DataFrame(rows).set_index(["name", "label"])

    @property
    def standing(self) -> dict[str, str]:
        """Everyone who has the metric that is sorted by, best first: best, tied with it, behind it, or not compared."""
        scores = {name: self.metrics["systems"][name] for name in listed(self.metrics["systems"])}
        return standing(best_first(scores, self.by), self.by, self.gaps)

    @property
    def warning(self) -> str:
        """That the set is public, and what follows; "" for a set that nobody published."""
        if not self.source:
            return ""
        return (
            f"{self.source} is a published set: {' and '.join(self.systems)} may have been trained on its images or "
            "labels, and a high score may be memory; ask the makers, or judge on images that nobody published"
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """In words: the labels that a system names more or less often than people, beyond chance; or that none is."""
        found: list[str] = []
        for name, system in self.systems.items():
            told = [each.in_words(name, system.does) for each in sorted(system.bias, key=lambda b: b.p) if each.found]
            found += told or [
                f"{name} {system.does} no label more or less often than people, beyond chance ({LEVEL:.0%}, Holm)"
            ]
        return tuple(found)

    def __repr__(self) -> str:
        judged = next(iter(self.systems.values())).received["judged"]
        images = f"{self.metrics['n']} of {judged} images"
        return f"<JudgedAnswers of {', '.join(self.systems)} on {self.dataset}, target {self.target}: {images}>"

    def _repr_html_(self) -> str:
        """For notebooks: what was read, scores, and differences."""
        names = ", ".join(self.systems)
        lines = [f"<p>{escape(names)} on {escape(self.dataset)}, target {escape(self.target)}</p>"]
        lines += [as_html(shown) for shown in (main_table(self.metrics, brief=True), *self.differences_tables())]
        return "".join([*lines, *(f"<p>{escape(line)}</p>" for line in self.findings)])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.metrics,
            "dataset": self.dataset,
            "target": self.target,
            "by": self.by,
            "standing": self.standing,
            "answers": {name: system.received for name, system in self.systems.items()},
            "differences": [asdict(gap) for gap in self.gaps],
            "bias": {
                name: {"first": system.first, "labels": [{**asdict(b), "found": b.found} for b in system.bias]}
                for name, system in self.systems.items()
            },
            "findings": list(self.findings),
            "unanswered_as_empty": None if self.as_empty is None else asdict(self.as_empty),
            "published": self.source,
            "warning": self.warning,
        }

    def tables(self) -> list[Table]:
        """What could not be used, scores, people, differences, unanswered images as empty sets, and bias."""
        scores = [main_table(self.metrics, brief=True), people_table(self.metrics)]
        made = [
            *self.problems_tables(),
            *scores,
            *self.differences_tables(),
            self.as_empty_table(),
            *self.bias_tables(),
        ]
        return [table for table in made if table is not None]

    def _of(self, name: str) -> str:
        """Whose a table is, where there are several systems."""
        return f": {name}" if len(self.systems) > 1 else ""

    def problems_tables(self) -> list[Table]:
        """What could not be used of each system's file, by reason."""
        made = []
        for name, system in self.systems.items():
            rows = tuple((why, str(len(at)), _some(at)) for why, at in system.received["problems"].items())
            made += [Table(f"What could not be used{self._of(name)}", ("reason", "number", "where"), rows)] * bool(rows)
        return made

    def differences_tables(self) -> list[Table]:
        """Each system less all that come after it, metrics down."""
        made = []
        for name in dict.fromkeys(gap.system for gap in self.gaps):
            gaps = [gap for gap in self.gaps if gap.system == name]
            others = list(dict.fromkeys(gap.other for gap in gaps))
            cells = {(gap.metric, gap.other): gap for gap in gaps}
            metrics = order({"": {gap.metric: None for gap in gaps}}, brief=True)
            rows, bold = [], set()
            for at, metric in enumerate(metrics):
                found = [cells.get((metric, other)) for other in others]
                rows.append((arrow(metric), *("–" if gap is None else _signed(gap.score) for gap in found)))
                bold |= {(at, column) for column, gap in enumerate(found, 1) if gap is not None and gap.found}
            over = "this table" if len(self.systems) == 1 else "all of these tables"
            note = (
                f"{name} minus each other system, on the same images; ± is half the width of the 95 % interval; "
                f"bold: beyond chance ({LEVEL:.0%}, studentised bootstrap, Holm over {over})"
            )
            if {"human", "consensus"} & set(others):
                note += "; against people: on the leave-one-out targets"
            made.append(starred(Table(f"{name} minus ...", ("metric", *others), tuple(rows), note, frozenset(bold))))
        return made

    def as_empty_table(self) -> Table | None:
        """Scores with unanswered images as empty sets; None where there are none."""
        if self.as_empty is None:
            return None
        systems = self.as_empty.systems
        rows = tuple((arrow(m), *(cell(systems[s].get(m)) for s in systems)) for m in order(systems, brief=True))
        missing = [
            f"{count}{f' of {name}' * (len(self.systems) > 1)} without an answer"
            for name, count in self.as_empty.unanswered.items()
        ]
        title = f"All {self.as_empty.images} images, {', '.join(missing)} as empty sets"
        note = "an empty set ranks no label before another; a rate or a distribution has no such stand-in"
        return starred(Table(title, ("metric", *systems), rows, note)) if rows else None

    def bias_tables(self) -> list[Table]:
        """How often each label is named by a system, and by people."""
        made = []
        for name, system in self.systems.items():
            rows = tuple(
                (b.label, number(b.system), number(b.people), f"{_sign(b.difference)} ±{number((b.high - b.low) / 2)}",
                 p_value(b.p_holm), "yes" if b.found else "")
                for b in system.bias
            )  # fmt: skip
            note = (
                "share of images; of people, and of several answers, the mean; ± is half the width of the 95 % interval"
            )
            if len(self.systems) > 1:
                note += "; Holm over the labels of all systems"
            title = f"How often each label is {'named first' if system.first else 'said'}{self._of(name)}"
            made.append(Table(title, ("label", name, "people", "difference", "p (Holm)", "beyond chance"), rows, note))
        return made

    def summary(self) -> list[str]:
        """What was read, in lines."""
        several = len(self.systems) > 1
        lines = []
        for name, system in self.systems.items():
            lines += [
                f"{name}: {line}" if several else line
                for line in _read_in_words(system.received, self.metrics["split"])
            ]
        of = "of every system" if several else ""
        return [*lines, f"everyone is scored on the {self.metrics['n']} images that have an answer {of}".rstrip()]


def listed(systems: Mapping[str, Any]) -> list[str]:
    """Who stands in a table of systems: all but those on leave-one-out targets of their own; people among them."""
    return [*shown_systems(systems), *(["consensus"] if "consensus" in systems else [])]


def _read_in_words(received: Mapping[str, Any], split: str) -> list[str]:
    """What one file held."""
    r = received
    answers = f", up to {r['samples']} answers an image" if r["samples"] > 1 else ""
    lines = [
        f"{r['rows']} {r['what']} read as {r['shape']}{answers}; {r['used']} count",
        f"{r['answered']} of {r['judged']} {split} images have an answer ({r['answered'] / r['judged']:.0%})",
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
        "ways": dict(received.ways.most_common()),
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
