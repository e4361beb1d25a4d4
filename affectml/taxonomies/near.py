"""Labels by what people type: whole words and beginnings first, and never the opposite of what was meant.

The labelling page's search has the same rule in JavaScript (relabel/client/search.js), and gets the negations from
here; one test asks both.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping

WHOLE, BEGINS, WITHIN = 0, 1, 2  # how a word fits a name, best first
# "unhappiness" is no kind of happiness, and neither is "hopelessness" of hope, or "lack of interest" of interest: how a
# word, what stands before a part, and what stands after it says so. A language that is not here says it in no way.
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
_NEGATED = re.compile(NEGATIONS["en"][0])
_SILENT = (_NEVER, _NEVER, _NEVER)
_ALIKE = 0.7  # difflib's ratio of what is taken for a misspelling; of "happiness" and "sadness" it is .63
_SHORTEST = 3  # letters of a name that a longer word may begin with
_SIGNS = re.compile(r"[\s_\-/,;:.()،؛・、]+")
_VOICED = "\u3099\u309a"  # the marks of が and ぱ, which are letters of their own
_LETTERS = {ord(one): other for one, other in {"œ": "o", "æ": "a", "ى": "ي", "ة": "ه", "ـ": ""}.items()}
_LETTERS |= {katakana: chr(katakana - 0x60) for katakana in range(0x30A1, 0x30F7)}


def plain(text: str) -> str:
    """A text as it is compared: no accents, no case, one form of each letter; signs between words are blanks.

    ä and ae are one, as are hiragana and katakana, and Arabic's forms of alef; the article in front of an Arabic word
    is left out.
    """
    parts = unicodedata.normalize("NFKD", re.sub(r"(?<!\S)ال(?=\S{2})", "", text.casefold()))
    bare = "".join(part for part in parts if part in _VOICED or not unicodedata.category(part).startswith("M"))
    return re.sub("(?<=[aou])e", "", _SIGNS.sub(" ", bare.translate(_LETTERS))).strip()


def rank(wanted: str, name: str, language: str = "en") -> int | None:
    """How what was typed fits a name: WHOLE words of it, where a word BEGINS, or WITHIN one; None where it does not.

    Within a negated word, or after a negating one, it does not fit: it would stand for its opposite.

    language: that of the name, for what negates a word.

    >>> rank("happiness", "happiness and joy"), rank("happ", "great happiness"), rank("piness", "happiness")
    (0, 1, 2)
    >>> rank("happiness", "unhappiness"), rank("unhapp", "unhappiness"), rank("hope", "hopelessness")
    (None, 1, None)
    >>> rank("happiness", "un-happiness"), rank("stress", "stress-free"), rank("fear", "fear and joy")
    (None, None, 0)
    >>> rank("Behagen", "Unbehagen", "de"), rank("joie", "un peu de joie", "fr"), rank("安", "不安", "ja")
    (None, 0, None)
    """
    wanted, name = plain(wanted), plain(name)
    if not wanted:
        return None
    negated, before, after = map(re.compile, NEGATIONS.get(language.partition("-")[0], _SILENT))
    found = []
    for at in (match.start() for match in re.finditer(f"(?={re.escape(wanted)})", name)):
        first = name.rfind(" ", 0, at) + 1
        rest = name[at + len(wanted) :]
        if before.search(name[:at]) or after.match(rest):
            continue
        if at == first:
            found.append(BEGINS if rest.partition(" ")[0] else WHOLE)
        elif not negated.match(name[first:]):
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
