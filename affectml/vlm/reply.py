"""What a reply says: JSON alone, bare or in one code fence, read by a closed list of forms.

Whatever a person would have to weigh refuses a reply with a reason: text around the JSON, a label among other words,
fields that may say something else, a label twice. A refusal costs one row and is counted, a misreading the finding.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan, nan
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectml.data.targets import SUM_TOLERANCE
from affectml.vlm.config import PEOPLE, Answer
from affectml.vlm.names import Words, folded, shown
from affectml_annotation.tables import plain

Floats = NDArray[np.float64]

_ONE = ("label", "emotion", "feeling")
LABEL_KEYS = (*_ONE, "labels", "emotions", "feelings", "set", "answer", "answers")
RANKED = ("ranking", "ranked", "ranks", "rankedlabels")
_PERCENT = ("percent", "percentage", "percentages", "pct")
NUMBER_KEYS = ("rates", "rate", "shares", "share", *_PERCENT, "proportion", "proportions", "fraction", "distribution",
               "counts", "count", "votes", "probability", "probabilities", "likelihood", "score", "scores")  # fmt: skip
OF = ("n", "total", "outof", "people", "numberofpeople", "npeople")
FIELDS = {
    "image": ("image_id", "image", "file", "filename", "path", "url", "id"),
    "ranking": RANKED,
    "reply": ("reply", "response", "content", "output", "completion", "text"),
    "n": OF,
}  # of a line or a table, by what they hold
_CHOSEN = ("present", "selected", "applies", "applicable", "chosen", "answer", "value")
_PLACES = ("rank", "position", "place")
_AROUND = ("response", "result", "results", "output", "selected", "chosen", "applicable", "present", "data", "image1")
_REMARKS = ("reason", "reasons", "reasoning", "why", "explanation", "rationale", "justification", "evidence",
            "description", "caption", "analysis", "thoughts")  # fmt: skip
_ABOUT = ("image", "imageid", "id", "index", "file", "filename", "path", "url", "question", "model", "task")
# numbers that belong to no label
_NO_LABEL = {"valence", "arousal", "dominance", "age", "confidence", "intensity", "sample", "seed", "seconds"}
_WHOLES = (*OF, "sum")
_KNOWN = {*LABEL_KEYS, *RANKED, *NUMBER_KEYS, *_WHOLES, *_PLACES, *_ABOUT, *_NO_LABEL}
_FENCE = re.compile(r"```\w*\s(.*)```", re.DOTALL)
_LIST = re.compile(r"\[([^\[\]{}\d]*)\]")  # a list as Python or a person writes it in a text, of words alone
SURELY_PERCENT = 50  # unmarked numbers beyond it are no scale from 1 to 10, and no votes of a panel of usual size
FEWEST = 12  # of "4 of 5" and "7/10" nobody knows whether they are people or points; of 12 and more they are people
_NUMBER = re.compile(
    r"(?:[~≈]|about )?\s*(?P<value>[+-]?(?:\d+(?:\.\d+|,\d{1,2})?|\.\d+)(?:e[+-]?\d+)?)\s*"
    r"(?:(?P<percent>%|per ?cent)|(?:/|(?:out )?of)\s*(?P<of>\d+))?\s*(?:people|persons?|votes?)?",
    re.IGNORECASE,
)
_YES = frozenset({"yes", "true", "present", "✓", "✔", "✅"})
_NO = frozenset({"no", "false", "absent", "not present", "✗", "✘", "❌"})


class Why(StrEnum):
    """Why a reply cannot be used. The order is that of tables."""

    NOT_JSON = "line that is no JSON object"
    NO_IMAGE = "no image named"
    UNKNOWN_IMAGE = "image that the data set does not have"
    TWICE = "answered before"
    NO_SCHEMA = "request failed for its JSON schema"
    FAILED = "request failed"
    REFUSED = "refused"
    FILTERED = "stopped by a content filter"
    CUT_OFF = "cut off (finish_reason length)"
    EMPTY = "empty"
    NO_JSON = "no JSON in the reply"
    BROKEN = "broken JSON, or text around it"
    NO_LABELS = "JSON without labels"
    MORE = "fields that may say something else"
    AMONG = "a label among other words"
    CONTRADICTS = "answers that contradict each other"
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


class Unread(Exception):
    """An answer that cannot be used, with the reason."""


def refuse_if(bad: Any, why: str) -> None:
    """Raise Unread with a reason where something holds that makes an answer unusable."""
    if bad:
        raise Unread(why)


class Stated(NamedTuple):
    """A number as it was said. of: what it is a part of, such as 100 of a percentage; None where it does not say."""

    value: float
    of: float | None = None


def stated(said: Any) -> Stated | None:
    """The number that a value or a text is; None for whatever else, a range among it."""
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


@dataclass(frozen=True)
class Reply:
    """labels: as the reply spells them, () for the empty set, best first where `ranked`; numbers: by label as spelt.

    None of what it does not say; where it says neither, problem is the reason.
    """

    labels: tuple[str, ...] | None = None
    problem: str = ""
    numbers: Mapping[str, Stated] | None = None
    ranked: bool = False

    @property
    def bare(self) -> list[float]:
        """The numbers that do not say what they are parts of."""
        return [number.value for number in (self.numbers or {}).values() if number.of is None]


class Item(NamedTuple):
    """A label as spelt, what stands beside it (a number, or yes or no), and its place in a ranking, from 1."""

    label: str
    beside: Stated | bool | None = None
    place: int | None = None


NOTHING: Final = Item("")  # the empty set beside numbers


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply: JSON alone, bare or in one code fence; anything else has a reason."""
    if not text.strip():
        return Reply(problem=Why.EMPTY)
    fence = _FENCE.fullmatch(text.strip())
    try:
        value = read_json(fence[1] if fence else text)
    except (ValueError, RecursionError):
        return Reply(problem=Why.BROKEN if re.search(r"[{\[]", text) else Why.NO_JSON)
    return answer_in(value, words, whole=True) if isinstance(value, dict | list) else Reply(problem=Why.NO_JSON)


