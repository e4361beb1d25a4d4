"""metrics.csv, scores.parquet and facts.json: what was found of systems, a row a figure.

metrics.csv, a row is a figure:

dataset, target, space  what it was judged on: the data set, its target, the taxonomy whose labels are compared
system                  who is judged: prior, zero_shot, model, oracle, floor, or the name of a run or of a file of
                        answers; or people: person (one of a panel), half (of a panel), consensus (the rest of a panel
                        as one answer), people (all of them)
against                 whom it is set beside: people (all of them), rest (a panel without the person who is left out),
                        half, person, floor, or another system: then value is a difference, the system less that one
by, level               a part of the images, people or answers: a column and its value; empty for all of them
label                   the label that it is about; empty for all of them
metric, k, tau          the metric library's name, or one of this room's (docs/judging.md has them); the k of top k;
                        the cut of label sets
seed                    of the run where several are compared
value, low, high        with its 95 % interval; low and high are empty where there is none
p, p_holm               of no difference; the same corrected for all that were tested with it
n, units                how many images (or answers) it rests on; images, groups or people, whichever are fewest

scores.parquet has means over images image by image: dataset, target, space, image_id, group (of images that intervals
keep together), system, against, then a column for each metric, with its k as METRIC@k; never of a person. facts.json
holds what is no figure: rules (how each metric was counted), warnings, findings. A finding has a system, empty where it
is of several, and the words that follow the system's name; a run alone is "model", whatever pages call it. No times and
no paths are in any of them: equal runs give equal bytes.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from affectml._files import need_file, read_json, write_json, write_parquet, write_text
from affectml.errors import BadRun
from affectml_annotation.exchange.files import csv_rows, csv_text
from affectml_metrics.intervals import FEW

METRICS, SCORES, FACTS = "metrics.csv", "scores.parquet", "facts.json"
KEYS = ("dataset", "target", "space", "image_id", "group", "system", "against")  # of scores.parquet
PEOPLE = ("people", "person", "half", "consensus")
# What rows are `by` besides columns of the user's: a column of such a name is "images' NAME" there.
TAKEN = ("tau", "instead_of", "bin", "disagreement", "split", "seeds", "unanswered", "answers_known")
_OF_PARTS = ("subgroups", "by_person")  # facts that name groups, or tell of few people
MADE_HERE = (*PEOPLE, "oracle", "floor", "rest")
# The order of systems in tables and pictures; those of other names stand after the model, as they were given.
ORDER = ("model", "zero_shot", "prior", "person", "consensus", "half", "oracle", "floor", "people")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A row of metrics.csv; see the module."""

    dataset: str = ""
    target: str = ""
    space: str = ""
    system: str = "model"
    against: str = "people"
    by: str = ""
    level: str = ""
    label: str = ""
    metric: str
    k: int | None = None
    tau: float | None = None
    seed: int | None = None
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    n: int | None = None
    units: int | None = None

    @property
    def name(self) -> str:
        """The metric as tables show it, its k spelled in."""
        return named(self.metric, self.k)

    @property
    def few(self) -> bool:
        """Whether it rests on so few images, groups or people that its interval is rough; never of repeats."""
        repeats = self.by == "seeds" and not self.level
        return self.low is not None and self.units is not None and self.units < FEW and not repeats

    @property
    def bounded(self) -> bool:
        """Whether its interval says anything: one image has none, and a few that are all alike do not show theirs."""
        return self.low is not None and not (self.few and self.low == self.high)

    @property
    def found(self) -> bool:
        """Whether it is a difference beyond chance, at 5 % of all that were tested together."""
        p = self.p if self.p_holm is None else self.p_holm
        return p is not None and p < 0.05

    @property
    def ends(self) -> tuple[float, float]:
        """Its interval; the value itself where there is none."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)


COLUMNS = tuple(each.name for each in fields(Figure))
_WHOLE, _REAL = ("k", "seed", "n", "units"), ("tau", "value", "low", "high", "p", "p_holm")


def named(metric: str, k: int | None) -> str:
    """A metric's name with its k spelled in: `top_k_accuracy` and 3 is `top_3_accuracy`."""
    return metric if k is None else re.sub(r"(?<=_)k(?=_|$)", str(k), metric)


def parsed(name: str) -> tuple[str, int | None]:
    """The metric's own name and the k that is spelled into it, a number between underscores: the inverse of `named`."""
    match = re.search(r"(?<=_)[1-9]\d*(?=_|$)", name)
    return (name, None) if match is None else (f"{name[: match.start()]}k{name[match.end() :]}", int(match[0]))


