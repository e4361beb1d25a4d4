"""What a training hands from one step to the next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import levels_of
from affectml.data.splits import CALIBRATION, Split
from affectml.embeddings import EmbeddingStore
from affectml.encoders import load_encoder
from affectml.encoders.identity import to_load
from affectml.errors import BadInput, option
from affectml.heads import Head, PersonAnswers, PriorHead, ZeroShotHead
from affectml.heads.config import Wanted
from affectml.heads.inputs import Features
from affectml.heads.promise import Asked
from affectml.judging.figures import Evaluation
from affectml.judging.scoring import Answers, answers_of
from affectml.judging.truth import Truth, cut_sets, fit_prior, read_truth
from affectml.prompts import Encode, Prompts, encoded, label_features
from affectml.runs import RunFolder, TrainConfig
from affectml_annotation import BetaPrior, UnknownLabel, encode

PARTS = ("train", "val", "test")
Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Plan:
    """What a training will do.

    asked: the configuration as it was given, which the run's command repeats. config: the same with every choice made
    but the encoder's, which is the store's where None. head, wanted: the class of the head and what it is told;
    thresholds, texts and votes follow from the data. out: the folder to write; None takes runs/NAME-NNN, NAME being
    the data set's folder.
    """

    asked: TrainConfig
    config: TrainConfig
    dataset: Dataset
    targets: Targets
    head: type[Head]
    wanted: Wanted
    prompts: Prompts
    threads: int
    out: Path | None = None

    @property
    def single_positive(self) -> bool:
        """Whether each image has a single label, and its other labels are unknown rather than wrong."""
        return self.targets.kind == "single" and bool(self.config.multilabel)

    @cached_property
    def promise(self) -> Asked:
        """What is promised, where the configuration asks for it."""
        return Asked.parse(str(self.config.promise))

    def levels(self, image_ids: Array) -> Array | None:
        """The level of each image in the column of the promise, see `levels_of`."""
        return levels_of(self.dataset.images, self.config.promise_group, image_ids)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A plan with all that a head is fitted on and judged by: embeddings, the images that have one, and their split.

    targets: the plan's, of those images only.
    """

    plan: Plan
    store: EmbeddingStore
    targets: Targets
    split: Split

    @cached_property
    def train(self) -> Targets:
        """What people said of the training images."""
        return self.targets.take(self.split.ids("train"))

    @cached_property
    def calibration(self) -> Targets:
        """What people said of the images that a promise is made on."""
        return self.targets.take(self.split.ids(CALIBRATION))

    @cached_property
    def beta(self) -> BetaPrior | None:
        """The prior of rates, by which votes become sets, fitted on the training images."""
        return fit_prior(self.train)

    @cached_property
    def val(self) -> Truth:
        """What the validation images are judged by."""
        return self._truth("val")

    @cached_property
    def test(self) -> Truth:
        """What the test images are judged by."""
        return self._truth("test")

    @cached_property
    def judges(self) -> tuple[tuple[str, ...], PersonAnswers]:
        """Who answered what: names [J], and the answers, by rows of the training, validation and test images.

        Raises BadInput for judgements in other labels than the target's.
        """
        judgements, ids = self.plan.dataset.judgements, [self.split.ids(part).astype(str) for part in PARTS]
        assert judgements is not None  # see check_by_person
        image_ids = np.concatenate(ids).tolist()
        try:
            here = judgements[judgements["image_id"].isin(image_ids)]
            panel = encode(here, self.targets.taxonomy.labels, image_ids).answers()
        except UnknownLabel as error:
            raise BadInput(
                f"{option('by_person', True)}: the judgements are in other labels than target {self.targets.name} "
                f"({error}); take a target in the judgements' own labels"
            ) from None
        image, person, chosen = (torch.from_numpy(np.asarray(a)) for a in (panel.image, panel.annotator, panel.chosen))
        answers = PersonAnswers(image, person, chosen, len(panel.annotator_ids))
        part = torch.bucketize(answers.image, torch.tensor([len(ids[0]), len(ids[0]) + len(ids[1])]), right=True)
        return tuple(map(str, panel.annotator_ids)), answers.take(part.argsort(stable=True))

    @property
    def _encode(self) -> Encode:
        """Features of texts by the store's encoder, see `text_encoder`."""
        return text_encoder(self.store, self.plan.config.device)

    @cached_property
    def label_features(self) -> NDArray[np.float32]:
        """Text features of the labels, made or from the store's cache; raises EncoderUnavailable without either."""
        return label_features(self.plan.prompts, self.targets.taxonomy, self._encode)

    def _sets(self) -> tuple[Array, Array]:
        """For `Material.sets`."""
        train, val = self.train, self.val
        if val.sets is None:
            way = option("head", "sigmoid")
            raise BadInput(f"{self.plan.head.described()} learns sets, and here are none ({val.no_sets}): take {way}")
        sets = cut_sets(train.kind, train.shares(), train.votes, train.people, val.beta, val.tau)
        return sets.astype(np.float64), val.sets.astype(np.float64)

    def _texts(self) -> dict[str, Any]:
        """For `Material.texts`."""
        return {"prompts": encoded(self.plan.prompts.learned(self.targets.taxonomy), self._encode)}

    def _people(self) -> dict[str, Any]:
        """For `Material.people`."""
        (_, answers), train, val = self.judges, len(self.train.image_id), len(self.split.ids("val"))
        groups = self.plan.dataset.groups(self.train.image_id)
        return {"answers": answers.part(0, train), "val_answers": answers.part(train, val), "groups": groups}

    def _truth(self, part: str) -> Truth:
        plan, ids = self.plan, self.split.ids(part)
        single, tau = plan.single_positive, plan.config.tau
        return read_truth(plan.dataset, self.targets, ids, beta=self.beta, tau=tau, single_positive=single)


@dataclass(frozen=True)
class Systems:
    """The fitted systems of a run. why_not: system -> why it has no scores."""

    model: Head
    prior: PriorHead
    zero_shot: ZeroShotHead | None
    kind: str
    why_not: dict[str, str] = field(default_factory=dict)

    def answers(self, X: Features, levels: Array | None = None) -> dict[str, Answers]:
        """What each system says of the images with these embeddings, in the report's order. levels: see answers_of."""
        heads: dict[str, Head | None] = {"prior": self.prior, "zero_shot": self.zero_shot, "model": self.model}
        return {name: answers_of(head, X, self.kind, levels) for name, head in heads.items() if head is not None}


@dataclass(frozen=True, eq=False)
class Judged:
    """A training with what was found of it. answers: of the test images."""

    prepared: Prepared
    systems: Systems
    answers: Mapping[str, Answers]
    evaluation: Evaluation


# What is written, by its file: into a run that has its head and run.json.
Writers: TypeAlias = Mapping[str, Callable[[RunFolder, Judged], object]]


def text_encoder(store: EmbeddingStore, device: str | None = None) -> Encode:
    """Text features by the store's encoder, cached beside it; raises EncoderUnavailable when called without one."""
    spec = store.specs[0] if store.specs else None
    way = to_load(store.identity.precision)
    factory = None if spec is None else (lambda: load_encoder(spec, precision=way, device=device))
    return lambda texts: store.text_features(factory, texts)


# Standard deviation over mean of people per image from which votes are counted instead of shares.
UNEVEN_PANELS = 0.3


def uneven_panels(people: NDArray[Any]) -> bool:
    """The same of people asked, [N]."""
    return float(people.std()) > UNEVEN_PANELS * float(people.mean())
