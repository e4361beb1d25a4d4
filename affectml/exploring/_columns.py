"""What is known of every image, a column each: computed when first asked for, float32 or int32, of length N."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from threading import Lock
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._rows import PART
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.data.levels import as_text
from affectml.exploring._beside import Beside
from affectml.exploring._runs import KnownRun, in_order
from affectml.judging.subgroups import MAX_LEVELS, as_levels

Array = NDArray[Any]
PEOPLE, RUNS, IMAGES = "people", "runs", "images"  # groups; every run is one of its own
TIED = "several tie"
UNLISTED = "not listed"
# Of (rates, distribution): what a run's error is, and how far apart two of people and runs are.
ERRORS = ("rate_cross_entropy", "cross_entropy")
DISTANCES = ("rate_manhattan", "total_variation")


@dataclass(frozen=True, eq=False)
class Column:
    """One thing that is known of every image.

    name: unique, as in addresses. title: in words. group: people, runs (between them), a run's name, or images.
    kind: number or category. levels: of a category. measure: the name under which its formula is documented, "" for
    what is no measure. values: float32 [N], nan where unknown, or int32 [N], places in levels, -1 where unknown.
    """

    name: str
    title: str
    group: str
    kind: Literal["number", "category"]
    make: Callable[[], Array]
    levels: tuple[str, ...] = ()
    measure: str = ""
    _made: dict[str, Array] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def values(self) -> Array:
        """float32 [N], nan where unknown; of a category int32 [N], -1 where unknown."""
        with self._lock:  # one a column: cached_property has one for all until Python 3.12
            if not self._made:
                self._made["values"] = np.asarray(self.make(), dtype=np.float32 if self.kind == "number" else np.int32)
            return self._made["values"]


def _column(
    group: str,
    name: str,
    title: str,
    make: Callable[[], Array],
    levels: tuple[str, ...] | None = None,
    measure: str = "",
) -> Column:
    """A column of a group, with whose name its own begins: a category where there are levels."""
    kind: Literal["number", "category"] = "number" if levels is None else "category"
    return Column(f"{group}.{name}", title, group, kind, make, levels or (), measure)


def people_columns(targets: Targets, at: Array, beside: Beside) -> list[Column]:
    """What people say: rates, the most chosen label, entropy, how many were asked, how far they are apart.

    at: the image of each row of the target.
    """
    labels, show = targets.taxonomy.labels, targets.taxonomy.display
    several = targets.kind in SEVERAL
    of = partial(spread, at=at, count=len(beside.index))
    shares = of(targets.shares())
    column = partial(_column, PEOPLE)
    found = [column(f"rate.{label}", show(label), partial(np.asarray, shares[:, c])) for c, label in enumerate(labels)]
    found.append(column("mode", "most chosen label", lambda: modes(shares), (*labels, TIED)))
    if targets.kind not in ("single", "sets"):
        found.append(column("entropy", "entropy", partial(_entropy, shares, several), measure="entropy"))
    if targets.n is not None:
        asked = targets.n if targets.n.ndim == 1 else targets.n.max(axis=1)
        found.append(column("asked", "people asked", partial(of, asked)))
    if beside.has_judgements:
        apart, title = partial(beside.disagreement, labels), "disagreement (mean MASI distance)"
        found.append(column("disagreement", title, apart, measure="disagreement"))
    return found


def run_columns(run: KnownRun, people: tuple[Targets, Array] | None) -> list[Column]:
    """What a run says, and how far that is from people; people: the target, and the image of each of its rows."""
    several, show = run.kind in SEVERAL, run.folder.taxonomy.display
    column = partial(_column, run.name)
    found = [column(f"rate.{label}", show(label), partial(run.rates_of, label)) for label in run.labels]
    found.append(column("mode", "likeliest label", lambda: modes(run.rates), (*run.labels, TIED)))
    found.append(column("split", "split of the run", lambda: run.part, run.parts))
    if not run.shares:
        return found
    found.append(column("entropy", "entropy", partial(_entropy, run.rates, several), measure="entropy"))
    if people is not None and run.compares(people[0]):
        targets, at = people
        columns = [targets.taxonomy.index(label) for label in run.labels]
        for name, words in ((ERRORS[not several], "error"), (DISTANCES[not several], "distance from people")):
            made = partial(_beside, name, run, targets, at, columns)
            found.append(column(name, f"{words} ({name})", made, measure=name))
    return found


def _entropy(shares: Array, several: bool) -> Array:
    """As reports have it: of rates the mean over labels, in bits; else as a share of the largest possible."""
    from affectml.page.numbers import entropies

    return over(known(shares), lambda rows: entropies(shares[rows], rates=several))


def _beside(name: str, run: KnownRun, targets: Targets, at: Array, columns: list[int]) -> Array:
    """A measure of the run's rates or shares against people's, image by image."""
    import torch

    from affectml.judging.scoring import unsure

    several = run.kind in SEVERAL
    shares, row = targets.shares(), np.full(len(run.rates), -1)
    row[at] = np.arange(len(at))

    def measured(rows: Array) -> Array:
        given = torch.from_numpy(run.rates[rows])
        given = unsure(given, rates=several) if name in ERRORS else _whole(given, several)
        return np.asarray(_function(name)(given, torch.from_numpy(shares[row[rows]][:, columns])))

    return over(known(run.rates) & (row >= 0) & known(shares)[row], measured)


def between_runs(runs: Sequence[KnownRun]) -> list[Column]:
    """The largest distance between any two runs of the same labels and kind; nothing where there are no two."""
    alike: dict[tuple[frozenset[str], bool], list[KnownRun]] = {}
    for run in runs:
        if run.shares:
            alike.setdefault((frozenset(run.labels), run.kind in SEVERAL), []).append(run)
    found: list[Column] = []
    for (_, several), same in alike.items():
        name = DISTANCES[not several]
        if len(same) > 1 and all(column.measure != name for column in found):
            title = f"largest distance between two of {', '.join(run.name for run in same)} ({name})"
            found.append(_column(RUNS, name, title, partial(_farthest, name, same, several), measure=name))
    return found


def _farthest(name: str, runs: Sequence[KnownRun], several: bool) -> Array:
    import torch

    most = np.full(len(runs[0].rates), np.nan, dtype=np.float32)
    for one, other in combinations(runs, 2):
        columns = [other.labels.index(label) for label in one.labels]

        def apart(rows: Array, one: KnownRun = one, other: KnownRun = other, columns: list[int] = columns) -> Array:
            pair = (torch.from_numpy(rates[rows]) for rates in (one.rates, other.rates[:, columns]))
            return np.asarray(_function(name)(*(_whole(rates, several) for rates in pair)))

        most = np.fmax(most, over(known(one.rates) & known(other.rates), apart))
    return most


def image_columns(dataset: Dataset) -> list[Column]:
    """The columns of images.parquet of which anything is known, but what an image is searched by: its id and file."""
    found = []
    for name in map(str, dataset.images.columns):
        values = dataset.images[name]
        if name in ("image_id", "file") or not values.notna().any():
            continue
        if name != "split" and _is_number(values) and as_levels(values) is None:
            found.append(Column(f"image.{name}", name, IMAGES, "number", partial(_numbers, values)))
            continue
        levels, codes = _levels(values)
        column = name if name == "split" else f"image.{name}"
        found.append(Column(column, name, IMAGES, "category", partial(np.asarray, codes), levels))
    return found


def _levels(values: "pd.Series[Any]") -> tuple[tuple[str, ...], Array]:
    """The different values as words, in order, and the place of each image's, -1 where it has none."""
    if any(isinstance(value, list | dict | np.ndarray) for value in values.dropna().head(1)):
        values = values.map(lambda value: ", ".join(map(str, value)), na_action="ignore")
    at, different = pd.factorize(values)
    places, words = pd.factorize(as_text(pd.Series(different, dtype=object)), sort=True)
    levels = tuple(words.tolist())
    if len(words) <= MAX_LEVELS:  # the parts of a split have an order of their own
        levels = in_order(levels)
        places = pd.Index(levels).get_indexer(words)[places]
    return levels, np.append(places, -1)[at]


