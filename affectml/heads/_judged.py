"""Targets for a head from judgements, by what is trusted: the votes, the people, or a model of the people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean, option
from affectml_annotation import aggregate
from affectml_annotation.aggregation import Method

By: TypeAlias = Literal["votes", "weighted", "model", "both"]
BYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, eq=False)
class JudgedTargets:
    """image_id [N] of images with answers, values [N, C] in 0..1 and people [N], for a head's `fit`."""

    image_id: NDArray[np.object_]
    values: NDArray[np.float64]
    people: NDArray[np.int64]


def judged_targets(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    image_ids: Sequence[str] | None = None,
    *,
    by: By = "votes",
    mix: float = 0.5,
) -> JudgedTargets:
    """What people said of each image, as rates to learn from.

    A model of annotators assumes one truth per image, so its values lie near 0 and 1 where people disagree: use it
    for noise, not for ambiguity.

    Args:
        judgements: a judgement table.
        labels: the C labels, in order.
        image_ids: images to make targets of (all by default). People are weighed by their answers to these alone, so
            that training images give targets that no other image has touched.
        by: "votes", the share of people who chose a label; "weighted", the same with each person weighted by agreement
            with the others; "model", the estimates of Dawid & Skene's (1979) model of annotators (the `crowd` extra);
            "both", a mix of these and the votes.
        mix: of "both", the model's part.

    Returns:
        A row per image; images without an answer are left out.

    Raises:
        BadInput: for judgements without annotators where it matters who said what.
        BadJudgement: naming a row that breaks the table's contract.
        MissingExtra: for a model without crowd-kit.
    """
    if by not in BYS:
        raise BadInput(f"by: no {by!r}{did_you_mean(str(by), BYS)} (choices: {', '.join(BYS)})")
    if not 0 <= mix <= 1:
        raise BadInput(f"mix: expected a share between 0 (votes) and 1 (the model), got {mix!r}")
    if image_ids is not None:
        judgements = judgements[judgements["image_id"].isin(list(image_ids))]
    check_annotators(judgements, by)

    def made(method: Method) -> JudgedTargets:
        weights: Literal["agreement"] | None = "agreement" if method == "weighted" else None
        found = aggregate(judgements, labels, method, image_ids=image_ids, weights=weights)
        return JudgedTargets(found.image_id, np.asarray(found.values, dtype=np.float64).clip(0, 1), found.n)

    if by == "votes":
        return made("shares")
    if by == "weighted":
        return made("weighted")
    model = made("dawid_skene")
    if by == "model":
        return model
    said = made("shares")  # of the same images: those with an answer
    return JudgedTargets(said.image_id, mix * model.values + (1 - mix) * said.values, said.people)


def check_annotators(judgements: pd.DataFrame, by: By) -> None:
    """Raises BadInput for judgements that do not tell one person from another, where `by` weighs people."""
    who = judgements["annotator_id"] if "annotator_id" in judgements.columns else None
    if by != "votes" and (who is None or who.isna().any() or who.nunique() < 2):
        raise BadInput(
            f"judgements: {by!r} weighs people against each other, which needs an annotator_id in every row and at "
            f"least two people; add them, or learn from plain rates (train without {option('judgements')})"
        )
