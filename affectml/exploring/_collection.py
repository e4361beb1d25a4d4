"""A data set opened for exploring: columns, views, search, the map, and one image at a time."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import try_file, write_parquet, write_text
from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import choose_target
from affectml.embeddings import EmbeddingStore
from affectml.errors import AffectmlError, BadDataset, BadInput, did_you_mean, few, option
from affectml.exploring._columns import PEOPLE, Column, People, Run, Said, table_of
from affectml.exploring._embeddings import Encoders, Searcher
from affectml.exploring._image import Detail, detail_of, detail_of_own
from affectml.exploring._people import Judgements
from affectml.exploring._selections import Selections
from affectml.exploring._view import Filter, View, fit, folded, having, inside, parse_rates
from affectml.pictures import ImageLike
from affectml.predicting.features import store_there
from affectml.runs import RunFolder
from affectml_annotation import LabelStore
from affectml_annotation.exchange.files import table_csv

if TYPE_CHECKING:
    from affectml.explanation import Explanation

Array = NDArray[Any]


class Collection:
    """All images of a data set, N of them in the order of images.parquet, and what people and runs say of them.

    dataset. people: what they say, None without any. taxonomy: theirs, else the first run's, the data set's own or the
    labelling task's, if any; labels: its own. image_id: [N] of str. runs: their names. said: who says something of the
    images, by name. columns: by name; their values are computed when first asked for. notes: what one should know.
    searcher: of the embeddings, None without any.
    """

    def __init__(
        self, judgements: Judgements, people: People | None, store: EmbeddingStore | None, runs: Mapping[str, Run],
        notes: list[str], encoders: Encoders,
    ) -> None:  # fmt: skip
        self.judgements, self.people, self.store, self.notes, self.encoders = judgements, people, store, notes, encoders
        self.dataset, self._index, self._say = judgements.dataset, judgements.index, judgements.say
        self.image_id, self.runs_by_name, self.runs = self._index.to_numpy(), runs, tuple(runs)
        self.said: dict[str, Said] = ({} if people is None else {PEOPLE: people}) | dict(runs)
        self.taxonomy = next((said.taxonomy for said in self.said.values()), judgements.taxonomy)
        self.labels = () if self.taxonomy is None else self.taxonomy.labels
        self.searcher = None if store is None else Searcher(self.dataset.root, store, self._index, encoders)
        if self.searcher is not None and (without := len(self) - len(self.searcher.at)):
            self._say(f"{without:,} of {len(self):,} images have no embedding: no map and no search has them")
        self._selections = Selections(self.dataset)
        table = table_of(people, list(runs.values()), judgements, self._listed)
        self.columns = {column.name: column for column in table}

    def __repr__(self) -> str:
        return f"<Collection {self.dataset.root}: {len(self):,} images, runs: {', '.join(self.runs) or 'none'}>"

    def __len__(self) -> int:
        return len(self.image_id)

    def column(self, name: str) -> Column:
        """A column by its name; raises BadInput naming the nearest one where there is none."""
        if name not in self.columns:
            have = few(list(self.columns), 12)
            raise BadInput(f"no column {name!r}{did_you_mean(name, self.columns)} (there are {have})")
        return self.columns[name]

    def warm(self) -> None:
        """Compute every column and the map now, so that nobody waits for them later; for a thread of its own."""
        for column in self.columns.values():
            _ = column.values
        if self.searcher is not None:
            self.map()

    # What is shown

    def shown(self, view: View) -> NDArray[np.int64]:
        """The places of the images of a view, in its order.

        What is searched for orders all images of which it is known how well they fit, and `order` those that fit alike.
        Images of which the column of `order` is unknown come last, and equal ones in the data set's order.

        Raises:
            BadInput: for a column, level, image, run, selection or label that there is none of, naming the nearest, and
                for a search or a lasso without embeddings.
            EncoderUnavailable: for a text without a text tower.
        """
        keep = np.ones(len(self), dtype=bool)
        for each in view.filters:
            keep &= self._passes(each)
        if view.name:
            keep &= having(view.name, self._called)
        if view.selection:
            keep &= self._index.isin(self._selections.read(view.selection))
        if view.lasso:
            keep &= inside(np.array(view.lasso), self.map())
        keys: list[Array] = []
        fits = self.fits(view)
        if fits is not None:
            keep &= np.isfinite(fits)
            keys.append(-fits.round(6))  # what differs in the last digits fits alike
        if view.order:
            values = self.column(view.order).values.astype(np.float64)
            if self.columns[view.order].levels:
                values[values < 0] = np.nan
            keys.append(-values if view.descending else values)
        rows = np.flatnonzero(keep)
        if not keys:
            return rows[::-1] if view.descending else rows
        return rows[np.lexsort([key[rows] for key in reversed(keys)])]

    def _passes(self, each: Filter) -> NDArray[np.bool_]:
        column = self.column(each.column)
        values = column.values
        if column.levels:
            if each.low is not None or each.high is not None:
                raise BadInput(f"filter {column.name}: expected levels ({few(column.levels, 12)}), got a range")
            for level in each.levels:
                if level not in column.levels:
                    near = did_you_mean(level, column.levels)
                    raise BadInput(f"filter {column.name}: no level {level!r}{near} (of: {few(column.levels, 12)})")
            if each.has:
                return np.append(having(each.has, list(map(folded, column.levels))), False)[values]
            wanted = [column.levels.index(level) for level in each.levels]
            return np.isin(values, wanted) if wanted else values >= 0
        if got := each.has or ", ".join(each.levels):
            raise BadInput(f"filter {column.name}: expected a range such as 0.2..0.8, got {got}")
        low, high = (
            np.float32(np.inf * sign if end is None else end) for end, sign in ((each.low, -1), (each.high, 1))
        )
        return np.asarray((values >= low) & (values <= high))

    @cached_property
    def _called(self) -> list[str]:
        """Each image's image_id and file, to search in."""
        return [folded(f"{name}\n{self.file(at)}") for at, name in enumerate(self.image_id)]

    def fits(self, view: View) -> NDArray[np.float32] | None:
        """How well each image fits what a view searches for, [N], nan where that is unknown; None without a search.

        None too for a text of which the encoder knows no word. Of a text and an image it is the cosine, of rates `fit`.
        """
        if view.text:
            heard = self.searching().heard(view.text)
            return self.searching().fits(heard) if heard else None
        if view.like:
            at = self.place(view.like)
            if not self.searching().has(at):
                way = f"`affectml embed {self.dataset.root.resolve().name}`"
                raise BadInput(f"like: image {view.like!r} has no embedding; {way}")
            return self.searching().fits(at)
        return self._rates_fit(view) if view.rates else None

    def _rates_fit(self, view: View) -> NDArray[np.float32]:
        of = view.of or next(iter(self.said), PEOPLE)
        if of == PEOPLE and self.people is None:
            raise BadInput(f"of: nobody was asked about these images; name one of: {', '.join(self.runs)}")
        if of not in self.said:
            have = (PEOPLE, *self.runs)
            raise BadInput(f"of: no run {of!r}{did_you_mean(of, have)} (of: {', '.join(have)})")
        said = self.said[of]
        both = parse_rates(view.rates, said.taxonomy)
        wanted, unwanted = (said.rates[:, [said.taxonomy.index(label) for label in labels]] for labels in both)
        return fit(wanted, unwanted)

    def place(self, image_id: str) -> int:
        """The place of an image; raises BadInput where there is none of that name."""
        at = int(self._index.get_indexer(pd.Index([image_id], dtype=object))[0])
        if at < 0:
            raise BadInput(f"no image {image_id!r}{did_you_mean(image_id, self.image_id[:5000])}")
        return at

    # Embeddings

    def searching(self) -> Searcher:
        """`searcher`; raises BadInput without any embeddings."""
        if self.searcher is None:
            raise BadInput(f"no embeddings to search; run `affectml embed {self.dataset.root.resolve().name}`")
        return self.searcher

    def map(self, say: Say = lambda line: None) -> NDArray[np.float32]:
        """Where each image lies on the map: [N, 2] within 0 and 1, nan for an image without an embedding.

        The one by UMAP, where the data set has it and its embeddings are the same; else by PCA, which takes a second.

        Raises:
            BadInput: without any embeddings.
        """
        return self.searching().map(say)

    # What is kept

    def selections(self) -> dict[str, int]:
        """The saved selections, and how many images each has; of one that cannot be read, `notes` say why."""
        found = {}
        for name in self._selections.names():
            try:
                found[name] = len(self._selections.read(name))
            except AffectmlError as error:
                self._say(str(error))
        return found

    def save_selection(
        self, name: str, images: Sequence[int] | Array, view: View | None = None, *, replace: bool = False
    ) -> Path:
        """Keep images, by their places, under a name in the data set: see docs/explore.md.

        Args:
            name: letters, digits, spaces and . + - _.
            images: their places, in the order to keep.
            view: that showed them; kept beside.
            replace: write over one of that name; what it was stays beside it.

        Raises:
            BadInput: for a name that is none or taken, for no images, and where nothing can be written.
        """
        return self._selections.save(name, [str(self.image_id[at]) for at in images], view, replace=replace)

    def table(self, images: Sequence[int] | Array) -> pd.DataFrame:
        """Images with all columns: image_id, file and, by their names, what is known; levels as words."""
        rows = np.asarray(images, dtype=np.int64)
        found: dict[str, Any] = {"image_id": self.image_id[rows], "file": [self.file(int(at)) or None for at in rows]}
        for column in self.columns.values():
            values = column.values[rows]
            if column.levels:
                values = np.array([*column.levels, None], dtype=object)[values]  # -1 is the last
            found[column.name] = values
        return pd.DataFrame(found)

    def csv(self, images: Sequence[int] | Array) -> str:
        """The same as CSV that a spreadsheet can open."""
        return table_csv(self.table(images))

    def export(self, images: Sequence[int] | Array, path: str | Path) -> Path:
        """Write `table` into a .csv or .parquet file; raises BadInput for one that exists or cannot be written."""
        path = Path(path)
        try_file(path)
        if path.suffix.lower() == ".parquet":
            write_parquet(path, self.table(images))
        elif path.suffix.lower() == ".csv":
            write_text(path, f"\ufeff{self.csv(images)}")  # Excel's mark of UTF-8
        else:
            raise BadInput(f"{path}: expected a file that ends in .csv or .parquet")
        return path

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
            asked = [image for at in images if (image := str(self.image_id[at])) in known]
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
        return detail_of(self, int(index), names)

    def look(self, image: ImageLike) -> Detail:
        """The same of an image of one's own: a path, a PIL image or an array; it goes nowhere and is not kept.

        Raises:
            BadInput: for an image that cannot be read.
        """
        return detail_of_own(self, image)

    def explain(self, image: int | ImageLike, run: str, label: str | None = None) -> "Explanation":
        """Which parts of an image speak for a label, as `Run.explain` finds them; takes seconds.

        Args:
            image: its place, or an image of one's own as `look` takes it.
            run: a run's name.
            label: one of the run's; None takes the likeliest.

        Raises:
            BadInput: for a run that there is none of, and an image that cannot be read.
            UnknownLabel: for a label that the run does not have.
            BadRun: for a run on embeddings made elsewhere.
        """
        from affectml.explanation import explain_image

        if run not in self.runs:
            raise BadInput(f"no run {run!r}{did_you_mean(run, self.runs)} (runs: {', '.join(self.runs) or 'none'})")
        given = self.path(image) if isinstance(image, int | np.integer) else image
        folder = self.runs_by_name[run].folder
        return explain_image(folder, given, label=label, encoder_factory=lambda: self.encoders.of_run(folder))

    def file(self, index: int) -> str:
        """Its file as images.parquet names it; "" without one."""
        return "" if self._files is None or pd.isna(self._files[index]) else str(self._files[index])

    def path(self, index: int) -> Path:
        """Its file; raises BadInput where it has none, BadDataset where that leaves the data set."""
        if not self.file(index):
            raise BadInput(f"image {self.image_id[index]!r} has no file on this machine")
        return self.dataset.image_path(self.file(index))

    @cached_property
    def _files(self) -> Array | None:
        return self.dataset.images["file"].to_numpy(dtype=object) if "file" in self.dataset.images.columns else None

    @cached_property
    def _listed(self) -> pd.DataFrame | None:
        """What an audit beside the data set lists; None without one."""
        root = self.dataset.root.resolve()
        file = root.with_name(f"{root.name}-audit") / "audit.parquet"
        try:
            table = pd.read_parquet(file)
            return table[table["listed"].astype(bool)][["check", "image_id", "other_id", "evidence"]]
        except FileNotFoundError:
            return None
        except Exception as error:  # pyarrow raises many kinds for a damaged file, pandas for a missing column
            self._say(f"{file}: not a table of an audit, and left out ({error})")
            return None

    def listed_of(self, image_id: str) -> tuple[str, ...]:
        """What an audit says of an image."""
        if self._listed is None:
            return ()
        rows = self._listed[(self._listed[["image_id", "other_id"]] == image_id).any(axis=1)]
        return tuple(f"{check}: {evidence}" for check, evidence in zip(rows["check"], rows["evidence"], strict=True))


