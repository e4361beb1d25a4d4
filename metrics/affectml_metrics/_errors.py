"""The exceptions of the library.

ValueError
└── MetricInputError      anything handed in that a metric cannot be computed from
    ├── ShapeError        wrong number of dimensions, or shapes that do not go together
    ├── DomainError       a value the metric is not defined on: NaN, 1.2 for a rate, .4 where 0/1 is due
    └── ArgumentError     an option outside its choices or range
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ArgumentError", "DomainError", "MetricInputError", "ShapeError"]


class MetricInputError(ValueError):
    """Something handed to a metric cannot be scored; the message says what was expected and what came."""


class ShapeError(MetricInputError):
    """A tensor has the wrong number of dimensions, or two shapes do not go together."""


class DomainError(MetricInputError):
    """A value lies outside the domain of the metric; the message names its row and label."""


class ArgumentError(MetricInputError):
    """An option is outside its choices or its range."""


def one_of(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ArgumentError unless `value` is one of `choices`."""
    allowed = tuple(choices)
    if value not in allowed:
        listed = ", ".join(repr(choice) for choice in allowed)
        raise ArgumentError(f"{name}: expected one of {listed}, but received {value!r}")
