"""One table of N images, a column for each thing that is known: what people and runs say, and what the images are."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml._rows import PART
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL, as_text
from affectml.errors import BadRun
from affectml.exploring._people import Judgements
from affectml.judging.answers import SystemAnswers
from affectml.judging.scoring import unsure
from affectml.judging.subgroups import as_levels
from affectml.judging.views import entropies
from affectml.predicting.features import check_images
from affectml.runs import RunFolder
from affectml.taxonomies import Taxonomy
from affectml_metrics import functional

Array = NDArray[Any]
PEOPLE, IMAGES = "people", "images"  # groups; every run is one of its own
TIED = "several tie"
UNLISTED = "not listed"
ERRORS = ("rate_cross_entropy", "cross_entropy")  # a run's, of rates and of a distribution
_OFF = 1e-3  # how far a row of shares may be from a sum of one: rounding is far below
_PARTS = ("train", "calibration", "val", "test", "unused")


@dataclass(frozen=True, eq=False)
class Column:
    """One thing that is known of every image.

    name: unique, as in addresses. title: in words. group: people, a run's name, or images.
    make: computes its values. levels: of a category; a number has none.
    """

    name: str
    title: str
    group: str
    make: Callable[[], Array]
    levels: tuple[str, ...] = ()

    @cached_property
    def values(self) -> Array:
        """float32 [N], nan where unknown; of a category int32 [N], places in its levels, -1 where unknown."""
        return np.asarray(self.make(), np.int32 if self.levels else np.float32)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which images the value is known, [N]."""
        return self.values >= 0 if self.levels else ~np.isnan(self.values)


# Who says something


@dataclass(frozen=True, eq=False)
class Said:
    """What people or a run say of N images.

    name: people, or the run's. taxonomy: whose labels. kind: of target. rates: float32, a row an image, a column a
    label, nan where nothing is known. shares: whether they are rates of people, or a distribution, and not scores of
    another kind.
    """

    name: str
    taxonomy: Taxonomy
    kind: str
    rates: pd.DataFrame
    shares: bool

    @property
    def several(self) -> bool:
        """Whether several labels of an image may hold, so that each rate stands for itself."""
        return self.kind in SEVERAL

    def of(self, index: int) -> dict[str, float]:
        """What is said of an image, by label; nothing where nothing is known."""
        return {str(label): rate for label, rate in self.rates.iloc[index].dropna().items()}

    def beside(self, other: "Said") -> bool:
        """Whether the two can be compared: shares of the same kind, of the same labels."""
        same = set(self.taxonomy.labels) == set(other.taxonomy.labels)
        return self.shares and other.shares and self.several == other.several and same


@dataclass(frozen=True, eq=False)
class People(Said):
    """What people say. target: its name. asked: how many were asked, nan where unknown; None where nobody knows."""

    target: str
    asked: "pd.Series[Any] | None"

    @classmethod
    def read(cls, targets: Targets | None, judgements: Judgements) -> "People | None":
        """Those of a target, and of images without a row in it those of the labelling task; None without any.

        Only rates count people as the task does: another kind of target stays as it is.
        """
        index, name, kind, taxonomy = judgements.index, "labels", "rates", judgements.taxonomy
        asked: pd.Series[Any] | None = pd.Series(np.nan, index, dtype=np.float32)
        if targets is not None:
            name, kind, taxonomy = targets.name, targets.kind, targets.taxonomy
            rates = _placed(targets.shares().astype(np.float32), targets.image_id, index, taxonomy.labels)
            n = None if targets.n is None else targets.n.reshape(len(targets.n), -1).max(axis=1)
            asked = None if n is None else pd.Series(n.astype(np.float32), targets.image_id).reindex(index)
        elif judgements.has_task and taxonomy is not None:
            rates = pd.DataFrame(np.float32(np.nan), index, taxonomy.labels)
        else:
            return None
        lacking = index[rates.isna().any(axis=1)]
        judgements.counts = kind == "rates" and len(lacking) > 0
        votes = judgements.votes(lacking, taxonomy.labels) if judgements.counts else None
        if votes is not None:
            at = index.get_indexer(pd.Index(votes.image_id, dtype=object))
            rates.iloc[at] = (votes.votes / votes.n[:, None]).astype(np.float32)
            if asked is not None:
                asked.iloc[at] = votes.n.astype(np.float32)
        people = cls(PEOPLE, taxonomy, kind, rates, True, name, asked)
        return None if targets is None and votes is None else people


@dataclass(frozen=True)
class RunSaid:
    """What a run says of an image: the rate or share of each label, its set (None where it predicts none), the part of
    the split that the image was in ("" where in none), what sets promise in words ("" where nothing)."""

    run: str
    rates: Mapping[str, float]
    labels: tuple[str, ...] | None
    part: str
    promise: str


