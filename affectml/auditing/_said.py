"""What people said of a data set's images: single answers, counts, or one agreed answer each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml_annotation import Panel, UnknownLabel, encode


@dataclass(frozen=True, eq=False)
class Said:
    """What people said: N images, C labels.

    votes, n [N, C]: how many chose a label, of how many asked. image, person [M], chosen [M, C]: single answers, empty
    where they are not known. exclusive: whether an answer is one label. known: whether votes are people's, each on
    their own; of one agreed set or label per image they are not, and n is 1.
    """

    labels: tuple[str, ...]
    image_id: NDArray[Any]
    votes: NDArray[np.int64]
    n: NDArray[np.int64]
    image: NDArray[np.int64]
    person: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    people: NDArray[Any]
    exclusive: bool
    known: bool

    def without(self, people: NDArray[np.int64]) -> "Said":
        """The same without the answers of some people."""
        keep = ~np.isin(self.person, people)
        fewer = self._moved(self.image[~keep], self.chosen[~keep], -1)
        return replace(fewer, image=self.image[keep], person=self.person[keep], chosen=self.chosen[keep])

    def after(self, answers: Panel, keep: NDArray[np.bool_]) -> "Said":
        """Votes and n with those of `answers` that `keep` names, too; single answers stay as they are."""
        return self._moved(answers.image[keep], answers.chosen[keep], 1)

    def before(self, answers: Panel, keep: NDArray[np.bool_]) -> "Said":
        """Votes and n without them."""
        return self._moved(answers.image[keep], answers.chosen[keep], -1)

    def _moved(self, image: NDArray[np.int64], chosen: NDArray[np.bool_], sign: int) -> "Said":
        votes = self.votes.copy()
        np.add.at(votes, image, sign * chosen.astype(np.int64))
        return replace(self, votes=votes, n=self.n + sign * np.bincount(image, minlength=len(self.n))[:, None])


def single_answers(dataset: Dataset, labels: Sequence[str], ids: NDArray[Any], *, exclusive: bool) -> Panel | None:
    """First looks at these images that are answers, of one label where `exclusive`; None for none with these labels."""
    if dataset.judgements is None:
        return None
    try:
        panel = encode(dataset.judgements, labels, list(ids)).answers()
    except UnknownLabel:
        return None
    if exclusive:
        panel = panel.where(panel.chosen.sum(axis=1) == 1)
    return panel if len(panel.image) else None


def read_said(dataset: Dataset, targets: Targets, people: int | None = None) -> Said | None:
    """What people said: single answers, else counts, else one agreed answer per image; None for bare shares.

    Counts of people who are not among the single answers go before them: who was asked again does not stand for all.
    people: bare shares are read as those of so many people, rounded to whole votes.
    """
    labels, ids = targets.taxonomy.labels, targets.image_id
    exclusive = targets.kind not in SEVERAL
    nobody = np.zeros(0, dtype=np.int64)
    make = partial(Said, labels, ids, exclusive=exclusive)
    asked = targets.people
    if targets.votes is not None and exclusive:
        asked = np.repeat(targets.votes.sum(axis=1)[:, None], len(labels), axis=1)
    panel = None
    if targets.meta.vote_rule != "moments":
        panel = single_answers(dataset, labels, ids, exclusive=exclusive)
    if panel is not None and (asked is None or 2 * len(panel.image) >= asked.max(axis=1).sum()):
        none = np.zeros((len(ids), len(labels)), dtype=np.int64)
        said = make(none, none, panel.image, panel.annotator, panel.chosen, panel.annotator_ids, known=True)
        return said.after(panel, np.ones(len(panel.image), dtype=bool))
    alone = partial(make, image=nobody, person=nobody, chosen=np.zeros((0, len(labels)), bool), people=nobody)
    if targets.votes is not None:
        return None if asked is None else alone(votes=targets.votes, n=asked, known=True)
    if targets.meta.values == "indicator":
        table = targets.table.astype(np.int64)
        return alone(votes=table, n=np.ones_like(table), known=False)
    if people is not None:
        votes = _whole(targets.table * people) if exclusive else np.rint(targets.table * people).astype(np.int64)
        return alone(votes=votes, n=np.full_like(votes, people), known=True)
    return None


def _whole(votes: NDArray[Any]) -> NDArray[np.int64]:
    """Whole votes of the same sum by row: the largest remainders are rounded up."""
    down = np.floor(votes + 1e-6)
    left = np.rint(votes.sum(axis=1) - down.sum(axis=1))
    place = np.argsort(np.argsort(down - votes, axis=1, kind="stable"), axis=1)
    return np.asarray(down + (place < left[:, None]), dtype=np.int64)
