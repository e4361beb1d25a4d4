"""What a reply says: JSON alone, bare or in one code fence, in one of these forms. `ask` asks for the first of each.

labels              {"labels": ["awe", "fear"]}, "awe, fear" in place of the list; so under each of LABEL_KEYS; ["awe"]
no label            {"labels": []}, {"labels": ["none"]}, []
numbers by label    {"awe": 12, "fear": 3}, so under each of NUMBER_KEYS and LABEL_KEYS; "n": 20 may stand beside it;
                    [{"label": "awe", "share": 0.6}], so under these keys; "60 %" and "12 of 20" are numbers too
yes or no by label  {"awe": true, "fear": "no"}, so under these keys
a ranking           {"ranking": ["awe", "fear"]}, "awe > fear", so under each of RANKING_KEYS; labels if it was asked

One of REMARKS may stand beside an answer that names a label. Whatever a person would have to weigh refuses a reply with
a reason: text around the JSON, a label among other words, other fields, a label twice, but in a set. A refusal costs
one row and is counted, a misreading the finding.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import product
from typing import Any, NamedTuple

from affectml.vlm.names import Words, folded
from affectml_annotation.tables import plain

ONE_LABEL = ("label", "emotion", "feeling", "sentiment", "class")
LABEL_KEYS = (*ONE_LABEL, "labels", "emotions", "feelings", "set", "answer", "answers")
RANKING_KEYS = ("ranking", "ranked", "ranks", "rankedlabels")
SHARE_KEYS = ("rates", "rate", "shares", "share", "proportions", "distribution", "probabilities", "probability")
NUMBER_KEYS = (*SHARE_KEYS, "counts", "count", "votes", "scores", "score")
TOTAL_KEYS = ("total", "sum")  # of the people or of the numbers? Nobody can tell, so these refuse an answer
N_KEYS = ("n", "outof", "people", "numberofpeople", "npeople", *TOTAL_KEYS)
REMARKS = ("reason", "reasons", "reasoning", "why", "explanation", "rationale", "description", "analysis", "thoughts")
FIELDS = {
    "image": ("image_id", "image", "file", "filename", "path", "url", "id"),
    "ranking": RANKING_KEYS,
    "reply": ("reply", "response", "content", "output", "completion", "text"),
    "n": N_KEYS,
}  # of a line or a table, by what they hold
_FENCE = re.compile(r"```\w*\s(.*)```", re.DOTALL)
_NUMBER = re.compile(
    r"(?P<value>[+-]?(?:\d+(?:\.\d+|,\d{1,2})?|\.\d+)(?:e[+-]?\d+)?)\s*"
    r"(?:(?P<percent>%)|(?:/|(?:out )?of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}
FEWEST = 12  # of "4 of 5" and "7/10" nobody knows whether they are people or points; of 12 and more they are people


class Why(StrEnum):
    """Why a reply cannot be used. The order is that of tables."""

    NOT_JSON = "line that is no JSON object"
    NO_IMAGE = "no image named"
    UNKNOWN_IMAGE = "image that the data set does not have"
    TWICE = "request that another line answers"
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
    NO_SCALE = "numbers of no known scale (12 of 20, 60 %, or a total n beside them, say it)"
    NO_RATE = "no number for some label"
    OUTSIDE = "number outside 0 to 1"
    NO_SUM = "shares that do not sum to one"
    NO_MASS = "no label at all, which neither a distribution nor a ranking can say"


class Unread(Exception):
    """An answer that cannot be used. why: the reason; detail: what else is known of it."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.why, self.detail = why, detail


def refuse_if(bad: Any, why: str, detail: str = "") -> None:
    """Raise Unread with a reason where something holds that makes an answer unusable."""
    if bad:
        raise Unread(why, detail)


class Stated(NamedTuple):
    """A number as it was said, whole ones as int. of: what it is a part of, such as 100 of a percentage; None where it
    does not say.
    """

    value: int | float
    of: float | None = None


