"""What a language model's reply says: JSON alone, in a code fence or in prose, or an answer in words.

A reply has one place where it answers. It is read there by a closed list of forms, and whatever a person would have to
weigh (other labels, corrections, negations, unknown keys) refuses it with a reason: a refusal costs one row and is
counted, a misreading costs the finding. Nothing is ever executed: `json` reads.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from affectml.answers._json import json_values
from affectml.answers._numbers import flag, marked, stated, whole_of
from affectml.answers._pairs import ALONE, LABELS, NO_LABEL, REASONS, Item, Reply, Why, in_order, known_key, of_items
from affectml.answers._prose import (
    CUE,
    TURNED,
    InWords,
    answer_in_words,
    item_of,
    lead_of,
    plain_head,
    stripped,
    turned,
)
from affectml.answers._words import Words

__all__ = ["LABEL_KEYS", "RANKED", "REASONS", "Reply", "Why", "answer_in", "parse_reply"]
LABEL_KEYS = ("labels", "label", "emotions", "emotion", "feelings", "feeling", "set", "answer", "answers")
RANKED = ("ranking", "ranked", "ranks", "rankedlabels")
_RANK = {"rank", "position", "place"}
_ONE = ("label", "emotion", "feeling", "name")
_SURE = ("confidence", "confidences", "certainty")
_PERCENT = ("percent", "percentage", "percentages", "pct")
NUMBER_KEYS = ("rates", "rate", "shares", "share", *_PERCENT, "proportion", "proportions", "fraction", "distribution",
               "counts", "count", "votes", "probability", "probabilities", "likelihood", "score", "scores")  # fmt: skip
OF = ("n", "total", "outof", "people", "numberofpeople", "npeople")
_CHOSEN = ("present", "selected", "applies", "applicable", "chosen", "answer", "value")
_AROUND = ("response", "result", "results", "output", "selected", "chosen", "applicable", "present", "data")
_REMARKS = ("reason", "reasons", "reasoning", "why", "explanation", "rationale", "justification", "comment", "note",
            "evidence", "description", "caption", "analysis", "thoughts")  # fmt: skip
_ABOUT = ("image", "imageid", "id", "index", "file", "filename", "path", "url", "question", "model", "task")
_REFUSAL = re.compile(
    r"\b(?:i['’]?m sorry|i am sorry|i apologi[sz]e|sorry, (?:but )?i|as an ai\b|no image|if i could|"
    r"i (?:can['’]?t|cannot|can not|could ?n['’]t|could not|won['’]?t|will not)|"
    r"i(?:['’]| a)m (?:unable|not able) to|unable to (?:help|assist|comply|determine|identify|analy[sz]e|see|view))",
    re.IGNORECASE,
)
_THINK = r"(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_THOUGHT = re.compile(rf"</{_THINK}>|◁/think▷|<\|channel\|>final<\|message\|>", re.IGNORECASE)
_THINKS = re.compile(rf"<{_THINK}>|◁think▷|<\|channel\|>(?:analysis|commentary)", re.IGNORECASE)
_TAG = re.compile(r"</?(?:answer|final|response|output|result)>|<\|\w+\|>", re.IGNORECASE)
_BESIDE = re.compile(r"[\s,;*•-]*")  # between JSON values that stand side by side


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply.

    Without what the model thinks (<think>, <reasoning> and the like, to the end where it is not closed) there is one
    answer: JSON that names labels, all of it alike; else lines such as "joy: 60 %", what follows "Answer:", or labels
    and nothing else. The rest of the text may not turn it.
    """
    text = _TAG.sub(" ", _THINKS.split(_THOUGHT.split(text)[-1])[0])
    if not text.strip():
        return Reply(problem=Why.EMPTY)
    if _REFUSAL.search(text):
        return Reply(problem=Why.REFUSED)
    found = json_values(text)
    if found is None:
        return Reply(problem=Why.BROKEN)
    values, around = found
    try:
        if len(values) > 1 and not re.search(r"\w", "".join(around[1:-1])) and answer_in(values, words):
            values, around = [values], [around[0], around[-1]]  # objects of one label each, side by side
        answers = [answer_in(value, words) for value in values]
    except RecursionError:
        return Reply(problem=Why.BROKEN)
    at = next((at for at, answer in enumerate(answers) if answer), None)
    if at is None:
        seen = any(isinstance(value, dict) for value in values)
        said = None if seen else answer_in_words(text, words)
        return turned(said, words) if said else Reply(problem=Why.NO_LABELS if seen else Why.NO_JSON)
    answer = InWords(answers[at] or Reply(), "\n".join(around[: at + 1]), "\n".join(around[at + 1 :]))
    if answer.reply.how == LABELS and isinstance(values[at], list) and not plain_head(lead_of(answer.before)):
        return Reply(problem=Why.UNSURE)
    said = answer_in_words(answer.before, words)
    told = [*filter(None, answers), *([said.reply] if said and not said.reply.problem else [])]
    differ = any(_meant(other, words) != _meant(answer.reply, words) for other in told)
    return Reply(problem=Why.CONTRADICTS) if differ else turned(answer, words)


