"""One table of N images, a column for each thing that is known: what people and runs say, and what the images are."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._rows import PART
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.data.levels import as_text
from affectml.errors import BadRun
from affectml.exploring._people import Judgements
from affectml.judging.answers import SystemAnswers
from affectml.judging.subgroups import MAX_LEVELS, as_levels
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
    make: computes its values. levels: of a category; a number has none.
    """

    name: str
    title: str
    group: str
    make: Callable[[], Array]
    levels: tuple[str, ...] = ()
    _made: dict[str, Array] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def values(self) -> Array:
        """float32 [N], nan where unknown; of a category int32 [N], places in its levels, -1 where unknown."""
        with self._lock:  # one a column: cached_property has one for all until Python 3.12
            if not self._made:
                self._made["values"] = np.asarray(self.make(), np.int32 if self.levels else np.float32)
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
    """What people say. target: its name. asked: how many were asked, [N], nan where unknown."""

    target: str
    asked: Floats | None

    @classmethod
    def read(cls, targets: Targets | None, judgements: Judgements) -> "People | None":
        """Those of a target, and of images without a row in it those of the labelling task; None without any.

        Only rates count people as the task does: another kind of target stays as it is.
        """
        index, asked = judgements.index, None
        if targets is not None:
            name, taxonomy, kind = targets.name, targets.taxonomy, targets.kind
            if targets.n is not None:
                people = targets.n.reshape(len(targets.n), -1).max(axis=1).astype(np.float32)
                asked = _placed(people, targets.image_id, index)[:, 0]
            shares = _placed(targets.shares().astype(np.float32), targets.image_id, index)
        elif judgements.has_task and judgements.taxonomy is not None:
            name, taxonomy, kind = "labels", judgements.taxonomy, "rates"
            shares = np.full((len(index), len(taxonomy)), np.nan, dtype=np.float32)
            asked = shares[:, 0]
        else:
            return None
        judgements.counts = kind == "rates"
        votes = judgements.votes(~_known(shares), taxonomy.labels) if judgements.counts else None
        if votes is not None:
            at = index.get_indexer(pd.Index(votes.image_id, dtype=object))
            shares, asked = shares.copy(), None if asked is None else asked.copy()
            shares[at] = votes.votes / votes.n[:, None]
            if asked is not None:
                asked[at] = votes.n
        found = cls(PEOPLE, taxonomy, kind, shares, True, name, asked)
        return None if targets is None and votes is None else found


@dataclass(frozen=True, eq=False)
class Run(Said):
    """A run, and what it says of N images.

    split: the part of its split that each image was in, nothing for an image of which it says nothing. sets: [N, C], 1
    where a label is in the image's set, -1 where there is no set; None where it predicts none. gone: how many of its
    own images the data set does not have.
    """

    folder: RunFolder
    split: "pd.Categorical[Any]"
    sets: NDArray[np.int8] | None
    gone: int

    @classmethod
    def read(cls, folder: RunFolder, name: str, judgements: Judgements) -> "Run":
        """Read what is shown of its answers.

        Raises:
            BadRun: without answers, which a shared run and imported weights come without, with damaged ones, or on
                other images than the data set's.
        """
        index, kind = judgements.index, folder.info.data.kind
        said = SystemAnswers.read(folder.folder, folder.taxonomy.labels, ranks=False)
        check_images(folder, judgements.dataset, said.image_id)
        sums = said.scores.sum(axis=1) if said.shares is not None else np.zeros(1)
        shares = said.shares is not None and (kind in SEVERAL or bool((np.abs(sums - 1) < _OFF).all()))
        rates, sets = _placed(said.scores, said.image_id, index), None
        if said.sets is not None:
            sets = np.nan_to_num(said.sets, copy=False, nan=-1).astype(np.int8)
            sets = _placed(sets, said.image_id, index, -1)
        parts = pd.Series(said.split.astype(str), index=said.image_id).reindex(index)
        split = pd.Categorical(parts, categories=_in_order(parts.dropna().unique()))
        gone = len(said.image_id) - int(parts.notna().sum())
        return cls(name, folder.taxonomy, kind, rates, shares, folder, split, sets, gone)

    def notes(self, dataset: Dataset, people: People | None) -> list[str]:
        """What one should know of it."""
        found, name = [], self.folder.info.data.name
        if name != dataset.name:
            found.append(f"trained on {name}; it is taken that images of one image_id are the same")
        if self.gone:
            found.append(f"{self.gone:,} of its images are not here; it is taken that the others are the same")
        if unknown := int((self.split.codes < 0).sum()):
            found.append(f"it says nothing of {unknown:,} of {len(self.split):,} images")
        if people is not None and not self.beside(people):
            other = set(self.taxonomy.labels) != set(people.taxonomy.labels)
            why = f"it predicts {'rates' if self.several else 'a distribution'}"
            why = "it has other labels" if other else why if self.shares else "its scores are no shares of people"
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
        from affectml.page.section import Page
        from affectml.page.sections.shares import promise

        with suppress(BadRun):
            if self.folder.has_figures and (made := promise(Page.of(self.folder.evaluation))) is not None:
                return f"Promised: {self.folder.evaluation.facts['promise']['words']}. {made.sentence}"
        return ""


