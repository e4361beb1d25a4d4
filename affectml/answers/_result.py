"""What judging a system's answers found, as values, tables and sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.answers import _tables as tables
from affectml.answers._gaps import Gap
from affectml.answers._spread import PlaceBias, Spread
from affectml.answers._usable import Received
from affectml.answers._views import AgreedAlone, ByDisagreement, StatedCalibration
from affectml.answers._words import shown
from affectml.errors import few, option
from affectml.judging.bias import LEVEL, LabelBias
from affectml.page.tables import Table, as_html, main_table, people_table
from affectml.runs.scores import score_table


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
    """What one system's file held, and what was found of it beside its scores.

    received: what was read, and what could not be used. bias: how often it names each label beside people; first:
    whether that is how often it names it first. per_label: scores by label, as in metrics.json. spread: over wordings
    and draws, where there are several. places: its liking for places, None without an index that has its requests.
    """

    received: dict[str, Any]
    bias: tuple[LabelBias, ...]
    first: bool
    per_label: dict[str, dict[str, Any]]
    spread: tuple[Spread, ...]
    places: PlaceBias | None

    @property
    def does(self) -> str:
        """What is counted of it, as a verb."""
        return "names first" if self.first else "says"


@dataclass(frozen=True, eq=False, repr=False)
class JudgedAnswers:
    """Systems' answers, judged.

    metrics: as metrics.json, on the images that every system answered. by: the metric that systems are sorted by;
    systems: the judged ones by name, best first. runs: names of runs beside them. gaps: each system less each other one
    and less all that stands beside them. disagreement, stated, alone: where systems and people part, None where that
    cannot be known (`alone`: of one system). as_empty: None where every judged image has an answer of every system.
    source: the published set that the images are from, else None.
    """

    dataset: str
    folder: Path
    target: str
    metrics: dict[str, Any]
    by: str
    systems: dict[str, JudgedSystem]
    runs: tuple[str, ...]
    gaps: tuple[Gap, ...]
    disagreement: ByDisagreement | None
    stated: StatedCalibration | None
    alone: AgreedAlone | None
    as_empty: AsEmpty | None
    source: str | None

    @property
    def scores(self) -> pd.DataFrame:
        """A row per system, and per metric columns value, low, high, as `Run.scores`."""
        return score_table(self.metrics)

    @property
    def differences(self) -> pd.DataFrame:
        """Each system less each other one: system, other, metric, value, low, high, p and p_holm."""
        rows = [{**asdict(gap), **gap.score} for gap in self.gaps]
        return pd.DataFrame(rows).drop(columns="score")

    @property
    def label_bias(self) -> pd.DataFrame:
        """A row per judged system and label, see `LabelBias`."""
        rows = [{"name": name, **asdict(each)} for name, system in self.systems.items() for each in system.bias]
        return pd.DataFrame(rows).set_index(["name", "label"])

    @property
    def standing(self) -> dict[str, str]:
        """Everyone who has the metric that is sorted by, best first: best, tied with it, behind it, or not compared."""
        return tables.places(self, self.by)

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
        """In words: labels that a system names more or less often than people, beyond chance, or that none is; what it
        likes for its place; and where systems and people part.
        """
        found = self.bias_in_words()
        found += [s.places.in_words(name) for name, s in self.systems.items() if s.places and s.places.found]
        views = (self.stated, self.disagreement, self.alone)
        return (*found, *(line for view in views if view is not None for line in view.findings))

    def bias_in_words(self) -> list[str]:
        """The labels that each system names more or less often than people, the surest first; and who names none so."""
        found = [
            each.in_words(name, system.does)
            for name, system in self.systems.items()
            for each in sorted(system.bias, key=lambda b: b.p)
            if each.found
        ]
        for does in dict.fromkeys(system.does for system in self.systems.values()):
            none = [n for n, s in self.systems.items() if s.does == does and not any(each.found for each in s.bias)]
            said = does if len(none) == 1 else does.replace("says", "say").replace("names", "name")
            if none:
                names = f"{', '.join(none[:-1])} and {none[-1]}" if len(none) > 1 else none[0]
                found.append(
                    f"{names} {said} no label more or less often than people, beyond chance ({LEVEL:.0%}, Holm)"
                )
        return found

    def __repr__(self) -> str:
        judged = next(iter(self.systems.values())).received["judged"]
        images = f"{self.metrics['n']} of {judged} images"
        return f"<JudgedAnswers of {', '.join(self.systems)} on {self.dataset}, target {self.target}: {images}>"

    def _repr_html_(self) -> str:
        """For notebooks: what was read, scores, and differences."""
        names = ", ".join(self.systems)
        lines = [f"<p>{escape(names)} on {escape(self.dataset)}, target {escape(self.target)}</p>"]
        first = tables.ranking(self) if len(self.systems) > 1 else main_table(self.metrics, brief=True)
        lines += [as_html(each) for each in (first, *tables.differences(self))]
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
            "labels": {name: system.per_label for name, system in self.systems.items()},
            "spread": {
                name: [{**asdict(each), "rough": each.rough} for each in s.spread] for name, s in self.systems.items()
            },
            "places": {n: {**asdict(s.places), "found": s.places.found} for n, s in self.systems.items() if s.places},
            "by_disagreement": self.disagreement and self.disagreement.to_json(),
            "stated_shares": self.stated and self.stated.to_json(),
            "alone": self.alone and self.alone.to_json(),
            "findings": list(self.findings),
            "unanswered_as_empty": None if self.as_empty is None else asdict(self.as_empty),
            "published": self.source,
            "warning": self.warning,
        }

    def tables(self, *, brief: bool = False) -> list[Table]:
        """What a terminal shows: of several systems who leads, of one all scores, differences, and how often it says
        each label; what could not be used of the answers; and unanswered images as empty sets.

        brief: of all scores the main ones.
        """
        found: list[Table | None] = [tables.ranking(self)]
        if len(self.systems) == 1:
            found = [main_table(self.metrics, brief=brief), people_table(self.metrics), *tables.differences(self)]
            found += tables.bias(self)
        found += [*tables.problems(self), tables.as_empty(self)]
        return [table for table in found if table is not None]

    def summary(self) -> list[str]:
        """What was read, in lines."""
        several = len(self.systems) > 1
        lines = []
        for name, system in self.systems.items():
            said = _read_in_words(system.received, self.metrics["split"])
            lines += [f"{name}: {line}" for line in said] if several else said
        of = "of every system" if several else ""
        return [*lines, f"everyone is scored on the {self.metrics['n']} images that have an answer {of}".rstrip()]


def _read_in_words(received: Mapping[str, Any], split: str) -> list[str]:
    """What one file held."""
    r, of = received, "" if split == "all" else f"{split} "
    answers = f", up to {r['samples']} answers an image" if r["samples"] > 1 else ""
    lines = [
        f"{r['rows']} {r['what']} read as {r['shape']}{answers}; {r['used']} count",
        f"{r['answered']} of {r['judged']} {of}images have an answer ({r['answered'] / r['judged']:.0%})",
    ]
    if r["without_an_answer"]:
        lines.append(f"images without an answer: {tables.some(r['without_an_answer'])}")
    if r["unknown_labels"]:
        named = ", ".join(f"{label} ({count})" for label, count in list(r["unknown_labels"].items())[:12])
        more = f" and {len(r['unknown_labels']) - 12} more" if len(r["unknown_labels"]) > 12 else ""
        ways = f"{option('mapping', {next(iter(r['unknown_labels'])): 'LABEL'})} says what a word stands for"
        lines.append(f"unknown labels: {named}{more}; {r['shortened']} answers count without them; {ways}")
    if r["renamed"]:
        pairs = [f"{spelt} -> {label}" for spelt, label in r["renamed"].items()]
        lines.append(f"labels renamed: {few(pairs, 8)}")
    return [*lines, *r["notes"]]


def received_json(
    received: Received, judged: NDArray[np.object_], answered: NDArray[np.bool_], images: NDArray[np.object_]
) -> dict[str, Any]:
    """What a file held, as plain values; images: those with an answer, judged or not."""
    elsewhere = int((~np.isin(images, judged)).sum())
    notes = [f"{elsewhere} answered images are not among those judged"] if elsewhere else []
    return {
        **vars(received),
        "judged": len(judged),
        "answered": int(answered.sum()),
        "without_an_answer": [shown(str(image)) for image in judged[~answered]],
        "unknown_labels": dict(received.unknown_labels.most_common()),
        "notes": [*received.notes, *notes],
    }
