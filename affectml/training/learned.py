"""What a head learns of the training images: the target's shares or those of judgements, and who is behind each."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.errors import BadInput, option
from affectml.heads import judged_targets
from affectml.heads.build import heads_that
from affectml.heads.by_person import cuts_rates
from affectml.heads.judged import By, check_annotators, check_by
from affectml.runs import TrainConfig
from affectml.training.steps import Plan, Step

# Standard deviation over mean of people per image from which votes are counted instead of shares.
UNEVEN_PANELS = 0.3


def uneven(targets: Targets) -> bool:
    """Whether people per image differ so much that a share of few must count less than a share of many."""
    return targets.kind == "rates" and targets.people is not None and uneven_panels(targets.people)


def uneven_panels(people: NDArray[Any]) -> bool:
    """The same of people asked, [N]."""
    return float(people.std()) > UNEVEN_PANELS * float(people.mean())


class Judgements(Step):
    """Rates learned from single judgements: `learned` makes them, by whom one trusts."""

    def asked(self, config: TrainConfig) -> bool:
        """With `judgements`."""
        return config.judgements is not None

    def check(self, plan: Plan) -> None:
        """Raise BadInput where it asks for what this head or data set cannot give, with the way out."""
        by, head, kind, dataset = str(plan.config.judgements), plan.head, plan.targets.kind, plan.dataset
        check_by(by, "judgements")
        if kind != "rates" or not cuts_rates(head):
            asked, way = option("judgements", by), f"{option('multilabel', True)} with {option('head')}"
            raise BadInput(
                f"{asked} makes rates to learn from, and {head.described()} on {kind} learns none: leave it out, or "
                f"take {way} {heads_that(cuts_rates)} on a target of rates"
            )
        if dataset.judgements is None:
            raise BadInput(
                f"{option('judgements', by)}: {dataset.root} has no annotations.parquet, which says who chose what; "
                "leave it out to learn from the target's own rates"
            )
        check_annotators(dataset.judgements, cast(By, by))


def learned(
    dataset: Dataset, train: Targets, by: str | None
) -> tuple[NDArray[np.int64] | None, NDArray[Any], NDArray[Any] | None]:
    """What to fit on for the training images: the target's own values, or those that judgements of them make.

    by: whom to trust, see TrainConfig.judgements. Returns which of the images, [M], None all; what is learned of them,
    [M, C]; and the people behind each, [M] or None. Raises BadInput for judgements that do not say who made them.
    """
    people = _people(train)
    if by is None:
        return None, train.shares(), people
    assert dataset.judgements is not None  # see Judgements.check
    images = [str(image) for image in train.image_id]
    found = judged_targets(dataset.judgements, train.taxonomy.labels, images, by=cast(By, by))
    place = {image: row for row, image in enumerate(images)}
    rows = np.array([place[str(image)] for image in found.image_id], dtype=np.int64)
    return rows, found.values, None if people is None else found.people.astype(np.float64)


def _people(part: Targets) -> NDArray[Any] | None:
    """People behind each row: asked, or for a distribution the votes that made it; None where unknown."""
    if part.kind == "distribution":
        return None if part.votes is None else part.votes.sum(axis=1).astype(np.float64)
    return None if part.people is None else part.people.astype(np.float64)
