"""What a file of replies says: which image a name stands for, which label a word, and what a reply answers.

A reply is JSON alone, bare or in one code fence, in one of these forms. `ask` asks for the first of each.

labels              {"labels": ["awe", "fear"]}, "awe, fear" in place of the list; so under each of LABEL_KEYS; ["awe"]
no label            {"labels": []}, {"labels": ["none"]}, []
numbers by label    {"awe": 12, "fear": 3}, so under each of NUMBER_KEYS and LABEL_KEYS
yes or no by label  {"awe": true, "fear": "no"}, so under these keys
a ranking           {"ranking": ["awe", "fear"]}, "awe > fear", so under each of RANKING_KEYS; labels if it was asked

One of REMARKS may stand beside an answer that names a label. Whatever a person would have to weigh refuses a reply with
a reason: text around the JSON, a label among other words, other fields, a label twice, but in a set. A refusal costs
one row and is counted, a misreading the finding.
"""

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

import pandas as pd

from affectml.data.choose import image_finder
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers.read import FILE, URL
from affectml.taxonomies import Taxonomy
from affectml.vlm.config import Answer
from affectml_annotation.tables import plain

LONGEST = 64  # signs of a custom_id: Anthropic's and Azure's servers take no more, and [A-Za-z0-9_-] alone
_OURS = re.compile(r"s(\d{1,6})([hr]?)(?:x([0-9a-f]{4}))?-(.+)", re.DOTALL)
_PLAIN = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST - len('s000000-x-')}}}")  # a key beside the shortest of the rest
_LETTERS: dict[str, Answer] = {"": "sets", "h": "shares", "r": "ranking"}
_NONE = frozenset({"none", "none of these", "none of them", "none of the above", "no emotion", "nothing", "no label"})
_MARKS = " .,:;!?\"'`*()[]{}<>“”‘’"
_APART, _LOOSER = re.compile(r"[,;|>\n]"), re.compile(r"/|\band\b|&")
_QUOTES = " '\"`“”[]"


@dataclass(frozen=True)
class Requested:
    """What a request was: its image, its sample (from 1), and the form of answer.

    shuffle: which seed and labels its order of labels is drawn from, see `shuffle_of`; "" where its id does not say.
    """

    image: str
    sample: int
    answer: Answer
    shuffle: str = ""


def key_of(image_id: str) -> str:
    """The part of a custom_id that stands for an image: its id, or a hash of it.

    Signs are [A-Za-z0-9_-]; ids that differ have keys that differ. What a hash stands for is found again by hashing
    the data set's own ids.
    """
    return f"p-{image_id}" if _PLAIN.fullmatch(image_id) else _hash_of(image_id)


def _hash_of(image_id: str) -> str:
    return f"h-{hashlib.sha256(image_id.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def shuffle_of(labels: Sequence[str], seed: int) -> str:
    """Four hexadecimal digits of what orders of labels are drawn from, so that no index is taken for another's."""
    return hashlib.sha256("\0".join([str(seed), *labels]).encode("utf-8", "surrogatepass")).hexdigest()[:4]


def custom_id(image_id: str, sample: int, *, answer: Answer = "sets", shuffle: str = "") -> str:
    """The custom_id of one request, see `Requested`: s1-KEY of sets, s1h-KEY of shares, s1r-KEY of a ranking.

    With a shuffle it is s1x0a1b-KEY.
    """
    letter = next(letter for letter, name in _LETTERS.items() if name == answer)
    start = f"s{sample}{letter}{shuffle and f'x{shuffle}'}-"
    key = key_of(image_id)
    return start + (key if len(start) + len(key) <= LONGEST else _hash_of(image_id))


class Names:
    """Finds a data set's image by what a file calls it, as joining does; see `affectml.data.choose.match_images`."""

    def __init__(self, images: pd.DataFrame) -> None:
        self._ids = [str(image) for image in images["image_id"]]
        self._by_key = {key(image): image for image in self._ids for key in (key_of, _hash_of)}
        self._rows = image_finder(images, "answers")
        self.find = lru_cache(None)(self._find)

    def of_custom_id(self, given: str) -> Requested | None:
        """What the request of a custom_id was; None for one that no request of this data set has."""
        match = _OURS.fullmatch(given)
        if match is None or match[4] not in self._by_key:
            return None
        return Requested(self._by_key[match[4]], int(match[1]), _LETTERS[match[2]], match[3] or "")

    def _find(self, name: str) -> str | None:
        """The image of that name; None where there is none, or several."""
        try:
            row = self._rows([name])
        except BadInput:  # two images have it
            return None
        return None if row < 0 else self._ids[row]


