"""Numbers that stand beside labels, such as 0.6, 60 % and 12 of 20, and what those are parts of that do not say it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple

from affectml.answers._wording import PEOPLE
from affectml.data.targets import SUM_TOLERANCE

SURELY_PERCENT = 50  # unmarked numbers beyond it are no scale from 1 to 10, and no votes of a panel of usual size
FEWEST = 12  # of "4 of 5" and "7/10" nobody knows whether they are people or points; of 12 and more they are people
_NUMBER = re.compile(
    r"(?:[~≈]|about )?\s*(?P<value>[+-]?(?:\d+(?:\.\d+|,\d{1,2})?|\.\d+)(?:e[+-]?\d+)?)\s*"
    r"(?:(?P<percent>%|per ?cent)|(?:/|(?:out )?of)\s*(?P<of>\d+))?\s*(?:people|persons?|votes?)?",
    re.IGNORECASE,
)
_YES = frozenset({"yes", "true", "present", "✓", "✔", "✅"})
_NO = frozenset({"no", "false", "absent", "not present", "✗", "✘", "❌"})


class Stated(NamedTuple):
    """A number as it was said. of: what it is a part of, such as 100 of a percentage; None where it does not say."""

    value: float
    of: float | None = None


def stated(said: Any) -> Stated | None:
    """The number that a value or a text is; None for whatever else, a range among it."""
    if isinstance(said, Stated):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        return Stated(float(said)) if abs(said) < 1e6 else None
    found = _NUMBER.fullmatch(said.strip()) if isinstance(said, str) and len(said) < 100 else None
    of = 100 if found and found["percent"] else int(found["of"]) if found and found["of"] else None
    if found is None or (of is not None and of < FEWEST):
        return None
    value = float(found["value"].replace(",", "."))
    return Stated(value, of) if abs(value) < 1e6 else None


def flag(said: Any) -> bool | None:
    """Whether a value or a text says yes or no; None where it says neither."""
    if isinstance(said, bool):
        return said
    word = said.strip(" .").casefold() if isinstance(said, str) else ""
    return True if word in _YES else False if word in _NO else None


def marked(numbers: Mapping[str, Stated], of: float | None) -> dict[str, Stated] | None:
    """Numbers that are parts of `of`, which stands elsewhere in the answer; None where they hardly can be.

    Shares beside "n": 20 stay shares. Whole numbers of which none is above 1 may be both, and so may percentages.
    """
    bare = [number.value for number in numbers.values() if number.of is None]
    if of is None or not any(bare):
        return dict(numbers)
    if max(bare) <= 1:
        return dict(numbers) if of != 100 and not _whole(bare) else None
    scaled = {label: number if number.of else Stated(number.value, of) for label, number in numbers.items()}
    return None if isnan(of) else scaled


def scale_of(rows: Iterable[Sequence[float]], *, asked: bool) -> float | None:
    """What the unmarked numbers of a file are parts of: 1, PEOPLE or 100; None where nothing tells.

    Most of the rows that tell decide; those of other scales are then found by `fits`. Votes may sum to 100 by chance.

    Args:
        rows: the unmarked numbers of each answer.
        asked: whether people were to be counted, of PEOPLE.
    """
    votes: Counter[float] = Counter()
    beyond = False
    sums: list[bool] = []  # of rows that alone may be votes of any panel: whether they are 100 together
    for row in rows:
        top, total = max(row), sum(row)
        beyond |= top > 1
        if top <= 1 + SUM_TOLERANCE:
            votes[1] += not _whole(row)
        elif asked and _whole(row) and top <= PEOPLE:
            votes[PEOPLE] += total != 100
        elif top > (PEOPLE if asked else SURELY_PERCENT):
            votes[100] += top <= 100
        else:
            sums.append(abs(total - 100) <= 0.5 * len(row))
    if 2 * sum(sums) > len(sums):
        votes[100] += sum(sums)
    if votes.total():
        return votes.most_common(1)[0][0]
    return None if beyond else 1


def fits(row: Sequence[float], scale: float) -> bool:
    """Whether unmarked numbers can be parts of `scale`: shares among percentages cannot, nor 12.5 among people."""
    if scale == 1:
        return max(row) <= 1 + SUM_TOLERANCE
    return max(row) <= scale and (_whole(row) if scale == PEOPLE else not 0 < max(row) <= 1)


def _whole(row: Sequence[float]) -> bool:
    return all(float(value).is_integer() for value in row)
