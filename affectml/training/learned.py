"""What a head learns of the training images: the target's shares or those of judgements, and who is behind each."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._rows import taken
from affectml.data import Targets
from affectml.errors import BadInput, option
from affectml.heads import Material
from affectml.heads.build import heads_that
from affectml.heads.by_person import cuts_rates
from affectml.runs import TrainConfig
from affectml.training.steps import Plan, Prepared, Step
from affectml_annotation import aggregate

# Standard deviation over mean of people per image from which votes are counted instead of shares.
UNEVEN_PANELS = 0.3


def uneven(targets: Targets) -> bool:
    """Whether people per image differ so much that a share of few must count less than a share of many."""
    if targets.kind != "rates" or targets.people is None:
        return False
    return uneven_panels(targets.people)


def uneven_panels(people: NDArray[Any]) -> bool:
    """The same of people asked, [N]."""
    return float(people.std()) > UNEVEN_PANELS * float(people.mean())


class Judgements(Step):
    """Rates learned from single judgements, by whom one trusts."""

    def asked(self, config: TrainConfig) -> bool:
        """With `judgements`."""
        return config.judgements is not None

    def check(self, plan: Plan) -> None:
        """Raise BadInput where it asks for what this head or data set cannot give, with the way out."""
        by, head, kind, dataset = plan.config.judgements, plan.head, plan.targets.kind, plan.dataset
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
        who = dataset.judgements["annotator_id"]
        if by == "weighted" and (who.isna().any() or who.nunique() < 2):
            raise BadInput(
                f"{option('judgements', by)} weighs people against each other, which needs an annotator_id in every "
                "row and at least two people; leave it out to learn from plain rates"
            )

    def material(self, material: Material, prepared: Prepared) -> Material:
        """Rates that judgements of the training images make, of those that have any; validation's stay the target's."""
        train, judgements = prepared.train, prepared.plan.dataset.judgements
        assert judgements is not None  # see check
        images, weighted = [str(image) for image in train.image_id], prepared.plan.config.judgements == "weighted"
        found = aggregate(
            judgements[judgements["image_id"].isin(images)],  # people are weighed by these alone
            train.taxonomy.labels,
            "weighted" if weighted else "shares",
            image_ids=images,
            weights="agreement" if weighted else None,
        )
        shares = np.asarray(found.values, dtype=np.float64).clip(0, 1)
        place = {image: row for row, image in enumerate(images)}
        rows = np.array([place[str(image)] for image in found.image_id], dtype=np.int64)
        votes = None if material.votes is None else found.n.astype(np.float64)
        return replace(material, X=taken(material.X, rows), shares=shares, votes=votes)


def people_behind(part: Targets) -> NDArray[Any] | None:
    """People behind each row: asked, or for a distribution the votes that made it; None where unknown."""
    if part.kind == "distribution":
        return None if part.votes is None else part.votes.sum(axis=1).astype(np.float64)
    return None if part.people is None else part.people.astype(np.float64)
