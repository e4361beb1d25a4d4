"""A study's folder: study.yaml and the texts beside it, written with every default and read back.

In another language than the study's own the short texts stand in study.LANG.yaml; what it leaves empty is said in the
study's own. Answers stay in that, too: an option is stored as study.yaml has it, whatever language it was read in.
"""

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
from pydantic import BaseModel, Field

from affectml_annotation.errors import BadTask, did_you_mean
from affectml_annotation.exchange.files import no_file, write_text
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.languages import ENGLISH, _, english_name, spoken
from affectml_annotation.languages import written as our_language
from affectml_annotation.study.file import (
    BOXES,
    FEEDBACK,
    FILE,
    PANELS,
    UNSEEN,
    LabelWords,
    Part,
    Question,
    Task,
    Words,
    key,
    parse,
    parse_as,
)
from affectml_annotation.yaml_files import load_yaml

MOST_TEXT = 200_000  # bytes of a text: more than anybody reads
# Of a task's file, what nobody needs who knows the people, and what a study says otherwise.
FOR_STUDIES = {
    "dataset", "images_per_person", "minutes_per_image", "consent", "before", "instructions", "practice", "after",
    "debriefing", "debriefing_unseen", "help", "recruit", "places", "pay", "keep_months",
}  # fmt: skip
FOR_TASKS = {"texts", "lease", "invited_only"}
TEXT = "tag:yaml.org,2002:str"
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")  # ![what it shows](IMAGE_ID)


class Asked(Question):
    """A question in the language in which somebody reads it.

    options: in the study's own words, which are what is stored; shown: by option, the words that stand there for it.
    """

    shown: dict[str, str]


class QuestionWords(Part):
    """A question's words. options: by option of study.yaml, what stands there for it."""

    text: str = Field(default="", max_length=2_000)
    options: dict[str, Words] = Field(default={})
    low_label: str = Field(default="", max_length=200)
    high_label: str = Field(default="", max_length=200)


class ReadBy(Part):
    """Who has read the texts of this language, whose language it is, and when; empty for nobody."""

    consent: str = key("", "who read the consent and its boxes, and when; no study runs without")
    instructions: str = key("", "the same of the instructions")
    debriefing: str = key("", "of both debriefings")
    study: str = key("", "and of this file")

    def says(self, name: str) -> bool:
        """Whether somebody is said to have read this text."""
        return getattr(self, name).strip().lower() not in ("", "nobody")


class Translation(Part):
    """study.LANG.yaml."""

    read_by: ReadBy = key(ReadBy(), "such as: Anna Muster, 2026-05-04; and who wrote it")
    question: str = key("", "what people are asked of each image", max_length=2_000)
    boxes: tuple[Words, ...] = key((), "of the consent, each, in the order of study.yaml")
    before: dict[str, QuestionWords] = key({}, "{age: {text: ..., options: {18-29: ...}}}, low_label, high_label")
    after: dict[str, QuestionWords] = key({}, "in the same way")
    feedback: str = key("", "shown after a miss at practice", max_length=2_000)
    help: tuple[Words, ...] = key((), "where to turn to, for who reads this language")
    labels: dict[str, LabelWords] = key({}, "words of your own for labels: {awe: {name: ..., definition: ...}}")

    def problems(self, file: Task) -> Iterator[str]:
        """What it has words of, and the study has not."""
        boxes, own_boxes = len(file.consent.boxes), len(self.boxes)
        if own_boxes not in (0, boxes):
            yield f"boxes: {FILE} has {boxes}, and here are {own_boxes}; write each, in that order"
        for phase, asked, said in (("before", file.before, self.before), ("after", file.after, self.after)):
            questions = {question.id: question for question in asked.questions}
            for name, words in said.items():
                if name not in questions:
                    yield f"{phase}: no question {name!r} in {FILE}{did_you_mean(name, [*questions])}"
                    continue
                question = questions[name]
                for option in words.options:
                    if option not in question.options:
                        near = did_you_mean(option, question.options)
                        yield f"{phase}: {name}: no option {option!r} in {FILE}{near}"
                if question.kind != "scale" and (words.low_label or words.high_label):
                    yield f"{phase}: {name}: low_label and high_label stand at the ends of a scale alone"
                elif len({*self.asked(question).shown.values()}) < len(question.options):
                    yield f"{phase}: {name}: two options have the same words"

    def words_of(self, question: Question) -> QuestionWords:
        """What it has of a question; all of it empty where it has none."""
        return {**self.before, **self.after}.get(question.id, QuestionWords())

    def boxes_of(self, file: Task) -> dict[str, str]:
        """The consent's boxes in the study's own words, and what stands there for each."""
        return dict(zip(file.consent.boxes, self.boxes or file.consent.boxes, strict=True))

    def asked(self, question: Question) -> Asked:
        """A question as somebody reads it."""
        words = self.words_of(question)
        shown = {option: words.options.get(option, option) for option in question.options}
        said = {name: getattr(words, name) or getattr(question, name) for name in ("text", "low_label", "high_label")}
        return Asked(**question.model_dump() | said, shown=shown)


