"""What lies in and beside a data set for one image: its file, people's answers, flags and notes, an audit."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml_annotation import AnnotationError
from affectml_annotation.judgements import NOT_DATA, of_now
from affectml_annotation.store.place import default_database
from affectml_annotation.store.reading import read_remarks
from affectml_annotation.uncertainty import disagreement

Array = NDArray[Any]
PART = 5_000  # images whose judgements are Python's at a time: of 100,000 they would take 250 MB
_JUDGED = ["image_id", "annotator_id", "round", "kind", "labels"]
_WORDS = ["labels.list.element", "labels.list.item"]  # kept once each: of 500,000 answers they would take 26 MB
_REMARKS = ["image_id", "annotator_id", "round", "flag", "note"]


class Beside:
    """Of images by their places; tables are read when first asked for.

    index: the image_ids. db: the labelling task's database; None is DATASET-labels.db beside the folder.
    """

    def __init__(self, dataset: Dataset, index: "pd.Index[Any]", db: str | None, say: Say) -> None:
        self.dataset, self.index, self._say = dataset, index, say
        self.db = str(default_database(dataset.root)) if db is None else db
        self._judged = dataset.root / "annotations.parquet"
        self.has_judgements = self._judged.exists()

    def file(self, index: int) -> str:
        """Its file as images.parquet names it; "" without one."""
        return str(self._files[index]) if self._files is not None and pd.notna(self._files[index]) else ""

    def path(self, index: int) -> Path:
        """Its file; raises BadInput where it has none, BadDataset where that leaves the data set."""
        if not self.file(index):
            raise BadInput(f"image {self.index[index]!r} has no file on this machine")
        return self.dataset.image_path(self.file(index))

    @cached_property
    def _files(self) -> Array | None:
        return self.dataset.images["file"].to_numpy(dtype=object) if "file" in self.dataset.images.columns else None

    @cached_property
    def _judgements(self) -> "tuple[pa.Table, Array, Array]":
        """The judgements, compact as the file has them, their rows sorted by image, and the image of each of those.

        Checks and repeats, which are no data, are not among them.
        """
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        try:
            table = pa.table({name: [] for name in _JUDGED})
            if self.has_judgements:
                data = None
                if "purpose" in pq.read_schema(self._judged).names:
                    data = ~pc.field("purpose").cast("string").isin([*NOT_DATA])
                table = pq.read_table(self._judged, columns=_JUDGED, read_dictionary=_WORDS, filters=data)
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadDataset(f"{self._judged}: not readable judgements ({error})") from None
        at = self.index.get_indexer(pd.Index(table["image_id"].to_pandas().astype(str)))
        order = np.argsort(at, kind="stable").astype(np.int32)
        return table, order, at[order].astype(np.int32)

    def judged(self, first: int, last: int) -> pd.DataFrame:
        """What people said of the images from the first place up to before the last, a row each."""
        table, order, image = self._judgements
        begin, end = np.searchsorted(image, [first, last])
        found: pd.DataFrame = table.take(order[begin:end]).to_pandas()
        return found.assign(image_id=found["image_id"].astype(str), annotator_id=found["annotator_id"].astype(str))

    def disagreement(self, labels: Sequence[str]) -> Array:
        """Mean MASI distance of every two people's first answers, [N]; all nan where they chose among other labels."""
        out = np.full(len(self.index), np.nan, dtype=np.float32)
        try:
            for start in range(0, len(out), PART):
                judged = self.judged(start, start + PART)
                if len(judged):
                    found = disagreement(judged, labels)
                    out[self.index.get_indexer(found.index)] = found.to_numpy()
        except AnnotationError as error:
            self._say(f"disagreement between people is not known here: {error}")
            return np.full_like(out, np.nan)
        return out

    @property
    def has_db(self) -> bool:
        """Whether there is a labelling task; that one can be reached under a URL is taken for granted."""
        return "://" in self.db or Path(self.db).is_file()

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """Flags and notes, of the data set's judgements and of its labelling task: each person's in a round once."""
        parts = [self._noted()] if self.has_judgements else []
        if self.has_db:
            try:
                parts.append(read_remarks(self.db))
            except AnnotationError as error:
                self._say(f"flags and notes of the labelling task are left out: {error}")
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_REMARKS)
        table = table.assign(image_id=table["image_id"].astype(str), annotator_id=table["annotator_id"].astype(str))
        return table.drop_duplicates(["image_id", "annotator_id", "round"], keep="last")

    def _noted(self) -> pd.DataFrame:
        """Those of annotations.parquet, without its lists of labels, which 500,000 rows take 100 MB for."""
        import pyarrow.parquet as pq

        there = [name for name in (*_REMARKS, "kind") if name in pq.read_schema(self._judged).names]
        table = of_now(pd.read_parquet(self._judged, columns=there)).reindex(columns=_REMARKS)
        table["flag"] = table["flag"].eq(True)
        return table[table["flag"] | table["note"].notna()]

    def remarks_of(self, index: int) -> pd.DataFrame:
        """Flags and notes of an image."""
        found: pd.DataFrame = self.remarks[self.remarks["image_id"] == self.index[index]]
        return found

    @cached_property
    def listed(self) -> pd.DataFrame | None:
        """What an audit beside the data set lists; None without one."""
        root = self.dataset.root.resolve()
        file = root.with_name(f"{root.name}-audit") / "audit.parquet"
        if not file.exists():
            return None
        try:
            table = pd.read_parquet(file)
            return table[table["listed"].astype(bool)][["check", "image_id", "other_id", "evidence"]]
        except Exception as error:  # pyarrow raises many kinds for a damaged file, pandas for a missing column
            self._say(f"{file}: not a table of an audit, and left out ({error})")
            return None

    def listed_in_words(self, image_id: str) -> tuple[str, ...]:
        """What an audit says of an image."""
        if self.listed is None:
            return ()
        rows = self.listed[(self.listed["image_id"] == image_id) | (self.listed["other_id"] == image_id)]
        return tuple(f"{check}: {evidence}" for check, evidence in zip(rows["check"], rows["evidence"], strict=True))
