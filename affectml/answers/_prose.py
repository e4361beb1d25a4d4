"""Answers in words: labels by themselves, lines such as "joy: 60 %", and what follows "Answer:"."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from affectml.answers._numbers import flag, stated
from affectml.answers._pairs import IN_LINES, IN_PROSE, NO_LABEL, NUMBERS, Reply, Why, known_key, of_pairs
from affectml.answers._words import Words

_ITEM = re.compile(r"^[ \t>*•#|-]*(\d{1,2})\s?[.)|]\s", re.MULTILINE)
_LEAD = re.compile(r"^[\s>*•·–—#|_`-]*(?:\d{1,2}\s*[.)|]\s+)?[*_`\s]*")
_HEAD = re.compile(
    r"(?:\W|\b(?:here|are|is|the|my|these|following|labels?|emotions?|feelings?|answers?|final|ranking|ranked|apply|"
    r"fit|chosen|selected|that|which|would|i|choose|feel|of|for|this|image|most|to|least)\b)*:[\s*_]*",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s*_`]*(?:->|=>|→|[:=|,(]|(?<=\s)[-–—]+(?=\s)|\s)[\s*_`]*")
_ANSWER = re.compile(
    r"^[ \t*#_>]*(?:(?:my|the|so|final|chosen|selected|predicted) )*(?:answer|label|emotion|feeling|ranking)s?"
    r"[\s*_]*(?::|=|\bis\b:?|\bare\b:?)[*_ \t]*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL = 80  # signs of a label, or of a number before one, at most
_LONG = 2000  # signs of a line: beyond it is prose
_OF = re.compile(
    r"^\W*of (\d+) (?:people|persons|viewers)|^[^\d\n]*(?:%|\bpercent)[^\d\n]*$", re.IGNORECASE | re.MULTILINE
)


def answer_in_words(text: str, words: Words) -> Reply | None:
    """What a text without JSON answers; None where it answers nothing."""
    items = [int(number) for number in _ITEM.findall(text)]
    if items != [*range(1, len(items) + 1)]:
        return None  # it may count down to the first, or hold several lists
    for said in (text, _listed(text)):
        if words.known(alone := words.split(said)):
            return Reply(alone, how=IN_PROSE, ranked=">" in said)
    pairs = pairs_in(text, words)
    of = {float(n or 100) for n in _OF.findall(text)}
    found = of_pairs(pairs, words, of.pop() if len(of) == 1 else None) if pairs else None
    if found is None or found.problem:
        answers = set(_after(text, words))
        if answers:
            return answers.pop() if len(answers) == 1 else Reply(problem=Why.CONTRADICTS)
    return replace(found, how=IN_LINES) if found and found.how == NUMBERS else found


def pairs_in(text: str, words: Words) -> list[tuple[str, Any]]:
    """Each label of a text beside which a number stands, or yes or no, in lines or in one line with commas."""
    found = [pair for line in text.splitlines() if len(line) < _LONG for pair in _pairs_of_line(line, words)]
    return found if any(words.find(label) for label, _ in found) else []


def pair_of(text: str, words: Words) -> tuple[str, Any] | None:
    """A label and what stands beside it in a text such as "- **joy**: 12 of 20"; None where there is no such thing."""
    text = _LEAD.sub("", text)
    for between in _BETWEEN.finditer(text):
        head, tail = text[: between.start()], text[between.end() :]
        if len(head) > _LABEL or re.search(r"[{}\[\]\"]", head):
            return None  # prose, or JSON, which is read as such
        if "(" in between.group():
            tail = tail.replace(")", "", 1)
        if words.find(head) and (re.search(r"\d", tail) or flag(tail) is not None):
            return head, tail
        number = stated(head)
        if number and (number.of or re.search(r"[.\w]*[.a-z]", head)) and words.find(tail):
            return tail, head
        if re.search("[:=|]", between.group()) and re.fullmatch(r"[^\W\d][^\d:=|]{0,40}", head) and stated(tail):
            return None if known_key(head) in NO_LABEL else (head, tail)
    return None


def _pairs_of_line(line: str, words: Words) -> Iterator[tuple[str, Any]]:
    parts = [pair for part in re.split(r"[;,]\s+|\s+and\s+", line) if (pair := pair_of(part, words))]
    whole = pair_of(line, words)
    yield from parts if len(parts) > 1 else [whole] if whole else parts


def _listed(text: str) -> str:
    """A text without the numbers and marks of its items, and without a head such as "These apply:"."""
    head, _, rest = text.strip().partition("\n")
    text = rest if rest and _HEAD.fullmatch(head) else text
    return "\n".join(_LEAD.sub("", line) for line in text.splitlines() if line.strip())


def _after(text: str, words: Words) -> Iterator[Reply]:
    """What follows each "Answer:" of a text: the rest of its line, else the lines below it."""
    for match in _ANSWER.finditer(text):
        said, below = match[1].strip(), text[match.end() :]
        labels = words.split(said or _listed(below))
        if words.known(labels):
            answer = Reply(labels, how=IN_PROSE, ranked=">" in (said or below))
            yield answer if stands(labels, below if said else "", words) else Reply(problem=Why.CONTRADICTS)


def stands(labels: Sequence[str], beside: str, words: Words) -> bool:
    """Whether a list of labels is the answer of the text around it: that names no other label, nor some of all."""
    mine, named = {words.find(label) for label in labels}, words.named(beside)
    return not named or (named <= mine and not mine >= set(words.taxonomy.labels))
