"""JSON values in a reply, also where a model wrote them nearly: .3, 60 %, single quotes, a comma too many."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_OPENING = re.compile(r"[{\[](?![ xX✓✔]\])")  # but for a box to tick
_TRIES = 200  # opening brackets of a reply that are tried: a reply of brackets alone must not take long
_MENDED, _LONGEST = 20, 10_000  # how often, and how many signs, are mended at most
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[^\s\"{}\[\]:,][^\"{}\[\]:,\n]*")
_WORD = re.compile(r"[\w +%/~≈.-]*\w[\w +%/~≈.-]*")
_LITERALS = {"true": "true", "false": "false", "none": "null", "null": "null"}


class Found(NamedTuple):
    """A value and where it stands; whole: False for brackets from which none can be read, and all that is in them."""

    value: Any
    whole: bool
    start: int
    end: int


def json_values(text: str) -> Iterator[Found]:
    """Each JSON object or list in a text, from left to right."""
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at = tries = failed = 0
    while (match := _OPENING.search(text, at)) is not None and tries < _TRIES:
        tries += 1
        start, at = match.start(), match.end()
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = _closing(text, start) if failed < _MENDED else 0
            near = end and (match.group() == "{" or re.search("[{\"'“]", text[start:end]))
            try:
                value = decoder.decode(_mended(text[start:end])) if near else None
            except (ValueError, RecursionError):
                value = None
            if value is None:
                failed += 1
                if match.group() == "{" or text[at : at + 20].lstrip().startswith('"'):
                    yield Found(None, False, start, end or len(text))
                    at = end or len(text)
                continue
            at = end
        yield Found(value, True, start, at)


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
