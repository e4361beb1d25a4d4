"""Answers in words: labels by themselves, lines such as "joy: 60 %", and what follows "Answer:"."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from affectml.answers._numbers import flag, stated
from affectml.answers._pairs import IN_LINES, IN_PROSE, NO_LABEL, NUMBERS, Reply, Why, known_key, of_pairs
from affectml.answers._words import Words

NEGATIVE = re.compile(
    r"\b(?:not?|non|never|absent|without|exclud\w*|reject\w*|unlikely|consider\w*|candidates?|possible|others?|options?"
    r"|examples?|format|schema|all|available)\b|n['’]t\b",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^[\s>*•·–—+#|_`-]*(?:\d{1,2}\s*[.)|]\s+)?[*_`\s]*")
_BETWEEN = re.compile(r"[\s*_`]*(?:->|=>|→|[:=|,(]|(?<=\s)[-–—]+(?=\s)|\s)[\s*_`]*")
_BOX = re.compile(r"^\s*(?:[-*]\s*)?\[([ xX✓✔])\]\s*(.+)$")
_ANSWER = re.compile(
    r"^[ \t*#_>]*(?:(?:my|the|so|final|chosen|selected|predicted) )*(?:answer|label|emotion|feeling|ranking)s?"
    r"[\s*_]*(?::|=|\bis\b:?|\bare\b:?)[*_ \t]*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL = 80  # signs of a label, or of a number before one, at most
_LONG = 2000  # signs of a line: beyond it is prose
_OF = re.compile(r"\b(?:of|n\s*=)\s*(\d+)\b|(%|\bpercent(?:age)?s?\b)", re.IGNORECASE)


def answer_in_words(text: str, words: Words) -> Reply | None:
    """What a text without JSON answers; None where it answers nothing."""
    items = [int(number) for number in re.findall(r"^[ \t*]*(\d{1,2})[.)]\s", text, re.MULTILINE)]
    if items != sorted(items):
        return None  # it may count down to the first
    for said in (text, _listed(text)):
        if words.known(alone := words.split(said)):
            return Reply(alone, how=IN_PROSE, ranked=">" in said)
    pairs = list(pairs_in(text, words))
    found = of_pairs(pairs, words, _of(text, words)) if pairs else None
    if found is None or found.problem:
        after = (Reply(words.split(rest), how=IN_PROSE, ranked=">" in rest) for rest in _after(text))
        answers = {answer for answer in after if words.known(answer.labels or ())}
        if answers:
            return answers.pop() if len(answers) == 1 else Reply(problem=Why.CONTRADICTS)
    return replace(found, how=IN_LINES) if found and found.how == NUMBERS else found


def pairs_in(text: str, words: Words) -> list[tuple[str, Any]]:
    """Each label of a text beside which a number stands, or yes or no, in lines or in one line with commas."""
    found = [pair for line in text.splitlines() if len(line) < _LONG for pair in _pairs_of_line(line, words)]
    return found if any(words.find(label) for label, _ in found) else []


def pair_of(text: str, words: Words) -> tuple[str, Any] | None:
    """A label and what stands beside it in a text such as "- **joy**: 12 of 20"; None where there is no such thing."""
    if box := _BOX.match(text):
        label = box[2].strip(" *_`")
        return (label, box[1] != " ") if words.find(label) else None
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


def _of(text: str, words: Words) -> float | None:
    """What the numbers are parts of by a line that is not one of theirs, such as "Of 20 people:"; None where unsaid."""
    heads = [line for line in text.splitlines() if len(line) < _LONG and not list(_pairs_of_line(line, words))]
    said = {float(match[1]) if match[1] else 100.0 for line in heads for match in _OF.finditer(line)}
    return said.pop() if len(said) == 1 else None


def _listed(text: str) -> str:
    """A text without the numbers and marks of its items, and without a head such as "These apply:"."""
    head, _, rest = text.strip().partition("\n")
    if rest and head.rstrip(" *_").endswith(":") and not NEGATIVE.search(head):
        text = rest
    return "\n".join(_LEAD.sub("", line) for line in text.splitlines() if line.strip())


def _after(text: str) -> Iterator[str]:
    """What follows each "Answer:" of a text: the rest of its line, else the lines below it."""
    for match in _ANSWER.finditer(text):
        yield match[1].strip() or _listed(text[match.end() :])
