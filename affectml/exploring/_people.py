"""What people said of each image: in the data set, and in the labelling task beside it until now."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import BadDataset
from affectml.taxonomies import Taxonomy
from affectml_annotation import AnnotationError, LabelStore, count_votes
from affectml_annotation.judgements import ANSWERS, NOT_DATA, Votes, of_now
from affectml_annotation.store.place import default_database
from affectml_annotation.store.reading import read_remarks
from affectml_annotation.uncertainty import disagreement

T = TypeVar("T")
Array = NDArray[Any]
PART = 5_000  # images whose judgements are Python's at a time: of 100,000 they would take 250 MB
SOME = 10_000  # images that the task is asked about one by one; of more, it is asked for all its answers
_KEY = ["image_id", "annotator_id", "round"]
_JUDGED = [*_KEY, "kind", "labels"]
_WORDS = ["labels.list.element", "labels.list.item"]  # kept once each: of 500,000 answers they would take 26 MB
_REMARKS = [*_KEY, "flag", "note"]


class Judgements:
    """Judgements, flags and notes of N images by their places; tables are read when first asked for.

    index: the image_ids, [N]. db: the labelling task's database; None is DATASET-labels.db beside the folder. say:
    called with what one should know. counts: whether answers in it are votes on an image that has none elsewhere.
    """

    def __init__(self, dataset: Dataset, db: str | None, say: Say) -> None:
        self.dataset, self.say, self._fails = dataset, say, False
        self.index = pd.Index(dataset.images["image_id"].to_numpy(dtype=object), dtype=object)
        self.db = str(default_database(dataset.root)) if db is None else db
        self._file = dataset.root / "annotations.parquet"
        self.in_file = self._file.exists()
        self.counts, self._before = True, self._stamps()

    def _stamps(self) -> tuple[list[object], list[object]]:
        """What the data set's tables and the task's database are like now."""
        root, tables, task = self.dataset.root, list[object](), list[object]()
        database = [Path(self.db), Path(f"{self.db}-wal")]
        for file in sorted([*root.glob("*.json"), *root.glob("*.parquet"), *database]):
            with suppress(FileNotFoundError):  # a log goes with the last who had the database open
                stat = file.stat()
                if stat.st_size:  # whoever only reads a database makes a log of no bytes
                    (task if file in database else tables).append((file, stat.st_mtime_ns))
        return tables, task

    @property
    def is_old(self) -> bool:
        """Whether the data set's tables have changed since, or the labelling task whose answers are counted."""
        now = self._stamps()
        return now[0] != self._before[0] or (self.counts and now[1] != self._before[1])

    @property
    def has_task(self) -> bool:
        """Whether there is a labelling task; that one can be reached under a URL is taken for granted."""
        return "://" in self.db or Path(self.db).is_file()

    @cached_property
    def _table(self) -> "tuple[pa.Table, Array, Array]":
        """The judgements, compact as the file has them, their rows sorted by image, and the image of each of those.

        Checks and repeats, which are no data, are not among them.
        """
        try:
            table = pa.table({name: [] for name in _JUDGED})
            if self.in_file:
                data = None
                if "purpose" in pq.read_schema(self._file).names:
                    data = ~pc.field("purpose").cast("string").isin([*NOT_DATA])
                table = pq.read_table(self._file, columns=_JUDGED, read_dictionary=_WORDS, filters=data)
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadDataset(f"{self._file}: not readable judgements ({error})") from None
        at = self.index.get_indexer(pd.Index(table["image_id"].to_pandas().astype(str)))
        order = np.argsort(at, kind="stable").astype(np.int32)
        return table, order, at[order].astype(np.int32)

    def in_data_set(self, first: int, last: int) -> pd.DataFrame:
        """What people said of the images from the first place up to before the last, a row each."""
        table, order, image = self._table
        begin, end = np.searchsorted(image, [first, last])
        return _texts(table.take(order[begin:end]).to_pandas())

    def disagreement(self, labels: Sequence[str]) -> Array:
        """Mean MASI distance of every two people's first answers, [N]; all nan where they chose among other labels."""
        out = np.full(len(self.index), np.nan, dtype=np.float32)
        try:
            for start in range(0, len(out), PART):
                judged = self.in_data_set(start, start + PART)
                if len(judged):
                    found = disagreement(judged, labels)
                    out[self.index.get_indexer(found.index)] = found.to_numpy()
        except AnnotationError as error:
            self.say(f"disagreement between people is not known here: {error}")
            return np.full_like(out, np.nan)
        return out

    def asked(self, ask: Callable[[LabelStore], T]) -> T | None:
        """What the labelling task says; None without one, and from then on where it cannot be read."""
        if self.has_task and not self._fails:
            try:
                with LabelStore(self.db, must_exist=True, reads_only=True) as store:
                    return ask(store)
            except AnnotationError as error:
                self._fails = True
                self.say(f"what the labelling task has is left out: {error}")
        return None

    def in_task(self, image_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """What the labelling task has by now, of these images or of all; nothing without one."""
        table = self.asked(lambda store: store.judgements(image_ids=image_ids))
        if table is None:
            return pd.DataFrame(columns=[*_JUDGED, "flag", "note"])
        return _texts(table[~table["purpose"].isin([*NOT_DATA])])

    @cached_property
    def taxonomy(self) -> Taxonomy | None:
        """The data set's own, or that of its labelling task; None without either."""
        own = self.dataset.meta.resolve_taxonomy()
        settings = self.asked(lambda store: store.settings) if own is None else None
        return own if settings is None else Taxonomy(settings.name, settings.labels)

    def votes(self, lacking: NDArray[np.bool_], labels: Sequence[str]) -> Votes | None:
        """Votes in the labelling task on the images that have no answers elsewhere; None without any."""
        ids = self.index[lacking].astype(str)
        self.counts = bool(len(ids))
        judged = self.in_task(list(ids) if len(ids) <= SOME else None) if self.counts else self.in_task([])
        judged = judged[judged["image_id"].isin(ids) & judged["kind"].isin(ANSWERS)]
        try:
            return count_votes(judged, labels) if len(judged) else None
        except AnnotationError as error:
            self.say(f"answers in the labelling task are not counted: {error}")
            return None

    def of(self, index: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Judgements of an image as they are now, and flags and notes; what the task has is what holds."""
        now = self.in_task([str(self.index[index])])
        before = self.remarks[self.remarks["image_id"] == self.index[index]]
        return _last(self.in_data_set(index, index + 1), now), _last(before, _noted(now))

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """Flags and notes, of the data set's judgements and of its labelling task: each person's in a round once."""
        parts = [pd.DataFrame(columns=_REMARKS), self.asked(lambda _store: read_remarks(self.db))]
        if self.in_file:  # without its lists of labels, which 500,000 rows take 100 MB for
            there = {*pq.read_schema(self._file).names}.intersection([*_REMARKS, "kind"])
            parts[0] = of_now(pd.read_parquet(self._file, columns=sorted(there))).reindex(columns=_REMARKS)
        return _last(*(_texts(_noted(part)) for part in parts if part is not None))


def _noted(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a flag or a note."""
    return table[table["flag"].eq(True) | table["note"].notna()]


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(image_id=table["image_id"].astype(str), annotator_id=table["annotator_id"].astype(str))


def _last(*parts: pd.DataFrame) -> pd.DataFrame:
    """What each person said of an image in a round: the last of it."""
    some = [part for part in parts if len(part)] or [pd.DataFrame(columns=[*_JUDGED, "flag", "note"])]
    return pd.concat(some, ignore_index=True).drop_duplicates(_KEY, keep="last")
