"""Everything about agreement on one page: sets, labels, numbers, people and groups of people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from affectml_annotation.agreement.alpha import Alpha, krippendorff_alpha, label_agreement, plain_rows
from affectml_annotation.agreement.by_group import GroupComparison, compare_groups
from affectml_annotation.agreement.by_person import annotator_report
from affectml_annotation.columns import COLUMNS
from affectml_annotation.judgements import Rounds


@dataclass(frozen=True, eq=False)
class AgreementReport:
    """sets: alpha by distance (masi, jaccard); numbers: interval alpha of valence, arousal and intensities where
    there are any; labels, annotators: tables; groups: by the column asked for, else None."""

    sets: dict[str, Alpha]
    labels: pd.DataFrame
    annotators: pd.DataFrame
    numbers: dict[str, Alpha] = field(default_factory=dict)
    groups: GroupComparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; nan is None."""

        return {
            "sets": {name: alpha.as_dict() for name, alpha in self.sets.items()},
            "numbers": {name: alpha.as_dict() for name, alpha in self.numbers.items()},
            "labels": plain_rows(self.labels),
            "annotators": plain_rows(self.annotators),
            **({"groups": None, "shares": None} if self.groups is None else self.groups.to_dict()),
        }


def agreement_report(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    rounds: Rounds = "first",
    intervals: bool = True,
    seed: int = 0,
    checks: pd.DataFrame | None = None,
    repeats: pd.DataFrame | None = None,
    by: str | None = None,
) -> AgreementReport:
    """Compute everything about agreement.

    Args:
        judgements: a judgement table; numbers are compared where it has valence, arousal or intensities.
        labels: all labels in use.
        rounds: which looks count; see `encode`.
        intervals: whether to have intervals, over images.
        seed: of the permutations of groups.
        checks: attention checks; see `annotator_report`.
        repeats: rounds that repeat others; see `annotator_report`.
        by: a column of the table whose groups are compared; see `compare_groups`.

    Returns:
        The report.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or no judgement has a value in the column.
        UnknownLabel: a row has a label that is not in `labels`.
    """
    options: dict[str, Any] = {"rounds": rounds, "intervals": intervals}
    said = [
        one for one in COLUMNS if one.by == "person" and one.name in judgements and judgements[one.name].notna().any()
    ]
    values = [one.name for one in said if one.type == "number"]
    values += [f"{one.name}:{label}" for one in said if one.type == "numbers" for label in labels]
    numbers = {
        value: krippendorff_alpha(judgements, "interval", labels=labels, value=value, **options) for value in values
    }
    return AgreementReport(
        sets={
            "masi": krippendorff_alpha(judgements, "masi", labels=labels, **options),
            "jaccard": krippendorff_alpha(judgements, "jaccard", labels=labels, **options),
        },
        labels=label_agreement(judgements, labels, **options),
        annotators=annotator_report(judgements, labels, rounds=rounds, checks=checks, repeats=repeats),
        numbers=numbers,
        groups=None if by is None else compare_groups(judgements, labels, by, rounds=rounds, seed=seed),
    )