@dataclass(frozen=True)
class Study:
    """A study as it is read: the file, and its texts by what they are.

    texts: consent, instructions, debriefing, debriefing_unseen, and those that there are in other languages:
    consent.de, and study.de for the short ones as they stand in study.de.yaml.
    """

    file: Task
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
        return {own: self.file.words} | {language: self.translation(language).labels for language in others}

    @property
    def examples(self) -> list[tuple[str, str]]:
        """The images that the instructions show, in any language, each after the text's name."""
        shown = {name: text for name, text in self.texts.items() if name.partition(".")[0] == "instructions"}
        return [(name, image) for name, text in shown.items() for image in dict.fromkeys(IMAGE.findall(text))]

    @property
    def apart(self) -> set[str]:
        """The images that are nobody's to label: those of practice and checks, in any language, and the examples."""
        return {*self.file.dictated_images, *(image for _, image in self.examples)}


def read_study(folder: str | Path) -> Study:
    """Read and check study.yaml and its texts, all from inside the folder. Raises BadTask with the first problem."""
    folder = Path(folder)
    where, content = str(folder / FILE), read_yaml(folder / FILE)
    file = parse({"schema": 1, **content} if isinstance(content, dict) else content, where)  # 1 did not need to say so
    if not file.is_study:
        raise BadTask(f"{where}: recruit: panel: say where people come from: {', '.join(PANELS)}")
    needed = ("consent", "instructions", "debriefing")
    there = {name: at for name, at in file.text_files.items() if name in needed or inside(folder, at).exists()}
    study = Study(file, {name: _read(folder, at) for name, at in there.items()})
    for language in file.languages:
        unseen = UNSEEN if language == file.languages[0] else f"{UNSEEN}.{language}"
        if unseen not in there and (unseen == UNSEEN or our_language(language)):
            study.texts[unseen] = _usual_text(UNSEEN, language)
        if (short := f"study.{language}") in there:
            where = str(folder / there[short])
            for problem in _translation(study.texts[short], where).problems(file):
                raise BadTask(f"{where}: {problem}")
    return study


@lru_cache(maxsize=64)
def _translation(text: str, where: str) -> Translation:
    """Kept, since reading YAML takes far longer than all else of what is on a screen."""
    return parse_as(Translation, read_text(text, where), where)


def read_text(text: str, where: str) -> Any:
    """What a text in YAML holds. Raises BadTask, with the line, for what is none."""
    try:
        return load_yaml(text)
    except ValueError as error:
        raise BadTask(f"{where}: not valid YAML: {error}") from None


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises BadTask for one that is not there or cannot be read."""
    return read_text(_read(path.parent, path.name), str(path))


def inside(folder: Path, name: str) -> Path:
    """The path of a file that a study names. Raises BadTask where it leads out of the folder, by a link too."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise BadTask(f"{folder / FILE}: {name!r} lies outside the study's folder; copy the file into it")
    return path


