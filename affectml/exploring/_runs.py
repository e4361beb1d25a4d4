"""A run's predictions as arrays over all images of a data set."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.errors import BadRun
from affectml.heads.base import HEADS
from affectml.predicting.features import check_images
from affectml.runs import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]
_OFF = 1e-3  # how far a row of shares may be from a sum of one: rounding is far below
_SETS = ["set.list.element"]
_PARTS = ("train", "calibration", "val", "test", "unused")


def in_order(levels: Iterable[Any]) -> tuple[str, ...]:
    """Levels sorted, but for the parts of a split, which have an order of their own."""
    place = {part: at for at, part in enumerate(_PARTS)}
    return tuple(sorted(map(str, levels), key=lambda level: (place.get(level, len(_PARTS)), level)))


class KnownRun:
    """A run, and what it says of N images.

    name: its folder's, made unique. rates: float32 [N, C], nan for an image that it says nothing of. shares: whether
    they are rates of people, or a distribution. unknown: of how many images it says nothing. gone: how many of its
    own the data set does not have.

    Raises:
        BadRun: without predictions, which a shared run and imported weights come without, with damaged ones, or on
            other images than the data set's.
    """

    def __init__(self, folder: RunFolder, name: str, dataset: Dataset, index: "pd.Index[Any]") -> None:
        self.folder, self.name, self.info = folder, name, folder.info
        self.labels, self.kind = folder.taxonomy.labels, folder.info.data.kind
        table = self._read(["image_id", "split", *self.labels])
        ids = table.column("image_id").to_pandas().astype(str)
        if ids.duplicated().any():
            image = ids[ids.duplicated()].iloc[0]
            raise BadRun(f"{self._file}: image {image!r} has two rows: train again")
        at = index.get_indexer(pd.Index(ids))
        self.gone = int((at < 0).sum())
        check_images(folder, dataset, ids)
        self._row = np.full(len(index), -1, dtype=np.int64)
        self._row[at[at >= 0]] = np.flatnonzero(at >= 0)
        self.unknown = int((self._row < 0).sum())
        part = table.column("split").to_pandas().astype(str)
        self.parts = in_order(part.unique())
        self.part = self._spread(pd.Index(self.parts).get_indexer(pd.Index(part)), -1)
        self.rates: NDArray[np.float32] = np.full((len(index), len(self.labels)), np.nan, dtype=np.float32)
        for c, label in enumerate(self.labels):
            try:
                self.rates[:, c] = self._spread(table.column(label).to_numpy(), np.nan)
            except (TypeError, ValueError):
                raise BadRun(f"{self._file}: column {label}: expected numbers: train again") from None
        self.shares = self._are_shares()

    def compares(self, targets: Targets) -> bool:
        """Whether what it says can be set beside people's answers: shares of the same kind, of the same labels."""
        same = (self.kind in SEVERAL) == (targets.kind in SEVERAL)
        return self.shares and same and set(self.labels) == set(targets.taxonomy.labels)

    def notes(self, dataset: Dataset, targets: Targets | None) -> list[str]:
        """What one should know of it."""
        found = []
        if self.info.data.name != dataset.name:
            found.append(f"trained on {self.info.data.name}; it is taken that images of one image_id are the same")
        if self.gone:
            found.append(f"{self.gone:,} of its images are not here; it is taken that the others are the same")
        if self.unknown:
            found.append(f"it says nothing of {self.unknown:,} of {len(self._row):,} images")
        if targets is not None and not self.compares(targets):
            kind = "rates" if self.kind in SEVERAL else "a distribution"
            why = f"it predicts {kind}" if self.shares else "its scores are no shares of people"
            if set(self.labels) != set(targets.taxonomy.labels):
                why = "it has other labels"
            found.append(f"not compared with people's {targets.name}: {why}")
        return found

    @property
    def _file(self) -> str:
        return str(self.folder.folder / "predictions.parquet")

    def _read(self, columns: list[str]) -> "pa.Table":
        """Some columns of predictions.parquet; its sets, of which 100,000 rows take 50 MB in pandas, each word once."""
        import pyarrow.parquet as pq

        try:
            there = pq.read_schema(self._file).names
            missing = [name for name in columns if name not in there]
            if not missing:
                return pq.read_table(self._file, columns=columns, read_dictionary=_SETS)
        except FileNotFoundError:
            raise BadRun(
                f"{self.folder.folder}: no predictions.parquet, which a shared run and imported weights come without: "
                "name a run that was trained on the data set"
            ) from None
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadRun(f"{self._file}: cannot be read ({error})") from None
        raise BadRun(f"{self._file}: no column {missing[0]}: the run is damaged, train again")

    def _spread(self, values: Any, nothing: float) -> Array:
        """Values of the file's rows, at their images."""
        return np.append(np.asarray(values), nothing)[self._row]  # -1 is the last

    def _are_shares(self) -> bool:
        """Whether its scores are shares of people: not of a head that says how likely a label is in the set."""
        said = self.rates[self._row >= 0]
        if len(said) and not (said.min() >= 0 and said.max() <= 1):
            return False
        if self.kind in SEVERAL:
            head = HEADS.get(self.info.head.name)  # of one's own that nobody imported: taken to predict rates
            return head is None or head.scores_of == "people"
        return bool((np.abs(said.sum(axis=1) - 1) < _OFF).all())

    def rates_of(self, label: str) -> Array:
        """[N] of one label."""
        return self.rates[:, self.labels.index(label)]

    @cached_property
    def _sets(self) -> Any:
        try:
            return self._read(["set"]).column("set")
        except BadRun:  # no sets
            return None

    def set_of(self, index: int) -> tuple[str, ...] | None:
        """The set of an image; None where it predicts none, or says nothing of the image."""
        row = int(self._row[index])
        return None if self._sets is None or row < 0 else tuple(self._sets[row].as_py() or ())

    @cached_property
    def promise(self) -> str:
        """What its sets promise, and what came of it on the test images; "" where they promise nothing."""
        from affectml.evaluation.kept_promise import from_people
        from affectml.report.sections.promise import in_words

        made = None
        with suppress(BadRun):
            made = self.folder.metrics.get("promise")
        if made is None:
            return ""
        came = in_words(made, self.info.config.promise_group, people=from_people(self.kind))
        return f"Promised: {made['words']}. {came}"
