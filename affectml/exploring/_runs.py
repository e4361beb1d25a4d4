"""A run's answers as arrays over all images of a data set."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.errors import BadRun
from affectml.judging.answers import SystemAnswers
from affectml.predicting.features import check_images
from affectml.runs import RunFolder

Array = NDArray[Any]
_OFF = 1e-3  # how far a row of shares may be from a sum of one: rounding is far below
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
        BadRun: without answers, which a shared run and imported weights come without, with damaged ones, or on other
            images than the data set's.
    """

    def __init__(self, folder: RunFolder, name: str, dataset: Dataset, index: "pd.Index[Any]") -> None:
        self.folder, self.name, self.info = folder, name, folder.info
        self.labels, self.kind = folder.taxonomy.labels, folder.info.data.kind
        said = SystemAnswers.read(folder.folder, self.labels)  # not kept: scores, shares and sets are large
        at = index.get_indexer(pd.Index(said.image_id))
        self.gone = int((at < 0).sum())
        check_images(folder, dataset, said.image_id)
        self._row = np.full(len(index), -1, dtype=np.int64)
        self._row[at[at >= 0]] = np.flatnonzero(at >= 0)
        self.unknown = int((self._row < 0).sum())
        part = said.split.astype(str)
        self.parts = in_order(np.unique(part))
        self.part = np.where(self._row < 0, -1, pd.Index(self.parts).get_indexer(pd.Index(part))[self._row])
        self._sets = None if said.sets is None else said.sets > 0
        rates = said.scores if said.shares is None else said.shares
        self.rates: NDArray[np.float32] = np.where(self._row[:, None] < 0, np.float32(np.nan), rates[self._row])
        self.shares = said.shares is not None and (
            self.kind in SEVERAL or bool((np.abs(rates.sum(axis=1) - 1) < _OFF).all())
        )

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

    def rates_of(self, label: str) -> Array:
        """[N] of one label."""
        return self.rates[:, self.labels.index(label)]

    def set_of(self, index: int) -> tuple[str, ...] | None:
        """The set of an image; None where it predicts none, or says nothing of the image."""
        row = int(self._row[index])
        if self._sets is None or row < 0:
            return None
        return tuple(label for label, inside in zip(self.labels, self._sets[row], strict=True) if inside)

    @cached_property
    def promise(self) -> str:
        """What its sets promise, and what came of it on the test images; "" where they promise nothing."""
        from affectml.judging.promise import from_people
        from affectml.page.sections.promise import in_words

        made = None
        with suppress(BadRun):
            made = self.folder.metrics.get("promise")
        if made is None:
            return ""
        came = in_words(made, self.info.config.promise_group, people=from_people(self.kind))
        return f"Promised: {made['words']}. {came}"