def _meant(reply: Reply, words: Words) -> tuple[Any, ...]:
    """What two replies say alike, however they spell it."""
    numbers = {words.find(label): number for label, number in (reply.numbers or {}).items()}
    return reply.problem, [*map(words.find, reply.labels or ())], numbers


def answer_in(value: Any, words: Words, of: float | None = None) -> Reply | None:
    """What a JSON value answers; None where it names no label. of: what numbers are parts of that do not say it."""
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):
            return parse_reply(value, words)
        item = None if "|" in value else item_of(value, words)
        return of_items([item], words, of) if item else Reply(words.split(value), ranked=">" in value, how=LABELS)
    if isinstance(value, list):
        return _of_list(value, words, of)
    return _of_object(value, words, of) if isinstance(value, dict) else None


def _of_list(values: Sequence[Any], words: Words, of: float | None) -> Reply | None:
    """Texts, objects that name one label each, or pairs of a label and a number."""
    if len(values) == 1 and isinstance(values[0], dict) and _one_label(values[0], words) is None:
        return answer_in(values[0], words, of)
    items: list[Item] = []
    for value in values:
        item: Item | None = None
        if isinstance(value, str):
            item = item_of(value, words) or Item(stripped(value)[2], place=stripped(value)[1])
        elif isinstance(value, dict):
            item = _one_label(value, words)
        elif isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            item = Item(*value)
        if item is None:
            return None
        items.append(item)
    reply = of_items(items, words, of)
    ranked = [not _RANK.isdisjoint(map(known_key, value)) for value in values if isinstance(value, dict)]
    return in_order(reply) if ranked and all(ranked) and reply.labels is not None else reply


def _one_label(content: Mapping[str, Any], words: Words) -> Item | None:
    """The one label that an object names, and what it says of it; None for another object."""
    fields = {known_key(key): inner for key, inner in content.items()}
    name = next((key for key in _ONE if isinstance(fields.get(key), str)), None)
    if name is not None:
        label = fields.pop(name)
        place = next((fields[key] for key in _RANK if fields.get(key) is not None), None)
        number = re.fullmatch(r"#?(\d{1,2})(?:\.|st|nd|rd|th)?", str(place).strip())
        return Item(label, _beside(fields), int(number[1]) if number else None if place is None else 0)
    own = [key for key in content if words.find(key)]
    return Item(own[0], _inner(content[own[0]])) if len(own) == len(content) == 1 else None


def _beside(fields: Mapping[str, Any], without: Any = ALONE) -> Any:
    """The share, or the yes or no, that an object says of one label; `without` where neither, "" for anything else."""
    for key in (*NUMBER_KEYS, "n"):
        if fields.get(key) is not None:
            number = stated(fields[key])
            parts = [whole_of(one, fields[one]) for one in OF if one != key and one in fields]
            of = 100 if key in _PERCENT else parts[0] if parts else None
            scaled = marked({key: number}, of) if number else None
            return scaled[key] if scaled else ""
    flags = {flag(fields[key]) for key in _CHOSEN if key in fields} or {without}
    beside = {key: inner for key, inner in fields.items() if inner not in (None, "") and not _sure(key, inner)}
    denied = flags == {without} and any(CUE.search(str(inner)) for inner in beside.values())
    closed = {*_CHOSEN, *_REMARKS, *_RANK, "id", "index"}.issuperset(beside)
    return flags.pop() if closed and not denied and len(flags) == 1 and None not in flags else ""


def _sure(key: str, value: Any) -> bool:
    """Whether a field says that its answer rather holds."""
    number = stated(value)
    share = number.value / (number.of or (100 if number.value >= 50 else 1)) if number else 0
    return key in _SURE and (value in ("high", "very high", "medium", "moderate") or 0.5 <= share <= 1)


