"""Judgements of images by people: votes in, rates, sets and agreement out. No torch, no Streamlit.

The store's names load SQLAlchemy, so they are fetched when first asked for.
"""

from typing import TYPE_CHECKING, Any

from affectml_annotation.aggregation import Aggregate, aggregate
from affectml_annotation.agreement import agreement_report
from affectml_annotation.agreement.alpha import Alpha, krippendorff_alpha, label_agreement
from affectml_annotation.agreement.by_person import annotator_report
from affectml_annotation.errors import (
    AnnotationError,
    BadCounts,
    BadExport,
    BadImport,
    BadJudgement,
    DatabaseAway,
    DatabaseFailed,
    MissingExtra,
    StoreError,
    UnknownLabel,
)
from affectml_annotation.exchange import read_judgements, write_judgements
from affectml_annotation.judgements import (
    Panel,
    Votes,
    count_votes,
    encode,
    found_labels,
    judgement_tensor,
    validate_judgements,
)
from affectml_annotation.smoothing import (
    BetaPrior,
    fit_beta_prior,
    fit_dirichlet_prior,
    label_sets,
    label_sets_from_shares,
    smoothed_rates,
)

if TYPE_CHECKING:
    from affectml_annotation.store import Answer, Claim, LabelStore, Progress, Receipt, Task


def __getattr__(name: str) -> Any:
    if name in __all__:  # the others are here
        from affectml_annotation import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Aggregate",
    "Alpha",
    "AnnotationError",
    "Answer",
    "BadCounts",
    "BadExport",
    "BadImport",
    "BadJudgement",
    "BetaPrior",
    "Claim",
    "DatabaseAway",
    "DatabaseFailed",
    "LabelStore",
    "MissingExtra",
    "Panel",
    "Progress",
    "Receipt",
    "StoreError",
    "Task",
    "UnknownLabel",
    "Votes",
    "aggregate",
    "agreement_report",
    "annotator_report",
    "count_votes",
    "encode",
    "fit_beta_prior",
    "fit_dirichlet_prior",
    "found_labels",
    "judgement_tensor",
    "krippendorff_alpha",
    "label_agreement",
    "label_sets",
    "label_sets_from_shares",
    "read_judgements",
    "smoothed_rates",
    "validate_judgements",
    "write_judgements",
]
