"""Targets for a head from judgements, by what is trusted: the votes, or the people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean, option
from affectml_annotation import aggregate

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
    """Raises BadInput for a way to trust that there is not; name: of the option that gave it."""
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