def _inner(beside: Any) -> Any:
    """What stands beside a label that is a key: itself, or the share in the object that stands there."""
    return _beside({known_key(k): v for k, v in beside.items()}, "") if isinstance(beside, dict) else beside


def _of_object(content: Mapping[str, Any], words: Words, of: float | None) -> Reply | None:
    own = [key for key in content if words.find(key)]
    fields = {known_key(key): inner for key, inner in content.items() if key not in own and inner is not None}
    listed = [key for key in LABEL_KEYS if key in fields]
    ranked = [key for key in RANKED if key in fields]
    numeric = [key for key in NUMBER_KEYS if key in fields]
    total = next((key for key in OF if key in fields), None)
    of = whole_of(total, fields[total]) if total else of
    if not own and len(listed) == 1 and listed[0] in _ONE and words.find(str(fields[listed[0]])):
        return _of_list([content], words, of)
    if len(listed) + len(ranked) + len(numeric) + bool(own) == 0:
        return _inside(content, words, of)
    used = {*listed[:1], *ranked[:1], *numeric[:1], *OF, *_REMARKS, *_ABOUT, *NO_LABEL} - {*_SURE}
    rest = {key: inner for key, inner in fields.items() if key not in used and not _sure(key, inner)}
    more = [Item(key, rest.pop(known_key(key))) for key in content if own and stated(rest.get(known_key(key)))]
    taken_back = any(TURNED.search(str(fields.get(key))) for key in ("note", "comment"))
    if taken_back or any(_may_turn(inner, words) for inner in rest.values()):
        return Reply(problem=Why.UNSURE)
    found = answer_in(fields[listed[0]], words, of) if listed else None
    if own:
        return _both(found, of_items([*(Item(key, _inner(content[key])) for key in own), *more], words, of))
    if ranked:
        return in_order(answer_in(fields[ranked[0]], words))
    return _with_numbers(found, numeric[0], fields[numeric[0]], words, of) if numeric else found


def _may_turn(value: Any, words: Words) -> bool:
    """Whether what stands under an unknown key beside an answer may say something else of it."""
    if isinstance(value, dict | list):
        said = json.dumps(value, ensure_ascii=False)
        return bool(words.named(said)) or "true" in said or "false" in said
    return bool(value != "")


def _both(found: Reply | None, shares: Reply) -> Reply:
    """The labels of one part of an answer and the numbers of another."""
    if found is None or found.labels is None or shares.problem:
        return shares
    return Reply(problem=Why.CONTRADICTS) if shares.numbers is None else replace(found, numbers=shares.numbers)


def _with_numbers(found: Reply | None, key: str, beside: Any, words: Words, of: float | None) -> Reply | None:
    """Labels with the numbers by label, or with the list of numbers beside theirs."""
    of = 100 if key in _PERCENT else of
    if isinstance(beside, dict) or (isinstance(beside, list) and not all(stated(one) for one in beside)):
        shares = answer_in(beside, words, of)
        return _both(found, shares) if shares else found
    names = found.labels or () if found else ()
    numbers = beside if isinstance(beside, list) else [beside]
    if len(numbers) != len(names) or not all(stated(one) for one in numbers):
        return Reply(problem=Why.BESIDE)
    return of_items(list(map(Item, names, numbers)), words, of)


def _inside(content: Mapping[str, Any], words: Words, of: float | None) -> Reply | None:
    """The answer inside an object that says nothing else, or by place; several that differ contradict each other."""
    places = [Item(str(inner), place=int(key)) for key, inner in content.items() if key.strip().isdecimal()]
    if places and len(places) == len(content) and words.known(tuple(item.label for item in places)):
        return in_order(of_items(places, words))
    answers, rest = [], []
    for key, inner in content.items():
        spelt = re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", key)
        if (isinstance(inner, dict) and not CUE.search(spelt)) or (
            isinstance(inner, list) and known_key(key) in _AROUND
        ):
            answer = answer_in(inner, words, of)
            if answer and (answer.problem or words.known(tuple(answer.labels or answer.numbers or ())) or inner == []):
                answers.append(answer)
                continue
        if known_key(key) not in (*_REMARKS, *_ABOUT, *OF, *NO_LABEL):
            rest.append(inner)
    if any(answer != answers[0] for answer in answers):
        return Reply(problem=Why.CONTRADICTS)
    if answers and any(_may_turn(inner, words) for inner in rest):
        return Reply(problem=Why.UNSURE)
    return answers[0] if answers else None
