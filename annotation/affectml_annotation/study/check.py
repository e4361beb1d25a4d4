"""What a study's folder lacks: what is missing, and in which languages people read what nobody has read."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import ceil

import yaml
from babel.numbers import get_currency_precision

from affectml_annotation import languages
from affectml_annotation.errors import did_you_mean
from affectml_annotation.study.file import FILE, UNSEEN, Task
from affectml_annotation.study.folder import Study
from affectml_annotation.study.terms import Step, so_many, steps

_IN_BRACKETS = re.compile(r"\[([^\[\]]{3,})\](?![(\[])")


@dataclass(frozen=True)
class Checked:
    """What `check_study` found: sentences of what is missing, and the steps of a person who completes it.

    refused: that for which the study does not run; unfilled: that for which it does not run where other machines reach
    it. warnings: what people may read all the same.
    people: how many it takes; most_people: where every image is skipped as often as counts; None without images.
    """

    refused: list[str]
    missing: list[str]
    warnings: list[str]
    steps: list[Step]
    unfilled: list[str]
    people: int | None = None
    most_people: int | None = None


def check_study(study: Study, images: Collection[str] | None = None, labels: Collection[str] | None = None) -> Checked:
    """Say what a study lacks. images, labels: of its data set, and those that people choose from; None: not known."""
    labelled = len({*images} - study.apart) if images else None
    missing = [*_data(study.file, labelled), *_recruiting(study.file)]
    people = [people_needed(study.file, labelled, skips=also) for also in (False, True) if labelled is not None]
    refused = [*unread_consents(study), *_unknown(study, images, labels)]
    return Checked(refused, missing, [*_warnings(study)], steps(study), [*_unfilled(study)], *people)


def _unfilled(study: Study) -> Iterator[str]:
    """Texts that are empty, or still have places to fill in."""
    for name, text in study.texts.items():
        file = study.file.text_files[name]
        if not text.strip():
            yield f"{file} is empty."
        if name.startswith("study."):  # a list of YAML stands in brackets, too
            text = "\n".join(token.value for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken))
        if places := placeholders(text):
            yield f"{file} has places to fill in: {', '.join(places)}."


def placeholders(text: str) -> list[str]:
    """The places of a text that are to be filled in: in square brackets, without a small letter."""
    places = (" ".join(inner.split()) for inner in _IN_BRACKETS.findall(text))
    return list(dict.fromkeys(f"[{one}]" for one in places if one[0].isalpha() and one == one.upper()))


def _data(file: Task, labelled: int | None) -> Iterator[str]:
    if labelled is not None and file.images_per_person > labelled:
        yield f"images_per_person is {file.images_per_person}, and the data set has {labelled} images."
    if labelled is not None and (need := people_needed(file, labelled)) > file.places.people:
        yield (
            f"places.people is {file.places.people}: for {labelled} images with {file.overlap} people each it takes "
            f"{need} who label {file.images_per_person}."
        )
    if file.check_count < (wanted := round(file.checks.rate * file.images_per_person)):
        yield f"checks: rate asks for {so_many(wanted, 'check')} a person, and there are images for {file.check_count}."
    if file.checks.rate and not wanted:
        yield f"checks: rate is {file.checks.rate:g}: of {so_many(file.images_per_person, 'image')} that is no check."


def _unknown(study: Study, images: Collection[str] | None, labels: Collection[str] | None) -> Iterator[str]:
    """Images, labels and languages that the files name, and that are not there."""
    for where, what, name in _named(study):
        known = {"image": images, "label": labels, "language": study.file.languages}[what]
        if known is not None and name not in known:
            yield f"{where}: there is no {what} {name!r}{did_you_mean(name, [*known]) or '.'}"


def _named(study: Study) -> Iterator[tuple[str, str, str]]:
    """What the files name: where, whether it is an image, a label or a language, and its name."""
    files = study.file.text_files
    for where, dictated in (("practice", study.file.practice.images), ("checks", study.file.checks.images)):
        for one in dictated:
            yield from ((where, "image", image) for image in (one.image, *one.images.values()))
            yield from ((where, "label", label) for label in one.labels)
            yield from ((where, "language", language) for language in one.images)
    yield from ((files[name], "image", image) for name, image in study.examples)
    for language, words in study.labels.items():
        yield from ((files.get(f"study.{language}", FILE), "label", label) for label in words)


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
    for question in file.questions:
        if question.share and question.kind == "text":
            yield f"question {question.id} is free text and shared: people may write there who they are."
    if not file.help:
        yield "help is empty: people need somebody to turn to."


def people_needed(file: Task, images: int, *, skips: bool = False) -> int:
    """How many people it takes until so many images have the people they want, when all complete it.

    skips: where each image is skipped as often as `skips` counts.
    """
    return ceil(images * (file.overlap + file.most_skips * skips) / file.images_per_person)


# In several languages


def unread_consents(study: Study) -> Iterator[str]:
    """A sentence for each language in which nobody is said to have read the consent. No study runs like that."""
    for language in study.file.languages[1:]:
        words, files = study.translation(language), study.file.text_files
        if (f"consent.{language}" in study.texts or words.boxes) and not words.read_by.says("consent"):
            yield (
                f"{files[f'consent.{language}']}: nobody is said to have read it. Let somebody whose language is "
                f"{languages.english_name(language)} read it and its boxes, and write who and when into "
                f"{files[f'study.{language}']}, at read_by: consent; or take {language} out of languages."
            )


def _warnings(study: Study) -> Iterator[str]:
    """What else nobody is said to have read, and what people read in another language than they chose."""
    own, *others = study.file.languages
    for language in others:
        yield from _untranslated(study, language, own)
    for language in study.file.languages:
        name, ours = languages.english_name(language), languages.written(language)
        if ours is None:
            yield f"affectml's pages have no texts in {name}: they speak English around the study's own texts."
        elif not languages.read_by(ours):
            yield (
                f"the texts of affectml's pages in {name} were written by a machine, and nobody is said to have read "
                f"them (Read by, in affectml_annotation/languages/{ours}.po)."
            )


def _untranslated(study: Study, language: str, own: str) -> Iterator[str]:
    words, files = study.translation(language), {**study.file.text_files, "study": FILE}
    reading, short = languages.english_name(language), files[f"study.{language}"]
    for name in ("consent", "instructions", "debriefing", UNSEEN, "study"):
        own_file, file = files[name], files[f"{name}.{language}"]
        if f"{name}.{language}" not in study.texts:
            yield f"{file} is not there: whoever reads {reading} is shown {own_file}."
        elif name not in ("consent", UNSEEN) and not words.read_by.says(name):
            yield f"{file}: nobody is said to have read it (read_by: {name}, in {short})."
    wordless = [one.image for one in study.file.dictated if language not in one.images]
    if wordless:
        yield (
            f"practice and checks have no image of their own in {reading} in place of {', '.join(wordless)}: whoever "
            f"reads {reading} is shown the words in {languages.english_name(own)}. Name one at images, such as "
            f"{{image: {wordless[0]}, images: {{{language}: IMAGE}}}}."
        )
    if f"study.{language}" in study.texts and (empty := list(_left_empty(study, language))):
        yield f"{short} leaves out, and people read in {languages.english_name(own)}: {', '.join(empty)}."


def _left_empty(study: Study, language: str) -> Iterator[str]:
    """What the study says, and a language leaves empty."""
    file, words = study.file, study.translation(language)
    own = {"question": file.question, "boxes": file.consent.boxes, "feedback": file.practice.images, "help": file.help}
    yield from (name for name, value in own.items() if value and not getattr(words, name))
    for question in file.questions:
        asked = words.words_of(question)
        for name in ("text", "low_label", "high_label"):
            if getattr(question, name) and not getattr(asked, name):
                yield f"{name} of {question.id}"
        for option in question.options:
            if option not in asked.options and any(map(str.isalpha, option)):  # 18-29 is said alike
                yield f"option {option!r} of {question.id}"