class Words:
    """Looks words up in a taxonomy: its labels, then its synonyms; capitals, hyphens and marks around do not matter.

    A synonym of two labels stands for neither.

    Args:
        taxonomy: the labels.
        mapping: further words of the user's own, word to label.

    Raises:
        BadInput: for a `mapping` to what is no label.
    """

    def __init__(self, taxonomy: Taxonomy, mapping: Mapping[str, str] | None = None) -> None:
        self.taxonomy = taxonomy
        synonyms: dict[str, set[str]] = {}
        for label, words in taxonomy.synonyms.items():
            for word in words:
                synonyms.setdefault(folded(word), set()).add(label)
        self._label_of = {word: labels.pop() for word, labels in synonyms.items() if len(labels) == 1}
        self._label_of |= {folded(name): label for label, name in taxonomy.displays.items()}
        self._label_of |= {folded(label): label for label in taxonomy.labels}
        for word, label in (mapping or {}).items():
            if label not in taxonomy.labels:
                raise BadInput(
                    f"{option('mapping', {word: label})}: no label {label!r} in taxonomy {taxonomy.name}"
                    f"{did_you_mean(label, taxonomy.labels)} (labels: {', '.join(taxonomy.labels)})"
                )
            self._label_of[folded(word)] = label
        names = map(re.escape, filter(None, self._label_of))
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(names) or '(?!)'})(?!\w)")

    def find(self, word: str) -> str | None:
        """The label that a word stands for; None for a word that stands for no label."""
        return self._label_of.get(folded(word))

    def unsure(self, word: str) -> bool:
        """Whether a word that is no label names one, as "not fear" and "awe/joy" do."""
        return self._names.search(folded(word)) is not None and not self._one(word)

    def says_none(self, word: str) -> bool:
        """Whether a word says that no label applies, and is no label itself."""
        return self.find(word) is None and folded(word) in _NONE

    def split(self, text: str) -> tuple[str, ...]:
        """The words of a list such as "joy, awe and fear"; a label of several words stays whole."""
        if self._one(text):
            return (text.strip(_QUOTES),)
        parts: list[str] = []
        for part in _APART.split(text):
            parts += [part] if self._one(part) else _LOOSER.split(part)
        return tuple(word.strip(_QUOTES) for word in parts if word.strip(_MARKS))

    def _one(self, text: str) -> bool:
        return self.find(text) is not None or self.says_none(text)


@lru_cache(100_000)
def folded(word: str) -> str:
    """A word without capitals, underscores, hyphens, and marks around it."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    return re.sub(r"[\s_\-]+", " ", plain).strip(_MARKS)


def shown(name: str) -> str:
    """A name as it can be printed: of at most 60 signs, and without what no terminal can encode."""
    text = " ".join(name.encode("utf-8", "replace").decode().split())
    return text if len(text) <= 60 else f"{text[:59]}…"


ONE_LABEL = ("label", "emotion", "feeling", "sentiment", "class")
LABEL_KEYS = (*ONE_LABEL, "labels", "emotions", "feelings", "set", "answer", "answers")
RANKING_KEYS = ("ranking", "ranked", "ranks", "rankedlabels")
SHARE_KEYS = ("rates", "rate", "shares", "share", "proportions", "distribution", "probabilities", "probability")
NUMBER_KEYS = (*SHARE_KEYS, "counts", "count", "votes", "scores", "score")
N_KEYS = ("n", "outof", "people", "numberofpeople", "npeople", "total", "sum")  # which refuse a reply
REMARKS = ("reason", "reasons", "reasoning", "why", "explanation", "rationale", "description", "analysis", "thoughts")
FIELDS = {
    "image": ("imageid", *FILE, *URL, "id"),
    "reply": ("reply", "response", "content", "output", "completion", "text"),
}  # of a line or a table, by what they hold
_FENCE = re.compile(r"```\w*\s(.*)```", re.DOTALL)
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}


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
    NO_SCALE = "numbers that are no shares from 0 to 1"
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


def stated(said: Any) -> int | float | None:
    """The number that a value or a text is, whole ones as int; None for whatever else, "60 %" and a range among it."""
    text = str(said).strip()
    try:
        value = float(text)
    except ValueError:
        return None
    if not abs(value) < 1e6:
        return None
    return int(text) if text.lstrip("+-").isdigit() else value


@dataclass(frozen=True)
class Reply:
    """labels: as the reply spells them, () for the empty set, best first where `ranked`; numbers: by label as spelt.

    labels is None, and numbers are empty, of what it does not say. means: the label of each, None of an unknown one.
    """

    labels: tuple[str, ...] | None = None
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    ranked: bool = False
    means: Mapping[str, str | None] = field(default_factory=dict)


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
    refuse_if(not {*map(known_key, content)} - {*FIELDS["image"]}, Why.EMPTY)
    own, reply = dict[str, Any](), first_of(content, "reply")
    for key, inner in content.items():
        alone = known_key(key) in NUMBER_KEYS and isinstance(inner, int | float | str)  # it is of the whole answer
        if words.find(key) or (known_key(key) in (*LABEL_KEYS, *NUMBER_KEYS, *RANKING_KEYS) and not alone):
            own[key] = inner
    if own or reply is None:
        return answer_in(own, words, line=True)
    return parse_reply(reply, words) if isinstance(reply, str) else answer_in(reply, words)


def first_of(content: Mapping[str, Any], kind: str) -> Any:
    """The first field of a line that is one of FIELDS; None without any."""
    fields = {known_key(key): inner for key, inner in content.items() if inner is not None}
    return next((fields[key] for key in FIELDS[kind] if key in fields), None)


def read_json(text: str) -> Any:
    """A JSON value; raises ValueError for anything else, and for a key that stands twice."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice: nobody knows which of them holds")
    return dict(pairs)


