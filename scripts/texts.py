"""The texts that people read who answer: written into the catalogues, and checked there.

    python scripts/texts.py             after a text has changed: finds them all, brings the catalogues up to date
    python scripts/texts.py --check     what is not translated, has lost a placeholder, or is not in the code any more

A translation whose English has changed leaves; `affectml_annotation.languages` says where the catalogues are.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from affectml_annotation import languages

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(languages.__file__).parent
SEARCHED = ("annotation/affectml_annotation", "apps/affectml_apps")
METHODS = [("**.py", "python"), ("**/client/**.js", "javascript")]
KEYWORDS = {"_": None, "marked": None, "ngettext": (1, 2)}
LEFT_OUT = tuple(
    f'"{key}' for key in ("POT-C", "PO-Rev", "Generated-By", "Project-Id", "Report-Msgid", "Last-Tr", "Language-Team")
)
HEADER = "# The texts of affectml's pages in {}. A machine wrote them.\n# Read by: {}"


def extracted() -> Catalog:
    """All texts of the code, with the files they stand in."""
    found = Catalog(charset="utf-8", fuzzy=False, header_comment="# The texts of affectml's pages, in English.")
    for folder in SEARCHED:
        for file, _line, text, comments, _context in extract_from_dir(
            ROOT / folder, METHODS, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
        ):
            found.add(text, locations=[(f"{folder}/{file}", 1)], auto_comments=comments)
    return found


def forms(message: Message) -> tuple[str, ...]:
    """A message's translations: one, or one for each plural form."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def named(text: str) -> set[str]:
    """The placeholders of a text."""
    return set(re.findall(r"\{(\w+)[^}]*\}", text))


def problems(language: str, template: Catalog) -> Iterator[str]:
    """What is wrong with a language's catalogue, a line each."""
    there = languages.catalogue(language)
    known = {message.id: message for message in there if message.id}
    for message in template:
        if not message.id:
            continue
        english = message.id if isinstance(message.id, str) else message.id[-1]
        if (mine := known.pop(message.id, None)) is None:
            yield f"{language}: not there: {english!r}"
            continue
        if mine.fuzzy:
            yield f"{language}: marked as fuzzy: {english!r}"
        for form in forms(mine):
            lost = named(english) ^ named(form)
            if not form:
                yield f"{language}: not translated: {english!r}"
            elif lost - ({"n"} if isinstance(message.id, tuple) else set()):  # "one image" needs no number
                yield f"{language}: other placeholders ({', '.join(sorted(lost))}): {form!r}"
    for leftover in known:
        yield f"{language}: not in the code any more: {leftover!r}"
    if "# Read by: " not in str(there.header_comment):
        yield f"{language}: its head has no line '# Read by: nobody', or who has read it"


def write(catalog: Catalog, path: Path) -> None:
    """Write a catalogue, sorted by file, so that a text's neighbours are those of its page."""
    with path.open("wb") as file:
        write_po(file, catalog, width=120, include_lineno=False, sort_by_file=True, ignore_obsolete=True)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(LEFT_OUT)), encoding="utf-8")


def update(template: Catalog) -> None:
    """Write the template, and each catalogue with the texts that are in it."""
    write(template, FOLDER / languages.TEMPLATE)
    for language in languages.LANGUAGES[1:]:
        path = FOLDER / f"{language}.po"
        new = Catalog(locale=language, charset="utf-8", fuzzy=False)
        there = languages.catalogue(language) if path.exists() else new
        said = languages.read_by(language) if path.exists() else ""
        new.header_comment = HEADER.format(Locale.parse(language).english_name, said or "nobody")
        for message in template:
            if message.id:
                mine = there.get(message.id)
                new.add(message.id, mine.string if mine else "", message.locations, auto_comments=message.auto_comments)
        write(new, path)


def main() -> None:
    """Update, or check."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true")
    template = extracted()
    if not options.parse_args().check:
        update(template)
        return
    if {message.id for message in template} != {message.id for message in languages.catalogue(languages.ENGLISH)}:
        sys.exit(f"{languages.TEMPLATE} has other texts than the code: python scripts/texts.py")
    if found := [each for language in languages.LANGUAGES[1:] for each in problems(language, template)]:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
