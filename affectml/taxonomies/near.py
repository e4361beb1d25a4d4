"""Labels by what people type, and never the opposite of what was meant."""

import difflib
import re
from collections.abc import Mapping

# "unhappiness" is no kind of happiness, and neither is "hopelessness" of hope, or "lack of interest" of interest: how a
# word, what stands before a part, and what stands after it says so. A language that is not here says it in no way.
# The labelling page's search goes by these (relabel/client/search.js).
_NEVER = "(?!)"
NEGATIONS = {
    "en": (
        r"(?:un|dis|in|im|il|ir|non|mis|anti)[^ ]|[^ ]+less(?:ly|ness)?(?: |$)",
        r"(?:^| )(?:no|not|non|never|without|lack|loss|absence|un|dis|mis|anti) ",
        r"less|free| (?:less|free)(?: |$)",
    ),
    "de": (
        r"(?:un|miss|nicht|anti)[^ ]|[^ ]+los(?:igkeit)?(?: |$)",
        r"(?:^| )(?:nicht|nie|ohne|kein[^ ]*|mangel|mangelnd[^ ]*|fehlend[^ ]*|verlust) ",
        r"s?(?:los|frei|mangel|verlust)| (?:los|frei)(?: |$)",
    ),
    "es": (r"(?:des|dis|in|im|ir|anti)[^ ]", r"(?:^| )(?:no|sin|nunca|falta|perdida|ausencia) ", _NEVER),
    "fr": (
        r"(?:in|im|ir|de|des|dis|me|mes|mal|anti)[^ ]",
        r"(?:^| )(?:pas|non|sans|jamais|manque|perte|absence|aucune?) ",
        _NEVER,
    ),
    "ja": (_NEVER, r"[不無非未反]$", r"[がのも]?(?:ない|なし|無|欠如|喪失)|しない"),
    "zh": (_NEVER, r"(?:[不无無非未没沒反]|没有|沒有|缺乏|失去)$", _NEVER),
    "ar": (r"لا[^ ]", r"(?:^| )(?:لا|غير|عدم|بلا|دون|بدون|فقدان|قله|انعدام|ليس) ", _NEVER),
}
_NEGATED = re.compile("|".join(NEGATIONS["en"][:2]))
_ALIKE = 0.7  # difflib's ratio of what is taken for a misspelling; of "happiness" and "sadness" it is .63
_SHORTEST = 3  # letters of a name that a longer word may begin with


def nearest(word: str, names: Mapping[str, str]) -> str:
    """The middle of an error message: the label that somebody may have meant, with the name of it that is near.

    names: what a label may be called -> the label. Nothing where none is near but a negation of what was typed.

    >>> names = {"sadness": "sadness", "sorrow": "sadness", "unhappiness": "sadness"}
    >>> nearest("happiness", names), nearest("sadnes", names), nearest("sorow", names)
    ('', "; did you mean 'sadness'?", "; did you mean 'sadness' (sorrow)?")
    >>> nearest("joyfull", {"joy": "joy"}), nearest("joyless", {"joy": "joy"})
    ("; did you mean 'joy'?", '')
    """
    asked, negated = _plain(word), _negates(word)
    alike = {_plain(name): name for name in names if _negates(name) == negated}
    begun = [name for name in alike if len(name) >= _SHORTEST and asked.startswith(name)]
    longer = [name for name in alike if asked and re.search(rf"\b{re.escape(asked)}", name)]
    misspelled = difflib.get_close_matches(asked, alike, n=1, cutoff=_ALIKE)
    near = [*longer, *sorted(begun, key=len, reverse=True), *misspelled]
    if not near:
        return ""
    name = alike[near[0]]
    return f"; did you mean {names[name]!r}{'' if name == names[name] else f' ({name})'}?"


def _plain(text: str) -> str:
    """A text as it is compared: without case, with blanks for the signs between words."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def _negates(text: str) -> bool:
    return bool(_NEGATED.match(_plain(text)))
