"""A data set opened for exploring: columns, views, search, the map, and one image at a time."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import choose_target
from affectml.embeddings import EmbeddingStore
from affectml.errors import AffectmlError, BadDataset, BadInput, did_you_mean, few, option
from affectml.exploring._columns import PEOPLE, Column, People, Run, RunSaid, Said, columns_of
from affectml.exploring._embeddings import Encoders, Searcher
from affectml.exploring._people import Judgements, PeopleSaid
from affectml.exploring._view import Filter, Selections, View, fit, folded, inside, need, parse_rates
from affectml.predicting.features import store_there
from affectml.runs import RunFolder
from affectml_annotation import LabelStore
from affectml_annotation.exchange.files import table_csv

if TYPE_CHECKING:
    from affectml.explanation import Explanation

Array = NDArray[Any]
NEAREST = 12
_GROUPS = ("people", "runs", "image", "split", "flagged", "notes", "listed")  # how names of columns begin


@dataclass(frozen=True)
class Near:
    """Another image, the cosine of its embedding, and people's shares by label."""

    index: int
    image_id: str
    cosine: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Detail:
    """What is known of one image.

    index: its place. file: its path in the data set, "" without one. people: None where nobody was asked about it.
    listed: what an audit says of it, in words. notes: what could not be said, and why.
    """

    index: int
    image_id: str
    file: str
    people: PeopleSaid | None
    runs: tuple[RunSaid, ...]
    nearest: tuple[Near, ...]
    listed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Collection:
    """All images of a data set, N of them in the order of images.parquet, and what people and runs say of them.

    dataset. people: what they say, None without any. taxonomy: theirs, else the first run's, the data set's own or the
    labelling task's, if any; labels: its own. image_id: [N] of str. runs: by name. said: who says something of the
    images, by name. columns: by name; their values are computed when first asked for. selections: what was saved.
    notes: what to know. searcher: of the embeddings, None without any.
    """

    def __init__(
        self,
        dataset: str | Path | Dataset,
        runs: Sequence[str | Path] = (),
        *,
        target: str | None = None,
        encoder: str | None = None,
        db: str | None = None,
        say: Say = lambda line: None,
        encoders: Encoders | None = None,
    ) -> None:
        """Open a data set, with what runs say of its images; nothing is embedded, predicted or written.

        Args:
            dataset: a data set's folder.
            runs: run folders, trained on it or on one with the same images under the same image_ids.
            target: whose answers are shown; None takes the first run's, else the only one.
            encoder: whose embeddings are searched and mapped; None takes the first run's, else the only ones.
            db: the labelling task's database, for answers that the target does not have, flags and notes; None takes
                DATASET-labels.db where it is there.
            say: called with each line for the user, which is in `notes` too.
            encoders: that were loaded before, of an earlier opening.

        Raises:
            BadDataset: if the folder is not a data set, or several targets or encoders would do.
            BadRun: if a folder is not a run, has no answers, or has answers about other images.
        """
        self.dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
        self.notes: list[str] = []
        self._say, self.encoders = partial(_tell, self.notes, say), encoders or Encoders()
        opened = [RunFolder.open(run) for run in runs]
        self.judgements = Judgements(self.dataset, db, self._say)
        self.people = People.read(_targets(self.dataset, opened, target), self.judgements)
        store = _store(self.dataset, opened, encoder, self._say)
        self._index = self.judgements.index
        self.image_id = self._index.to_numpy()
        named = zip(_names(opened), opened, strict=True)
        self.runs = {name: Run.read(run, name, self.judgements, self.people) for name, run in named}
        self.said: dict[str, Said] = ({} if self.people is None else {PEOPLE: self.people}) | dict(self.runs)
        self.taxonomy = next((source.taxonomy for source in self.said.values()), self.judgements.taxonomy)
        self.labels = () if self.taxonomy is None else self.taxonomy.labels
        self.searcher = None if store is None else Searcher(store, self._index, self.encoders)
        if self.searcher is not None and (without := int((~self.searcher.has).sum())):
            self._say(f"{without:,} of {len(self):,} images have no embedding: no map and no search has them")
        self.selections = Selections(self.dataset, self._say)
        columns = columns_of(self.people, list(self.runs.values()), self.judgements, self._listed)
        self.columns = {column.name: column for column in columns}

    def __repr__(self) -> str:
        return f"<Collection {self.dataset.root}: {len(self):,} images, runs: {', '.join(self.runs) or 'none'}>"

    def __len__(self) -> int:
        return len(self.image_id)

    def column(self, name: str) -> Column:
        """A column by its name; raises BadInput naming the nearest one where there is none."""
        need(name, self.columns, "no column")
        return self.columns[name]

    # What is shown

    def shown(self, view: View) -> NDArray[np.int64]:
        """The places of the images of a view, in its order.

        A search orders the images by how well they fit, and `order` those that fit alike. Images without a value in
        the column of `order` come last; equal ones keep the data set's order.

        Raises:
            BadInput: if a column, level, image, run, selection or label does not exist (names the nearest), or if
                there are no embeddings for a search or a lasso.
            EncoderUnavailable: for a text without a text tower.
        """
        passed = [self._passes(condition) for condition in view.filters]
        keys, fits, sign = list[Array](), self.fits(view), -1 if view.descending else 1
        if view.name:
            part = folded(view.name)
            passed.append(np.array([part in called for called in self._called], dtype=bool))
        if view.selection:
            passed.append(self._index.isin(self.selections.read(view.selection)))
        if view.lasso:
            passed.append(inside(np.array(view.lasso), self.map()))
        if view.order:
            column = self.column(view.order)
            keys.append(sign * np.where(column.known, column.values, np.nan))
        if fits is not None:
            passed.append(np.isfinite(fits))
            keys.append(-fits.round(6))  # what differs in the last digits fits alike
        rows = np.flatnonzero(np.logical_and.reduce([np.ones(len(self), dtype=bool), *passed]))
        return rows[np.lexsort([key[rows] for key in keys])] if keys else rows[::sign]

    def _passes(self, each: Filter) -> NDArray[np.bool_]:
        column, text = self.column(each.column), each.has or ", ".join(each.levels)
        ends = [np.float32(end) if end is not None else None for end in (each.low, each.high)]
        if column.levels:
            if ends != [None, None]:
                raise BadInput(f"filter {column.name}: expected levels ({few(column.levels, 12)}), got a range")
            for level in each.levels:
                need(level, column.levels, f"filter {column.name}: no level")
            if not text:
                return column.known
            part = folded(each.has)
            passed = [level in each.levels if each.levels else part in folded(level) for level in column.levels]
            return np.append(passed, False)[column.values]
        if text:
            raise BadInput(f"filter {column.name}: expected a range such as 0.2..0.8, got {text}")
        low, high = ends
        return column.known & (low is None or column.values >= low) & (high is None or column.values <= high)

    @cached_property
    def _called(self) -> list[str]:
        """Each image's image_id and file, to search in."""
        return [folded(f"{name}\n{self.file(at)}") for at, name in enumerate(self.image_id)]

    def fits(self, view: View) -> NDArray[np.float32] | None:
        """How well each image fits what a view searches for, [N], nan where that is unknown; None without a search.

        Also None if the encoder knows no word of the text. For a text or an image it is the cosine, for rates `fit`.
        """
        if view.text:
            heard = self.searching().heard(view.text)
            return self.searching().fits(heard) if heard else None
        if view.like:
            at = self.place(view.like)
            if not self.searching().has[at]:
                way = f"`affectml embed {self.dataset.root.resolve().name}`"
                raise BadInput(f"like: image {view.like!r} has no embedding; {way}")
            return self.searching().fits(at)
        if not view.rates:
            return None
        of = view.of or next(iter(self.said), PEOPLE)
        if of == PEOPLE and self.people is None:
            raise BadInput(f"of: nobody was asked about these images; name one of: {', '.join(self.runs)}")
        need(of, self.said, "of: no run")
        source = self.said[of]
        return fit(*(source.rates[list(labels)].to_numpy() for labels in parse_rates(view.rates, source.taxonomy)))

    def place(self, image_id: str) -> int:
        """The place of an image. Raises BadInput if no image has that name."""
        at = int(self._index.get_indexer(pd.Index([image_id], dtype=object))[0])
        if at < 0:
            raise BadInput(f"no image {image_id!r}{did_you_mean(image_id, self.image_id[:5000])}")
        return at

    def searching(self) -> Searcher:
        """`searcher`; raises BadInput without any embeddings."""
        if self.searcher is None:
            raise BadInput(f"no embeddings to search; run `affectml embed {self.dataset.root.resolve().name}`")
        return self.searcher

    def map(self) -> NDArray[np.float32]:
        """Where each image lies on the map: [N, 2] within 0 and 1, nan for an image without an embedding.

        Raises:
            BadInput: without any embeddings.
        """
        return self.searching().map

    # What leaves

    def table(self, images: Sequence[int] | Array) -> pd.DataFrame:
        """Images with all columns: image_id, file and, by their names, what is known; levels as words."""
        rows = np.asarray(images, dtype=np.int64)
        columns: dict[str, Any] = {"image_id": self.image_id[rows], "file": [self.file(int(at)) or None for at in rows]}
        for name, column in self.columns.items():
            columns[name] = column.values[rows]
            if column.levels:
                columns[name] = np.array([*column.levels, None], dtype=object)[columns[name]]  # -1 is the last
        return pd.DataFrame(columns)

    def csv(self, images: Sequence[int] | Array) -> str:
        """The same as CSV that a spreadsheet can open."""
        return table_csv(self.table(images))

    def queue(self, images: Sequence[int] | Array, *, more: int = 1) -> tuple[int, int]:
        """Put images at the end of the labelling task's queue, in their order, for at least `more` people each.

        Returns how many of them the task has, and how many of those wait for more people than before.

        Raises:
            BadInput: for `more` below 1, and where the task has none of them.
            StoreError: where there is no task.
        """
        if more < 1:
            raise BadInput(f"{option('more', more)}: expected at least 1")
        with LabelStore(self.judgements.db, must_exist=True) as store:
            known = set(store.images()["image_id"].astype(str))
            asked = [image for image in map(str, self.image_id[np.asarray(images)]) if image in known]
            if not asked:
                raise BadInput(f"{store.database.where}: none of these {len(images):,} images is in this task")
            return len(asked), store.enqueue(asked, more=more)

    # One image

    def detail(self, index: int, *, names: bool = False) -> Detail:
        """Everything about one image; answers in the labelling task are read afresh.

        Args:
            index: its place.
            names: whose answers are whose; else people are numbered.
        """
        if not 0 <= index < len(self):
            raise BadInput(f"no image {index}: expected 0 to {len(self) - 1}")
        index, image_id, people = int(index), str(self.image_id[index]), self.people
        by_run = {name: run.of_image(index) for name, run in self.runs.items()}
        notes = [f"{name} says nothing of this image" for name, run in by_run.items() if run is None]
        nearest, listed = tuple[Near, ...](), tuple[str, ...]()
        if self.searcher is None or not self.searcher.has[index]:
            notes.append("no embedding, so no nearest images")
        else:
            others = np.where(np.arange(len(self)) == index, np.nan, self.searcher.fits(index))
            nearest = self._nearest(others)
        shares = {} if people is None else people.of(index)
        n = int(people.asked.iloc[index]) if people is not None and people.asked is not None and shares else None
        told = self.judgements.of(index, n, shares, self.taxonomy, names=names)
        if self._listed is not None:
            rows = self._listed[self._listed["image"] == image_id]
            listed = tuple(rows["check"].astype(str) + ": " + rows["evidence"].astype(str))
        runs = tuple(run for run in by_run.values() if run is not None)
        return Detail(index, image_id, self.file(index), told, runs, nearest, listed, tuple(notes))

    def _nearest(self, cosines: NDArray[np.float32]) -> tuple[Near, ...]:
        """The images of the highest cosines, best first."""
        best = {int(str(at)): float(value) for at, value in pd.Series(cosines).dropna().nlargest(NEAREST).items()}
        shares = {at: {} if self.people is None else self.people.of(at) for at in best}
        return tuple(Near(at, str(self.image_id[at]), cosine, shares[at]) for at, cosine in best.items())

    def explain(self, index: int, run: str, label: str | None = None) -> "Explanation":
        """Which parts of an image speak for a label, as `Run.explain` finds them; takes seconds.

        Args:
            index: the image's place.
            run: a run's name.
            label: one of the run's; None takes the likeliest.

        Raises:
            BadInput: if the run does not exist or the image cannot be read.
            UnknownLabel: for a label that the run does not have.
            BadRun: for a run on embeddings made elsewhere.
        """
        from affectml.explanation import explain_image

        need(run, self.runs, "no run")
        folder = self.runs[run].folder
        encoder = partial(self.encoders.of_run, folder)
        return explain_image(folder, self.path(index), label=label, encoder_factory=encoder)

    def file(self, index: int) -> str:
        """Its file as images.parquet names it; "" without one."""
        return str(self._files[index])

    def path(self, index: int) -> Path:
        """Its file; raises BadInput where it has none, BadDataset where that leaves the data set."""
        if not self.file(index):
            raise BadInput(f"image {self.image_id[index]!r} has no file on this machine")
        return self.dataset.image_path(self.file(index))

    @cached_property
    def _files(self) -> Array:
        return self.dataset.images.reindex(columns=["file"])["file"].astype(object).fillna("").to_numpy()

    @cached_property
    def _listed(self) -> pd.DataFrame | None:
        """What an audit beside the data set lists: check, evidence, image; None without one."""
        root = self.dataset.root.resolve()
        file = root.with_name(f"{root.name}-audit") / "audit.parquet"
        try:
            table = pd.read_parquet(file)
            table = table.loc[table["listed"].astype(bool), ["check", "evidence", "image_id", "other_id"]]
            images = table.melt(["check", "evidence"], value_name="image", ignore_index=False)
            return images.sort_index(kind="stable")  # in the order of the audit
        except FileNotFoundError:
            return None
        except Exception as error:  # pyarrow raises many kinds for a damaged file, pandas for a missing column
            self._say(f"{file}: not a table of an audit, and left out ({error})")
            return None