# Opening


def open_collection(
    dataset: str | Path | Dataset,
    runs: Sequence[str | Path] = (),
    *,
    target: str | None = None,
    encoder: str | None = None,
    db: str | None = None,
    say: Say = lambda line: None,
    encoders: Encoders | None = None,
) -> Collection:
    """Open a data set for exploring, with what runs say of its images; nothing is embedded, predicted or written.

    Args:
        dataset: a data set's folder.
        runs: run folders, trained on it or on one with the same images under the same image_ids.
        target: whose answers are shown; None takes the first run's, else the only one.
        encoder: whose embeddings are searched and mapped; None takes the first run's, else the only ones.
        db: the labelling task's database, for answers that the target does not have, flags and notes; None takes
            DATASET-labels.db where it is there.
        say: called with what one should know; it stands in `notes` too.
        encoders: that were loaded before, of an earlier opening.

    Raises:
        BadDataset: for a folder that is none, and where several targets or encoders would do.
        BadRun: for a folder that is no run, has no answers, or has those of other images.
    """
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    opened = [RunFolder.open(run) for run in runs]
    notes: list[str] = []

    def tell(line: str) -> None:
        if line not in notes:
            notes.append(line)
            say(line)

    judgements = Judgements(data, db, tell)
    people = People.read(_targets(data, opened, target), judgements)
    store = _store(data, opened, encoder, tell)
    read = {name: Run.read(run, name, judgements) for name, run in zip(_names(opened), opened, strict=True)}
    for line in (line for run in read.values() for line in run.notes(data, people)):
        tell(line)
    return Collection(judgements, people, store, read, notes, encoders or Encoders())


