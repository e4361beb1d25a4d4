"""Judging a system beside the prior, zero-shot and people, on the same images, with intervals."""

from affectml.evaluation.judge import Result, evaluate
from affectml.evaluation.scoring import Answers
from affectml.evaluation.systems import Systems
from affectml.evaluation.truth import DEFAULT_TAU, TAUS, Truth, fit_prior, read_truth

__all__ = ["DEFAULT_TAU", "TAUS", "Answers", "Result", "Systems", "Truth", "evaluate", "fit_prior", "read_truth"]
