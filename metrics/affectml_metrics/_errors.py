"""The exceptions of the library.

ValueError
└── MetricInputError      anything handed in that a metric cannot be computed from
    ├── ShapeError        wrong number of dimensions, or shapes that do not go together
    ├── DomainError       a value the metric is not defined on: NaN, 1.2 for a rate, .4 where 0/1 is due
    └── ArgumentError     an option outside its choices or range
"""

__all__ = ["ArgumentError", "DomainError", "MetricInputError", "ShapeError"]


class MetricInputError(ValueError):
    """Something handed to a metric cannot be scored; the message says what was expected and what came."""


class ShapeError(MetricInputError):
    """A tensor has the wrong number of dimensions, or two shapes do not go together."""


class DomainError(MetricInputError):
    """A value lies outside the domain of the metric; the message names its row and label."""


class ArgumentError(MetricInputError):
    """An option is outside its choices or its range."""