def map_by_umap(
    dataset: str | Path, runs: Sequence[str | Path] = (), *, encoder: str | None = None, say: Say = lambda line: None
) -> Path:
    """Make the map by UMAP and keep it in the data set: its file. Whose answers are shown does not matter to it.

    Raises:
        BadInput: without any embeddings.
        BadDataset, BadRun: as `open_collection` does.
        MissingExtra: where UMAP is not installed.
    """
    data = Dataset.open(dataset)
    store = _store(data, [RunFolder.open(run) for run in runs], encoder, say)
    if store is None:
        raise BadInput(f"{data.root}: no embeddings to make a map of; run `affectml embed {data.root}`")
    searcher = Searcher(data.root, store, pd.Index(store.ids, dtype=object), Encoders())
    searcher.make_map("umap", say)
    return searcher.map_file("umap")


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """Each run's folder name; the folder before it, where several are called alike or as what is no run."""
    names = [run.folder.resolve().name for run in runs]
    taken = {"people", "runs", "image", "split", "flagged", "notes", "listed"}
    parents = [run.folder.resolve().parent.name for run in runs]
    full = [
        f"{parent}/{name}" if names.count(name) > 1 or name in taken else name
        for parent, name in zip(parents, names, strict=True)
    ]
    return [f"{name} ({full[:at].count(name) + 1})" if name in full[:at] else name for at, name in enumerate(full)]


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
    try:
        return EmbeddingStore.for_dataset(data, encoder)
    except BadDataset as error:
        raise BadDataset(f"{error}; choose with {option('encoder')}") from None