def stated(said: Any) -> Stated | None:
    """The number that a value or a text is; None for whatever else, a range among it."""
    text = str(said).strip() if isinstance(said, int | float | str) else ""
    match = _NUMBER.fullmatch(text) if len(text) < 100 else None
    of = 100 if match and match["percent"] else int(match["of"]) if match and match["of"] else None
    if match is None or abs(value := float(match["value"].replace(",", "."))) >= 1e6 or (of or FEWEST) < FEWEST:
        return None
    return Stated(value if set(match["value"]) & {*".,eE"} else int(value), of)


def flag(said: Any) -> bool | None:
    """Whether a value or a text says yes or no; None where it says neither."""
    return _FLAGS.get(str(said).strip(" .").casefold())


@dataclass(frozen=True)
class Reply:
    """labels: as the reply spells them, () for the empty set, best first where `ranked`; numbers: by label as spelt.

    labels is None, and numbers are empty, of what it does not say. means: the label of each, None of an unknown one.
    """

    labels: tuple[str, ...] | None = None
    numbers: Mapping[str, Stated] = field(default_factory=dict)
    ranked: bool = False
    means: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def bare(self) -> list[int | float]:
        """The numbers that do not say what they are parts of."""
        return [number.value for number in self.numbers.values() if number.of is None]


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply: JSON alone, bare or in one code fence. Raises Unread, with the reason, for anything else."""
    refuse_if(not text.strip(), Why.EMPTY)
    fence = _FENCE.fullmatch(text.strip())
    try:
        value = read_json(fence[1] if fence else text)
    except (ValueError, RecursionError):
        raise Unread(Why.BROKEN if re.search(r"[{\[]", text) else Why.NO_JSON) from None
    return answer_in(value, words)


def parse_line(content: Mapping[str, Any], words: Words) -> Reply:
    """What a line of a file answers, of whose other fields, such as seconds, nothing is a label; else its reply."""
    refuse_if(not content.keys() - {*FIELDS["image"]}, Why.EMPTY)
    keys = (*LABEL_KEYS, *NUMBER_KEYS, *RANKING_KEYS)
    own = {key for key in content if words.find(key) or known_key(key) in keys}
    reply = next((content[key] for key in FIELDS["reply"] if content.get(key) is not None), None)
    if own or reply is None:
        beside = {key for key in content if known_key(key) in N_KEYS}
        return answer_in({key: content[key] for key in content if key in own | beside}, words, line=True)
    return parse_reply(reply, words) if isinstance(reply, str) else answer_in(reply, words)


def read_json(text: str) -> Any:
    """A JSON value; raises ValueError for anything else, and for a key that stands twice."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice: nobody knows which of them holds")
    return dict(pairs)


def known_key(key: str) -> str:
    """A key of an object without capitals, spaces and marks."""
    return plain(key).strip("?!:.*")


def answer_in(value: Any, words: Words, *, line: bool = False) -> Reply:
    """What a JSON value answers by the forms above; raises Unread, with the reason, for any other.

    line: whether it is a line of a file, which may hold a set and shares, or columns of some labels alone.
    """
    refuse_if(not isinstance(value, dict | list), Why.NO_JSON)
    fields: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for key, inner in (value if isinstance(value, dict) else {"labels": value}).items():
        if inner is not None:
            fields[_role(key, inner, words)][key] = inner
    if own := fields.pop("label", {}):  # what else has a number is a label that is not known
        fields["by label"][""] = own | fields.pop("number", {})
    lists, by_label, n, remarks = (fields.pop(role, {}) for role in ("list", "by label", "n", "remark"))
    refuse_if(not (lists or by_label), Why.NO_LABELS)
    refuse_if(any(fields.values()) or any(len(some) > 1 for some in (lists, by_label, n, remarks)), Why.MORE)
    refuse_if(not line and ((lists and by_label) or (n and not by_label)), Why.MORE)
    reply = Reply()
    for key, inner in lists.items():
        listed = words.split(inner) if isinstance(inner, str) else tuple(inner)
        labels = tuple(word for word in listed if not words.says_none(word))
        refuse_if(0 < len(labels) < len(listed), Why.CONTRADICTS)
        reply = Reply(labels, ranked=known_key(key) in RANKING_KEYS or (isinstance(inner, str) and ">" in inner))
        refuse_if(reply.ranked and not listed, Why.NO_MASS)
    for key, inner in by_label.items():
        said = _by_label(_pairs(inner, numeric=known_key(key) in NUMBER_KEYS), n, words, whole=not line)
        refuse_if(lists and (reply.ranked or not said.numbers), Why.CONTRADICTS)
        reply = replace(reply, numbers=said.numbers) if lists else said
    # who was shown no image says so beside no label
    refuse_if(remarks and not reply.labels and not any(each.value for each in reply.numbers.values()), Why.MORE)
    means = {word: words.find(word) for word in (*(reply.labels or ()), *reply.numbers)}
    refuse_if(any(map(words.unsure, means)), Why.AMONG)
    refuse_if(any(stated(folded(word)) for word, label in means.items() if label is None), Why.BESIDE)
    return replace(reply, means=means)


