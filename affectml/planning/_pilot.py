"""The answers that a study is planned from, a model's score of each, and which images should get the next ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml._options import check_choice
from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL, choose_target
from affectml.errors import BadDataset, BadInput, UnknownLabel, option
from affectml.planning._config import PlanConfig
from affectml_annotation import BadJudgement, encode, found_labels
from affectml_annotation.smoothing import Until, expected_change, fit_beta_prior, label_sets, smoothed_rates
from affectml_metrics import functional as F

Array = NDArray[Any]
RATES = (0.3, 0.25, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05)
TAU = 1 / 3


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

    @cached_property
    def people(self) -> int:
        """How many people answered."""
        return len(np.unique(self.person))

    @cached_property
    def images(self) -> int:
        """How many images were answered."""
        return len(np.unique(self.image))

    def places(self, ids: Array) -> Array:
        """Where among these ids the image of each answer stands, [A]; -1 where it does not."""
        assert self.image_ids is not None
        return pd.Index(ids).get_indexer(pd.Index(self.image_ids))[self.image]

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
    def assumed_of(cls, config: PlanConfig, *, people: int = 100, images: int = 400) -> "Pilot":
        """Everybody's answers about every image, drawn from a mixed logit (McFadden & Train 2000).

        The log-odds of an answer are the label's, plus the image's (SD images_sd), plus what the person leans to this
        label (people_sd) and to labels at all (talk_sd), all normal and independent. rates: each label's, over people
        and images.
        """
        rates = np.asarray(RATES if config.rates is None else config.rates)
        generator = np.random.default_rng(config.seed)
        shift = generator.normal(size=(images, len(rates))) * config.images_sd
        habit = generator.normal(size=(people, len(rates))) * config.people_sd
        odds = shift[None] + (habit + generator.normal(size=(people, 1)) * config.talk_sd)[:, None]
        low, high = np.full(len(rates), -20.0), np.full(len(rates), 20.0)
        for _ in range(30):  # the offset at which the mean is the rate
            middle = (low + high) / 2
            above = (1 / (1 + np.exp(-odds - middle))).mean(axis=(0, 1)) > rates
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        chosen = generator.random(odds.shape) < 1 / (1 + np.exp(-odds - middle))
        who, what = (each.ravel() for each in np.indices((people, images)))
        names = tuple(f"label {number}" for number in range(1, len(rates) + 1))
        return cls(names, what, who, chosen.reshape(len(who), -1).astype(np.float64), assumed=True)


def read_pilot(dataset: Dataset, target: str | None = None) -> Pilot:
    """The pilot in a data set: its judgements, else the votes of a target.

    Raises BadDataset where it has neither, and where there is too little to plan from.
    """
    table, targets = dataset.judgements, dataset.meta.targets
    chosen: Targets | None = None
    if target is not None or (targets and table is None):
        several = target is None and any(entry.kind in SEVERAL for entry in targets.values())
        chosen = choose_target(dataset, multilabel=several or None, name=target)
    pilot = _voted(dataset, chosen) if table is None else _judged(dataset, table, chosen)
    for wrong, why in (
        (not len(pilot.image), "nobody answered yet"),
        (pilot.images < 2, "all answers are about one image, which says nothing of other images"),
        (pilot.people < 2, "all answers are one person's, which say nothing of other people"),
        (len(pilot.image) == pilot.images, "no image has answers of two people, so that images and people look alike"),
    ):
        if wrong:
            way = "collect more, or plan from assumptions: `affectml plan` without a data set"
            raise BadDataset(f"{dataset.root}: {why}; {way}")
    return pilot


def _judged(dataset: Dataset, table: pd.DataFrame, chosen: Targets | None) -> Pilot:
    """People's first answers, in the labels of a target: the chosen one, else the first that has all they chose."""
    labels = found_labels(table) or ("none",) if chosen is None else chosen.taxonomy.labels
    if chosen is None:
        of_targets = (dataset.target(name).taxonomy.labels for name in dataset.meta.targets)
        labels = next((of for of in of_targets if set(labels) <= set(of)), labels)
    try:
        panel = encode(table, labels).answers()
    except UnknownLabel as error:
        named = chosen and chosen.name
        raise BadDataset(f"{dataset.root}: target {named}: the judgements are in other labels ({error})") from None
    except BadJudgement as error:
        raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None
    seconds = table["seconds"].iloc[panel.row].median() if "seconds" in table else None
    return Pilot(
        panel.labels, panel.image, panel.annotator, panel.chosen.astype(np.float64), panel.image_ids,
        seconds=None if pd.isna(seconds) else float(seconds),
    )  # fmt: skip


def _voted(dataset: Dataset, chosen: Targets | None) -> Pilot:
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
    return Pilot.of_counts(chosen.votes, n, chosen.taxonomy.labels, chosen.image_id, one=one)


