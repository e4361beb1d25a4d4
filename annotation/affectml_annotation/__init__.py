"""Judgements of images by people: votes in, rates, sets and agreement out. No torch, no Streamlit."""

from affectml_annotation.errors import AnnotationError, BadCounts, BadJudgement, UnknownLabel
from affectml_annotation.judgements import (
    ANSWERS,
    KINDS,
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
    DirichletPrior,
    fit_beta_prior,
    fit_dirichlet_prior,
    label_sets,
    label_sets_from_shares,
    smoothed_rates,
    smoothed_shares,
)

__all__ = [
    "ANSWERS",
    "KINDS",
    "AnnotationError",
    "BadCounts",
    "BadJudgement",
    "BetaPrior",
    "DirichletPrior",
    "Panel",
    "UnknownLabel",
    "Votes",
    "count_votes",
    "encode",
    "fit_beta_prior",
    "fit_dirichlet_prior",
    "found_labels",
    "judgement_tensor",
    "label_sets",
    "label_sets_from_shares",
    "smoothed_rates",
    "smoothed_shares",
    "validate_judgements",
]