def _role(key: str, inner: Any, words: Words) -> str:
    """What a field of an answer is, by its key and the kind of its value."""
    known = known_key(key)
    if words.find(key) or words.unsure(key):
        return "label"
    if known in (*LABEL_KEYS, *RANKING_KEYS) and (isinstance(inner, str) or _are(str, inner)):
        return "list"
    if known in (*LABEL_KEYS, *NUMBER_KEYS):
        return "by label"
    if known in N_KEYS:
        return "n"
    if known in REMARKS and isinstance(inner, str):
        return "remark"
    return "number" if stated(inner) else "other"


def _are(kind: type, entries: Any) -> bool:
    return isinstance(entries, list) and all(isinstance(entry, kind) for entry in entries)


def _pairs(inner: Any, *, numeric: bool) -> list[tuple[str, Any]]:
    """The labels of an object, or of a list such as [{"label": "joy", "share": 0.5}], each with what stands beside it.

    numeric: whether all of it stands under one of NUMBER_KEYS.
    """
    if isinstance(inner, dict) and inner:
        return list(inner.items())
    refuse_if(not inner or not _are(dict, inner), Why.BESIDE if numeric else Why.NO_LABELS)
    rows = [sorted(entry.items(), key=lambda field: known_key(field[0]) in NUMBER_KEYS) for entry in inner]
    forms = {tuple(known_key(key) for key, _ in row) for row in rows}
    refuse_if(len(forms) > 1 or not forms <= {*product((*ONE_LABEL, "name"), NUMBER_KEYS)}, Why.BESIDE)
    refuse_if(not all(isinstance(label, str) and stated(number) for (_, label), (_, number) in rows), Why.BESIDE)
    return [(label, number) for (_, label), (_, number) in rows]


def _by_label(pairs: list[tuple[str, Any]], n: Mapping[str, Any], words: Words, *, whole: bool) -> Reply:
    """Yes or no, or a number, by label. n: what numbers are parts of. whole: whether only a no to all is no label."""
    refuse_if(len({words.find(label) or folded(label) for label, _ in pairs}) < len(pairs), Why.CONTRADICTS)
    flags = {label: flag(beside) for label, beside in pairs}
    if None not in flags.values():
        chosen = tuple(label for label, yes in flags.items() if yes)
        refuse_if(whole and not chosen and len(flags) < len(words.taxonomy), Why.NO_LABELS)
        return Reply(chosen)
    reply = Reply(numbers={label: number for label, beside in pairs if (number := stated(beside))})
    refuse_if(len(reply.numbers) < len(pairs), Why.BESIDE)
    for key, inner in n.items() if any(reply.bare) else ():
        of = stated(inner)
        if known_key(key) in TOTAL_KEYS or of is None or of.of or of.value <= 0 or {*reply.bare} <= {0, 1}:
            raise Unread(Why.NO_SCALE)
        if max(reply.bare) > 1:  # shares beside "n": 20 stay shares
            numbers = {label: Stated(each.value, each.of or of.value) for label, each in reply.numbers.items()}
            reply = Reply(numbers=numbers)
    return reply
