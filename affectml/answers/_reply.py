"""What a language model's reply says: JSON alone, in a code fence or in prose, or an answer in words.

Nothing is ever executed: `json` reads, and what it cannot read is counted under a reason.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from affectml.answers._json import Found, json_values
from affectml.answers._numbers import flag, marked, stated, whole_of
from affectml.answers._pairs import (
    ALONE,
    CONFIDENT,
    LABELS,
    NO_LABEL,
    REASONS,
    Reply,
    Why,
    in_order,
    known_key,
    of_pairs,
)
from affectml.answers._prose import NEGATIVE, answer_in_words, pair_of, pairs_in
from affectml.answers._words import Words

__all__ = ["LABEL_KEYS", "RANKED", "REASONS", "Reply", "Why", "answer_in", "parse_reply"]
LABEL_KEYS = ("labels", "label", "emotions", "emotion", "feelings", "feeling", "set", "answer", "answers")
RANKED = ("ranking", "ranked", "ranks", "rankedlabels")
_RANK = ("rank", "position", "place")
_ONE = ("label", "emotion", "feeling", "name")
_SURE = ("confidence", "confidences", "probability", "probabilities", "certainty", "likelihood", "score", "scores")
_PERCENT = ("percent", "percentage", "percentages", "pct")
NUMBER_KEYS = ("rates", "rate", "shares", "share", *_PERCENT, "proportion", "proportions", "fraction", "distribution",
               "counts", "count", "votes", *_SURE)  # fmt: skip
OF = ("n", "total", "outof", "people", "numberofpeople", "npeople")
_CHOSEN = ("present", "selected", "applies", "chosen", "answer", "value")
_REFUSAL = re.compile(
    r"\b(?:i['’]?m sorry|i am sorry|i apologi[sz]e|sorry, (?:but )?i|as an ai\b|"
    r"i (?:can['’]?t|cannot|can not|won['’]?t|will not|am unable to|['’]?m unable to|am not able to)|"
    r"i['’]m (?:unable|not able) to|unable to (?:help|assist|comply|determine|identify|analy[sz]e))",
    re.IGNORECASE,
)
_OR = re.compile(r"[\s`*,.;:]*(?:\w+\s+){0,2}(?:or|alternatively|option \w+)\b[^.]{0,30}", re.IGNORECASE)
_BESIDE = re.compile(r"[\s,;*•-]*")  # between JSON values that stand side by side


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply.

    The last JSON value that answers counts: {"labels": [...]}, {"joy": 0.6, ...}, {"joy": true, ...}, a plain list and
    others. Without one, labels by themselves, lines such as "joy: 60 %", or what follows "Answer:". What a model thinks
    between <think> and </think> does not count, nor does a list inside an object that is broken.
    """
    text = text.rpartition("</think>")[2].partition("<think>")[0]
    if not text.strip():
        return Reply(problem=Why.EMPTY)
    found: Reply | None = None
    seen = broken = False
    end, sound = 0, len(text)
    for value, whole, start, stop in _together(text, words):
        if not whole:
            broken, sound = True, min(start, sound)
        if not whole or (broken and isinstance(value, list)):
            continue
        try:
            answer = answer_in(value, words)
        except RecursionError:
            broken = True
            continue
        seen |= isinstance(value, dict) or answer is not None
        if answer is not None:
            either = found is not None and found != answer and _OR.fullmatch(text[end:start])
            found, end = Reply(problem=Why.CONTRADICTS) if either else answer, stop
    found = found or answer_in_words(text[:sound], words)
    if found is not None:
        return Reply(problem=Why.REFUSED) if found.labels == () and _REFUSAL.search(text) else found
    if seen:
        return Reply(problem=Why.NO_LABELS)
    if _REFUSAL.search(text):
        return Reply(problem=Why.REFUSED)
    return Reply(problem=Why.BROKEN if broken else Why.NO_JSON)


