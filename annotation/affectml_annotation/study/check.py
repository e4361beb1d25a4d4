"""What a study's folder lacks, what a person will see in which order with minutes, and what is stored of them."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

from babel.numbers import get_currency_precision

from affectml_annotation.errors import AnnotationError, did_you_mean
from affectml_annotation.exchange.files import read_parquet
from affectml_annotation.study.file import FILE, Dictated, Task
from affectml_annotation.study.folder import Study, images_in, read_study
from affectml_annotation.study.unread import unread_consents, warnings

WORDS_A_MINUTE = 200
MINUTES_A_QUESTION = 0.25
_IN_BRACKETS = re.compile(r"\[([^\[\]]{3,})\](?![(\[])")
_IDEOGRAPH = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uff65]")  # Chinese and Japanese have no spaces


@dataclass(frozen=True)
class Step:
    """Something a person sees: in which phase, what it is, and how many minutes it takes."""

    phase: str
    what: str
    minutes: float


@dataclass(frozen=True)
class Checked:
    """What `check_study` found: sentences of what is missing, and the steps of a person who completes it.

    refused: that for which the study does not run. warnings: what people may read all the same.
    people: how many it takes; most_people: where every image is skipped as often as counts; None without images.
    """

    refused: list[str]
    missing: list[str]
    warnings: list[str]
    steps: list[Step]
    people: int | None = None
    most_people: int | None = None

    @property
    def minutes(self) -> float:
        """From the first step to the last."""
        return sum(step.minutes for step in self.steps)


def steps(study: Study) -> list[Step]:
    """What a person who completes the study sees, in order."""
    file = study.file
    read = {name: words_in(study.text(name)) / WORDS_A_MINUTE for name in file.text_files()}
    shown = file.images_per_person + file.check_count
    images, per_image = so_many(file.images_per_person, "image"), file.minutes_per_image
    if file.check_count:
        images += f", and {so_many(file.check_count, 'attention check')} among them"
    practice = f"{so_many(len(file.practice.images), 'image')} to practise, {file.practice.needed} to be passed"
    known = {
        "before": (so_many(len(file.before.questions), "question"), len(file.before.questions) * MINUTES_A_QUESTION),
        "instructions": (file.instructions.text, read["instructions"]),
        "practice": (practice, len(file.practice.images) * per_image),
        "start": ("a screen says that the practice is over, and that answers count from now on", 0.0),
        "images": (images, shown * per_image),
        "after": (so_many(len(file.after.questions), "question"), len(file.after.questions) * MINUTES_A_QUESTION),
        "debriefing": (file.debriefing, read["debriefing"]),
    }
    consent = Step("consent", f"{file.consent.text}, boxes to tick: {len(file.consent.boxes)}", read["consent"])
    return [consent, *(Step(phase, *known[phase]) for phase in file.phases)]


def words_in(text: str) -> float:
    """How many words a text has; a character of Chinese or Japanese is half a word, 400 being read in a minute."""
    return len(_IDEOGRAPH.sub(" ", text).split()) + len(_IDEOGRAPH.findall(text)) / 2


def placeholders(text: str) -> list[str]:
    """The places of a text that are to be filled in: in square brackets, without a small letter."""
    found = (" ".join(inner.split()) for inner in _IN_BRACKETS.findall(text))
    return list(dict.fromkeys(f"[{one}]" for one in found if one[0].isalpha() and one == one.upper()))


def so_many(count: int, what: str) -> str:
    """A count and its noun: 1 image, 2 images."""
    return f"{count} {what}{'s' * (count != 1)}"


def announced_minutes(study: Study) -> int:
    """How long the study takes, as people are told, in whole minutes; what takes longer is over."""
    return max(1, round(sum(step.minutes for step in steps(study))))


def check_study(folder: str | Path, labels: Collection[str] | None = None) -> Checked:
    """Read a study's folder, and say what is missing. labels: those that people choose from, where they are known.

    Raises BadTask where there is no study.yaml that can be read; texts that cannot be read are missing.
    """
    folder = Path(folder)
    study = read_study(folder)
    images, why = _images(study.file, folder)
    missing = [*_texts(study), *why, *_data(study, images, labels), *_recruiting(study.file)]
    people = [people_needed(study.file, len(images - study.apart), skips=also) for also in (False, True) if images]
    return Checked(unread_consents(study), missing, [*warnings(study)], steps(study), *people)


def _files(study: Study) -> dict[str, str]:
    """The file of each text, in each language; the short ones in the study's own stand in study.yaml."""
    own, *others = study.file.languages
    files = {**study.file.text_files(), f"study.{own}": FILE}
    for language in others:
        files |= study.file.text_files(language)
    return files