@dataclass(frozen=True, eq=False)
class Run(Said):
    """A run, and what it says of N images.

    split: the part of its split that each image was in; empty for an image it did not judge. sets: [N, C], 1
    where a label is in the image's set, -1 where there is no set; None where it predicts none.
    """

    folder: RunFolder
    split: "pd.Categorical[Any]"
    sets: pd.DataFrame | None

    @classmethod
    def read(cls, folder: RunFolder, name: str, judgements: Judgements, people: People | None) -> "Run":
        """Read the answers that are shown, and say what to know about them.

        Raises:
            BadRun: without answers, which a shared run and imported weights come without, with damaged ones, or on
                other images than the data set's.
        """
        index, kind, labels = judgements.index, folder.info.data.kind, folder.taxonomy.labels
        answers = SystemAnswers.read(folder.folder, labels)
        values = answers.scores if answers.shares is None else answers.shares
        check_images(folder, judgements.dataset, answers.image_id)
        sums = np.zeros(1) if answers.shares is None else values.sum(axis=1)
        shares = answers.shares is not None and (kind in SEVERAL or bool((np.abs(sums - 1) < _OFF).all()))
        rates, sets = _placed(values, answers.image_id, index, labels), None
        if answers.sets is not None:
            inside = np.nan_to_num(answers.sets, copy=False, nan=-1).astype(np.int8)
            sets = _placed(inside, answers.image_id, index, labels, -1)
        parts = pd.Series(answers.split.astype(str), answers.image_id).reindex(index)
        split = pd.Categorical(parts, categories=_in_order(parts.dropna()))
        run = cls(name, folder.taxonomy, kind, rates, shares, folder, split, sets)
        run._tell(judgements.dataset, people, len(answers.image_id), lambda line: judgements.say(f"{name}: {line}"))
        return run

    def _tell(self, dataset: Dataset, people: People | None, answered: int, say: Callable[[str], None]) -> None:
        name, here = self.folder.info.data.name, int((self.split.codes >= 0).sum())
        if name != dataset.name:
            say(f"trained on {name}; it is taken that images of one image_id are the same")
        if gone := answered - here:
            say(f"{gone:,} of its images are not here; it is taken that the others are the same")
        if unknown := len(self.split) - here:
            say(f"it says nothing of {unknown:,} of {len(self.split):,} images")
        if people is not None and not self.beside(people):
            other = set(self.taxonomy.labels) != set(people.taxonomy.labels)
            why = f"it predicts {'rates' if self.several else 'a distribution'}"
            why = "it has other labels" if other else why if self.shares else "its scores are no shares of people"
            say(f"not compared with people's {people.target}: {why}")

    def of_image(self, index: int) -> RunSaid | None:
        """What it says of an image; None for nothing."""
        rates, labels = self.of(index), None
        if self.sets is not None and (inside := self.sets.iloc[index]).min() >= 0:
            labels = tuple(map(str, inside.index[inside > 0]))
        return RunSaid(self.name, rates, labels, str(self.split[index]), self.promise) if rates else None

    @cached_property
    def promise(self) -> str:
        """What its sets promise, and what came of it on the test images; "" where they promise nothing."""
        from affectml.page.section import Page
        from affectml.page.sections.scores import promise

        with suppress(BadRun):
            if self.folder.has_figures and (made := promise(Page.of(self.folder.evaluation))) is not None:
                return f"Promised: {self.folder.evaluation.facts['promise']['words']}. {made.sentence}"
        return ""


def _placed(
    values: Array, image_id: Array, index: "pd.Index[Any]", labels: Sequence[str], unknown: float = np.nan
) -> pd.DataFrame:
    """Values of some images, in the order of all; not copied where that is theirs, since they take the most memory."""
    table = pd.DataFrame(values, pd.Index(list(image_id), dtype=object), list(labels), copy=False)
    return table.reindex(index, fill_value=unknown).set_axis(index)  # else it may keep names of its own


# The table


def columns_of(
    people: People | None, runs: Sequence[Run], judgements: Judgements, listed: pd.DataFrame | None
) -> Iterator[Column]:
    """All columns, in the order in which a page lists them. listed: what an audit lists, if there is one."""
    if people is not None:
        yield from _said(people, "most chosen label")
        if people.asked is not None:
            yield Column("people.asked", "people asked", PEOPLE, people.asked.to_numpy)
    for run in runs:
        yield from _said(run, "likeliest label")
        parts = tuple(run.split.categories)
        yield Column(f"{run.name}.split", "split of the run", run.name, run.split.codes.copy, parts)
        if people is not None and run.beside(people):
            yield _error(run, people)
    images = judgements.dataset.images.drop(columns=["image_id", "file"], errors="ignore")  # which are searched in
    for title, values in images.items():
        if values.notna().any():
            yield _of_images(str(title), values)
    if judgements.in_file or judgements.has_task:
        flagged = partial(_remarked, judgements, "flag")
        yield Column("flagged", "flagged by somebody", IMAGES, lambda: flagged() > 0, ("no", "yes"))
        yield Column("notes", "notes", IMAGES, partial(_remarked, judgements, "note"))
    if listed is not None:
        yield _listed(listed, judgements.index)