def _together(text: str, words: Words) -> Iterator[Found]:
    """The JSON values of a text; objects of one label each that stand side by side are one list."""
    run: list[Found] = []
    for each in [*json_values(text), None]:
        pair = _one_label(each.value, words) if each and isinstance(each.value, dict) else None
        alone = pair is not None and words.known(pair[:1])
        if run and not (each and alone and _BESIDE.fullmatch(text[run[-1].end : each.start])):
            yield run[0] if len(run) == 1 else Found([one.value for one in run], True, run[0].start, run[-1].end)
            run = []
        if each and alone:
            run.append(each)
        elif each:
            yield each


def answer_in(value: Any, words: Words, of: float | None = None) -> Reply | None:
    """What a JSON value answers; None where it names no label. of: what numbers are parts of that do not say it."""
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):
            return parse_reply(value, words)
        pairs = pairs_in(value, words)
        return of_pairs(pairs, words, of) if pairs else Reply(words.split(value), ranked=">" in value, how=LABELS)
    if isinstance(value, list):
        return _of_list(value, words, of)
    return _of_object(value, words, of) if isinstance(value, dict) else None


def _of_list(values: Sequence[Any], words: Words, of: float | None) -> Reply | None:
    """Texts, objects that name one label each, or pairs of a label and a number."""
    if len(values) == 1 and isinstance(values[0], dict) and _one_label(values[0], words) is None:
        return answer_in(values[0], words, of)
    pairs: list[tuple[str, Any]] = []
    for value in values:
        pair: Any = value
        if isinstance(value, str):
            pair = pair_of(value, words) or (re.sub(r"^\s*(?:\d+[.)]|[-*•])\s+", "", value), ALONE)
        elif isinstance(value, dict):
            pair = _one_label(value, words)
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            return None
        pairs.append((pair[0], pair[1]))
    reply = of_pairs(pairs, words, of)
    objects = [{known_key(key): inner for key, inner in value.items()} for value in values if isinstance(value, dict)]
    ranks = [next((one[key] for key in _RANK if key in one), None) for one in objects]
    if objects and sorted(map(str, ranks)) == sorted(map(str, range(1, len(values) + 1))):
        order = sorted(range(len(values)), key=lambda at: int(str(ranks[at])))
        return replace(in_order(replace(reply, labels=tuple(pairs[at][0] for at in order))), numbers=reply.numbers)
    sure = objects and all(any(key in one for key in _SURE) for one in objects)
    return _sure(reply, tuple(label for label, _ in pairs)) if sure else reply


def _sure(reply: Reply, labels: tuple[str, ...]) -> Reply:
    """The labels too, where what stands beside each is that it rather holds."""
    rather = reply.numbers and all(number.value / (number.of or 1) >= 0.5 for number in reply.numbers.values())
    return replace(reply, labels=labels, how=CONFIDENT) if rather else reply


def _one_label(content: Mapping[str, Any], words: Words) -> tuple[str, Any] | None:
    """The one label that an object names, and what it says of it; None for another object."""
    by_key = {known_key(key): inner for key, inner in content.items()}
    name = next((key for key in _ONE if isinstance(by_key.get(key), str)), None)
    if name is not None:
        beside = _beside({key: inner for key, inner in by_key.items() if key != name})
        return by_key[name], beside
    own = [key for key in content if words.find(key)]
    if len(own) != 1 or _others(content, own) or any(key in by_key for key in (*LABEL_KEYS, *RANKED)):
        return None
    return own[0], _inner(content[own[0]])


