"""The exceptions of the library, and the checks of options and frames that raise one.

ValueError
└── MetricInputError      anything handed in that a metric cannot be computed from
    ├── ShapeError        wrong number of dimensions, or shapes that do not go together
    ├── DomainError       a value the metric is not defined on: NaN, 1.2 for a rate, .4 where 0/1 is due
    └── ArgumentError     an option outside its choices or range
"""

import math
import operator
import sys
from collections.abc import Iterable
from numbers import Real


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
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
        listed = ", ".join(repr(choice) for choice in allowed)
        raise ArgumentError(f"{name}: expected one of {listed}, but received {value!r}")


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int, numpy's integers included; ArgumentError unless it is whole and in [low, high]."""
    upper = f" to {high}" if high is not None else " or more"
    wrong = ArgumentError(f"{name}: expected a whole number, {low}{upper}, but received {value!r}")
    if _is_bool(value):
        raise wrong
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise wrong from None
    if number < low or (high is not None and number > high):
        raise wrong
    return number


def real_number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, nan: bool = False, ends: bool = True
) -> float:
    """`value` as a float; ArgumentError unless it is finite and in [low, high], or without ends in (low, high).

    nan: whether nan will do too; it leaves out what it stands for.
    """
    if isinstance(value, Real) and not _is_bool(value):
        number = float(value)
        inside = low < number < high or (ends and number in (low, high))
        if (inside and math.isfinite(number)) or (nan and math.isnan(number)):
            return number
    if low == -math.inf:
        what = "a number"
    elif high == math.inf:
        what = f"a number, {low:g} or more" if ends else f"a number above {low:g}"
    else:
        what = f"a number from {low:g} to {high:g}" if ends else f"a number between {low:g} and {high:g}"
    raise ArgumentError(f"{name}: expected {what}{' (or nan)' if nan else ''}, but received {value!r}")


def _is_bool(value: object) -> bool:
    """Python's, or by its dtype another's: numpy is not loaded for an exception."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool"


def share(name: str, value: object) -> float:
    """What stands in for a score that is not defined: in [0, 1] like the score, or nan, which leaves it out."""
    return real_number(name, value, 0, 1, nan=True)


def in_one_order(preds: object, target: object) -> None:
    """Raise ShapeError where two frames hold the same labels or rows in another order: both are taken by position."""
    pandas = sys.modules.get("pandas")  # without it nobody holds a frame
    if pandas is None or not all(isinstance(table, pandas.DataFrame) for table in (preds, target)):
        return
    for axis, what in (("columns", "labels"), ("index", "rows")):
        ours, theirs = getattr(preds, axis), getattr(target, axis)
        if len(ours) == len(theirs) and not ours.equals(theirs) and set(ours) == set(theirs):
            way = "target[preds.columns]" if axis == "columns" else "target.loc[preds.index]"
            raise ShapeError(
                f"preds and target: expected their {what} in one order, but these {axis} hold the same names in "
                f"another order: score against {way}"
            )
