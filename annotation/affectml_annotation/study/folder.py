"""A study's folder: study.yaml and the texts beside it, written with every default and read back."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from affectml_annotation.errors import BadStudy
from affectml_annotation.exchange.files import no_file, write_text
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.languages import ENGLISH, _, english_name, spoken
from affectml_annotation.languages import written as our_language
from affectml_annotation.study.file import BOXES, FEEDBACK, FILE, UNSEEN, LabelWords, StudyFile, parse, parse_as
from affectml_annotation.study.translation import Translation
from affectml_annotation.yaml_files import load_yaml

MOST_TEXT = 200_000  # bytes of a text: more than anybody reads
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")  # ![what it shows](IMAGE_ID)


@dataclass(frozen=True)
class Study:
    """A study as it is read: the file, and its texts by what they are.

    texts: consent, instructions, debriefing, debriefing_unseen, and those that there are in other languages:
    consent.de, and study.de for the short ones as they stand in study.de.yaml.
    """

    file: StudyFile
    texts: dict[str, str]

    @property
    def hashes(self) -> dict[str, str]:
        """The sha256 of each text."""
        return {name: sha256(text.encode()).hexdigest() for name, text in self.texts.items()}

    def text(self, name: str, language: str | None = None) -> str:
        """A text in a language; where there is none, and for None, in the study's own. Empty for what is no text."""
        return self.texts.get(f"{name}.{language}", self.texts.get(name, ""))

    def translation(self, language: str | None) -> Translation:
        """The short texts in a language; all of them empty where there are none."""
        text = self.texts.get(f"study.{language}")
        return Translation() if text is None else _translation(text, f"study.{language}.yaml")

    @property
    def labels(self) -> dict[str, dict[str, LabelWords]]:
        """By language the study's own words for labels, which go before the taxonomy's."""
        own, *others = self.file.languages
        return {own: self.file.labels} | {language: self.translation(language).labels for language in others}

    @property
    def examples(self) -> list[str]:
        """The images that the instructions show, in any language."""
        shown = [text for name, text in self.texts.items() if name.partition(".")[0] == "instructions"]
        return images_in("\n".join(shown))

    @property
    def apart(self) -> set[str]:
        """The images that are nobody's to label: those of practice and checks, in any language, and the examples."""
        dictated = (image for one in self.file.dictated for image in (one.image, *one.images.values()))
        return {*dictated, *self.examples}


def images_in(text: str) -> list[str]:
    """The images that a text shows, each once."""
    return list(dict.fromkeys(IMAGE.findall(text)))


def read_study(folder: str | Path) -> Study:
    """Read and check study.yaml and its texts, all from inside the folder. Raises BadStudy with the first problem."""
    folder = Path(folder)
    file = parse(_load(_read(folder, FILE), str(folder / FILE)), str(folder / FILE))
    texts: dict[str, str] = {}
    study = Study(file, texts)
    for language in file.languages:
        own = language == file.languages[0]
        there = {name: where for name, where in file.text_files(None if own else language).items()
                 if inside(folder, where).exists() or (own and name != UNSEEN)}  # fmt: skip
        texts.update((name, _read(folder, where)) for name, where in there.items())
        unseen = UNSEEN if own else f"{UNSEEN}.{language}"
        if unseen not in texts and (own or our_language(language)):
            texts[unseen] = _usual_text(UNSEEN, language)
        if (short := f"study.{language}") in there:
            where = str(folder / there[short])
            _translation(texts[short], where).check(file, where)
    return study


@lru_cache(maxsize=64)
def _translation(text: str, where: str) -> Translation:
    """Kept, since reading YAML takes far longer than all else of what is on a screen."""
    return parse_as(Translation, _load(text, where), where)


def _load(text: str, where: str) -> Any:
    try:
        return load_yaml(text)
    except ValueError as error:
        raise BadStudy(f"{where}: no YAML: {error}") from None


def inside(folder: Path, name: str) -> Path:
    """The path of a file that a study names. Raises BadStudy where it leads out of the folder, by a link too."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise BadStudy(f"{folder / FILE}: {name!r} lies outside the study's folder; copy the file into it")
    return path


def _read(folder: Path, name: str) -> str:
    path = inside(folder, name)
    if (why := no_file(path)) and not path.is_file():
        way = "; `affectml study init DATASET OUT` writes one" if name == FILE else ""
        raise BadStudy(f"{path}: {why}{way}")
    try:
        with path.open("rb") as handle:
            content = handle.read(MOST_TEXT + 1)
    except OSError as error:
        raise BadStudy(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MOST_TEXT:
        raise BadStudy(f"{path}: more than {MOST_TEXT:,} bytes, which nobody reads")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadStudy(f"{path}: not in UTF-8; save it so") from None
    if not storable(text):
        raise BadStudy(f"{path}: {UNSTORABLE}")
    return text.replace("\r\n", "\n")


def write_study(dataset: str | Path, out: str | Path, languages: Sequence[str] = (ENGLISH,)) -> list[Path]:
    """Write study.yaml, with every key, its default and a comment, and the four texts into a folder; return them.

    languages: the study's own, and others, in which there are four texts each too, and study.LANG.yaml. Where we have
    no texts in one, they are in English. What is in the texts in square brackets is to be filled in. Raises BadStudy
    for what is no language's code, and where one of the files is there already.
    """
    out = Path(out)
    content: dict[str, Any] = {"dataset": Path(os.path.relpath(dataset, out)).as_posix(), "languages": list(languages)}
    own = parse(content, str(out / FILE)).languages[0]
    boxes, feedback = _usual_words(own)
    file = parse({**content, "consent": {"boxes": boxes}, "practice": {"feedback": feedback}}, FILE)
    written = {FILE: "\n".join(as_yaml(file)) + "\n"}
    for language in file.languages:
        for name, where in file.text_files(language).items():
            kind = name.partition(".")[0]
            written[where] = _usual_text(kind, language) if kind != "study" else _short_texts(language, own)
    for name in written:
        if (out / name).exists():
            raise BadStudy(f"{out / name} is there already; name another folder, or edit it")
    for name, text in written.items():
        write_text(out / name, text)
    return [out / name for name in written]


def _usual_words(language: str) -> tuple[tuple[str, ...], str]:
    with spoken(language):
        return tuple(map(_, BOXES)), _(FEEDBACK)


def _usual_text(kind: str, language: str) -> str:
    ours = our_language(language) or ENGLISH
    name = f"{kind}.md" if ours == ENGLISH else f"{kind}.{ours}.md"
    return files(__package__).joinpath("texts", name).read_text(encoding="utf-8")


def _short_texts(language: str, own: str) -> str:
    boxes, feedback = _usual_words(language) if our_language(language) else ((), "")
    head = f"# In {english_name(language)}; what is left empty is shown in {english_name(own)}, as {FILE} has it."
    return "\n".join([head, *as_yaml(Translation(boxes=boxes, feedback=feedback))]) + "\n"


def as_yaml(part: BaseModel, indent: str = "") -> Iterator[str]:
    """The lines of a YAML file with every key, its value, and its comment."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        comment = f"  # {field.description}" if field.description else ""
        if isinstance(value, BaseModel):
            yield f"{indent}{field.alias or name}:{comment}"
            yield from as_yaml(value, f"{indent}  ")
            continue
        plain = part.model_dump(mode="json", include={name})[name]
        dumped = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10**6).split("\n...")[0]
        said = f"{value:.2f}" if isinstance(value, Decimal) else "" if plain is None else dumped.strip()
        yield f"{indent}{field.alias or name}: {said}".rstrip() + comment
