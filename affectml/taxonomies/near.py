"""Labels by what people type: whole words and beginnings first, and never the opposite of what was meant.

The labelling page's search has the same rule in JavaScript (relabel/client/search.js); one test asks both.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping

WHOLE, BEGINS, WITHIN = 0, 1, 2  # how a word fits a name, best first
# "unhappiness" is no kind of happiness, and neither is "hopelessness" of hope, or "lack of interest" of interest.
_NEGATED = re.compile(r"(?:un|dis|in|im|il|ir|non|mis|anti)[^ ]|[^ ]+less(?:ly|ness)?(?: |$)")
_ALIKE = 0.7  # difflib's ratio of what is taken for a misspelling; of "happiness" and "sadness" it is .63
_SHORTEST = 3  # letters of a name that a longer word may begin with
_SIGNS = re.compile(r"[\s_\-/,;:.()]+")
_NEGATING = re.compile(r"\b(?:no|not|non|never|without|lack|loss|absence|un|dis|mis|anti)\b")


def plain(text: str) -> str:
    """A text as it is compared: no accents, no case, one form of each letter; signs between words are blanks."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(part for part in parts if not unicodedata.category(part).startswith("M"))
    return _SIGNS.sub(" ", bare).strip()


def rank(wanted: str, name: str) -> int | None:
    """How what was typed fits a name: WHOLE words of it, where a word BEGINS, or WITHIN one; None where it does not.

    Within a negated word, or after a negating one, it does not fit: it would stand for its opposite.

    >>> rank("happiness", "happiness and joy"), rank("happ", "great happiness"), rank("piness", "happiness")
    (0, 1, 2)
    >>> rank("happiness", "unhappiness"), rank("unhapp", "unhappiness"), rank("hope", "hopelessness")
    (None, 1, None)
    >>> rank("happiness", "un-happiness"), rank("stress", "stress-free"), rank("fear", "fear and joy")
    (None, None, 0)
    """
    wanted, name = plain(wanted), plain(name)
    if not wanted:
        return None
    found = []
    for at in (match.start() for match in re.finditer(f"(?={re.escape(wanted)})", name)):
        first = name.rfind(" ", 0, at) + 1
        rest = name[at + len(wanted) :]
        after = rest.partition(" ")[0]
        if _NEGATING.search(name[:first]) or re.match("less|free| (?:less|free)(?: |$)", rest):
            continue
        if at == first:
            found.append(BEGINS if after else WHOLE)
        elif not _NEGATED.match(name[first:]):
            found.append(WITHIN)
    return min(found, default=None)


def nearest(word: str, names: Mapping[str, str]) -> str:
    """The middle of an error message: the label that somebody may have meant, with the name of it that is near.

    names: what a label may be called -> the label. Nothing where none is near but a negation of what was typed.

    >>> names = {"sadness": "sadness", "sorrow": "sadness", "unhappiness": "sadness"}
    >>> nearest("happiness", names), nearest("sadnes", names), nearest("sorow", names)
    ('', "; did you mean 'sadness'?", "; did you mean 'sadness' (sorrow)?")
    >>> nearest("joyfull", {"joy": "joy"}), nearest("joyless", {"joy": "joy"})
    ("; did you mean 'joy'?", '')
    """
    asked = plain(word)
    ranks = {name: rank(word, name) for name in names}
    found = sorted((name for name in names if ranks[name] in (WHOLE, BEGINS)), key=lambda name: ranks[name] or 0)[:1]
    if not found:  # what goes on where a name ends
        begun = [name for name in names if len(plain(name)) >= _SHORTEST and rank(name, word) == BEGINS]
        found = sorted(begun, key=lambda name: -len(plain(name)))[:1]
    if not found:
        negated = bool(_NEGATED.match(asked))
        alike = {plain(name): name for name in names if bool(_NEGATED.match(plain(name))) == negated}
        found = [alike[each] for each in difflib.get_close_matches(asked, alike, n=1, cutoff=_ALIKE)]
    return "".join(f"; did you mean {names[each]!r}{'' if each == names[each] else f' ({each})'}?" for each in found)
