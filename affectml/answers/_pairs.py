"""What an answer says once it is labels, each with what stands beside it; and why it cannot be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from affectml.answers._numbers import Stated, flag, marked, stated
from affectml.answers._words import Words, folded
from affectml.importers.columns import plain


class Why:
    """Why a reply cannot be used. The order is that of tables."""

    NOT_JSON = "line that is no JSON object"
    NO_IMAGE = "no image named"
    UNKNOWN_IMAGE = "image that the data set does not have"
    TWICE = "answered before"
    FAILED = "request failed"
    REFUSED = "refused"
    FILTERED = "stopped by a content filter"
    CUT_OFF = "cut off (finish_reason length)"
    EMPTY = "empty"
    NO_JSON = "no JSON in the reply"
    BROKEN = "broken JSON"
    NO_LABELS = "JSON without labels"
    CONTRADICTS = "answers that contradict each other"
    UNSURE = "words that may turn the answer"
    UNKNOWN_ONLY = "only unknown labels"
    LABELS = "labels where shares were asked"
    NUMBERS = "numbers where labels were asked"
    RANKED = "a ranking where labels were asked"
    UNRANKED = "numbers where a ranking was asked"
    BESIDE = "beside labels stands what is no share"
    NO_SCALE = "numbers of no known scale"
    OTHER_SCALE = "numbers of another scale than the file's"
    NO_RATE = "no number for some label"
    OUTSIDE = "number outside 0 to 1"
    NO_SUM = "shares that do not sum to one"
    NO_MASS = "no label at all, which neither a distribution nor a ranking can say"


REASONS = tuple(text for name, text in vars(Why).items() if name.isupper())
LABELS, IN_PROSE, YES_NO = "labels", "labels in prose", "yes/no by label"
RANKING, NUMBERS, IN_LINES, SHARES = "ranking", "numbers", "numbers in lines", "shares 0 to 1"
ALONE: Final = object()  # beside a label stands nothing
# Numbers in an answer that belong to no label.
NO_LABEL = frozenset({"n", "total", "sum", "people", "valence", "arousal", "dominance", "id", "image", "imageid",
                      "rank", "sample", "seed", "age", "confidence", "intensity", "outof", "seconds"})  # fmt: skip


class Item(NamedTuple):
    """A label as spelt, what stands beside it, and the place in an order that a number before it says."""

    label: str
    beside: Any = ALONE
    place: int | None = None


@dataclass(frozen=True)
class Reply:
    """labels: as the reply spells them, () for the empty set, best first where `ranked`; numbers: by label as spelt.

    None of what it does not say; where it says neither, problem is the reason. how: the form in which it says it.
    """

    labels: tuple[str, ...] | None = None
    problem: str = ""
    numbers: Mapping[str, Stated] | None = None
    ranked: bool = False
    how: str = ""


def of_items(items: Sequence[Item], words: Words, of: float | None = None) -> Reply:
    """Labels alone, labels with yes or no, or labels with numbers; of: what numbers are parts of that do not say it."""
    items = [item for item in items if item.beside is not None]
    if all(item.beside is ALONE for item in items):
        places = [item.place for item in items]
        if any(places):
            if sorted(place or 0 for place in places) != list(range(1, len(items) + 1)):
                return Reply(problem=Why.CONTRADICTS)
            items = sorted(items, key=lambda item: item.place or 0)
        return Reply(tuple(item.label for item in items), how=LABELS)
    flags = [flag(item.beside) for item in items]
    numbers: dict[str, Stated] = {}
    seen: dict[str, tuple[str, Any]] = {}
    for (label, beside, _), yes in zip(items, flags, strict=True):
        number = stated(beside)
        said = number if None in flags else yes
        if said is None:
            return Reply(problem=Why.BESIDE)
        here = (folded(label) if number else "", said)
        before = seen.setdefault(words.find(label) or folded(label), here)
        if before != here:
            return Reply(problem=Why.CONTRADICTS)
        if number is not None and before is here:
            numbers[label] = number
    if None not in flags:
        return Reply(tuple(item.label for item, yes in zip(items, flags, strict=True) if yes), how=YES_NO)
    scaled = marked(numbers, of)
    return Reply(problem=Why.NO_SCALE) if scaled is None else Reply(numbers=scaled, how=NUMBERS)


def in_order(reply: Reply | None) -> Reply:
    """A reply as a ranking: the labels in their order, or by the ranks 1, 2, 3 ... that stand beside them."""
    if reply is None or reply.problem:
        return reply or Reply(problem=Why.NO_LABELS)
    numbers = reply.numbers or {}
    order = sorted(numbers, key=lambda label: numbers[label].value)
    if reply.labels is None and [numbers[label] for label in order] != [(at + 1, None) for at in range(len(order))]:
        return Reply(problem=Why.BESIDE)
    return Reply(tuple(order) if reply.labels is None else reply.labels, ranked=True, how=RANKING)


def known_key(key: Any) -> str:
    """A key of an object without capitals, spaces and marks."""
    return plain(str(key)).strip("?!:.*")
