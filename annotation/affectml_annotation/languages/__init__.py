"""The languages in which people who answer are spoken to: catalogues of texts, and who reads which one.

Texts stand in the code in English, within `_` or `ngettext`; a catalogue per language, CODE.po in this folder, has
their translations (`scripts/texts.py` writes and checks them). Whoever answers a request says first in which language,
by `use` or within `spoken`; without that everything is said in English.
"""

import gettext
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Literal
from unicodedata import bidirectional

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.core import get_global
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es", "fr", "ja", "zh", "ar")  # those with texts of ours
PSEUDO = "en-XA"  # English, accented, bracketed and 40 % longer: shows what is not translated, and what is cut
TEMPLATE = "texts.pot"  # all texts in English, with the places where they stand
_CLIENT = "/client/"  # in the place of a text that a browser says
_ACCENTED = str.maketrans("aceginosuyACEGINOSUY", "áçéğíñöšúýÁÇÉĞÍÑÖŠÚÝ")
_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def use(language: str) -> None:
    """Speak this language from now on, in this thread or task."""
    _language.set(language)


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Speak this language within."""
    before = _language.set(language)
    try:
        yield
    finally:
        _language.reset(before)


def current() -> str:
    """The language that is spoken now."""
    return _language.get()


def marked(text: str) -> str:
    """A text that `_` is to say later, as it is: for those that stand outside of any request."""
    return text


def _(text: str, **values: object) -> str:
    """A text in the language that is spoken now, with the values at their names in braces."""
    said = _translations(current()).gettext(text)
    return _filled(said, values) if values else said


def ngettext(one: str, several: str, n: int, **values: object) -> str:
    """The form of a text that goes with `n`, by the language's own rule; {n} is filled in."""
    return _filled(_translations(current()).ngettext(one, several, n), {"n": n, **values})


def _filled(text: str, values: Mapping[str, object]) -> str:
    """A name in another script turns round neither what stands beside it nor the whole text, which it may begin."""
    if direction(current()) == "ltr":
        return text.format(**values)
    return f"\u200f{text.format(**{name: _isolated(value) for name, value in values.items()})}"


def _isolated(value: object) -> object:
    scripts = {bidirectional(letter) for letter in value} if isinstance(value, str) else set()
    return f"\u2068{value}\u2069" if "L" in scripts and not scripts & {"R", "AL"} else value


def number(value: float) -> str:
    """A number as it is written in the language that is spoken now, for a sentence: 0,5 in German."""
    return format_decimal(value, locale=_locale(current()), decimal_quantization=False, group_separator=False)


def money(amount: Decimal, currency: str) -> str:
    """An amount as it is written in the language that is spoken now: £2.00, 2,00 €."""
    return format_currency(amount, currency, locale=_locale(current()))


def is_language(code: str) -> bool:
    """Whether this names a language, such as de, pt-BR or zh-Hant."""
    try:
        return bool(re.fullmatch(r"(?!und\b)[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", code) and _locale(code))
    except (UnknownLocaleError, ValueError):
        return False


def as_code(said: str) -> str | None:
    """A language's code in the one form in which it is kept: de for DE or deu, pt-BR for pt_br; None for no code."""
    first, *others = said.strip().replace("_", "-").lower().split("-")
    first = get_global("language_aliases").get(first, first)
    cased = [
        one.title() if len(one) == 4 and one.isalpha() else one.upper() if len(one) in (2, 3) else one for one in others
    ]
    code = "-".join([first, *cased])
    return code if is_language(code) else None


def named_or_code(said: str) -> str | None:
    """As `as_code`, also for a language's name in English or, of ours, its own: German, Deutsch."""
    return as_code(_named().get(said.strip().casefold(), said))


@cache
def _named() -> Mapping[str, str]:
    english = {name.casefold(): code.replace("_", "-") for code, name in Locale(ENGLISH).languages.items()}
    return english | {own_name(code).casefold(): code for code in LANGUAGES}


def own_name(code: str) -> str:
    """What a language calls itself: Deutsch."""
    name = _locale(code).get_display_name() or code
    return "Pseudo" if code == PSEUDO else name[:1].upper() + name[1:]


def english_name(code: str) -> str:
    """What a language is called in English: German."""
    return _locale(code).get_display_name(ENGLISH) or code


def written(code: str) -> str | None:
    """The language of our texts that somebody reads who reads this one, de for de-AT; None where we have none."""
    return next((one for one in (code, code.partition("-")[0]) if one in LANGUAGES), None)


def direction(code: str) -> Literal["ltr", "rtl"]:
    """The direction in which a language is read."""
    return "rtl" if _locale(code).text_direction == "rtl" else "ltr"


def _locale(code: str) -> Locale:
    return Locale.parse(ENGLISH if code == PSEUDO else code, sep="-")


def chosen(offered: Sequence[str], own: str | None, wished: Sequence[str]) -> str:
    """The language for somebody: of those offered the one they chose, else what their browser wishes, else the first.

    wished: codes, the dearest first, as `wishes` reads them. The pseudo-language is had by choosing it alone.
    """
    if own in offered or own == PSEUDO:
        return str(own)
    return negotiate_locale(wished, offered, sep="-") or offered[0]


def wishes(header: str) -> list[str]:
    """The languages of an Accept-Language header, the dearest first; what cannot be read is passed over."""
    found = re.findall(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*(?:,|$)", header)
    return [code for code, quality in sorted(found, key=lambda one: -float(one[1] or 1)) if float(quality or 1) > 0]


def catalogue(language: str) -> Catalog:
    """The texts of one of `LANGUAGES`, with their places, as the file has them."""
    name = TEMPLATE if language == ENGLISH else f"{language}.po"
    with files(__package__).joinpath(name).open("rb") as file:
        return read_po(file, locale=language)


def read_by(language: str) -> str:
    """Who has read the texts in a language, as its catalogue's head says; empty for nobody, and without a catalogue."""
    if language == ENGLISH or language not in LANGUAGES:
        return "their authors" if language == ENGLISH else ""
    said = re.search(r"^# Read by: (?!nobody)(.+)", str(catalogue(language).header_comment), re.MULTILINE)
    return said[1].strip() if said else ""


@cache
def client_texts(language: str) -> dict[str, Any]:
    """What a browser needs to speak a language: texts by their English, forms by the names of `Intl.PluralRules`."""
    texts: dict[str, str | Mapping[str, str]] = {}
    translations = _translations(language)
    for message in catalogue(ENGLISH):
        if not any(_CLIENT in place for place, _line in message.locations):
            continue
        if isinstance(message.id, str):
            texts[message.id] = translations.gettext(message.id)
        else:
            one, several = message.id
            texts[one] = {name: translations.ngettext(one, several, n) for name, n in _counts(language).items()}
    return {"language": language, "direction": direction(language), "texts": texts}


def _counts(language: str) -> dict[str, int]:
    """A number for each of a language's plural forms: the smallest there is."""
    rule = _locale(language).plural_form
    return {rule(n): n for n in (1_000_000, *reversed(range(200)))}  # whose form is its own in Spanish and French


@cache
def _translations(language: str) -> gettext.NullTranslations:
    if language == PSEUDO:
        return _Pseudo()
    ours = written(language)
    if ours in (None, ENGLISH):
        return gettext.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(str(ours)))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class _Pseudo(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        parts = re.split(r"(\{[^}]*\})", message)
        words = "".join(part if part.startswith("{") else part.translate(_ACCENTED) for part in parts)
        return f"[{words}{' ~' * max(1, round(len(message) * 0.2))}]"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)
