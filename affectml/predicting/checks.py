"""Two checks of answers as they come: whether they tell images apart, and whether a promise's ground holds for them."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from affectml.heads import shift
from affectml.pictures import Picture
from affectml.predicting.features import learned_from

if TYPE_CHECKING:
    from affectml.predicting.predictor import Predictor

LEAST = 5  # images of which `Alike` says something
NEARLY = 0.95  # share of the images that is nearly all
SAME = 1e-6  # scores of all images within this are the same
_HELD = 5000  # images drawn at random of all: what the run learned from and other images of a group fall out of them


class Alike:
    """How alike a run's answers are; they may come some at a time.

    >>> answers = Alike(("awe", "joy"))
    >>> answers.add(np.linspace(0, .4, 12).reshape(6, 2), [()] * 6)
    >>> answers.words.split(";")[0]
    'the predicted set is empty for 6 of 6 images'
    >>> answers = Alike(("awe", "joy"))
    >>> answers.add(np.zeros((6, 2)), [()] * 6)
    >>> answers.words.partition("; ")[2]
    'if they do, that the sets to learn from hold labels (a lower --tau)'
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._images = 0
        self._said: Counter[tuple[str, ...]] = Counter()
        self._low, self._high = np.full(len(labels), np.inf), np.full(len(labels), -np.inf)
        self._what = "first label"

    @classmethod
    def of(cls, labels: Sequence[str], scores: Tensor, sets: Tensor | None) -> "Alike":
        """Of answers that are there already."""
        made = cls(labels)
        rows = None if sets is None else sets.bool().numpy()
        chosen = None if rows is None else [tuple(np.asarray(labels, dtype=object)[row]) for row in rows]
        made.add(scores.numpy(), chosen)
        return made

    def add(self, scores: NDArray[Any], sets: Sequence[Sequence[str]] | None) -> None:
        """Some more images: scores [N, C], and the labels of each one's set; None where there are no sets."""
        if not len(scores):
            return
        self._images += len(scores)
        if sets is not None:
            self._what = "predicted set"
        self._said.update([(self._labels[at],) for at in scores.argmax(axis=1)] if sets is None else map(tuple, sets))
        self._low, self._high = np.minimum(self._low, scores.min(axis=0)), np.maximum(self._high, scores.max(axis=0))

    @property
    def words(self) -> str:
        """What is wrong and what would help; "" where images get different answers, or are fewer than five."""
        if self._images < LEAST:
            return ""
        said, times = self._said.most_common(1)[0]
        if (self._high - self._low).max() <= SAME:
            learned = "" if said else "; if they do, that the sets to learn from hold labels (a lower --tau)"
            return (
                f"the scores are the same for all {self._images:,} images, as if all had the same features: check "
                f"that the image files differ and that the encoder fits them{learned}"
            )
        if times < NEARLY * self._images:
            return ""
        found = f"the {self._what} is {', '.join(said) or 'empty'} for {times:,} of {self._images:,} images"
        promise = "" if said else ", or sets that hold what people choose (`affectml train --promise recall=.8`)"
        return f"{found}; more images and answers to learn from would help{promise}; the scores still tell images apart"


class Ground:
    """Takes answers as they come; memory does not grow with them.

    Args:
        predictor: of a run.
        found: the images that are predicted.
    """

    def __init__(self, predictor: "Predictor", found: Sequence[Picture]) -> None:
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
        found = shift.find_shift(
            self._promise, ground, run.taxonomy.labels, self._scores[new], groups=groups[new], levels=levels
        )
        return "" if found.images < shift.LEAST else found.words()