@lru_cache(100_000)
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
    lists, by_label, remarks = (fields.pop(role, {}) for role in ("list", "by label", "remark"))
    refuse_if(not (lists or by_label), Why.NO_LABELS)
    refuse_if(any(fields.values()) or any(len(some) > 1 for some in (lists, by_label, remarks)), Why.MORE)
    refuse_if(not line and lists and by_label, Why.MORE)
    reply = Reply()
    for key, inner in lists.items():
        listed = words.split(inner) if isinstance(inner, str) else tuple(inner)
        labels = tuple(word for word in listed if not words.says_none(word))
        refuse_if(0 < len(labels) < len(listed), Why.CONTRADICTS)
        reply = Reply(labels, ranked=known_key(key) in RANKING_KEYS or (isinstance(inner, str) and ">" in inner))
        refuse_if(reply.ranked and not listed, Why.NO_MASS)
    for key, inner in by_label.items():
        refuse_if(not inner or not isinstance(inner, dict), Why.BESIDE if key in NUMBER_KEYS else Why.NO_LABELS)
        answer = _by_label(inner, words, whole=not line)
        refuse_if(lists and (reply.ranked or not answer.numbers), Why.CONTRADICTS)
        reply = replace(reply, numbers=answer.numbers) if lists else answer
    # who was shown no image says so beside no label
    refuse_if(remarks and not reply.labels and not any(reply.numbers.values()), Why.MORE)
    means = {word: words.find(word) for word in (*(reply.labels or ()), *reply.numbers)}
    refuse_if(any(map(words.unsure, means)), Why.AMONG)
    refuse_if(any(folded(word)[:1].isdigit() for word, label in means.items() if label is None), Why.BESIDE)
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
    return "other" if stated(inner) is None else "number"


def _are(kind: type, entries: Any) -> bool:
    return isinstance(entries, list) and all(isinstance(entry, kind) for entry in entries)


def _by_label(stands: Mapping[str, Any], words: Words, *, whole: bool) -> Reply:
    """Yes or no, or a number, by label. whole: whether only a no to all is no label."""
    refuse_if(len({words.find(label) or folded(label) for label in stands}) < len(stands), Why.CONTRADICTS)
    flags = {label: _FLAGS.get(str(beside).strip(" .").casefold()) for label, beside in stands.items()}
    if None not in flags.values():
        chosen = tuple(label for label, yes in flags.items() if yes)
        refuse_if(whole and not chosen and len(flags) < len(words.taxonomy), Why.NO_LABELS)
        return Reply(chosen)
    numbers = {label: number for label, beside in stands.items() if (number := stated(beside)) is not None}
    refuse_if(len(numbers) < len(stands), Why.BESIDE)
    return Reply(numbers=numbers)
