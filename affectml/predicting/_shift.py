"""Whether the ground of a run's promise holds for the images that it predicts, seen by their scores alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.heads.shift import LEAST, find_shift
from affectml.pictures import Picture
from affectml.predicting.features import learned_from
from affectml.predicting.predictor import Predictor

_HELD = 5000  # images drawn at random of all: what the run learned from and other images of a group fall out of them


class Ground:
    """Takes answers as they come; memory does not grow with them.

    Args:
        predictor: of a run.
        found: the images that are predicted.
    """

    def __init__(self, predictor: Predictor, found: Sequence[Picture]) -> None:
        self._predictor, self._found = predictor, found
        self._promise = predictor.run.head.promise_ if predictor.promises else None
        self._draw = np.random.default_rng(0)
        self._keys, self._names = np.empty(0), np.empty(0, dtype=object)
        self._scores = np.empty((0, len(predictor.labels)))

    def add(self, names: Sequence[str], scores: NDArray[Any]) -> None:
        """Some more images: names of N, and scores [N, C]; nothing is kept where nothing is promised of them."""
        if self._promise is None:
            return
        keys = np.append(self._keys, self._draw.uniform(size=len(names)))
        held = np.argsort(keys)[:_HELD]
        self._keys, self._names = keys[held], np.append(self._names, np.array(names, dtype=object))[held]
        self._scores = np.vstack([self._scores, scores])[held]

    @property
    def words(self) -> str:
        """What was seen; "" where the run promises nothing of these answers, and for a few images.

        Images that the run learned from, calibration images among them, do not count.
        """
        run = self._predictor.run
        ground = run.head.ground_
        if self._promise is None or ground is None:
            return ""
        held = set(self._names)
        pictures = {picture.name: picture for picture in self._found if picture.name in held}
        of = [pictures[name].dataset for name in self._names]
        groups, new = self._names.copy(), np.ones(len(self._names), dtype=bool)
        for data in {data.root: data for data in of if data is not None}.values():
            rows = [row for row, other in enumerate(of) if other is not None and other.root == data.root]
            ids = [pictures[name].image_id for name in self._names[rows]]
            if (own := data.groups(ids)) is not None:
                groups[rows] = [f"{data.root} {group}" for group in own]
            if run.has_answers:
                scores = pd.DataFrame(self._scores[rows], index=ids, columns=list(run.taxonomy.labels))
                learned = learned_from(run, scores[~scores.index.duplicated()])
                new[rows] = [image_id not in learned for image_id in ids]
        levels = np.array(self._predictor.levels(list(pictures.values()), list(self._names[new])), dtype=object)
        shift = find_shift(
            self._promise, ground, run.taxonomy.labels, self._scores[new], groups=groups[new], levels=levels
        )
        return "" if shift.images < LEAST else shift.words()
