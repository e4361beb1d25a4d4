"""Measures for sets, rankings, rates and distributions of labels, where more than one answer is right.

Plain functions are in `affectml_metrics.functional`; the names here wrap them for streaming, give intervals,
and say what a score can be compared with. Importing this package loads nothing; each name loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectml_metrics import functional as functional
    from affectml_metrics._bootstrap import Interval as Interval
    from affectml_metrics._bootstrap import bootstrap as bootstrap
    from affectml_metrics._bootstrap import bootstrap_table as bootstrap_table
    from affectml_metrics._errors import ArgumentError as ArgumentError
    from affectml_metrics._errors import DomainError as DomainError
    from affectml_metrics._errors import MetricInputError as MetricInputError
    from affectml_metrics._errors import ShapeError as ShapeError
    from affectml_metrics._inputs import unchecked as unchecked
    from affectml_metrics._reference import HumanReference as HumanReference
    from affectml_metrics._reference import human_reference as human_reference
    from affectml_metrics._reference import judgements_from_counts as judgements_from_counts
    from affectml_metrics._reference import sampling_floor as sampling_floor

_HOME = {
    "_bootstrap": ["Interval", "bootstrap", "bootstrap_table"],
    "_errors": ["ArgumentError", "DomainError", "MetricInputError", "ShapeError"],
    "_inputs": ["unchecked"],
    "_reference": ["HumanReference", "human_reference", "judgements_from_counts", "sampling_floor"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "functional",
    *_MODULE_OF,
]


def __getattr__(name: str) -> object:
    if name == "functional":
        return importlib.import_module("affectml_metrics.functional")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'affectml_metrics' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"affectml_metrics.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