def _others(content: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    """Words that a number stands beside, as it does beside the labels of an object, and that are no labels."""
    return [key for key in content if key not in own and stated(content[key]) and known_key(key) not in NO_LABEL]


def _beside(fields: Mapping[str, Any], without: Any = ALONE) -> Any:
    """The share, or the yes or no, in what an object says of one label; `without` where it says neither."""
    for key in (*NUMBER_KEYS, "n"):
        if fields.get(key) is not None:
            number = stated(fields[key])
            parts = [whole_of(one, fields[one]) for one in OF if one != key and one in fields]
            of = 100 if key in _PERCENT else parts[0] if parts else None
            scaled = marked({key: number}, of) if number else None
            return scaled[key] if scaled else ""
    for key in _CHOSEN:
        if (yes := flag(fields.get(key))) is not None:
            return yes
    others = [inner for key, inner in fields.items() if key not in _RANK and key not in ("id", "index")]
    return "" if any(isinstance(inner, int | float) for inner in others) else without


def _of_object(content: Mapping[str, Any], words: Words, of: float | None) -> Reply | None:
    by_key = {known_key(key): inner for key, inner in content.items()}

    def first(keys: Sequence[str]) -> str | None:
        return next((key for key in keys if by_key.get(key) is not None and words.find(key) is None), None)

    if total := first(OF):
        of = whole_of(total, by_key[total])
    if ranking := first(RANKED):
        return in_order(answer_in(by_key[ranking], words))
    alone = _one_label(content, words)
    if alone and isinstance(alone[1], bool):
        return of_pairs([alone], words)
    listed, numeric = first(LABEL_KEYS), first(NUMBER_KEYS)
    found = answer_in(by_key[listed], words, of) if listed else None
    own = [key for key in content if words.known((key,))]
    if own:
        shares = of_pairs([(key, _inner(content[key])) for key in (*own, *_others(content, own))], words, of)
        return shares if found is None or found.labels is None else _both(found, shares)
    if numeric:
        beside, of = by_key[numeric], 100 if numeric in _PERCENT else of
        names = found.labels if found else None
        if isinstance(beside, dict) or (isinstance(beside, list) and not all(stated(one) for one in beside)):
            shares_in = answer_in(beside, words, of)
            return found if shares_in is None else _both(found, shares_in) if found else shares_in
        if names is not None:
            return _along(names, beside, numeric, words, of) or found
    if found is not None:
        return found
    if all(key.strip().isdecimal() for key in content) and words.known(tuple(map(str, content.values()))):
        return in_order(Reply(tuple(str(content[key]) for key in sorted(content, key=int))))
    return _inside(content, words, of)


def _inner(beside: Any) -> Any:
    """What stands beside a label that is a key: itself, or the share in the object that stands there."""
    return _beside({known_key(k): v for k, v in beside.items()}, "") if isinstance(beside, dict) else beside


def _both(found: Reply, shares: Reply) -> Reply:
    """The labels of one part of an answer and the numbers of another."""
    return shares if shares.numbers is None else replace(found, numbers=shares.numbers)


def _along(names: tuple[str, ...], beside: Any, key: str, words: Words, of: float | None) -> Reply | None:
    """Labels with the numbers of a list beside theirs; None where a single number says how sure the whole answer is."""
    numbers = beside if isinstance(beside, list) else [beside]
    if len(numbers) != len(names) or not all(stated(one) for one in numbers):
        return None if key in _SURE and not isinstance(beside, list) else Reply(problem=Why.BESIDE)
    reply = of_pairs(list(zip(names, numbers, strict=True)), words, of)
    if key in _SURE and len(names) == 1 and reply.numbers:
        return replace(reply, labels=names, how=CONFIDENT)
    return _sure(reply, names) if key in _SURE else reply


def _inside(content: Mapping[str, Any], words: Words, of: float | None) -> Reply | None:
    """The answer inside an object that says nothing else; several that differ contradict each other.

    So do labels beside it under keys such as "primary": nobody knows whether they are part of the answer.
    """
    answers = []
    for key, inner in content.items():
        if isinstance(inner, dict | list) and not NEGATIVE.search(re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", key)):
            answer = answer_in(inner, words, of)
            if answer and (answer.problem or words.known(tuple(answer.labels or answer.numbers or ()))):
                answers.append(answer)
    usable = [answer for answer in answers if not answer.problem] or answers
    others = [inner for inner in content.values() if isinstance(inner, str) and words.known(words.split(inner))]
    if any(answer != usable[0] for answer in usable) or (usable and others):
        return Reply(problem=Why.CONTRADICTS)
    return usable[0] if usable else None
