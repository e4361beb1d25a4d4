"""A data set opened for exploring: columns, views, search, the map, and one image at a time."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.embeddings import EmbeddingStore
from affectml.errors import AffectmlError, BadInput, EncoderUnavailable, did_you_mean, few
from affectml.exploring import _map
from affectml.exploring._beside import Beside
from affectml.exploring._columns import (
    Column,
    between_runs,
    image_columns,
    listed_column,
    people_columns,
    remark_columns,
    run_columns,
)
from affectml.exploring._detail import Detail, Details
from affectml.exploring._encoders import Encoders, Hearing
from affectml.exploring._explained import Explained
from affectml.exploring._keep import Selections, export, queue
from affectml.exploring._query import fit, folded, having, inside, parse_rates
from affectml.exploring._runs import KnownRun
from affectml.exploring._search import Searcher
from affectml.exploring._view import Filter, View
from affectml.pictures import ImageLike
from affectml.runs import RunFolder
from affectml.taxonomies import Taxonomy
from affectml_annotation.exchange.files import table_csv

if TYPE_CHECKING:
    from affectml.encoders import Encoder

Array = NDArray[Any]


class Collection:
    """All images of a data set, N of them in the order of images.parquet, and what people and runs say of them.

    dataset; targets: whose answers are people's, None without any. taxonomy: theirs, else the first run's or the data
    set's own, if any.
    image_id: [N] of str. runs: their names. columns: by name; their values are computed when first asked for. notes:
    what one should know. searcher: None without embeddings.
    """

    def __init__(
        self, dataset: Dataset, targets: Targets | None, store: EmbeddingStore | None, runs: Mapping[str, RunFolder],
        db: str | None, notes: list[str], say: Say,
    ) -> None:  # fmt: skip
        self.dataset, self.targets, self.store, self.notes, self._say = dataset, targets, store, notes, say
        self.image_id = dataset.images["image_id"].to_numpy(dtype=object)
        self._index: pd.Index[Any] = pd.Index(self.image_id, dtype=object)
        self._runs_by_name = {name: KnownRun(run, name, dataset, self._index) for name, run in runs.items()}
        self.runs = tuple(self._runs_by_name)
        for run in self._runs_by_name.values():
            for note in run.notes(dataset, targets):
                say(f"{run.name}: {note}")
        self.taxonomy = self._taxonomy()
        self.searcher = None if store is None else Searcher(store, self._index)
        if self.searcher is not None and (without := len(self) - len(self.searcher.at)):
            say(f"{without:,} of {len(self):,} images have no embedding: no map and no search has them")
        self._beside = Beside(dataset, self._index, db, say)
        self._selections = Selections(dataset)
        self._encoders = Encoders()
        self._hearing = Hearing(self._text_vector)
        self._details = Details(
            self.image_id, self._index, targets, self.taxonomy, self._runs_by_name, self.searcher, self._beside,
            self._encoders, self._encoder,
        )  # fmt: skip
        self.columns = {column.name: column for column in self._made()}

    def __repr__(self) -> str:
        return (
            f"<Collection {self.dataset.root}: {len(self.image_id):,} images, runs: {', '.join(self.runs) or 'none'}>"
        )

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def has_people(self) -> bool:
        """Whether people's answers are known."""
        return self.targets is not None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of `taxonomy`; none where nothing says which there are."""
        return () if self.taxonomy is None else self.taxonomy.labels

    @property
    def can_search(self) -> bool:
        """Whether texts can be searched for: the embeddings' encoder has a text tower, and is known by name."""
        return self.store is not None and bool(self.store.specs) and self.store.identity.has_text

    def _taxonomy(self) -> Taxonomy | None:
        if self.targets is not None:
            return self.targets.taxonomy
        for run in self._runs_by_name.values():
            return run.folder.taxonomy
        return self.dataset.meta.resolve_taxonomy()

    def _made(self) -> list[Column]:
        """All columns, in the order in which a page lists them."""
        found, people = [], None
        if self.targets is not None:
            at = self._index.get_indexer(pd.Index(self.targets.image_id, dtype=object))
            people = self.targets, at
            found += people_columns(self.targets, at, self._beside)
        for run in self._runs_by_name.values():
            found += run_columns(run, people)
        found += between_runs(list(self._runs_by_name.values())) + image_columns(self.dataset)
        if self._beside.has_judgements or self._beside.has_db:
            found += remark_columns(self._beside)
        if self._beside.listed is not None:
            found.append(listed_column(self._beside.listed, self._index))
        return found

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
            if self.columns[view.order].kind == "category":
                values[values < 0] = np.nan
            keys.append(-values if view.descending else values)
        rows = np.flatnonzero(keep)
        if not keys:
            return rows[::-1] if view.descending else rows
        return rows[np.lexsort([key[rows] for key in reversed(keys)])]

    def _passes(self, each: Filter) -> NDArray[np.bool_]:
        column = self.column(each.column)
        values = column.values
        if column.kind == "category":
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
        keep = ~np.isnan(values)
        if each.low is not None:
            keep &= values >= np.float32(each.low)
        if each.high is not None:
            keep &= values <= np.float32(each.high)
        return np.asarray(keep)

    @cached_property
    def _called(self) -> list[str]:
        """Each image's image_id and file, to search in."""
        return [folded(f"{name}\n{self.file(at)}") for at, name in enumerate(self.image_id)]

    def fits(self, view: View) -> NDArray[np.float32] | None:
        """How well each image fits what a view searches for, [N], nan where that is unknown; None without a search.

        None too for a text of which the encoder knows no word. Of a text and an image it is the cosine, of rates `fit`.
        """
        if view.text:
            heard = self._hearing.heard(view.text)
            return self._searching().kept(f"text:{heard}", lambda: self._text_vector(heard)) if heard else None
        if view.like:
            at = self.place(view.like)
            if not self._searching().has(at):
                raise BadInput(
                    f"like: image {view.like!r} has no embedding; `affectml embed {self.dataset.root.resolve().name}`"
                )
            return self._searching().kept(f"like:{view.like}", lambda: self._searching().vector(at))
        return self._rates_fit(view) if view.rates else None

    def _rates_fit(self, view: View) -> NDArray[np.float32]:
        of = view.of or ("people" if self.has_people else next(iter(self.runs), "people"))
        if of != "people" and of not in self._runs_by_name:
            have = ("people", *self.runs)
            raise BadInput(f"of: no run {of!r}{did_you_mean(of, have)} (of: {', '.join(have)})")
        if of == "people" and not self.has_people:
            raise BadInput(f"of: nobody was asked about these images; name one of: {', '.join(self.runs)}")
        of_people = self.targets.taxonomy if self.targets is not None else None
        taxonomy = of_people if of == "people" else self._runs_by_name[of].folder.taxonomy
        assert taxonomy is not None
        both = parse_rates(view.rates, taxonomy)
        wanted, unwanted = (
            np.array([self.columns[f"{of}.rate.{label}"].values for label in labels]).reshape(len(labels), len(self)).T
            for labels in both
        )
        return fit(wanted, unwanted)

    def place(self, image_id: str) -> int:
        """The place of an image; raises BadInput where there is none of that name."""
        at = int(self._index.get_indexer(pd.Index([image_id], dtype=object))[0])
        if at < 0:
            raise BadInput(f"no image {image_id!r}{did_you_mean(image_id, self.image_id[:5000])}")
        return at

    # Embeddings

    def _searching(self) -> Searcher:
        if self.searcher is None:
            raise BadInput(f"no embeddings to search; run `affectml embed {self.dataset.root.resolve().name}`")
        return self.searcher

    def _encoder(self) -> "Encoder":
        """The embeddings' encoder, loaded when first needed; raises EncoderUnavailable where it cannot be had."""
        return self._encoders.of_store(self._searching().store)

    def _text_vector(self, text: str) -> NDArray[np.float32]:
        """The embedding of a text as it stands, [D]."""
        if not self.can_search:
            raise EncoderUnavailable(f"{self._searching().store.folder}: no text tower to search with")
        return np.asarray(self._encoder().encode_texts([text], padded=False).numpy()[0])

    def unheard(self, text: str) -> tuple[str, ...]:
        """Words of a text that the encoder takes for made-up ones, in their order; of one or two letters none is named.

        They order nothing: images come by the other words, and as without a search where there are none.

        Raises:
            BadInput: without embeddings.
            EncoderUnavailable: without a text tower.
        """
        return tuple(word for word in self._hearing.unheard(text) if len(word) > 2)

    # The map

    @cached_property
    def _maps(self) -> _map.Maps:
        store = self._searching().store
        at = self._index.get_indexer(pd.Index(store.ids, dtype=object))
        return _map.Maps(self.dataset.root, store, at, len(self))

    def map(self, say: Say = lambda line: None) -> NDArray[np.float32]:
        """Where each image lies on the map: [N, 2] within 0 and 1, nan for an image without an embedding.

        The one by UMAP, where the data set has it and its embeddings are the same; else by PCA, which takes a second.

        Raises:
            BadInput: without any embeddings.
        """
        return self._maps.places(say)

    def make_map(self, method: _map.Method = "umap", say: Say = lambda line: None) -> NDArray[np.float32]:
        """Make the map anew and keep it in the data set; by UMAP that takes minutes for many images.

        Raises:
            BadInput: without any embeddings.
            MissingExtra: for umap where it is not installed.
        """
        return self._maps.make(method, say)

    @property
    def map_words(self) -> str:
        """What the map shows, and how to get the one by UMAP."""
        return self._maps.words

    # What is kept

    def selections(self) -> dict[str, int]:
        """The saved selections, and how many images each has; of one that cannot be read, `notes` say why."""
        found = {}
        for name in self._selections.names():
            try:
                found[name] = len(self._selections.read(name))
            except AffectmlError as error:
                if str(error) not in self.notes:
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
        return self._selections.save(name, self._ids(images), view, replace=replace)

    def _ids(self, images: Sequence[int] | Array) -> list[str]:
        return list(self.image_id[np.asarray(images, dtype=np.int64)])

    def table(self, images: Sequence[int] | Array) -> pd.DataFrame:
        """Images with all columns: image_id, file and, by their names, what is known; levels as words."""
        rows = np.asarray(images, dtype=np.int64)
        found: dict[str, Any] = {"image_id": self.image_id[rows], "file": [self.file(int(at)) or None for at in rows]}
        for column in self.columns.values():
            values = column.values[rows]
            if column.kind == "category":
                names = np.array([*column.levels, None], dtype=object)
                values = names[values]  # -1 is the last
            found[column.name] = values
        return pd.DataFrame(found)

    def csv(self, images: Sequence[int] | Array) -> str:
        """The same as CSV that a spreadsheet can open."""
        return table_csv(self.table(images))

    def export(self, images: Sequence[int] | Array, path: str | Path) -> Path:
        """Write `table` into a .csv or .parquet file; raises BadInput for one that exists or cannot be written."""
        return export(self.table(images), Path(path))

    @property
    def has_queue(self) -> bool:
        """Whether there is a labelling task that images can be sent to."""
        return self._beside.has_db

    def queue(self, images: Sequence[int] | Array, *, more: int = 1) -> tuple[int, int]:
        """Put images at the end of the labelling task's queue, in their order, for at least `more` people each.

        Returns how many of them the task has, and how many of those wait for more people than before.

        Raises:
            BadInput: for `more` below 1, and where the task has none of them.
            StoreError: where there is no task.
        """
        return queue(self._beside.db, self._ids(images), more=more)

    # One image

    def detail(self, index: int, *, names: bool = False) -> Detail:
        """Everything about one image.

        Args:
            index: its place.
            names: whose answers are whose; else people are numbered.
        """
        if not 0 <= index < len(self):
            raise BadInput(f"no image {index}: expected 0 to {len(self) - 1}")
        return self._details.of(int(index), names=names)

    def look(self, image: ImageLike) -> Detail:
        """The same of an image of one's own: a path, a PIL image or an array; it goes nowhere and is not kept.

        Raises:
            BadInput: for an image that cannot be read.
        """
        return self._details.of_own(image)

    def explain(self, image: int | ImageLike, run: str, label: str | None = None) -> Explained:
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

        if run not in self._runs_by_name:
            raise BadInput(f"no run {run!r}{did_you_mean(run, self.runs)} (runs: {', '.join(self.runs) or 'none'})")
        asked = self._runs_by_name[run]
        given = self.path(image) if isinstance(image, int | np.integer) else image
        return Explained.of(
            explain_image(asked.folder, given, label=label, encoder_factory=lambda: self._encoders.of_run(asked.folder))
        )

    def file(self, index: int) -> str:
        """Its file as images.parquet names it; "" without one."""
        return self._beside.file(index)

    def path(self, index: int) -> Path:
        """Its file; raises BadInput where it has none, BadDataset where that leaves the data set."""
        return self._beside.path(index)
