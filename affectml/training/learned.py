"""What a head learns of the training images: the target's shares, sets or votes, by the head and by whom one trusts."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.errors import BadInput, option
from affectml.evaluation import Truth
from affectml.evaluation.truth import cut_sets
from affectml.heads import Head, judged_targets
from affectml.heads._build import heads_that
from affectml.heads._judged import By, check_annotators, check_by

# Standard deviation over mean of people per image from which votes are counted instead of shares.
UNEVEN_PANELS = 0.3


@dataclass(frozen=True, eq=False)
class Learned:
    """rows [M]: which training images; values [M, C]: what is learned of them; people [M], or None."""

    rows: NDArray[np.int64]
    values: NDArray[Any]
    people: NDArray[Any] | None


def uneven(targets: Targets) -> bool:
    """Whether people per image differ so much that a share of few must count less than a share of many."""
    return targets.kind == "rates" and targets.people is not None and uneven_panels(targets.people)


def uneven_panels(people: NDArray[Any]) -> bool:
    """The same of people asked, [N]."""
    return float(people.std()) > UNEVEN_PANELS * float(people.mean())


def check_judgements(by: str | None, head: type[Head], kind: str, dataset: Dataset) -> None:
    """Raises BadInput where `judgements` asks for what this head or data set cannot give, with the way out."""
    if by is None:
        return
    check_by(by, "judgements")
    if kind != "rates" or not _learns_rates(head):
        asked, way = option("judgements", by), f"{option('multilabel', True)} with {option('head')}"
        raise BadInput(
            f"{asked} makes rates to learn from, and {head.described()} on {kind} learns none: leave it out, or take "
            f"{way} {heads_that(_learns_rates)} on a target of rates"
        )
    if dataset.judgements is None:
        raise BadInput(
            f"{option('judgements', by)}: {dataset.root} has no annotations.parquet, which says who chose what; leave "
            "it out to learn from the target's own rates"
        )
    check_annotators(dataset.judgements, cast(By, by))


def _learns_rates(head: type[Head]) -> bool:
    """Whether it learns each label's rate as people give it, and neither sets nor texts."""
    return "rates" in head.learns and head.uses_thresholds and not head.needs_texts


def learned(head: Head, dataset: Dataset, train: Targets, val: Truth, *, by: str | None, votes: bool) -> Learned:
    """What to fit on for the training images: the target's own values, or those that judgements of them make.

    by: whom to trust, see TrainConfig.judgements. votes: whether the people behind each row count as weights. Raises
    BadInput for judgements that do not say who made them.
    """
    people = _people(train) if votes else None
    if by is None:
        return Learned(np.arange(len(train.image_id)), held_out(head, train, val), people)
    assert dataset.judgements is not None  # see check_judgements
    images = [str(image) for image in train.image_id]
    found = judged_targets(dataset.judgements, train.taxonomy.labels, images, by=cast(By, by))
    place = {image: row for row, image in enumerate(images)}
    rows = np.array([place[str(image)] for image in found.image_id], dtype=np.int64)
    return Learned(rows, found.values, None if people is None else found.people.astype(np.float64))


def held_out(head: Head, part: Targets, val: Truth) -> NDArray[Any]:
    """The target's own values as the head learns them: shares, or label sets by the rule that `val` was cut by."""
    if head.uses_thresholds:
        return part.shares()
    return cut_sets(part.kind, part.shares(), part.votes, part.people, val.beta, val.tau).astype(np.float64)


def _people(part: Targets) -> NDArray[Any] | None:
    """People behind each row: asked, or for a distribution the votes that made it; None where unknown."""
    if part.kind == "distribution":
        return None if part.votes is None else part.votes.sum(axis=1).astype(np.float64)
    return None if part.people is None else part.people.astype(np.float64)