# Opening


def _tell(notes: list[str], say: Say, line: str) -> None:
    if line not in notes:
        notes.append(line)
        say(line)


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """Each run's folder name, with its parent if several have one name or something else has it."""
    folders = [run.folder.resolve() for run in runs]
    alone = pd.Series([*_GROUPS, *(folder.name for folder in folders)]).drop_duplicates(keep=False)
    names = [folder.name if folder.name in set(alone) else f"{folder.parent.name}/{folder.name}" for folder in folders]
    return [f"{name} ({names[:at].count(name) + 1})" if name in names[:at] else name for at, name in enumerate(names)]


def _targets(data: Dataset, runs: Sequence[RunFolder], name: str | None) -> Targets | None:
    have = data.meta.targets
    name = name or next((run.info.data.target for run in runs if run.info.data.target in have), None)
    if name is None and len(have) > 1:
        raise BadDataset(f"{data.root}: whose answers? It has {', '.join(have)}: choose with {option('target')}")
    return choose_target(data, multilabel=None, name=name) if have or name else None


def _store(data: Dataset, runs: Sequence[RunFolder], encoder: str | None, say: Say) -> EmbeddingStore | None:
    """The embeddings that were asked for, those of the first run that has some, or the only ones."""
    for run in runs if encoder is None else ():
        with suppress(AffectmlError):
            if (store := store_there(run, data, say)) is not None:
                return store
    if encoder is None and not any((data.root / "embeddings").glob("*/encoder.json")):
        say(f"no embeddings, so no map and no search: `affectml embed {data.root}` makes them")
        return None
    return EmbeddingStore.for_dataset(data, encoder)
