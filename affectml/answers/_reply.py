"""What a language model's reply says: JSON alone, in a code fence or in prose, or an answer in words.

Nothing is ever executed: `json` reads, and what it cannot read is counted under a reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from affectml.answers._json import json_values
from affectml.answers._numbers import Stated, flag, marked, stated, whole_of
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
from affectml.answers._prose import answer_in_words, pair_of, pairs_in, stands
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
_REMARKS = ("reason", "reasons", "reasoning", "explanation", "rationale", "why", "evidence", "description", "comment",
            "note", "justification", "id", "index")  # fmt: skip
_HOLDS = ("response", "result", "output", "prediction", "predictions", "selected", "chosen", "applicable", "present")
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thoughts?|reasoning|analysis)>|◁/think▷|<\|message\|>", re.IGNORECASE)
_THOUGHT = re.compile(r"<(?:think|thinking|thoughts?|reasoning|analysis)>|◁think▷", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i['’]?m sorry|i am sorry|i apologi[sz]e|sorry, (?:but )?i|as an ai\b|"
    r"i (?:can['’]?t|cannot|can not|won['’]?t|will not|am unable to|['’]?m unable to|am not able to)|"
    r"i['’]m (?:unable|not able) to|unable to (?:help|assist|comply|determine|identify|analy[sz]e))",
    re.IGNORECASE,
)
# What is said beside such words is no answer, but an example or a guess.
_BLIND = re.compile(
    r"\b(?:sorry|(?:an|made-up) example|if i could|no image|(?:can(?:['’]?t|not| not)|(?:un|not )able to) "
    r"(?:see|view|access|open|analy[sz]e) (?:\w+ )?(?:image|picture|photo))",
    re.IGNORECASE,
)
_CHANGED = re.compile(r"\b(?:actually|correction|on reflection|second look|now|should be)\b", re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|n['’]t) (?:\w+ )?(?:apply|fit|present|felt)", re.IGNORECASE)
_BACKWARDS = re.compile(r"\bleast[\s_-]*(?:\w+\s+)?to[\s_-]*(?:the\s+)?most\b", re.IGNORECASE)


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply.

    A JSON value that answers counts: {"labels": [...]}, {"joy": 0.6, ...}, {"joy": true, ...}, a plain list and others.
    Without one, labels by themselves, lines such as "joy: 60 %", or what follows "Answer:". Several answers that differ
    contradict each other, unless words such as "now" stand between. What a model thinks between <think> and </think>
    does not count.
    """
    text = _THOUGHT.split(_THOUGHT_ENDS.split(text)[-1])[0]
    if not text.strip():
        return Reply(problem=Why.EMPTY)
    try:
        answers, outside, after = _answers_in(text, words)
    except ValueError:
        return Reply(problem=Why.REFUSED if _REFUSAL.search(text) else Why.BROKEN)
    usable = [answer for answer in answers if not answer.problem] or answers
    found = usable[0] if usable else None
    if found is None:
        return Reply(
            problem=Why.REFUSED if _REFUSAL.search(text) else Why.NO_LABELS if outside != text else Why.NO_JSON
        )
    nothing = not any(found.labels or ()) and not any(number.value for number in (found.numbers or {}).values())
    if _BLIND.search(outside) or (nothing and _REFUSAL.search(outside)):
        return Reply(problem=Why.REFUSED)
    if _CHANGED.search(after) or any(_meant(answer, words) != _meant(found, words) for answer in usable):
        return Reply(problem=Why.CONTRADICTS)
    return Reply(problem=Why.BACKWARDS) if found.labels and _BACKWARDS.search(text) else found


def _answers_in(text: str, words: Words) -> tuple[list[Reply], str, str]:
    """What the JSON values of a text and its other words answer, and those words: all of them, and the last ones."""
    found = json_values(text)
    if found is None:
        raise ValueError("broken JSON")
    values, around = found
    outside = "\n".join(around) if values else text
    values = [value for at, value in enumerate(values) if value not in values[:at]]
    if len(values) > 1 and not re.search(r"\w", outside):
        values = [values]  # objects of one label each
    answers: list[Reply] = []
    for value, before in zip(values, around, strict=False):
        try:
            answer = answer_in(value, words)
        except RecursionError:
            raise ValueError("nested too deep") from None
        if answer is None or (isinstance(value, list) and not stands(answer.labels or (), outside, words)):
            continue
        answers = [answer] if _CHANGED.search(before) else [*answers, answer]
    told = answer_in_words(outside, words)
    return [*answers, told] if told and not (answers and told.problem) else answers, outside, around[-1]


def _meant(reply: Reply, words: Words) -> tuple[Any, ...]:
    """What two replies say alike, however they spell it."""
    numbers = {words.find(label): number for label, number in (reply.numbers or {}).items()}
    return reply.problem, [*map(words.find, reply.labels or ())], numbers


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
            pair = pair_of(value, words) or (value, ALONE)
        elif isinstance(value, dict):
            pair = _one_label(value, words)
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            return None
        pairs.append((pair[0], pair[1]))
    reply, labels = of_pairs(pairs, words, of), tuple(label for label, _ in pairs)
    objects = [{known_key(key): inner for key, inner in value.items()} for value in values if isinstance(value, dict)]
    ranks = [next((one[key] for key in _RANK if key in one), None) for one in objects]
    if any(ranks) and reply.labels is not None:
        numbers = {label: stated(rank) or Stated(0) for label, rank in zip(labels, ranks, strict=False)}
        return in_order(Reply(numbers=numbers))
    sure = objects and all(any(key in one for key in _SURE) for one in objects)
    return _sure(reply, labels) if sure else reply


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
    others = [inner for key, inner in fields.items() if key not in (*_RANK, *_REMARKS)]
    if not others:
        return "" if any(_DENIED.search(str(inner)) for inner in fields.values()) else without
    yes = flag(others[0]) if len(others) == 1 else None
    return "" if yes is None else yes


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
    beside, of = by_key[numeric] if numeric else None, 100 if numeric in _PERCENT and not own else of
    shares = None
    if own:
        shares = of_pairs([(key, _inner(content[key])) for key in (*own, *_others(content, own))], words, of)
    elif isinstance(beside, dict) or (isinstance(beside, list) and not all(map(stated, beside))):
        shares = answer_in(beside, words, of)
    elif numeric and found and found.labels is not None:
        return _along(found.labels, beside, numeric, words, of) or found
    if shares and shares.numbers and found and found.labels is not None:
        return replace(found, numbers=shares.numbers)
    if shares or found:
        return shares or found
    if all(key.strip().isdecimal() for key in content) and words.known(tuple(map(str, content.values()))):
        return in_order(Reply(tuple(str(content[key]) for key in sorted(content, key=int))))
    return _inside(content, words, of)


def _inner(beside: Any) -> Any:
    """What stands beside a label that is a key: itself, or the share in the object that stands there."""
    return _beside({known_key(k): v for k, v in beside.items()}, "") if isinstance(beside, dict) else beside


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

    Of a list of labels its key must tell that they are the answer, and not those that were ruled out.
    """
    answers = []
    for key, inner in content.items():
        answer = answer_in(inner, words, of) if isinstance(inner, dict | list) else None
        if answer is None or (isinstance(inner, list) and answer.how == LABELS and known_key(key) not in _HOLDS):
            continue
        if answer.problem or answer.labels == () or words.known(tuple(answer.labels or answer.numbers or ())):
            answers.append(answer)
    usable = [answer for answer in answers if not answer.problem] or answers
    if any(answer != usable[0] for answer in usable):
        return Reply(problem=Why.CONTRADICTS)
    return usable[0] if usable else None