def sums(values: Array, unit: Array, count: int = 0) -> Array:
    """Sums of [A, M] by unit, whose numbers start at 0: [U, M], U at least `count`."""
    return np.stack([np.bincount(unit, column, count) for column in values.T], axis=1)


def next_images(
    dataset: Dataset, count: int, *, until: Until = "F1", target: str | None = None, tau: float = TAU
) -> pd.DataFrame:
    """The images that the next answers should go to, one each: `image_id`, `people` so far, `change` expected of one.

    By `affectml_annotation.expected_change`, from counts alone: the largest change first, equal ones in the data set's
    order, images that nobody has answered among them.

    Raises:
        BadDataset: where there are no answers to go by.
        BadInput: for more images than there are.
    """
    check_choice(option("until"), until, get_args(Until))
    pilot = read_pilot(dataset, target)
    names = dataset.images["image_id"].to_numpy(dtype=object)
    if not 1 <= count <= len(names):
        raise BadInput(f"{option('next', count)}: expected 1 to {len(names):,}, the images of {dataset.root}")
    image = pilot.places(names)
    votes = sums(np.nan_to_num(pilot.chosen[image >= 0]), image[image >= 0], len(names))
    n = np.bincount(image[image >= 0], minlength=len(names))
    change = expected_change(votes, n, fit_beta_prior(votes, n), until, tau=tau)
    first = np.argsort(-change, kind="stable")[:count]
    return pd.DataFrame({"image_id": names[first], "people": n[first], "change": change[first]})


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of the image of each answer: rates and sets [A, C]; nan rates where it says nothing.

    unit: [A], numbers of what one prediction was made for: images, or an image before one half of the people.
    """

    rates: Array
    sets: Array
    unit: Array

    def scores(self, pilot: Pilot) -> dict[str, Array]:
        """Each answer's set F1 and cross-entropy, [A]; nan where the model says nothing."""
        rates, answer = torch.from_numpy(np.nan_to_num(self.rates, nan=0.5)), torch.from_numpy(pilot.chosen)
        found = {
            "set_f1": F.set_f1(torch.from_numpy(self.sets.astype(np.int64)), answer.long()),
            "rate_cross_entropy": F.rate_cross_entropy(rates, answer),
        }
        known = np.isfinite(self.rates.sum(axis=1))
        return {name: np.where(known, values.numpy(), np.nan) for name, values in found.items()}


def of_run(run: Path, dataset: Dataset, target: str | None, pilot: Pilot, say: Say) -> Predicted:
    """A run's rates and sets of the pilot's images by which it may be judged. Raises BadRun, BadDataset or BadInput."""
    from affectml.evaluating.systems import hear
    from affectml.runs import RunFolder

    opened = RunFolder.open(run)
    name = target or next((n for n, entry in dataset.meta.targets.items() if entry.kind in SEVERAL), "")
    heard = hear(opened, dataset, dataset.target(name), None, say)
    answers = heard.answers
    if answers.shares is None or answers.sets is None or opened.taxonomy.labels != pilot.labels:
        raise BadInput(f"{run}: expected a run that predicts rates and sets of the pilot's labels; leave it out")
    at = pilot.places(heard.image_id)
    rates = np.where((at < 0)[:, None], np.nan, answers.shares.double().numpy()[at])
    return Predicted(rates, answers.sets.numpy()[at] > 0, pilot.image)


def stand_ins(pilot: Pilot, *, tau: float = TAU, seed: int = 0) -> tuple[Predicted, Predicted]:
    """A good model and a poor one, where no model is at hand, both made of the pilot; no answer is judged by itself.

    The people are dealt into two halves. The good one gives each half what the other half said of the image: smoothed
    rates, and the labels that `label_sets` takes at `tau`. The poor one gives every image the other half's mean rates,
    and the labels of at least `tau`, or the most frequent one.
    """
    people, who = np.unique(pilot.person, return_inverse=True)
    half = np.random.default_rng(seed).permutation(len(people))[who] % 2
    if pilot.anonymous:  # then each image's answers are halved
        half = np.arange(len(who)) % 2
    images, unit = int(pilot.image.max()) + 1, pilot.image * 2 + half
    good, poor = (Predicted(np.empty(pilot.chosen.shape), np.empty(pilot.chosen.shape, bool), unit) for _ in range(2))
    for side in (0, 1):
        theirs, mine = half != side, half == side
        votes = sums(pilot.chosen[theirs], pilot.image[theirs], images)
        n = np.bincount(pilot.image[theirs], minlength=images)
        prior = fit_beta_prior(votes, n)
        usual = prior.mean >= min(tau, prior.mean.max())
        at = pilot.image[mine]
        good.rates[mine], poor.rates[mine] = smoothed_rates(votes, n, prior)[at], prior.mean
        good.sets[mine] = np.where((n > 0)[:, None], label_sets(votes, n, prior, tau), usual)[at]
        poor.sets[mine] = usual
    return good, poor
