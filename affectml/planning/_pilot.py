"""The answers that a study is planned from: people's, anonymous votes, or drawn from assumptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL, choose_target
from affectml.errors import BadDataset, UnknownLabel
from affectml_annotation import BadJudgement, encode, found_labels

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Pilot:
    """A answers about images over C labels.

    image, person: [A], numbers from 0. chosen: [A, C], 1 for a label that was chosen, nan where a label was not asked.
    image_ids: of the images, where they have names. anonymous: who answered is not known, and each answer counts as
    somebody else's. sets: whether the labels of one answer are known together, not only how many people chose each.
    seconds: an answer's median, where known. assumed: whether it was drawn and not observed.
    """

    labels: tuple[str, ...]
    image: Array
    person: Array
    chosen: Array
    image_ids: Array | None = None
    anonymous: bool = False
    sets: bool = True
    seconds: float | None = None
    assumed: bool = False

    @property
    def people(self) -> int:
        """How many people answered."""
        return len(np.unique(self.person))

    @property
    def images(self) -> int:
        """How many images were answered."""
        return len(np.unique(self.image))

    @property
    def answers_an_image(self) -> float:
        """Mean over images."""
        return len(self.image) / self.images

    @classmethod
    def of_judgements(cls, judgements: pd.DataFrame, labels: Sequence[str]) -> "Pilot":
        """People's first answers in a judgement table. Raises BadJudgement and UnknownLabel where it is none."""
        panel = encode(judgements, labels).answers()
        seconds = judgements["seconds"].iloc[panel.row] if "seconds" in judgements else pd.Series(dtype=float)
        return cls(
            panel.labels, panel.image, panel.annotator, panel.chosen.astype(np.float64), panel.image_ids,
            seconds=float(seconds.median()) if seconds.notna().any() else None,
        )  # fmt: skip

    @classmethod
    def of_counts(
        cls, votes: Array, n: Array, labels: Sequence[str], image_ids: Array | None = None, *, one: bool = False
    ) -> "Pilot":
        """Anonymous votes [N, C] of n people an image, [N] or [N, C].

        one: each person chose one label, so that whole answers are known. Else a label's votes are dealt to the first
        seats: right for each label, and saying nothing of labels together.
        """
        asked = np.broadcast_to(n if np.ndim(n) == 2 else np.asarray(n)[:, None], votes.shape)
        size = asked.max(axis=1).astype(np.int64)
        image = np.repeat(np.arange(len(size)), size)
        seat = (np.arange(len(image)) - np.repeat(np.cumsum(size) - size, size))[:, None]
        below = np.cumsum(votes, axis=1) - votes if one else np.zeros_like(votes)
        chosen = ((seat >= below[image]) & (seat < (below + votes)[image])).astype(np.float64)
        chosen[seat >= asked[image]] = np.nan
        return cls(tuple(labels), image, np.arange(len(image)), chosen, image_ids, anonymous=True, sets=one)

    @classmethod
    def assumed_of(
        cls,
        rates: Sequence[float],
        *,
        images_sd: float = 1.5,
        people_sd: float = 0.5,
        talk_sd: float = 0.5,
        people: int = 100,
        images: int = 400,
        seed: int = 0,
    ) -> "Pilot":
        """Everybody's answers about every image, drawn from a mixed logit (McFadden & Train 2000).

        The log-odds of an answer are the label's, plus the image's (SD images_sd), plus what the person leans to this
        label (people_sd) and to labels at all (talk_sd), all normal and independent. rates: each label's, over people
        and images.
        """
        generator = np.random.default_rng(seed)
        shift = generator.normal(size=(images, len(rates))) * images_sd
        habit = generator.normal(size=(people, len(rates))) * people_sd + generator.normal(size=(people, 1)) * talk_sd
        odds = shift[None] + habit[:, None]
        low, high = np.full(len(rates), -20.0), np.full(len(rates), 20.0)
        for _ in range(30):  # the offset at which the mean is the rate
            middle = (low + high) / 2
            above = (1 / (1 + np.exp(-odds - middle))).mean(axis=(0, 1)) > np.asarray(rates)
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        chosen = generator.random(odds.shape) < 1 / (1 + np.exp(-odds - middle))
        who, what = (each.ravel() for each in np.indices((people, images)))
        names = tuple(f"label {number}" for number in range(1, len(rates) + 1))
        return cls(names, what, who, chosen.reshape(len(who), -1).astype(np.float64), assumed=True)


def read_pilot(dataset: Dataset, target: str | None = None) -> Pilot:
    """The pilot in a data set: its judgements, else the votes of a target.

    Raises BadDataset where it has neither, and where there is too little to plan from.
    """
    table = dataset.judgements
    chosen: Targets | None = None
    if target is not None or (dataset.meta.targets and table is None):
        several = target is None and any(entry.kind in SEVERAL for entry in dataset.meta.targets.values())
        chosen = choose_target(dataset, multilabel=several or None, name=target)
    if table is not None:
        labels = found_labels(table) or ("none",) if chosen is None else chosen.taxonomy.labels
        if chosen is None and dataset.meta.targets:
            labels = next(
                (of for name in dataset.meta.targets if set(labels) <= set(of := dataset.target(name).taxonomy.labels)),
                labels,
            )
        try:
            return checked(Pilot.of_judgements(table, labels), str(dataset.root))
        except UnknownLabel as error:
            raise BadDataset(f"{dataset.root}: target {target}: the judgements are in other labels ({error})") from None
        except BadJudgement as error:
            raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None
    assert chosen is not None or not dataset.meta.targets
    if chosen is None or chosen.votes is None or (chosen.people is None and chosen.kind == "rates"):
        raise BadDataset(
            f"{dataset.root}: no judgements (annotations.parquet) and no counts of votes, so nothing to plan from: "
            "`affectml labels` and `affectml study` collect some, and `affectml plan` without a data set plans from "
            "assumptions"
        )
    one = chosen.kind == "distribution"
    if one and chosen.meta.vote_rule != "one_choice":
        raise BadDataset(f"{dataset.root}: target {chosen.name}: how many people voted is not known; plan from another")
    n = chosen.votes.sum(axis=1) if one else chosen.people
    assert n is not None
    pilot = Pilot.of_counts(chosen.votes, n, chosen.taxonomy.labels, chosen.image_id, one=one)
    return checked(pilot, str(dataset.root))


def checked(pilot: Pilot, where: str) -> Pilot:
    """The pilot; raises BadDataset where nothing can be planned from it."""
    way = "collect more, or plan from assumptions: `affectml plan` without a data set"
    if not len(pilot.image):
        raise BadDataset(f"{where}: nobody answered yet; {way}")
    if pilot.images < 2:
        raise BadDataset(f"{where}: all answers are about one image, which says nothing of other images; {way}")
    if pilot.people < 2:
        raise BadDataset(f"{where}: all answers are one person's, which say nothing of other people; {way}")
    if len(pilot.image) == pilot.images:
        raise BadDataset(f"{where}: no image has answers of two people, so that images and people look alike; {way}")
    return pilot