def _read(folder: Path, name: str) -> str:
    path = inside(folder, name)
    if (why := no_file(path)) not in ("", "empty file"):
        way = "; `affectml study init DATASET OUT` writes one" if name == FILE else ""
        raise BadTask(f"{path}: {why}{way}")
    if path.stat().st_size > MOST_TEXT:
        raise BadTask(f"{path}: more than {MOST_TEXT:,} bytes, which nobody reads")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise BadTask(f"{path}: not in UTF-8; save it so") from None
    if not storable(text):
        raise BadTask(f"{path}: {UNSTORABLE}")
    return text


def write_study(dataset: str | Path, out: str | Path, languages: Sequence[str] = (ENGLISH,)) -> list[Path]:
    """Write study.yaml, with every key, its default and a comment, and the four texts into a folder; return them.

    languages: the study's own, and others, in which there are four texts each too, and study.LANG.yaml. Where we have
    no texts in one, they are in English. What is in the texts in square brackets is to be filled in. Raises BadTask
    for what is no language's code, and where one of the files is there already.
    """
    out = Path(out)
    content: dict[str, Any] = {"dataset": Path(os.path.relpath(dataset, out)).as_posix(), "languages": list(languages)}
    content["recruit"] = {"panel": "links"}
    own = parse(content, str(out / FILE)).languages[0]
    boxes, feedback = _usual_words(own)
    file = parse({**content, "consent": {"boxes": boxes}, "practice": {"feedback": feedback}}, FILE)
    written = {FILE: "\n".join(as_yaml(file)) + "\n"}
    for name, where in file.text_files.items():
        kind, _dot, language = name.partition(".")
        written[where] = _short_texts(language, own) if kind == "study" else _usual_text(kind, language or own)
    for name in written:
        if (out / name).exists():
            raise BadTask(f"{out / name} is there already; name another folder, or edit it")
    for name, text in written.items():
        write_text(out / name, text)
    return [out / name for name in written]


def _usual_words(language: str) -> tuple[tuple[str, ...], str]:
    with spoken(language):
        return tuple(map(_, BOXES)), _(FEEDBACK)


def _usual_text(kind: str, language: str) -> str:
    name = f"{kind}.{our_language(language) or ENGLISH}.md"
    return files(__package__).joinpath("texts", name).read_text(encoding="utf-8")


def _short_texts(language: str, own: str) -> str:
    boxes, feedback = _usual_words(language) if our_language(language) else ((), "")
    head = f"# In {english_name(language)}; what is left empty is shown in {english_name(own)}, as {FILE} has it."
    return "\n".join([head, *as_yaml(Translation(boxes=boxes, feedback=feedback))]) + "\n"


def as_yaml(part: BaseModel) -> Iterator[str]:
    """The lines of a YAML file with every key, its value, and its comment.

    Of a task, what only a study has is left out where it is none, and what a study has not where it is one, unless
    somebody chose it.
    """
    aside = (FOR_TASKS if part.is_study else FOR_STUDIES) if isinstance(part, Task) else ()
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), field.alias or name
        if name in aside and value == field.default:
            continue
        comment = f"  # {field.description}" if field.description else ""
        if isinstance(value, BaseModel):
            yield f"{key}:{comment}"
            yield from (f"  {line}" for line in as_yaml(value))
            continue
        plain = part.model_dump(mode="json", include={name}, exclude_defaults=True).get(name, value)
        if isinstance(value, Decimal):
            plain = f"{value:.2f}"
        elif isinstance(value, float) and value.is_integer():
            plain = int(value)
        written = yaml.dump(
            {key: plain}, Dumper=_Dumper, default_flow_style=None, allow_unicode=True, width=10**6, sort_keys=False
        )
        head, *rest = written.removesuffix("\n").split("\n")
        yield f"{head}{comment}"
        yield from rest


class _Dumper(yaml.SafeDumper):
    """As PyYAML's, but that a text of several lines stands as it is read, or where that cannot be, in one line."""

    def represent(self, data: object) -> None:
        node: Any = self.represent_data(data)
        node.flow_style = False  # a key in each line
        self.serialize(node)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        as_it_is = "|" if text.replace("\n", "").isprintable() else '"'
        return self.represent_str(text) if text.isprintable() else self.represent_scalar(TEXT, text, style=as_it_is)


_Dumper.add_representer(str, _Dumper.represent_text)
