"""One table of N images, a column for each thing that is known: what people and runs say, and what the images are."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
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
from affectml.errors import BadRun
from affectml.evaluation.kept_promise import from_people
from affectml.evaluation.subgroups import MAX_LEVELS, as_levels
from affectml.exploring._people import Judgements
from affectml.judging import SystemAnswers
from affectml.predicting.features import check_images
from affectml.runs import RunFolder
from affectml.taxonomies import Taxonomy

Array = NDArray[Any]
Floats = NDArray[np.float32]
PEOPLE, RUNS, IMAGES = "people", "runs", "images"  # groups; every run is one of its own
TIED = "several tie"
UNLISTED = "not listed"
# Of (rates, distribution): what a run's error is, and how far apart two of people and runs are.
ERRORS = ("rate_cross_entropy", "cross_entropy")
DISTANCES = ("rate_manhattan", "total_variation")
_OFF = 1e-3  # how far a row of shares may be from a sum of one: rounding is far below
_PARTS = ("train", "calibration", "val", "test", "unused")


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


# Who says something


@dataclass(frozen=True, eq=False)
class Said:
    """What people or a run say of N images.

    name: people, or the run's. taxonomy: whose labels. kind: of target. rates: float32 [N, C], nan where nothing is
    known. shares: whether they are rates of people, or a distribution, and not scores of another kind.
    """

    name: str
    taxonomy: Taxonomy
    kind: str
    rates: Floats
    shares: bool

    @property
    def several(self) -> bool:
        """Whether several labels of an image may hold, so that each rate stands for itself."""
        return self.kind in SEVERAL

    def of(self, index: int) -> dict[str, float]:
        """What is said of an image, by label; nothing where nothing is known."""
        rates = self.rates[index]
        return {} if np.isnan(rates).all() else dict(zip(self.taxonomy.labels, rates.tolist(), strict=True))

    def beside(self, other: "Said") -> bool:
        """Whether the two can be compared: shares of the same kind, of the same labels."""
        same = set(self.taxonomy.labels) == set(other.taxonomy.labels)
        return self.shares and other.shares and self.several == other.several and same


@dataclass(frozen=True, eq=False)
class People(Said):
    """What people say. target: its name. asked: how many were asked, [N], 0 where unknown. counted: whether votes are
    known."""

    target: str
    asked: NDArray[np.int64] | None
    counted: bool

    @classmethod
    def of_targets(cls, targets: Targets, index: "pd.Index[Any]") -> "People":
        """Those of a target."""
        at, asked = index.get_indexer(pd.Index(targets.image_id, dtype=object)), None
        if targets.n is not None:
            asked = _placed(targets.n if targets.n.ndim == 1 else targets.n.max(axis=1), at, len(index), 0, np.int64)
        shares = _placed(targets.shares(), at, len(index), np.nan)
        counted = targets.votes is not None
        return cls(PEOPLE, targets.taxonomy, targets.kind, shares, True, targets.name, asked, counted)


@dataclass(frozen=True, eq=False)
class Run(Said):
    """A run, and what it says of N images.

    parts: of its split. part: the place of each image's, [N], -1 where it says nothing of the image. sets: [N, C], 1
    where a label is in the image's set, -1 where there is no set; None where it predicts none. gone: how many of its
    own images the data set does not have.
    """

    folder: RunFolder
    parts: tuple[str, ...]
    part: Array
    sets: NDArray[np.int8] | None
    gone: int

    @classmethod
    def read(cls, folder: RunFolder, name: str, dataset: Dataset, index: "pd.Index[Any]") -> "Run":
        """Read what is shown of its answers.

        Raises:
            BadRun: without answers, which a shared run and imported weights come without, with damaged ones, or on
                other images than the data set's.
        """
        labels, kind = folder.taxonomy.labels, folder.info.data.kind
        said = SystemAnswers.read(folder.folder, labels, ranks=False)
        check_images(folder, dataset, said.image_id)
        at = index.get_indexer(pd.Index(said.image_id))
        rates, sets = said.scores, None
        whole = said.shares is not None and (kind in SEVERAL or bool((np.abs(rates.sum(axis=1) - 1) < _OFF).all()))
        if said.sets is not None:
            sets = _placed(np.nan_to_num(said.sets, nan=-1).astype(np.int8), at, len(index), -1, np.int8)
        split = said.split.astype(str)
        parts = _in_order(np.unique(split))
        part = _placed(pd.Index(parts).get_indexer(pd.Index(split)), at, len(index), -1, np.int64)
        gone = int((at < 0).sum())
        return cls(
            name, folder.taxonomy, kind, _placed(rates, at, len(index), np.nan), whole, folder, parts, part, sets, gone
        )

    def notes(self, dataset: Dataset, people: People | None) -> list[str]:
        """What one should know of it."""
        found, name = [], self.folder.info.data.name
        if name != dataset.name:
            found.append(f"trained on {name}; it is taken that images of one image_id are the same")
        if self.gone:
            found.append(f"{self.gone:,} of its images are not here; it is taken that the others are the same")
        if unknown := int((self.part < 0).sum()):
            found.append(f"it says nothing of {unknown:,} of {len(self.part):,} images")
        if people is not None and not self.beside(people):
            why = f"it predicts {'rates' if self.several else 'a distribution'}"
            why = why if self.shares else "its scores are no shares of people"
            if set(self.taxonomy.labels) != set(people.taxonomy.labels):
                why = "it has other labels"
            found.append(f"not compared with people's {people.target}: {why}")
        return [f"{self.name}: {line}" for line in found]

    def set_of(self, index: int) -> tuple[str, ...] | None:
        """The set of an image; None where there is none."""
        if self.sets is None or self.sets[index].max() < 0:
            return None
        return tuple(label for label, inside in zip(self.taxonomy.labels, self.sets[index], strict=True) if inside > 0)

    @cached_property
    def promise(self) -> str:
        """What its sets promise, and what came of it on the test images; "" where they promise nothing."""
        from affectml.report.sections.promise import in_words

        with suppress(BadRun):
            if (made := self.folder.metrics.get("promise")) is not None:
                column, people = self.folder.info.config.promise_group, from_people(self.kind)
                return f"Promised: {made['words']}. {in_words(made, column, people=people)}"
        return ""


def _placed(values: Array, at: Array, count: int, unknown: float, dtype: type[np.generic] = np.float32) -> Array:
    """Values of some images, at their places among all of them; of those that are not among them `at` is -1."""
    if np.array_equal(at, np.arange(count)):
        return values.astype(dtype, copy=False)  # not copied: they take the most memory
    out = np.full((count, *values.shape[1:]), unknown, dtype)
    out[at[at >= 0]] = values[at >= 0]
    return out


# The table


def table_of(
    people: People | None, runs: Sequence[Run], judgements: Judgements, dataset: Dataset, listed: pd.DataFrame | None
) -> list[Column]:
    """All columns, in the order in which a page lists them. listed: what an audit lists, if there is one."""
    found = [] if people is None else [*_said(people, "most chosen label"), *_asked(people, judgements)]
    for run in runs:
        found += _said(run, "likeliest label")
        found.append(_column(run.name, "split", "split of the run", partial(np.asarray, run.part), run.parts))
        if people is not None and run.beside(people):
            for names, words in ((ERRORS, "error"), (DISTANCES, "distance from people")):
                name = names[not run.several]
                make = partial(_measured, name, [(run, people)])
                found.append(_column(run.name, name, f"{words} ({name})", make, measure=name))
    found += _between(runs)
    found += [column for name in map(str, dataset.images.columns) if (column := _of_images(name, dataset.images[name]))]
    if judgements.in_file or judgements.has_task:
        flags = partial(_count, judgements, lambda table: table["flag"].eq(True))
        notes = partial(_count, judgements, lambda table: table["note"].notna())
        found.append(Column("flagged", "flagged by somebody", IMAGES, "category", lambda: flags() > 0, ("no", "yes")))
        found.append(Column("notes", "notes", IMAGES, "number", notes))
    return found if listed is None else [*found, _listed(listed, judgements.index)]


def _column(
    group: str, name: str, title: str, make: Callable[[], Array], levels: tuple[str, ...] | None = None,
    measure: str = "",
) -> Column:  # fmt: skip
    """A column of a group, with whose name its own begins: a category where there are levels."""
    kind: Literal["number", "category"] = "number" if levels is None else "category"
    return Column(f"{group}.{name}", title, group, kind, make, levels or (), measure)


def _said(said: Said, mode: str) -> list[Column]:
    """A rate for each label, the label of the highest one, and how undecided they are."""
    column, labels, show = partial(_column, said.name), said.taxonomy.labels, said.taxonomy.display
    found = [column(f"rate.{name}", show(name), partial(_one_of, said.rates, at)) for at, name in enumerate(labels)]
    found.append(column("mode", mode, partial(modes, said.rates), (*labels, TIED)))
    if said.shares and not (said.name == PEOPLE and said.kind in ("single", "sets")):
        found.append(column("entropy", "entropy", partial(_entropy, said), measure="entropy"))
    return found


def _one_of(rates: Floats, at: int) -> Array:
    return rates[:, at]


def _asked(people: People, judgements: Judgements) -> list[Column]:
    """How many people were asked, and how far they are apart."""
    found, asked = [], people.asked
    if asked is not None:
        found.append(_column(PEOPLE, "asked", "people asked", lambda: np.where(asked > 0, asked, np.nan)))
    if judgements.in_file:
        apart, title = partial(judgements.disagreement, people.taxonomy.labels), "disagreement (mean MASI distance)"
        found.append(_column(PEOPLE, "disagreement", title, apart, measure="disagreement"))
    return found


def _entropy(said: Said) -> Array:
    """As reports have it: of rates the mean over labels, in bits; else as a share of the largest possible."""
    from affectml.report.numbers import entropies

    return _over(_known(said.rates), lambda rows: entropies(said.rates[rows], rates=said.several))


def _between(runs: Sequence[Run]) -> list[Column]:
    """The largest distance between any two runs of the same labels and kind; nothing where there are no two."""
    found: dict[str, Column] = {}
    for run in runs:
        name, same = DISTANCES[not run.several], [other for other in runs if run.beside(other)]
        if len(same) > 1 and name not in found:
            title = f"largest distance between two of {', '.join(each.name for each in same)} ({name})"
            make = partial(_measured, name, list(combinations(same, 2)))
            found[name] = _column(RUNS, name, title, make, measure=name)
    return list(found.values())


def _measured(name: str, pairs: Sequence[tuple[Said, Said]]) -> Array:
    """A measure of one's rates or shares beside another's, image by image; of several pairs the largest."""
    import torch

    from affectml.evaluation.scoring import unsure
    from affectml_metrics import functional

    def whole(shares: Any, several: bool) -> Any:  # of a distribution float32 files lost the last digits of the sum
        return shares.double() if several else shares.double() / shares.double().sum(dim=1, keepdim=True)

    def measured(rows: Array) -> Array:
        ours, theirs = torch.from_numpy(one.rates[rows]), torch.from_numpy(other.rates[rows][:, columns])
        given = unsure(ours, rates=one.several) if name in ERRORS else whole(ours, one.several)
        return np.asarray(getattr(functional, name)(given, whole(theirs, one.several)))

    most = np.full(len(pairs[0][0].rates), np.nan, dtype=np.float32)
    for one, other in pairs:
        columns = [other.taxonomy.index(label) for label in one.taxonomy.labels]
        most = np.fmax(most, _over(_known(one.rates) & _known(other.rates), measured))
    return most


def _of_images(name: str, values: "pd.Series[Any]") -> Column | None:
    """A column of images.parquet; None for what an image is searched by, its id and file, and where none is known."""
    if name in ("image_id", "file") or not values.notna().any():
        return None
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if name != "split" and number and as_levels(values) is None:
        make = partial(values.astype("Float64").to_numpy, np.float32, na_value=np.nan)
        return Column(f"image.{name}", name, IMAGES, "number", make)
    if any(isinstance(value, list | dict | np.ndarray) for value in values.dropna().head(1)):
        values = values.map(lambda value: ", ".join(map(str, value)), na_action="ignore")
    at, different = pd.factorize(values)
    places, words = pd.factorize(as_text(pd.Series(different, dtype=object)), sort=True)
    levels = tuple(words.tolist())
    if len(words) <= MAX_LEVELS:  # the parts of a split have an order of their own
        levels = _in_order(levels)
        places = pd.Index(levels).get_indexer(words)[places]
    codes = np.append(places, -1)[at]
    return Column(name if name == "split" else f"image.{name}", name, IMAGES, "category", lambda: codes, levels)


def _in_order(levels: Iterable[Any]) -> tuple[str, ...]:
    """Levels sorted, but for the parts of a split, which have an order of their own."""
    place = {part: at for at, part in enumerate(_PARTS)}
    return tuple(sorted(map(str, levels), key=lambda level: (place.get(level, len(_PARTS)), level)))


def _count(judgements: Judgements, which: Callable[[pd.DataFrame], "pd.Series[bool]"]) -> Array:
    """How many remarks of a kind each image has."""
    table = judgements.remarks
    at = judgements.index.get_indexer(pd.Index(table["image_id"][which(table)]))
    return np.bincount(at[at >= 0], minlength=len(judgements.index))


def _listed(table: pd.DataFrame, index: "pd.Index[Any]") -> Column:
    """The first check of an audit that lists the image. table: its listed rows."""
    from affectml.auditing import CHECKS  # the audit loads much that nothing else here needs

    levels = tuple(check for check in CHECKS if (table["check"] == check).any())

    def first() -> Array:
        out = np.full(len(index), len(levels))
        for place in reversed(range(len(levels))):
            for images in table.loc[table["check"] == levels[place], ["image_id", "other_id"]].to_numpy().T:
                at = index.get_indexer(pd.Index(images, dtype=object))
                out[at[at >= 0]] = place
        return out

    return Column("listed", "listed by the audit", IMAGES, "category", first, (*levels, UNLISTED))


def modes(shares: Array) -> Array:
    """The place of each row's most chosen label, C where several tie, -1 where nobody chose any or nothing is known."""
    import torch

    from affectml_metrics.functional import modes

    out = np.full(len(shares), -1)
    rows = _known(shares)
    hits = modes(torch.from_numpy(np.ascontiguousarray(shares[rows], dtype=np.float32))).numpy()
    several = hits.sum(axis=1)
    out[rows] = np.where(several > 1, shares.shape[1], np.where(several == 1, hits.argmax(axis=1), -1))
    return out


def _known(values: Array) -> NDArray[np.bool_]:
    """Of which rows everything is known, [N]."""
    return np.asarray(np.isfinite(values).all(axis=1))


def _over(which: NDArray[np.bool_], measured: Callable[[Array], Array]) -> Array:
    """What `measured` makes of these rows, some at a time; nan for the others."""
    out = np.full(len(which), np.nan, dtype=np.float32)
    rows = np.flatnonzero(which)
    for start in range(0, len(rows), PART):
        out[rows[start : start + PART]] = measured(rows[start : start + PART])
    return out
