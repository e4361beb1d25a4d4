"""Answers in words: labels alone, lines such as "joy: 60 %", what follows "Answer:"; and words that turn an answer."""

import re
from dataclasses import replace
from typing import NamedTuple

from affectml.answers._numbers import flag, stated
from affectml.answers._pairs import IN_LINES, IN_PROSE, NO_LABEL, NUMBERS, Item, Reply, Why, known_key, of_items
from affectml.answers._wording import PEOPLE
from affectml.answers._words import Words

# Before an answer, or in a key above one: it may be an example, or what is not meant.
CUE = re.compile(
    r"\b(?:not?|non|nor|neither|never|nobody|none|without|cannot|nicht|kein\w*|pas|absent|missing|fail\w*|exclud\w*"
    r"|except|reject\w*|rul(?:ed?|ing) out|omit\w*|skip\w*|discard\w*|eliminat\w*|dismiss\w*|unlikely|least|worst"
    r"|weakest|lowest|irrelevant|in(?:applicable|appropriate|correct)|un\w*(?:selected|fitting|suitable)|wrong"
    r"|consider\w*|candidates?|possible|might|could|maybe|perhaps|others?|options?|choices|examples?|e\.?g|instance"
    r"|format\w*|schema|template|sample|hypothe\w*|made[- ]up|available|all|(?:you|was|were) (?:gave|given|asked)"
    r"|initial\w*|draft|hardly|barely|anything but|avoid\w*|doubt\w*|far from|invers\w*|lacks?|alternative\w*"
    r"|opposite|contrary|contrast)\b|n['’]t\b",
    re.IGNORECASE,
)
TURNED = re.compile(  # after an answer: it may be taken back
    r"\b(?:actually|correct(?:ion|ed|ing)|wait|instead|second (?:thought|look)|reflection|reconsider\w*"
    r"|chang(?:e|ed|ing)|final|revis\w*|updat\w*|should be|sorry|mistake|wrong|oops|scrap|ignore|disregard|remov\w*"
    r"|drop(?:ped)?|replac\w*|hmm|example|placeholder\w*|made[- ]up|template|opposite|random\w*|invert\w*)\b",
    re.IGNORECASE,
)
_REVERSED = re.compile(
    r"\b(?:ascending|revers\w*|backwards?|(?:least|worst|weakest|lowest|bottom|last)\b[\w ,-]{0,30}"
    r"\b(?:to|first|most|best|top|strongest|highest)"
    r"|(?:most|best|strongest|highest)\b[\w ,-]{0,30}\b(?:last|bottom))\b",
    re.IGNORECASE,
)
_BEST_FIRST = re.compile(
    r"(?i)\b(?:most|best|strongest|highest)[\w -]{0,20} to (?:the )?(?:least|worst|weakest|lowest)\b"
)
_POINTS = re.compile(r"\b(?:these|those|this|following|below|examples?|e\.?g|if|format|template|here)\b", re.IGNORECASE)
# A line above labels may hold these words alone: what others say of the labels below, nobody can list.
_HEAD = re.compile(
    r"(?:\W|\b(?:sure|certainly|okay|ok|here|these|this|the|following|are|is|my|final|best|chosen|selected|predicted|top"
    r"|overall|so|therefore|thus|answers?|labels?|emotions?|feelings?|ranking|ranked|appl(?:y|ies)|that|which|i|would|say"
    r"|choose|chose|feel|select|pick|see|it|an?|image|picture|photo|scene|evokes|me|in|of|for|from|order|most|fitting"
    r"|json|response|result|output)\b)*",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"[\s>|]*(?:([-*•·–—+#])+\s+)?[*_`]*(?:(?:#(\d{1,2})|(\d{1,2})(?:[.)](?=[\s*])|(?:st|nd|rd|th)\b)):?[*_`\s]+)?[*_`\s]*",
)
_BETWEEN = re.compile(r"[\s*_`]*(?:->|=>|→|[:=|,(]|(?<=\s)[-–—]+(?=\s)|\s)[\s*_`]*")
_BOX = re.compile(r"^\s*(?:[-*]\s*)?\[([ xX✓✔])\]\s*(.+)$")
_ANSWER = re.compile(
    r"^[ \t*#_>]*(?:(?:my|the|so|final|chosen|selected|predicted) )*(?:answer|label|emotion|feeling|ranking)s?"
    r"[\s*_]*(?::|=|\bis\b:?|\bare\b:?)[*_ \t]*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_HEADED = re.compile(r"([^:\n]{1,80}:|[^:\n]{1,80}?\b(?:is|are)\b)[\s*_]*(.+)", re.DOTALL)
_WHOLE = re.compile(
    r"(?:out )?of (?:the )?(\d+)(?: (?:people|persons|viewers|votes))?|(?:in )?(?:%|percent(?:age)?s?)", re.I
)
_SCALE = re.compile(rf"\bscale\b|\bout of (?!{PEOPLE}\b)\d", re.IGNORECASE)
_LABEL = 80  # signs of a label, or of a number before one, at most
_LONG = 2000  # signs of a line: beyond it is prose


class InWords(NamedTuple):
    """What a text answers, and the rest of it."""

    reply: Reply
    before: str = ""
    after: str = ""


def lead_of(before: str) -> str:
    """The line or sentence that leads to an answer; a sentence that is over leads there only where it points on."""
    text = re.sub(r"(?:```)?\w*[\s*_`>#-]*$", "", before) if "```" in before[-12:] else before
    sentences = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    lead = _BEST_FIRST.sub(" ", sentences[-1])
    return "" if lead[-1:] in tuple(".!?") and not _POINTS.search(lead) else lead


def plain_head(head: str) -> bool:
    """Whether a line above labels holds nothing that could say anything else of them than that they are the answer."""
    return _HEAD.fullmatch(_BEST_FIRST.sub("", head)) is not None


def answer_in_words(text: str, words: Words) -> InWords | None:
    """What a text without JSON answers; None where it answers nothing."""
    if listed := _list(text, words):
        return InWords(listed)
    return _lines(text, words) or _answered(text, words)


def _list(text: str, words: Words) -> Reply | None:
    """Labels and nothing else, but for a head of common words."""
    text = text.strip() if "?" not in text else ""
    if (headed := _HEADED.fullmatch(text)) and plain_head(headed[1]):
        text = headed[2]
    items: list[Item] = []
    marks, indents = set(), set()
    for line in filter(str.strip, text.splitlines()):
        mark, place, label = stripped(line)
        marks.add(mark)
        indents.add(len(line) - len(line.lstrip()) if mark and items else None)
        items.append(Item(label, place=place))
    if not words.known(words.split("\n".join(item.label for item in items))):
        return None
    in_order = of_items(items, words)
    if in_order.problem or len(marks) > 1 or len(indents) > 2:
        return Reply(problem=Why.CONTRADICTS)
    said = "\n".join(in_order.labels or ())
    return Reply(words.split(said), how=IN_PROSE, ranked=">" in said)


def _lines(text: str, words: Words) -> InWords | None:
    """Lines of a label and a number, or yes or no, each; no other line may name a label beside a number."""
    before: list[str] = []
    after: list[str] = []
    found: list[Item] = []
    for line in text.splitlines():
        items = _items_of(line, words) if len(line) < _LONG else []
        found += items
        if not items:
            (after if found else before).append(line)
    if not any(words.find(item.label) for item in found):
        return None
    if any(words.named(line) and re.search(r"\d", line) for line in before + after):
        return InWords(Reply(problem=Why.CONTRADICTS))
    head = next((line for line in reversed(before) if re.search(r"\w|%", line)), "")
    cells = head.split("|") if "|" in head else [head, *re.findall(r"\(([^)]*)\)", head)]
    wholes = [float(whole[1] or 100) for cell in cells if (whole := _WHOLE.fullmatch(cell.strip(" *_#:")))]
    before = [line for line in before if not (wholes and line == head)]
    reply = of_items(found, words, wholes[0] if wholes else None)
    reply = replace(reply, how=IN_LINES) if reply.how == NUMBERS else reply
    return InWords(reply if len(wholes) < 2 else Reply(problem=Why.NO_SCALE), "\n".join(before), "\n".join(after))


def _items_of(line: str, words: Words) -> list[Item]:
    """The labels of a line with what stands beside each; none where a part of the line is anything else."""
    if whole := item_of(line, words):
        return [whole]
    parts = re.split(r"[;,]\s+(?:and\s+)?|(?<=[\d)%])\s+and\s+", line)
    items = [item for part in parts if (item := item_of(part, words))]
    return items if len(items) == len(parts) > 1 else []


def item_of(text: str, words: Words) -> Item | None:
    """A label and what stands beside it in a text such as "- **joy**: 12 of 20"; None where there is no such thing."""
    if box := _BOX.match(text):
        label = box[2].strip(" *_`")
        return Item(label, box[1] != " ") if words.find(label) else None
    text = stripped(text)[2].strip(" \t|")
    for between in _BETWEEN.finditer(text):
        head, tail = text[: between.start()], text[between.end() :]
        if len(head) > _LABEL or re.search(r"[{}\[\]\"]", head):
            return None  # prose, or JSON, which is read as such
        if "(" in between.group():
            tail = tail.replace(")", "", 1)
        apart = re.search("[:=|]", between.group())
        if words.find(head) and (apart or re.match(r"[~≈<>]?\s*\d", tail) or flag(tail) is not None):
            return None if words.named(tail) else Item(head, tail)
        if stated(head) and words.find(tail):
            return Item(tail, head)
        if apart and re.fullmatch(r"[^\W\d][^\d:=|]{0,40}", head) and stated(tail):
            return None if known_key(head) in NO_LABEL else Item(head, tail)
    return None


def stripped(text: str) -> tuple[str | None, int | None, str]:
    """The mark and the number of an item before a text, and the text without them."""
    found = _ITEM.match(text)
    assert found is not None
    return found[1], int(found[2] or found[3] or 0) or None, text[found.end() :]


def _answered(text: str, words: Words) -> InWords | None:
    """What follows "Answer:": the rest of its line, else all that stands below."""
    found = []
    for match in _ANSWER.finditer(text):
        rest, after = (match[1], text[match.end() :]) if match[1].strip() else (text[match.end() :], "")
        reply = _list(rest, words)
        if reply is not None:
            echoed = not reply.ranked and len({*map(words.find, reply.labels or ())}) == len(words.taxonomy)
            found.append(InWords(Reply(problem=Why.UNSURE) if echoed else reply, text[: match.start()], after))
    if any(one.reply != found[0].reply for one in found):
        return InWords(Reply(problem=Why.CONTRADICTS))
    return found[-1] if found else None


def turned(answer: InWords, words: Words) -> Reply:
    """An answer, or the problem where what stands around it may turn it."""
    reply, before, after = answer
    if reply.problem:
        return reply
    lead, sentences = lead_of(before), re.split(r"(?<=[.!?;])\s+|\n", after)
    if CUE.search(lead + sentences[0]) or _REVERSED.search(_BEST_FIRST.sub(" ", f"{before}\n{after}")):
        return Reply(problem=Why.UNSURE)
    if reply.numbers and any(map(_SCALE.search, (lead, *sentences))):
        return Reply(problem=Why.NO_SCALE)
    own = {words.find(label) for label in (*(reply.labels or ()), *(reply.numbers or ()))}
    for sentence in sentences:
        named = words.named(sentence)
        other = re.search(r"\d", sentence) if reply.labels is None else not named <= own
        if TURNED.search(sentence) or (named and (other or CUE.search(sentence))):
            return Reply(problem=Why.CONTRADICTS)
    return reply
