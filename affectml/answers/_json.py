"""JSON values in a reply, also where a model wrote them nearly: .3, 60 %, single quotes, a comma too many."""

import json
import re
from typing import Any

_OPENING = re.compile(r"[{\[](?![ xX✓✔]\])")  # but for a box to tick
_MEANT = re.compile(r"\{[^{}]*:|[{\[]\s*[\"'“]")  # what begins so is meant as JSON, unlike {warm colours}
_TRIES, _LONGEST = 200, 10_000  # opening brackets that are tried, and signs that are mended, at most
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[^\s\"{}\[\]:,][^\"{}\[\]:,\n]*")
_WORD = re.compile(r"[\w +%/~≈.-]*\w[\w +%/~≈.-]*")
_LITERALS = {"true": "true", "false": "false", "none": "null", "null": "null"}


def json_values(text: str) -> tuple[list[Any], list[str]] | None:
    """The JSON objects and lists in a text, and the text before each and after the last; None where one is broken."""
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    values, around = [], []
    done = at = 0
    for _ in range(_TRIES):
        match = _OPENING.search(text, at)
        if match is None:
            break
        start, at = match.start(), match.end()
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            if not _MEANT.match(text, start):
                continue
            at = _closing(text, start)
            try:
                value = decoder.decode(_mended(text[start:at]))
            except (ValueError, RecursionError):
                return None
        values.append(value)
        around.append(text[done:start])
        done = at
    return values, [*around, text[done:]]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no key stands twice with another value: nobody knows which of them holds."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            raise ValueError(f"{key} twice")
        found[key] = value
    return found


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` is closed; 0 where it is not."""
    depth = 0
    for match in re.finditer(r"\"(?:[^\"\\\n]|\\.)*\"|[{}\[\]]", text[start : start + _LONGEST]):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match.group(), 0)
        if depth == 0:
            return start + match.end()
    return 0


def _mended(text: str) -> str:
    """A text between brackets as JSON; raises ValueError where a sign stands alone that is no word and no number."""
    if '"' not in text:
        text = re.sub("[“”„]", '"', text)
    if '"' not in text:
        text = re.sub(r"(?<![^\s{\[,:])'|'(?![^\s}\],:])", '"', text)
    text = re.sub(r"(?<=[,\s])//[^\n\"]*$", "", text, flags=re.MULTILINE)
    return re.sub(r",(\s*[}\]])", r"\1", _TOKEN.sub(_quoted, text))


def _quoted(match: re.Match[str]) -> str:
    """A token as JSON: words and numbers of other kinds become texts."""
    token = match.group().strip()
    if token.startswith('"') or re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", token):
        return token
    if token.casefold() in _LITERALS:
        return _LITERALS[token.casefold()]
    if not _WORD.fullmatch(token) or ".." in token:
        raise ValueError(token)
    return json.dumps(token)