def _said(said: Said, mode: str) -> Iterator[Column]:
    """A rate for each label, the label of the highest one, and how undecided they are."""
    name, labels = said.name, said.taxonomy.labels
    for label in labels:
        make = partial(said.rates[label].to_numpy, copy=True)
        yield Column(f"{name}.rate.{label}", said.taxonomy.display(label), name, make)
    yield Column(f"{name}.mode", mode, name, lambda: np.nan_to_num(_by_parts(_mode, said), nan=-1), (*labels, TIED))
    if said.shares and not (name == PEOPLE and said.kind in ("single", "sets")):
        make = partial(_by_parts, partial(entropies, rates=said.several), said)
        yield Column(f"{name}.entropy", "entropy", name, make)


def _mode(rates: Array) -> Array:
    """The place of each row's most chosen label, C where several tie, nan where nobody chose any."""
    hits = functional.modes(rates).numpy()
    return np.asarray(np.choose(hits.sum(axis=1).clip(max=2), [np.nan, hits.argmax(axis=1), rates.shape[1]]))


def _error(run: Run, people: People) -> Column:
    """How far a run's rates or shares are from people's, image by image."""
    name, columns = ERRORS[not run.several], [people.taxonomy.index(label) for label in run.taxonomy.labels]

    def measure(ours: Array, theirs: Array) -> Any:
        shares = torch.from_numpy(theirs[:, columns]).double()
        if not run.several:  # float32 lost the last digits of a distribution's sum
            shares = shares / shares.sum(dim=1, keepdim=True)
        return getattr(functional, name)(unsure(torch.from_numpy(ours), rates=run.several), shares)

    return Column(f"{run.name}.{name}", f"error ({name})", run.name, partial(_by_parts, measure, run, people))


def _by_parts(measure: Callable[..., Any], *said: Said) -> Array:
    """What `measure` makes of images whose rates are all known, some at a time; nan for other images."""
    tables = [source.rates.to_numpy() for source in said]
    known = np.logical_and.reduce([np.isfinite(table).all(axis=1) for table in tables])
    out, rows = np.full(len(known), np.nan, dtype=np.float32), np.flatnonzero(known)
    for part in np.split(rows, range(PART, len(rows), PART)):
        out[part] = measure(*(table[part] for table in tables))
    return out


def _of_images(title: str, values: "pd.Series[Any]") -> Column:
    """A column of images.parquet, as numbers or as levels in words."""
    name = title if title == "split" else f"image.{title}"
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if number and as_levels(values) is None:
        return Column(name, title, IMAGES, partial(values.astype("Float64").to_numpy, np.float32, na_value=np.nan))
    if any(isinstance(value, list | dict | np.ndarray) for value in values.dropna().head(1)):
        values = values.map(lambda value: ", ".join(map(str, value)), na_action="ignore")
    at, different = pd.factorize(values)
    words = as_text(pd.Series(different, dtype=object))
    levels = _in_order(words)
    codes = np.append(pd.Index(levels).get_indexer(pd.Index(words)), -1)[at]
    return Column(name, title, IMAGES, lambda: codes, levels)


def _in_order(levels: Iterable[Any]) -> tuple[str, ...]:
    """Levels, each once, sorted; but the parts of a split first, which have an order of their own."""
    there = set(map(str, levels))
    return (*(part for part in _PARTS if part in there), *sorted(there.difference(_PARTS)))


def _remarked(judgements: Judgements, kind: str) -> Array:
    """How many remarks of a kind each image has: flag or note."""
    remarks = judgements.remarks
    images = remarks.loc[remarks[kind].notna() & remarks[kind].ne(False), "image_id"]
    return images.value_counts().reindex(judgements.index, fill_value=0).to_numpy()


def _listed(table: pd.DataFrame, index: "pd.Index[Any]") -> Column:
    """The first check of an audit that lists the image. table: image and check of what it lists."""
    from affectml.auditing import CHECKS  # the audit loads much that nothing else here needs

    levels = tuple(check for check in CHECKS if (table["check"] == check).any())
    first = table["check"].map({check: at for at, check in enumerate(levels)}).groupby(table["image"]).min()
    make = first.reindex(index).fillna(len(levels)).to_numpy
    return Column("listed", "listed by the audit", IMAGES, make, (*levels, UNLISTED))