def _numbers(values: "pd.Series[Any]") -> Array:
    return values.astype("Float64").to_numpy(np.float32, na_value=np.nan)


def _is_number(values: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def remark_columns(beside: Beside) -> list[Column]:
    """Whether anybody flagged the image, and how many notes it has."""
    index = beside.index

    def count(which: Callable[[pd.DataFrame], "pd.Series[Any]"]) -> Array:
        table = beside.remarks
        at = index.get_indexer(pd.Index(table["image_id"][which(table)]))
        return np.bincount(at[at >= 0], minlength=len(index))

    return [
        Column("flagged", "flagged by somebody", IMAGES, "category",
               lambda: count(lambda table: table["flag"]) > 0, ("no", "yes")),
        Column("notes", "notes", IMAGES, "number", lambda: count(lambda table: table["note"].notna())),
    ]  # fmt: skip


def listed_column(table: pd.DataFrame, index: "pd.Index[Any]") -> Column:
    """The first check of an audit that lists the image. table: its listed rows."""
    from affectml.auditing import CHECKS  # the audit loads much that nothing else here needs

    levels = tuple(check for check in CHECKS if (table["check"] == check).any())

    def first() -> Array:
        out = np.full(len(index), len(levels))
        for place in reversed(range(len(levels))):
            rows = table[table["check"] == levels[place]]
            for name in ("image_id", "other_id"):
                at = index.get_indexer(pd.Index(rows[name].dropna().astype(str)))
                out[at[at >= 0]] = place
        return out

    return Column("listed", "listed by the audit", IMAGES, "category", first, (*levels, UNLISTED))


def modes(shares: Array) -> Array:
    """The place of each row's most chosen label, C where several tie, -1 where nobody chose any or nothing is known."""
    import torch

    from affectml_metrics.functional import modes

    out = np.full(len(shares), -1)
    rows = known(shares)
    hits = modes(torch.from_numpy(np.ascontiguousarray(shares[rows], dtype=np.float32))).numpy()
    several = hits.sum(axis=1)
    out[rows] = np.where(several > 1, shares.shape[1], np.where(several == 1, hits.argmax(axis=1), -1))
    return out


def spread(values: Array, *, at: Array, count: int) -> Array:
    """Values of some images, at their places among all of them."""
    out = np.full((count, *values.shape[1:]), np.nan, dtype=np.float32)
    out[at] = values
    return out


def known(values: Array) -> NDArray[np.bool_]:
    """Of which rows everything is known, [N]."""
    return np.asarray(np.isfinite(values).all(axis=1))


def over(which: NDArray[np.bool_], measured: Callable[[Array], Array]) -> Array:
    """What `measured` makes of these rows, some at a time; nan for the others."""
    out = np.full(len(which), np.nan, dtype=np.float32)
    rows = np.flatnonzero(which)
    for start in range(0, len(rows), PART):
        out[rows[start : start + PART]] = measured(rows[start : start + PART])
    return out


def _whole(shares: Any, several: bool) -> Any:
    """float64; shares of a distribution sum to one, of which float32 files lost the last digits."""
    return shares.double() if several else shares.double() / shares.double().sum(dim=1, keepdim=True)


def _function(name: str) -> Any:
    from affectml_metrics import functional

    return getattr(functional, name)
