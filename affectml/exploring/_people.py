"""What people said of each image: in the data set, and in the labelling task beside it until now."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
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

T = TypeVar("T")
Array = NDArray[Any]
SOME = 10_000  # images that the task is asked about one by one; of more, it is asked for all its answers
_KEY = ["image_id", "annotator_id", "round"]
_JUDGED = [*_KEY, "kind", "labels"]
_REMARKS = [*_KEY, "flag", "note"]


@dataclass(frozen=True)
class PeopleSaid:
    """What people say of an image. n: how many were asked, None where nobody knows. shares: by label. answers: who, in
    which round, and what, in words; without names people are numbered in an order of no meaning. remarks: who, and the
    note, or "flagged"."""

    n: int | None
    shares: Mapping[str, float]
    answers: tuple[tuple[str, int, str], ...]
    remarks: tuple[tuple[str, str], ...]


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

    def _stamps(self) -> set[tuple[Path, int, bool]]:
        """What the data set's tables are like now, and the files of the task's database, which are marked True."""
        root, stamps = self.dataset.root, set()
        files = {file: False for pattern in ("*.json", "*.parquet") for file in root.glob(pattern)}
        for file, of_task in (files | {Path(self.db): True, Path(f"{self.db}-wal"): True}).items():
            with suppress(FileNotFoundError):  # a log goes with the last who had the database open
                stat = file.stat()
                if stat.st_size:  # whoever only reads a database makes a log of no bytes
                    stamps.add((file, stat.st_mtime_ns, of_task))
        return stamps

    @property
    def is_old(self) -> bool:
        """Whether the data set's tables have changed since, or the labelling task whose answers are counted."""
        return any(self.counts or not of_task for _, _, of_task in self._before ^ self._stamps())

    @property
    def has_task(self) -> bool:
        """Whether there is a labelling task; that one can be reached under a URL is taken for granted."""
        return "://" in self.db or Path(self.db).is_file()

    def in_data_set(self, index: int) -> pd.DataFrame:
        """What people said of an image, a row each; checks and repeats, which are no data, are not among them."""
        if not self.in_file:
            return pd.DataFrame(columns=_JUDGED)
        try:
            rows = pc.field("image_id").cast("string") == str(self.index[index])
            if "purpose" in pq.read_schema(self._file).names:
                rows &= ~pc.field("purpose").cast("string").isin([*NOT_DATA])
            return _texts(pq.read_table(self._file, columns=_JUDGED, filters=rows).to_pandas())
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadDataset(f"{self._file}: not readable judgements ({error})") from None

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
        settings = self.asked(lambda store: store.task) if own is None else None
        return own if settings is None else Taxonomy(settings.name, settings.labels)

    def votes(self, lacking: "pd.Index[Any]", labels: Sequence[str]) -> Votes | None:
        """Votes in the labelling task on the images that have no answers elsewhere; None without any."""
        judged = self.in_task(list(map(str, lacking)) if len(lacking) <= SOME else None)
        judged = judged[judged["image_id"].isin(lacking) & judged["kind"].isin(ANSWERS)]
        try:
            return count_votes(judged, labels) if len(judged) else None
        except AnnotationError as error:
            self.say(f"answers in the labelling task are not counted: {error}")
            return None

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """Flags and notes, of the data set's judgements and of its labelling task: each person's in a round once."""
        parts = [pd.DataFrame(columns=_REMARKS), self.asked(LabelStore.remarks)]
        if self.in_file:  # without its lists of labels, which 500,000 rows take 100 MB for
            there = {*pq.read_schema(self._file).names}.intersection([*_REMARKS, "kind"])
            parts[0] = of_now(pd.read_parquet(self._file, columns=sorted(there))).reindex(columns=_REMARKS)
        return _last(*(_texts(_noted(part)) for part in parts if part is not None))

    def of(
        self, index: int, n: int | None, shares: Mapping[str, float], taxonomy: Taxonomy | None, *, names: bool
    ) -> PeopleSaid | None:
        """What people say of an image by now; what the task has is what holds. None where nobody said anything.

        n, shares: of the collection; without any, those of the answers since. names: whose answers are whose.
        """
        image = str(self.index[index])
        now, before = self.in_task([image]), self.remarks[self.remarks["image_id"] == image]
        judged, remarks = _last(self.in_data_set(index), now), _last(before, _noted(now))
        answered = judged[judged["kind"].isin(ANSWERS)].drop_duplicates("annotator_id")
        if not shares and len(answered):  # since the data set was opened
            n, labels = len(answered), () if taxonomy is None else taxonomy.labels
            shares = {label: sum(label in chosen for chosen in answered["labels"]) / n for label in labels}
        if not shares and not len(judged) and not len(remarks):
            return None

        def place(who: str) -> str | bytes:
            return who if names else hashlib.sha256(f"{image}\0{who}".encode()).digest()

        people = sorted({*judged["annotator_id"], *remarks["annotator_id"]}, key=place)
        called = {who: who if names else f"person {number}" for number, who in enumerate(people, 1)}
        answers = []
        for row in sorted(judged.to_dict("records"), key=lambda row: (people.index(row["annotator_id"]), row["round"])):
            chosen = [str(label) for label in (() if row["labels"] is None else row["labels"])]
            shown = [label if taxonomy is None else taxonomy.displays.get(label, label) for label in chosen]
            words = ", ".join(shown) or {"none": "none of these"}.get(row["kind"], str(row["kind"]))
            answers.append((called[row["annotator_id"]], int(row["round"]), words))
        notes = zip(remarks["annotator_id"].map(called), remarks["note"].fillna("flagged").astype(str), strict=True)
        return PeopleSaid(n, shares, tuple(answers), tuple(sorted(notes)))


def _noted(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a flag or a note."""
    return table[table["flag"].eq(True) | table["note"].notna()]


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(image_id=table["image_id"].astype(str), annotator_id=table["annotator_id"].astype(str))


def _last(*parts: pd.DataFrame) -> pd.DataFrame:
    """What each person said of an image in a round: the last of it."""
    some = [part for part in parts if len(part)] or [pd.DataFrame(columns=[*_JUDGED, "flag", "note"])]
    return pd.concat(some, ignore_index=True).drop_duplicates(_KEY, keep="last")