class Rows:
    """Gathers figures that share a part of their key."""

    def __init__(self, **key: Any) -> None:
        self.key = key
        self.rows: list[Figure] = []

    def add(self, name: str, found: Any, **key: Any) -> None:
        """Add a figure.

        name: the metric's, with its k spelled in or not. found: an Interval or a Difference of the metric library, or a
        number. A value that is not finite is left out; of one unit nothing is known of others, so both ends are the
        value.
        """
        metric, k = parsed(name)
        known = {part: float(getattr(found, part)) for part in ("value", "low", "high", "p") if hasattr(found, part)}
        known = known or {"value": float(found)}
        if "low" in known:
            key = {"n": int(found.rows), "units": int(found.units), **key}
            known |= {"low": known["value"], "high": known["value"]} if found.units == 1 else {}
        if all(np.isfinite(known[part]) for part in known if part != "p"):
            cells = {**self.key, "k": k, **known, **key}
            kept = {part: cell for part, cell in cells.items() if pd.notna(cell)}
            self.rows.append(Figure(metric=metric, **kept))

    def add_all(self, keys: Iterable[str | Mapping[str, Any]], found: Any, **key: Any) -> None:
        """The same for an Interval or a Difference whose fields are [M], or M numbers.

        keys: M names, or M sets of keys with `name` among them.
        """
        if isinstance(found, tuple):
            found = [type(found)(*value) for value in zip(*(part.reshape(-1) for part in found), strict=True)]
        for own, value in zip(keys, found, strict=True):
            self.add(found=value, **({"name": own} if isinstance(own, str) else own), **key)

    def add_labels(self, name: str, labels: Iterable[str], found: Any, **key: Any) -> None:
        """The same for M labels."""
        self.add_all([{"name": name, "label": label} for label in labels], found, **key)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found: figures, scores image by image, and facts. main: the taxonomy of figures that name none.

    A page, a table and a command read nothing else.
    """

    figures: tuple[Figure, ...]
    scores: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(KEYS)))
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _by(self) -> Mapping[str, list[Figure]]:
        by = defaultdict(list)
        for figure in self.figures:
            by[figure.by].append(figure)
        return by

    def where(self, **key: Any) -> Iterator[Figure]:
        """Figures of this key, in their order; `by`, `level` and `label` are empty unless named, None is any."""
        wanted = {"by": "", "level": "", "label": "", **key}
        rows = self.figures if wanted["by"] is None else self._by.get(wanted["by"], ())
        keys = [(name, value) for name, value in wanted.items() if value is not None]
        return (figure for figure in rows if all(getattr(figure, name) == value for name, value in keys))

    def get(self, name: str, system: str = "model", against: str = "people", **key: Any) -> Figure | None:
        """The one figure of a metric (its k spelled in) of a system; None where there is none."""
        metric, k = parsed(name)
        return next(iter(self.here(metric=metric, k=k, system=system, against=against, **key)), None)

    def here(self, **key: Any) -> list[Figure]:
        """Figures of this key (`where`) in the evaluation's own labels, not in coarser ones, unless `space` says so."""
        space = self.facts.get("space")
        return list(self.where(**({} if space is None else {"space": space}) | key))

    @property
    def n(self) -> int:
        """How many images were judged."""
        return int(self.facts["n"])

    def scores_of(self, system: str, against: str = "people") -> list[Figure]:
        """What a system scores over all images and labels."""
        return self.here(system=system, against=against)

    def systems(self, against: str = "people", **key: Any) -> list[str]:
        """Who has figures of this key, in the order of tables."""
        return in_order(dict.fromkeys(figure.system for figure in self.here(against=against, **key)))

    def names(self, against: str = "people", **key: Any) -> list[str]:
        """The metrics of this key, k spelled in, in the order of the table of metrics."""
        from affectml_metrics.table import shown

        metrics = dict.fromkeys(figure.name for figure in self.here(against=against, **key))
        known = shown(metrics, "report")
        return [*known, *(name for name in metrics if name not in known)]

    def with_(self, figures: Iterable[Figure], **facts: Any) -> "Evaluation":
        """The same with more figures and facts."""
        return replace(self, figures=(*self.figures, *figures), facts={**self.facts, **facts})

    def rows(self, **key: Any) -> Rows:
        """For more figures of the data set, target and space of these."""
        first = self.figures[0]
        return Rows(dataset=first.dataset, target=first.target, space=first.space, **key)

    def table(self) -> pd.DataFrame:
        """metrics.csv as a table."""
        rows = pd.DataFrame([asdict(figure) for figure in self.figures], columns=list(COLUMNS))
        whole = dict.fromkeys(_WHOLE, "Int64")
        return rows.astype({**whole, **dict.fromkeys(_REAL, "float64")})

    def across(self) -> pd.DataFrame:
        """Scores against all people: systems down; (metric, value | low | high) across."""
        names, systems = self.names(), [name for name in self.systems() if name not in PEOPLE]
        columns = pd.MultiIndex.from_product([names, ["value", "low", "high"]], names=["metric", None])
        rows = {}
        for system in systems:
            figures = {name: self.get(name, system) for name in names}
            rows[system] = [None if figures[name] is None else getattr(figures[name], part) for name, part in columns]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype("float64").rename_axis("system")

    def to_csv(self) -> str:
        """metrics.csv as a text."""
        return csv_text([COLUMNS, *map(attrgetter(*COLUMNS), self.figures)])

    def to_json(self) -> dict[str, Any]:
        """Plain values: facts, and figures with what of a row is not empty."""
        rows = map(asdict, self.figures)
        plain = [{name: value for name, value in row.items() if value not in ("", None)} for row in rows]
        return {"facts": self.facts, "figures": plain}

    def shared(self) -> "Evaluation":
        """What may leave with a shared run: what is said of all images and people, not of parts or single ones."""
        facts = {name: fact for name, fact in self.facts.items() if name not in _OF_PARTS}
        return Evaluation(tuple(figure for figure in self.figures if not figure.by), facts=facts)

    def write(self, folder: Path) -> None:
        """Write metrics.csv, facts.json and, where there are any, scores.parquet into a folder."""
        write_text(folder / METRICS, self.to_csv())
        write_json(folder / FACTS, self.facts)
        if len(self.scores):
            write_parquet(folder / SCORES, self.scores)

    @classmethod
    def read(cls, folder: Path) -> "Evaluation":
        """What `write` wrote. Raises BadRun, which names the file, if one is missing or damaged."""
        file = folder / METRICS
        try:
            need_file(file)
            header, *rows = csv_rows(file.read_bytes().decode("utf-8"))  # as text it would lose a level's CR
            if header != list(COLUMNS):
                raise ValueError(f"expected the columns {', '.join(COLUMNS)}, got {', '.join(header)}")
            cells = [{name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell} for row in rows]
            parts: dict[str, Any] = {"figures": TypeAdapter(tuple[Figure, ...]).validate_python(cells)}
            file = folder / SCORES
            if file.exists():
                scores = pd.read_parquet(file)
                if missing := {*KEYS} - {*scores}:
                    raise ValueError(f"no column {min(missing)}")
                parts["scores"] = scores.astype({name: "float64" for name in scores if name not in KEYS})
                twice = scores[scores.duplicated([name for name in KEYS if name != "group"])]
                for image, system, against in twice[["image_id", "system", "against"]].itertuples(index=False):
                    raise ValueError(f"image {image!r} has two rows of {system} against {against}")
            file = folder / FACTS
            need_file(file)
            parts["facts"] = read_json(file, BadRun)
        except BadRun:
            raise
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadRun(f"{file}: cannot be read ({error}): the run is damaged, train again") from None
        return cls(**parts)


def in_order(systems: Iterable[str]) -> list[str]:
    """Known systems in the order of pages, others after the model as they came."""
    place = {name: at for at, name in enumerate(ORDER)}
    return sorted(systems, key=lambda name: place.get(name, 0.5))


def scores_table(
    rows: Mapping[tuple[str, str], Mapping[str, Any]], image_id: Any, *, groups: Any = None, **key: str
) -> pd.DataFrame:
    """scores.parquet of {(system, against): {METRIC: [N]}}, a metric's k behind an @; groups [N] or None."""
    tables, shared = [], {**key, "image_id": image_id, "group": groups}
    for (system, against), metrics in rows.items():
        values = {column(name): np.asarray(scores, dtype=np.float64) for name, scores in metrics.items()}
        tables.append(pd.DataFrame({**shared, "system": system, "against": against, **values}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(KEYS))


def column(name: str) -> str:
    """A metric's column in scores.parquet: METRIC, or METRIC@k."""
    metric, k = parsed(name)
    return metric if k is None else f"{metric}@{k}"


def of_column(name: str) -> str:
    """The metric of such a column, its k spelled in."""
    metric, _, k = name.partition("@")
    return named(metric, int(k) if k else None)