def read_json(text: str) -> Any:
    """A JSON value; raises ValueError for anything else, and for a key that stands twice."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice: nobody knows which of them holds")
    return dict(pairs)


def known_key(key: Any) -> str:
    """A key of an object without capitals, spaces and marks."""
    return plain(str(key)).strip("?!:.*")


def answer_in(value: Any, words: Words, *, whole: bool = False) -> Reply:
    """What a JSON value answers, or the reason why it answers nothing.

    whole: whether only a no to all labels makes the empty set, as of a reply; a table may have columns of some alone.
    """
    try:
        items = _items(value, words)
        reply = _reply_of(items, words)
        denied = whole and reply.labels == () and 0 < len(items) < len(words.taxonomy)
        return Reply(problem=Why.NO_LABELS) if denied else reply
    except Unread as unread:
        return Reply(problem=str(unread))
    except RecursionError:
        return Reply(problem=Why.BROKEN)


def parse_line(content: Mapping[str, Any], words: Words) -> Reply:
    """What a line of a file answers, of whose other fields, such as seconds, nothing is a label; else its reply."""
    keys = (*LABEL_KEYS, *NUMBER_KEYS, *RANKED, *OF)
    said = answer_in({k: inner for k, inner in content.items() if words.find(k) or known_key(k) in keys}, words)
    reply = next((content[key] for key in FIELDS["reply"] if content.get(key) is not None), None)
    if said.problem != Why.NO_LABELS or reply is None:
        return said
    return parse_reply(reply, words) if isinstance(reply, str) else answer_in(reply, words)


def _reply_of(items: Sequence[Item], words: Words) -> Reply:
    """A set, a ranking, labels with yes or no, labels with numbers, or a set and numbers."""
    alone = [item for item in items if item.beside is None]
    beside = [item for item in items if item.beside is not None]
    numbers = {item.label: item.beside for item in beside if isinstance(item.beside, Stated)}
    refuse_if(len({words.find(item.label) or folded(item.label) for item in beside}) < len(beside), Why.CONTRADICTS)
    refuse_if(numbers and len(numbers) < len(beside), Why.BESIDE)
    if any(item.place for item in items):
        refuse_if(beside or sorted(item.place or 0 for item in items) != list(range(1, len(items) + 1)), Why.BESIDE)
        return Reply(tuple(item.label for item in sorted(alone, key=lambda item: item.place or 0)), ranked=True)
    refuse_if(beside and alone and not numbers, Why.CONTRADICTS)
    chosen = tuple(item.label for item in items if item.beside in (None, True) and item != NOTHING)
    return Reply(None if numbers and not alone else chosen, numbers=numbers or None)


def _items(value: Any, words: Words) -> list[Item]:
    """The labels that a JSON value names, with what it says of them; raises Unread."""
    if isinstance(value, dict):
        return _of_object(value, words)
    if isinstance(value, list):
        items = [item for entry in value for item in _entry(entry, words)]
        refuse_if(len({item.beside is None for item in items}) > 1, Why.BESIDE)
        return items
    refuse_if(not isinstance(value, str), Why.NO_LABELS)
    listed = _LIST.fullmatch(value.strip())
    if not listed and value.lstrip()[:1] in ("{", "["):
        try:
            return _items(read_json(value), words)
        except ValueError:
            raise Unread(Why.BROKEN) from None
    items = [Item(word) for word in words.split(listed[1].strip(" '\"") if listed else value)]
    return _in_order(items) if ">" in value else items


def _in_order(items: Sequence[Item]) -> list[Item]:
    """The same as a ranking, best first where they do not say their places."""
    return [item._replace(place=item.place or place) for place, item in enumerate(items, start=1)]


def _entry(value: Any, words: Words) -> list[Item]:
    """The labels of one entry of a list: a text, a pair of a label and a number, or an object."""
    if isinstance(value, str):
        return [Item(value)]
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return [Item(value[0], _said(value[1]))]
    refuse_if(not isinstance(value, dict), Why.NO_LABELS)
    refuse_if(not any(known_key(key) in (*_ONE, "name") or words.find(key) for key in value), Why.NO_LABELS)
    items = _of_object({"label" if known_key(key) == "name" else key: inner for key, inner in value.items()}, words)
    refuse_if(not items, Why.NO_LABELS)
    return _described(items) if len(value) > 1 else items


def _described(items: list[Item]) -> list[Item]:
    """The same; raises Unread where an object says of its label what is no number, place, or yes or no."""
    refuse_if(any(item.beside is None and not item.place for item in items), Why.BESIDE)
    return items


def _said(value: Any) -> Stated | bool:
    """The number, or the yes or no, that stands beside a label."""
    said = stated(value) if flag(value) is None else flag(value)
    if said is None:
        raise Unread(Why.BESIDE)
    return said


def _of_object(content: Mapping[str, Any], words: Words) -> list[Item]:
    """Labels that are keys, with what stands beside each, and what stands under keys that mean an answer."""
    own = [key for key in content if words.find(key) or words.unsure(key)]
    if own:  # what else has a number is a label that is not known
        own += [key for key in content if key not in own and stated(content[key]) and known_key(key) not in _KNOWN]
    fields = _fields({key: inner for key, inner in content.items() if key not in own})
    fields = {key: inner for key, inner in fields.items() if not (own and key in _NO_LABEL and stated(inner))}
    items: list[Item] = []
    for key in own:
        if isinstance(content[key], dict):
            items += _described(_under_keys(_fields(content[key]), words, [Item(key)]))
        elif content[key] is not None:
            items.append(Item(key, _said(content[key])))
    items = _under_keys(fields, words, items)
    remarks = any(isinstance(fields.get(key), str) for key in _REMARKS)  # who saw no image says so beside no label
    refuse_if(remarks and not any(_names(item, words) for item in items), Why.MORE)
    return items


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """What an object holds, by its known keys."""
    fields = {known_key(key): inner for key, inner in content.items()}
    refuse_if(len(fields) < len(content), Why.CONTRADICTS)
    return fields


def _under_keys(fields: Mapping[str, Any], words: Words, own: list[Item]) -> list[Item]:
    """A ranking, or labels, numbers by label, or labels and what stands beside them; with those that are keys.

    Remarks and what is about the image may stand beside, nothing else.
    """
    about = [key for key in (*_ABOUT, *_REMARKS) if not isinstance(fields.get(key), dict | list)]
    kept = {k: inner for k, inner in fields.items() if k not in about and (inner is not None or k in _CHOSEN)}
    numeric, ranked, places = ([key for key in kept if key in keys] for keys in (NUMBER_KEYS, RANKED, _PLACES))
    flags = [key for key in kept if key in _CHOSEN and flag(kept[key]) is not None]
    listed = [key for key in kept if key in LABEL_KEYS and key not in flags]
    listed = listed or [key for key in kept if key in _AROUND and isinstance(kept[key], dict | list)]
    if kept.keys() - {*_ONE} == {"n"} and (listed or any(item.beside is None for item in own)):
        numeric = ["n"]
    beside = [*numeric, *flags, *places]
    if not (own or ranked or listed or numeric):
        return _by_place(kept, words)
    several = max(len(listed), len(beside)) > 1 or (ranked and len(kept) + len(own) > 1)
    wholes = [key for key in kept if key in _WHOLES and stated(kept[key])]
    refuse_if(several or kept.keys() - {*ranked, *listed, *beside, *wholes}, Why.MORE)
    if ranked:
        return _ranking(kept[ranked[0]], words)
    items = _items(kept[listed[0]], words) if listed else []
    if listed and (own or numeric):
        items = items or [NOTHING]
    refuse_if(own and listed and (beside or any(item.beside is not None for item in items)), Why.CONTRADICTS)
    items = own + items
    if beside:
        items = _with(items, beside[0], kept[beside[0]], words)
    return _scaled(items, 100 if {*numeric} & {*_PERCENT} else _whole([k for k in wholes if k not in numeric], kept))


def _names(item: Item, words: Words) -> bool:
    """Whether a label is named, and not with a no or a zero."""
    beside = item.beside.value if isinstance(item.beside, Stated) else item.beside
    return beside not in (False, 0) and item.label != "" and not words.says_none(item.label)


def _whole(keys: Sequence[str], fields: Mapping[str, Any]) -> float | None:
    """What the numbers of an object are parts of by the fields that say it; None of none.

    nan where nobody can tell, as of a "total" that may be the sum of the numbers instead.
    """
    said = stated(fields[keys[0]]) if keys else None
    if said is None or said.of or said.value <= 0:
        return None
    unsure = keys[0] in ("total", "sum") and said.value not in (PEOPLE, 100)
    return nan if unsure or len(keys) > 1 else said.value


def _scaled(items: list[Item], of: float | None) -> list[Item]:
    """The same with numbers that are parts of `of`, which stands elsewhere in the answer; raises Unread if they hardly
    can be.

    Shares beside "n": 20 stay shares. Whole numbers of which none is above 1 may be both, and so may percentages.
    """
    bare = [item.beside.value for item in items if isinstance(item.beside, Stated) and item.beside.of is None]
    if of is None or not any(bare):
        return items
    shares = max(bare) <= 1
    refuse_if((of == 100 or _whole_numbers(bare)) if shares else isnan(of), Why.NO_SCALE)
    for at, (_, beside, _) in enumerate([] if shares else items):
        if isinstance(beside, Stated):
            items[at] = items[at]._replace(beside=Stated(beside.value, beside.of or of))
    return items


def _by_place(fields: Mapping[str, Any], words: Words) -> list[Item]:
    """A ranking such as {"1": "joy", "2": "awe"}."""
    named = all(key.isdecimal() and words.find(str(label)) for key, label in fields.items())
    refuse_if(not fields or not named, Why.NO_LABELS)
    return [Item(str(label), place=int(key)) for key, label in fields.items()]


def _ranking(value: Any, words: Words) -> list[Item]:
    """A list in its order, or labels by their places."""
    if isinstance(value, dict):
        items = [Item(key, place=_place(place)) for key, place in value.items()]
    else:
        items = _in_order(_items(value, words))
    refuse_if(not items, Why.NO_MASS)
    return items


def _place(value: Any) -> int:
    refuse_if(type(value) is not int or value < 1, Why.BESIDE)
    return int(value)


def _with(items: list[Item], key: str, value: Any, words: Words) -> list[Item]:
    """Labels with the numbers, the yes or no, or the places beside them: by label, or in the order of the labels."""
    refuse_if(any(item.beside is not None for item in items), Why.CONTRADICTS)
    values = value if isinstance(value, list) else [value]
    numeric = key not in (*_PLACES, *_CHOSEN)
    if numeric and (isinstance(value, dict) or not all(map(stated, values))):
        return items + _described(_items(value, words))
    refuse_if(not items or len(values) != len(items), Why.BESIDE)
    if key in _PLACES:
        return [item._replace(place=_place(one)) for item, one in zip(items, values, strict=True)]
    return [item._replace(beside=_said(one)) for item, one in zip(items, values, strict=True)]


def scale_of(rows: Sequence[Sequence[float]], *, asked: bool) -> float | None:
    """What the unmarked numbers of a file are parts of: 1, PEOPLE or 100; None where nothing tells.

    Most of the rows that tell decide; those of other scales are then found by `fits`. Votes may sum to 100 by chance.

    Args:
        rows: the unmarked numbers of each answer.
        asked: whether people were to be counted, of PEOPLE.
    """
    votes: Counter[float] = Counter()
    sums: list[bool] = []  # of rows that alone may be votes of any panel: whether they are 100 together
    for row in rows:
        top, total = max(row), sum(row)
        if top <= 1 + SUM_TOLERANCE:
            votes[1] += not _whole_numbers(row)
        elif asked and _whole_numbers(row) and top <= PEOPLE:
            votes[PEOPLE] += total != 100
        elif top > (PEOPLE if asked else SURELY_PERCENT):
            votes[100] += top <= 100
        else:
            sums.append(abs(total - 100) <= 0.5 * len(row))
    if 2 * sum(sums) > len(sums):
        votes[100] += sum(sums)
    if votes.total():
        return votes.most_common(1)[0][0]
    return None if any(max(row) > 1 for row in rows) else 1


def fits(row: Sequence[float], scale: float) -> bool:
    """Whether unmarked numbers can be parts of `scale`: shares among percentages cannot, nor 12.5 among people."""
    if scale == 1:
        return max(row) <= 1 + SUM_TOLERANCE
    return max(row) <= scale and (_whole_numbers(row) if scale == PEOPLE else not 0 < max(row) <= 1)


def _whole_numbers(row: Sequence[float]) -> bool:
    return all(float(value).is_integer() for value in row)


class LabelReader:
    """Reads replies in a taxonomy's labels.

    Args:
        words: of the labels.
        asked: the form that counts; None takes each as it looks.
        given: whether the user said the form, not the requests.
        slack: how much a sum of shares may be off; None where they need not sum to one.

    unknown, renamed: the words that are no label, counted, and those that stand for one, with it.
    """

    def __init__(self, words: Words, asked: Answer | None, *, given: bool, slack: float | None) -> None:
        self.words, self.asked, self.given, self.slack = words, asked, given, slack
        self.unknown, self.renamed = Counter[str](), dict[str, str]()

    def read(self, reply: Reply, scale: float | None, *, was_asked: bool) -> dict[str, Floats]:
        """By form what a reply says, as far as it counts, shares before a set; raises Unread where it says nothing.

        A set has 1 for each of its labels, a ranking their places from 1 and NaN for the others [C].

        Args:
            reply: as it was spelt.
            scale: what its unmarked numbers are parts of, if anything tells.
            was_asked: whether its own request asked for the form.
        """
        refuse_if(reply.problem, reply.problem)
        labels, numbers, ranked = reply.labels, reply.numbers, reply.ranked
        if self.asked == "shares":
            refuse_if(numbers is None, Why.LABELS)
            # Labels beside the shares that were asked for, such as the first of them, are no set.
            labels = None if was_asked else labels
        elif self.asked == "ranking":
            refuse_if(numbers, Why.UNRANKED)
            ranked = True
        elif self.asked == "sets":
            if numbers and labels is None and {*numbers.values()} <= {Stated(0), Stated(1)}:
                labels = tuple(label for label, one in numbers.items() if one.value)
                refuse_if(not labels and len(numbers) < len(self.words.taxonomy), Why.NO_RATE)
            else:
                refuse_if(numbers and not (self.given and labels is not None), Why.NUMBERS)
                refuse_if(ranked and not self.given, Why.RANKED)
            numbers, ranked = None, False
        listed = {} if labels is None else {"ranking" if ranked else "set": self._listed(labels, ranked)}
        if numbers is not None:
            return {"share": self._shares(numbers, reply.bare, scale), **listed}
        refuse_if(not listed or np.isnan(next(iter(listed.values()))).all(), Why.NO_MASS)
        return listed

    def _shares(self, numbers: Mapping[str, Stated], bare: Sequence[float], scale: float | None) -> Floats:
        refuse_if(any(map(self.words.unsure, numbers)), Why.AMONG)
        if any(bare):
            refuse_if(scale is None or len(bare) < len(numbers), Why.NO_SCALE)
            refuse_if(not fits(bare, scale or 1), Why.OUTSIDE if scale == 1 else Why.OTHER_SCALE)
        known = {label: number for spelt, number in numbers.items() if (label := self._label(spelt))}
        refuse_if(not known, Why.UNKNOWN_ONLY)
        shares = {label: number.value / (number.of or scale or 1) for label, number in known.items()}
        refuse_if(min(shares.values()) < 0 or max(shares.values()) > 1 + SUM_TOLERANCE, Why.OUTSIDE)
        off = abs(sum(shares.values()) - 1)  # of a distribution, what is not named has no share
        refuse_if(len(shares) < len(self.words.taxonomy) and off > (self.slack or SUM_TOLERANCE), Why.NO_RATE)
        return np.array([shares.get(label, 0.0) for label in self.words.taxonomy.labels]).clip(0, 1)

    def _listed(self, spelt: Sequence[str], ranked: bool) -> Floats:
        refuse_if(any(map(self.words.unsure, spelt)), Why.AMONG)
        refuse_if(any(stated(word) and self.words.find(word) is None for word in spelt), Why.BESIDE)
        named = [word for word in spelt if not self.words.says_none(word)]
        known = [label for word in dict.fromkeys(named) if (label := self._label(word))]
        refuse_if(named and not known, Why.UNKNOWN_ONLY)
        refuse_if((ranked and len({*known}) < len(known)) or (known and len(named) < len(spelt)), Why.CONTRADICTS)
        places = {label: place if ranked else 1.0 for place, label in enumerate(known, start=1)}
        return np.array([places.get(label, np.nan if ranked else 0.0) for label in self.words.taxonomy.labels])

    def _label(self, spelt: str) -> str | None:
        label = self.words.find(spelt)
        if label is None:
            self.unknown[shown(spelt)] += 1
        elif label != spelt:
            self.renamed[shown(spelt)] = label
        return label