def _texts(study: Study) -> Iterator[str]:
    files = _files(study)
    for name, text in study.texts.items():
        where, kind, language = files[name], *name.partition(".")[::2]
        if not text.strip():
            yield f"{where} is empty."
        if kind == "study":  # as read: a list of YAML stands in brackets, too
            text = "\n".join(_strings(study.translation(language).model_dump()))
        if open_ones := placeholders(text):
            yield f"{where} has places to fill in: {', '.join(open_ones)}."


def _strings(said: Any) -> Iterator[str]:
    """All texts within lists and dictionaries."""
    if isinstance(said, dict | list | tuple):
        for one in said.values() if isinstance(said, dict) else said:
            yield from _strings(one)
    else:
        yield said


def _images(file: Task, folder: Path) -> tuple[set[str] | None, list[str]]:
    """The images of the study's data set; None where it cannot be read, and why."""
    if not file.dataset:
        return None, ["dataset names no folder."]
    if not (folder / file.dataset / "dataset.json").is_file():
        return None, [f"dataset: {file.dataset} is no data set seen from {folder} (no dataset.json there)."]
    try:
        table = read_parquet(folder / file.dataset / "images.parquet")
        return set() if table is None else {str(name) for name in table["image_id"].to_pylist()}, []
    except (AnnotationError, KeyError) as error:
        return None, [f"dataset: its images cannot be read ({error})."]


def _data(study: Study, images: set[str] | None, labels: Collection[str] | None) -> Iterator[str]:
    file = study.file
    labelled = len((images or set()) - study.apart)
    if images and file.images_per_person > labelled:
        yield f"images_per_person is {file.images_per_person}, and the data set has {labelled} images."
    yield from _groups(file)
    if images and (need := people_needed(file, labelled)) > file.places.people:
        yield (
            f"places.people is {file.places.people}: for {labelled} images with {file.overlap} people each it takes "
            f"{need} who label {file.images_per_person}."
        )
    files = _files(study)
    listed = [("practice", one) for one in file.practice.images] + [("checks", one) for one in file.checks.images]
    for where, one in tuple(listed):
        listed += [(where, Dictated(image=image, labels=())) for image in one.images.values()]
        for language in one.images:
            if language not in file.languages:
                near = did_you_mean(language, file.languages) or "."
                yield f"{where} has an image in {language!r}, which is none of languages{near}"
    if file.check_count < (wanted := round(file.checks.rate * file.images_per_person)):
        yield f"checks: rate asks for {so_many(wanted, 'check')} a person, and there are images for {file.check_count}."
    if file.checks.rate and not wanted:
        yield f"checks: rate is {file.checks.rate:g}: of {so_many(file.images_per_person, 'image')} that is no check."
    for name, text in study.texts.items():
        if name.partition(".")[0] == "instructions":
            listed += [(files[name], Dictated(image=image, labels=())) for image in images_in(text)]
    for where, one in listed:
        if images is not None and one.image not in images:
            near = did_you_mean(one.image, [*images])
            yield f"{where} names image {one.image!r}, which the data set has not{near or '.'}"
        for label in one.labels:
            if labels is not None and label not in labels:
                yield f"{where} asks for {label!r}, which is no label there{did_you_mean(label, [*labels]) or '.'}"
    for language, words in study.labels.items():
        for label in words:
            if labels is not None and label not in labels:
                near = did_you_mean(label, [*labels]) or "."
                yield f"{files[f'study.{language}']} has words for {label!r}, which is no label there{near}"


