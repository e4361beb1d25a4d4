"""What votes and people are worth to a head that learns: weights by people asked, and targets from judgements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput, did_you_mean, option
from affectml.heads.inputs import ArrayLike, as_matrix, refuse_rows
from affectml_annotation import aggregate


def vote_weights(people: ArrayLike, rho: float) -> Tensor:
    """How much the votes of n people asked about one image are worth: n / (1 + (n - 1) rho).

    rho = 0 counts every vote (binomial), rho = 1 every image once. In between it is the beta-binomial's
    effective sample size (Kish 1965; Williams 1982): what people say of an image strays from the prediction
    together, since the prediction does not know all about the image.

    Args:
        people: how many were asked, [N] or [N, C].
        rho: 0 to 1.

    Returns:
        Weights of the same shape; 0 where nobody was asked.

    Raises:
        BadInput: for rho outside 0..1, and for numbers below 0.
    """
    if not 0 <= rho <= 1:
        raise BadInput(f"rho: expected 0 (every vote counts) to 1 (every image counts once), got {rho!r}")
    flat = people[:, None] if people.ndim == 1 else people
    n = as_matrix(flat, "people", torch.float64)
    refuse_rows(n < 0, "people", "is negative")
    found = torch.where(n > 0, n / (1 + (n - 1) * rho).clamp(min=1e-300), 0.0)
    return found[:, 0] if people.ndim == 1 else found


def vote_correlation(shares: Tensor, people: Tensor, predicted: Tensor) -> float:
    """rho of `vote_weights`, by moments, from rows that were not fitted on.

    The beta-binomial has E (k - n p)^2 = n p (1 - p) (1 + (n - 1) rho); both sides summed over all cells, and solved
    for rho.

    Args:
        shares: what people said, [N, C].
        people: how many were asked, [N, 1] or [N, C].
        predicted: rates, [N, C].

    Returns:
        rho, 0 to 1; 0 where nobody was asked twice, since it cannot be known then.
    """
    p = predicted.double()
    n = people.double().expand_as(p)
    variance = n * p * (1 - p)
    beyond = (n * (shares - p)).square() - variance
    repeats = float((variance * (n - 1).clamp(min=0)).sum())
    return min(1.0, max(0.0, float(beyond.sum()) / repeats)) if repeats > 0 else 0.0


By: TypeAlias = Literal["votes", "weighted"]
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
) -> JudgedTargets:
    """What people said of each image, as rates to learn from.

    Args:
        judgements: a judgement table.
        labels: the C labels, in order.
        image_ids: images to make targets of (all by default). People are weighed by their answers to these alone, so
            that training images give targets that no other image has touched.
        by: "votes", the share of people who chose a label; "weighted", the same with each person weighted by agreement
            with the others.

    Returns:
        A row per image; images without an answer are left out.

    Raises:
        BadInput: for judgements without annotators where it matters who said what.
        BadJudgement: naming a row that breaks the table's contract.
    """
    check_by(by, "by")
    if image_ids is not None:
        judgements = judgements[judgements["image_id"].isin(list(image_ids))]
    check_annotators(judgements, by)
    weighted = by == "weighted"
    found = aggregate(
        judgements, labels, "weighted" if weighted else "shares",
        image_ids=image_ids, weights="agreement" if weighted else None,
    )  # fmt: skip
    return JudgedTargets(found.image_id, np.asarray(found.values, dtype=np.float64).clip(0, 1), found.n)


def check_by(by: str, name: str) -> None:
    """Raises BadInput if a way to trust does not exist. name: the option that gave it."""
    if by not in BYS:
        raise BadInput(f"{option(name)}: no {by!r}{did_you_mean(str(by), BYS)} (choices: {', '.join(BYS)})")


def check_annotators(judgements: pd.DataFrame, by: By) -> None:
    """Raises BadInput for judgements that do not tell one person from another, where `by` weighs people."""
    who = judgements["annotator_id"] if "annotator_id" in judgements.columns else None
    if by != "votes" and (who is None or who.isna().any() or who.nunique() < 2):
        raise BadInput(
            f"judgements: {by!r} weighs people against each other, which needs an annotator_id in every row and at "
            f"least two people; add them, or learn from plain rates (train without {option('judgements')})"
        )