def _placed(values: Array, image_id: Array, index: "pd.Index[Any]", unknown: float = np.nan) -> Array:
    """Values of some images, in the order of all; not copied where that is theirs, since they take the most memory."""
    return pd.DataFrame(values, index=pd.Index(image_id, dtype=object)).reindex(index, fill_value=unknown).to_numpy()


# The table


def table_of(
    people: People | None, runs: Sequence[Run], judgements: Judgements, listed: pd.DataFrame | None
) -> list[Column]:
    """All columns, in the order in which a page lists them. listed: what an audit lists, if there is one."""
    found = [] if people is None else _said(people, "most chosen label")
    if people is not None and people.asked is not None:
        found.append(Column("people.asked", "people asked", PEOPLE, people.asked.copy))
    if people is not None and judgements.in_file:
        title, make = "disagreement (mean MASI distance)", partial(judgements.disagreement, people.taxonomy.labels)
        found.append(Column("people.disagreement", title, PEOPLE, make))
    for run in runs:
        found += _said(run, "likeliest label")
        parts = tuple(run.split.categories)
        found.append(Column(f"{run.name}.split", "split of the run", run.name, run.split.codes.copy, parts))
        for names, words in ((ERRORS, "error"), (DISTANCES, "distance from people")):
            if people is not None and run.beside(people):
                found.append(_measure(names[not run.several], words, run.name, [(run, people)]))
    for run in runs:
        name, same = DISTANCES[not run.several], [other for other in runs if run.beside(other)]
        if len(same) > 1 and f"{RUNS}.{name}" not in {column.name for column in found}:
            title = f"largest distance between two of {', '.join(each.name for each in same)}"
            found.append(_measure(name, title, RUNS, list(combinations(same, 2))))
    images = judgements.dataset.images
    found += [column for name in map(str, images.columns) if (column := _of_images(name, images[name]))]
    if judgements.in_file or judgements.has_task:
        flags = partial(_count, judgements, lambda table: table["flag"].eq(True))
        notes = partial(_count, judgements, lambda table: table["note"].notna())
        found.append(Column("flagged", "flagged by somebody", IMAGES, lambda: flags() > 0, ("no", "yes")))
        found.append(Column("notes", "notes", IMAGES, notes))
    return found if listed is None else [*found, _listed(listed, judgements.index)]


def _said(said: Said, mode: str) -> list[Column]:
    """A rate for each label, the label of the highest one, and how undecided they are."""
    name, labels = said.name, said.taxonomy.labels
    found = [
        Column(f"{name}.rate.{label}", said.taxonomy.display(label), name, said.rates[:, at].copy)
        for at, label in enumerate(labels)
    ]
    found.append(Column(f"{name}.mode", mode, name, partial(_modes, said.rates), (*labels, TIED)))
    if said.shares and not (name == PEOPLE and said.kind in ("single", "sets")):
        found.append(Column(f"{name}.entropy", "entropy", name, partial(_entropy, said)))
    return found


def _measure(name: str, words: str, group: str, pairs: Sequence[tuple[Said, Said]]) -> Column:
    return Column(f"{group}.{name}", f"{words} ({name})", group, partial(_measured, name, pairs))


def _entropy(said: Said) -> Array:
    """As reports have it: of rates the mean over labels, in bits; else as a share of the largest possible."""
    from affectml.judging.views import entropies

    return _over(_known(said.rates), lambda rows: entropies(said.rates[rows], rates=said.several))


def _measured(name: str, pairs: Sequence[tuple[Said, Said]]) -> Array:
    """A measure of one's rates or shares beside another's, image by image; of several pairs the largest."""
    import torch

    from affectml.judging.scoring import unsure
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
        return Column(f"image.{name}", name, IMAGES, make)
    if any(isinstance(value, list | dict | np.ndarray) for value in values.dropna().head(1)):
        values = values.map(lambda value: ", ".join(map(str, value)), na_action="ignore")
    at, different = pd.factorize(values)
    places, words = pd.factorize(as_text(pd.Series(different, dtype=object)), sort=True)
    levels = tuple(words.tolist())
    if len(words) <= MAX_LEVELS:  # the parts of a split have an order of their own
        levels = _in_order(levels)
        places = pd.Index(levels).get_indexer(words)[places]
    codes = np.append(places, -1)[at]
    return Column(name if name == "split" else f"image.{name}", name, IMAGES, lambda: codes, levels)


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

    return Column("listed", "listed by the audit", IMAGES, first, (*levels, UNLISTED))


def _modes(shares: Array) -> Array:
    """The place of each row's most chosen label, C where several tie, -1 where nobody chose any or nothing is known."""
    from affectml_metrics.functional import modes

    def mode(rows: Array) -> Array:
        hits = modes(shares[rows]).numpy()
        several = hits.sum(axis=1)
        return np.where(several > 1, shares.shape[1], np.where(several == 1, hits.argmax(axis=1), -1))

    return np.nan_to_num(_over(_known(shares), mode), nan=-1)


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
