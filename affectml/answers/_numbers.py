"""Numbers that stand beside labels, such as 0.6, 60 % and 12 of 20, and what those are parts of that do not say it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any, NamedTuple

from affectml.answers._wording import PEOPLE
from affectml.data.targets import SUM_TOLERANCE

SURELY_PERCENT = 50  # unmarked numbers beyond it are no scale from 1 to 10, and no votes of a panel of usual size
FEWEST = 12  # of "4 of 5" and "7/10" nobody knows whether they are people or points; of 12 and more they are people
_WHO = r"(?:people|persons?|viewers?|participants|annotators|respondents|raters|votes?)"
_PART = re.compile(
    r"(?:~|≈|about|approx(?:imately|\.)?|around)?\s*"
    r"(?P<value>[+-]?(?:\d+(?:\.\d+|,\d{1,2}(?!\d))?|\.\d+)(?:e[+-]?\d+)?)\s*"
    rf"(?:(?P<percent>%|percent\b|per cent\b|pct\b)|(?P<who>{_WHO}\b)?\s*(?:/|\(?(?:out )?of(?: the)?)\s*(?P<of>\d+)"
    rf"(?:\s*(?P<whom>{_WHO})\b)?\)?)?\s*(?:{_WHO}\b|of (?:the )?{_WHO}\b)?\s*",
    re.IGNORECASE,
)
_AFTER = re.compile(r"[-–—,;:|(.*_`]|$")  # what may stand between a number and words about it
_YES = frozenset({"yes", "true", "present", "✓", "✔", "✅"})
_NO = frozenset({"no", "false", "absent", "not present", "✗", "✘", "❌"})


class Stated(NamedTuple):
    """A number as it was said. of: what it is a part of, such as 100 of a percentage; None where it does not say."""

    value: float
    of: float | None = None


def stated(said: Any) -> Stated | None:
    """The number that a value or a text is, with a remark after it at most; None for what is none, or is a range."""
    if isinstance(said, Stated):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        return Stated(float(said)) if abs(said) < 1e6 else None
    match = _PART.match(said.strip(" *_`|\t")) if isinstance(said, str) and len(said) < 1000 else None
    if match is None:
        return None
    rest = match.string[match.end() :]
    if re.search(r"\d", rest):
        again = stated(rest.strip("()|= ")) if rest[0] in "(|=" else None
        first = stated(match.group())
        return max(first, again, key=lambda one: one.of or 0) if first and again and _same(first, again) else None
    if not _AFTER.match(rest):
        return None
    value = float(match["value"].replace(",", "."))
    if match["percent"]:
        return Stated(value, 100)
    if match["of"] is None:
        return Stated(value)
    of = int(match["of"])
    return Stated(value, of) if of >= FEWEST or (of and (match["who"] or match["whom"])) else None


def _same(one: Stated, two: Stated) -> bool:
    """Whether two numbers say the same but for rounding, such as "12 (60 %)": people, and a share of them."""
    return one == two or abs(one.value / (one.of or PEOPLE) - two.value / (two.of or PEOPLE)) <= 0.005


def flag(said: Any) -> bool | None:
    """Whether a value or a text says yes or no; None where it says neither."""
    if isinstance(said, bool):
        return said
    word = said.strip(" .*_`|").casefold() if isinstance(said, str) else ""
    return True if word in _YES else False if word in _NO else None


def whole_of(key: str, value: Any) -> float | None:
    """What numbers are parts of by a field such as "n": 20; nan for a "total" that may be their sum instead."""
    number = stated(value)
    if number is None or number.of or not number.value > 0:
        return None
    return float("nan") if key == "total" and number.value not in (PEOPLE, 100) else number.value


def marked(numbers: dict[str, Stated], of: float | None) -> dict[str, Stated] | None:
    """Numbers that are parts of `of`, which stands elsewhere in the answer; None where they hardly can be.

    Shares beside "n": 20 stay shares. Whole numbers of which none is above 1 may be both, and so may percentages.
    """
    bare = [number.value for number in numbers.values() if number.of is None]
    if of is None or not bare or max(bare) <= 0:
        return numbers
    if max(bare) <= 1:
        return numbers if of != 100 and not _whole(bare) else None
    return (
        None
        if isnan(of)
        else {label: number if number.of else Stated(number.value, of) for label, number in numbers.items()}
    )


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