def _recruiting(file: Task) -> Iterator[str]:
    recruit, panel = file.recruit, file.recruit.panel
    if panel != "links" and "study" in recruit.names and not recruit.study:
        yield f"recruit.study is empty: without {panel}'s id of the study anybody's address is as good as another."
    if panel == "prolific":
        for kind in ("completed", "screened_out", "quota_full"):
            if kind not in recruit.codes:
                yield f"recruit.codes has no {kind}: Prolific knows a participant's end by the code that you set there."
    if panel in ("prolific", "sona") and not recruit.return_to:
        yield f"recruit.return_to is empty: people would have to find the way back to {panel} themselves."
    needed = {"prolific": "{code}", "sona": "{person}"}.get(panel or "", "")
    if recruit.return_to and needed not in recruit.return_to:
        yield f"recruit.return_to has no {needed}: {panel} would not know who comes back."
    if panel in ("prolific", "mturk") and file.pay.per_person and "completed" not in file.pay.paid_by_panel:
        yield f"pay.paid_by_panel has no completed: {panel} pays its reward itself, and the list would pay it again."
    for name in ("per_person", "per_screen_out", "per_minute_over"):
        if (amount := getattr(file.pay, name)) % 1 and not get_currency_precision(file.pay.currency):
            yield f"pay.{name} is {amount}: {file.pay.currency} is paid in whole units; write such as 300."
    if panel != "sona" and not file.pay.per_person:
        yield "pay.per_person is 0: nobody is paid."
    if file.pay.per_person and not file.pay.per_screen_out:
        who = "who does not pass the practice, or finds" if file.practice.images else "who finds"
        yield f"pay.per_screen_out is 0: {who} all images taken by others, has worked for nothing."
    if 0 < file.check_count < file.checks.failed and file.checks.then != "note":
        yield f"checks.failed is {file.checks.failed}, but each person sees {file.check_count}: `then` cannot happen."
    if file.repeats.rate:
        yield "repeats.rate: repeats come on top of the images that are announced, and are not paid for; leave it 0."
    if file.places.minutes < (least := max(5.0, 2 * file.minutes_per_image)):
        yield f"places.minutes is {file.places.minutes:g}: nobody can pause; {least:g} is the least."
    for question in (*file.before.questions, *file.after.questions):
        if question.share and question.kind == "text":
            yield f"question {question.id} is free text and shared: people may write there who they are."
    if file.checks.rate and not file.checks.images:
        yield f"checks.rate is {file.checks.rate:g}, and checks.images names no image that says what to choose."
    if not file.help:
        yield "help is empty: people need somebody to turn to."


def _groups(file: Task) -> Iterator[str]:
    """Quotas that leave no room for all the people whom the study has places for."""
    for question in file.before.questions:
        most = file.places.per_answer.get(question.id)
        if most is None or not question.required:
            continue
        each = most if isinstance(most, dict) else dict.fromkeys(question.options, most)
        if len(each) == len(question.options) and (room := sum(each.values())) < file.places.people:
            yield (
                f"places.per_answer: the groups of {question.id} take {room} people in all, and places.people is "
                f"{file.places.people}."
            )


def people_needed(file: Task, images: int, *, skips: bool = False) -> int:
    """How many people it takes until so many images have the people they want, when all complete it.

    skips: where each image is skipped as often as `skips` counts.
    """
    most = file.overlap if file.skips is None else file.skips
    return ceil(images * (file.overlap + most * skips) / file.images_per_person)


def hourly(study: Study) -> Decimal:
    """What a person who completes it in the announced time earns in an hour."""
    return round(study.file.pay.per_person * 60 / announced_minutes(study), 2)
