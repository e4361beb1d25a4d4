"""Whether answers tell images apart at all: empty sets, the same set or first label for nearly all, equal scores."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

LEAST = 5  # images of which something is said
NEARLY = 0.95  # share of the images that is nearly all
SAME = 1e-6  # scores of all images within this are the same


class Alike:
    """How alike a run's answers are; they may come some at a time.

    >>> answers = Alike(("awe", "joy"))
    >>> answers.add(np.linspace(0, .4, 12).reshape(6, 2), [()] * 6)
    >>> answers.words.split(";")[0]
    'the predicted set is empty for 6 of 6 images'
    >>> answers = Alike(("awe", "joy"))
    >>> answers.add(np.zeros((6, 2)), [()] * 6)
    >>> answers.words.partition("; ")[2]
    'if they do: that the sets learned from hold labels (a lower --tau)'
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
            learned = "" if said else "; if they do: that the sets learned from hold labels (a lower --tau)"
            return (
                f"the scores are the same for all {self._images:,} images, as where all have the same features: see "
                f"that the image files differ and that the encoder fits them{learned}"
            )
        if times < NEARLY * self._images:
            return ""
        found = f"the {self._what} is {', '.join(said) or 'empty'} for {times:,} of {self._images:,} images"
        promise = "" if said else ", or sets that hold what people choose (`affectml train --promise recall=.8`)"
        return f"{found}; more images and answers to learn from would help{promise}; the scores still tell images apart"
