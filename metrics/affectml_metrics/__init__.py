"""Metrics for sets, rankings, rates and distributions of labels, where more than one answer is right.

Plain functions are in `affectml_metrics.functional`; the classes here wrap them for streaming with torchmetrics, and
the other names give intervals and say what a score can be compared with. Importing this package loads nothing: each
name loads on first use (torchmetrics takes seconds, the functions do without it).
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectml_metrics import functional
    from affectml_metrics._domains import unchecked
    from affectml_metrics._errors import ArgumentError, DomainError, MetricInputError, ShapeError
    from affectml_metrics._jackknife import (
        Difference,
        mean_interval,
        paired_difference,
        student_interval,
        sums_interval,
        table_interval,
    )
    from affectml_metrics._reference import HumanReference, human_reference, judgements_from_counts
    from affectml_metrics._score import score
    from affectml_metrics._two_way import TwoWayInterval, TwoWayVariances, two_way_interval, two_way_variances
    from affectml_metrics.floor import sampling_floor
    from affectml_metrics.functional.calibration import debiased_calibration
    from affectml_metrics.functional.rows import Sums
    from affectml_metrics.intervals import FEW, STUDENT_BELOW, Interval, difference
    from affectml_metrics.spec import MetricSpec
    from affectml_metrics.streaming import *
    from affectml_metrics.table import Registration, register_metric

_HOME = {
    "_errors": "ArgumentError DomainError MetricInputError ShapeError",
    "_domains": "unchecked",
    "intervals": "FEW Interval STUDENT_BELOW difference",
    "_jackknife": "Difference mean_interval paired_difference student_interval sums_interval table_interval",
    "floor": "sampling_floor",
    "_reference": "HumanReference human_reference judgements_from_counts",
    "_score": "score",
    "spec": "MetricSpec",
    "functional.rows": "Sums",
    "_two_way": "TwoWayInterval TwoWayVariances two_way_interval two_way_variances",
    "table": "Registration register_metric",
    "functional.calibration": "debiased_calibration",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "FEW", "ICM", "NDCG", "POJSD", "STUDENT_BELOW", "AgreementCorrelation", "ArgumentError", "BinomialLogLikelihood",
    "BrierScore", "CanberraDistance", "ChebyshevDistance", "ChiSquaredDistance", "ClarkDistance", "CosineSimilarity",
    "CoverageError", "CrossEntropy", "Difference", "DomainError", "EarthMoversDistance",
    "EntropyCorrelation", "EntropyError", "EntropySimilarity", "ErrorRate", "ExactMatch", "HammingLoss",
    "HellingerDistance", "HumanMassAtK", "HumanReference", "ICMSoft", "Intersection", "Interval", "JSDivergence",
    "KLDivergence", "KendallTauB", "LabelAUROC", "LabelCalibrationError", "LabelF1", "LabelMCC", "LabelPrecision",
    "LabelRankingAveragePrecision", "LabelRecall", "LabelSpecificity", "ManhattanDistance", "MeanAveragePrecision",
    "MetricInputError", "MetricSpec", "NormalisedAbsoluteDistance", "OneError", "RankCS", "RankingLoss",
    "RateBrierScore", "RateCrossEntropy", "RateEntropyCorrelation", "RateEntropyError", "RateJSDivergence",
    "RateKLDivergence", "RateManhattan", "RatePOJSD", "RateTotalVariation", "Registration", "SemanticSetF1", "SetF1",
    "SetJaccard", "SetPrecision", "SetRecall", "SetSize", "ShapeError", "SoftF1", "SquaredCalibrationError", "Sums",
    "TopKAccuracy", "TopKChance", "TopKPrecision", "TopKRecall", "TotalVariation", "TwoWayInterval", "TwoWayVariances",
    "WeightedKendallTau", "debiased_calibration", "difference",
    "functional", "human_reference", "judgements_from_counts", "mean_interval", "paired_difference", "register_metric",
    "sampling_floor", "score", "student_interval", "sums_interval", "table_interval", "two_way_interval",
    "two_way_variances", "unchecked",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'affectml_metrics' has no attribute {name!r}")
    if name == "functional":
        return importlib.import_module("affectml_metrics.functional")
    home = importlib.import_module(f"affectml_metrics.{_MODULE_OF.get(name, 'streaming')}")
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
