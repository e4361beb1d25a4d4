"""Everything about agreement on one page: sets, labels, numbers, people and groups of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from affectml_annotation.agreement.alpha import Alpha, krippendorff_alpha
from affectml_annotation.agreement.by_language import LanguageComparison, compare_languages
from affectml_annotation.agreement.by_person import annotator_report, group_agreement, pairwise_agreement
from affectml_annotation.agreement.nominal import label_agreement
from affectml_annotation.judgements import Rounds


@dataclass(frozen=True, eq=False)
class AgreementReport:
    """sets: alpha by distance (masi, jaccard); numbers: interval alpha of valence, arousal and intensities where
    there are any; labels, annotators, pairs: tables; groups, shares: by the attribute asked for, else None. languages:
    where answers are of several, what `compare_languages` says."""

    sets: dict[str, Alpha]
    labels: pd.DataFrame
    annotators: pd.DataFrame
    pairs: pd.DataFrame
    numbers: dict[str, Alpha] = field(default_factory=dict)
    groups: pd.DataFrame | None = None
    shares: pd.DataFrame | None = None
    languages: LanguageComparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; nan is None."""

        def rows(table: pd.DataFrame | None) -> list[dict[Any, Any]] | None:
            return None if table is None else table.astype(object).where(table.notna(), None).to_dict("records")

        return {
            "sets": {name: alpha.as_dict() for name, alpha in self.sets.items()},
            "numbers": {name: alpha.as_dict() for name, alpha in self.numbers.items()},
            **{name: rows(getattr(self, name)) for name in ("labels", "annotators", "groups", "shares")},
            **({} if self.languages is None else {"languages": self.languages.to_dict()}),
        }


def agreement_report(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    rounds: Rounds = "first",
    bootstrap: int = 1000,
    seed: int = 0,
    checks: pd.DataFrame | None = None,
    repeats: pd.DataFrame | None = None,
    attribute: Mapping[str, object] | None = None,
) -> AgreementReport:
    """Compute everything about agreement.

    Args:
        judgements: a judgement table; numbers are compared where it has valence, arousal or intensities.
        labels: all labels in use.
        rounds: which looks count; see `encode`.
        bootstrap: replicates for the intervals, over images (rates by language: people); 0 for none.
        seed: of the replicates, and of the permutations of languages.
        checks: attention checks; see `annotator_report`.
        repeats: rounds that repeat others; see `annotator_report`.
        attribute: annotator id to group; see `group_agreement`.

    Returns:
        The report.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or nobody has the attribute.
        UnknownLabel: a row has a label that is not in `labels`.
    """
    options: dict[str, Any] = {"rounds": rounds, "bootstrap": bootstrap, "seed": seed}
    numbers = {
        name: krippendorff_alpha(judgements, "interval", labels=labels, value=name, **options)
        for name in ("valence", "arousal")
        if name in judgements and judgements[name].notna().any()
    }
    if "intensities" in judgements and judgements["intensities"].notna().any():
        for label in labels:
            value = f"intensities:{label}"
            numbers[value] = krippendorff_alpha(judgements, "interval", labels=labels, value=value, **options)
    groups, shares = (None, None)
    if attribute is not None:
        groups, shares = group_agreement(judgements, labels, attribute, **options)
    return AgreementReport(
        sets={
            "masi": krippendorff_alpha(judgements, "masi", labels=labels, **options),
            "jaccard": krippendorff_alpha(judgements, "jaccard", labels=labels, **options),
        },
        labels=label_agreement(judgements, labels, **options),
        annotators=annotator_report(judgements, labels, rounds=rounds, checks=checks, repeats=repeats),
        pairs=pairwise_agreement(judgements, labels, rounds=rounds),
        numbers=numbers,
        groups=groups,
        shares=shares,
        languages=compare_languages(judgements, labels, **options),
    )
