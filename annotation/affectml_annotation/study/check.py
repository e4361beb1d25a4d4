"""What a study's folder lacks, what a person will see in which order with minutes, and what is stored of them."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from pathlib import Path

from affectml_annotation.errors import AnnotationError, StoreError, did_you_mean
from affectml_annotation.exchange.files import read_parquet
from affectml_annotation.stopping import Overlap, whole_count
from affectml_annotation.study.file import Dictated, StudyFile
from affectml_annotation.study.folder import Study, read_study

WORDS_A_MINUTE = 200
MINUTES_A_QUESTION = 0.25
PLACEHOLDER = re.compile(r"\[[A-Z][A-Z ,.'&-]{2,}\]")


@dataclass(frozen=True)
class Step:
    """Something a person sees: in which phase, what it is, and how many minutes it takes."""

    phase: str
    what: str
    minutes: float


@dataclass(frozen=True)
class Checked:
    """What `check_study` found: sentences of what is missing, and the steps of a person who completes it.

    people: how many it takes; each: how many answer an image, on average; None where there are no images.
    """

    missing: list[str]
    steps: list[Step]
    people: int | None = None
    each: float | None = None

    @property
    def minutes(self) -> float:
        """From the first step to the last."""
        return sum(step.minutes for step in self.steps)


def steps(study: Study) -> list[Step]:
    """What a person who completes the study sees, in order."""
    file = study.file
    read = {name: len(study.texts[name].split()) / WORDS_A_MINUTE for name in file.text_files()}
    shown = file.images_per_person / (1 - file.checks.rate)
    images, per_image = _so_many(file.images_per_person, "image"), file.minutes_per_image
    if file.checks.rate:
        images += f", and about {_so_many(round(shown - file.images_per_person), 'attention check')} among them"
    practice = f"{_so_many(len(file.practice.images), 'image')} to practise, {file.practice.needed} to be passed"
    known = {
        "before": (_so_many(len(file.before.questions), "question"), len(file.before.questions) * MINUTES_A_QUESTION),
        "instructions": (file.instructions.text, read["instructions"]),
        "practice": (practice, len(file.practice.images) * per_image),
        "images": (images, shown * per_image),
        "after": (_so_many(len(file.after.questions), "question"), len(file.after.questions) * MINUTES_A_QUESTION),
        "debriefing": (file.debriefing, read["debriefing"]),
    }
    consent = Step("consent", f"{file.consent.text}, boxes to tick: {len(file.consent.boxes)}", read["consent"])
    return [consent, *(Step(phase, *known[phase]) for phase in file.phases)]


def _so_many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def announced_minutes(study: Study) -> int:
    """How long the study takes, as people are told, in whole minutes; what takes longer is over."""
    return max(1, round(sum(step.minutes for step in steps(study))))


def check_study(folder: str | Path, labels: Collection[str] | None = None) -> Checked:
    """Read a study's folder, and say what is missing. labels: those that people choose from, where they are known.

    Raises BadStudy where there is no study.yaml that can be read; texts that cannot be read are missing.
    """
    folder = Path(folder)
    study = read_study(folder)
    images, why = _images(study.file, folder)
    missing = [*_texts(study), *why, *_data(study, images, labels), *_recruiting(study.file)]
    if not images:
        return Checked(missing, steps(study))
    labelled = len(images - study.apart)
    return Checked(missing, steps(study), people_needed(study.file, labelled), _each(study.file, labelled))


def _texts(study: Study) -> Iterator[str]:
    files = {name: file for language in study.file.languages for name, file in study.file.text_files(language).items()}
    for name, text in study.texts.items():
        where = files[name]
        if not text.strip():
            yield f"{where} is empty."
        if open_ones := list(dict.fromkeys(PLACEHOLDER.findall(text))):
            yield f"{where} has places to fill in: {', '.join(open_ones)}."


def _images(file: StudyFile, folder: Path) -> tuple[set[str] | None, list[str]]:
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
    overlap = file.overlap_of(labelled) if images else 1
    if images and (need := people_needed(file, labelled)) > file.places.people:
        many = "" if isinstance(overlap, int) else f" ({whole_count(labelled)} of them with all {overlap.max})"
        yield (
            f"places.people is {file.places.people}: for {labelled} images with {_each(file, labelled):.3g} people "
            f"each{many} it takes {need} who label {file.images_per_person}."
        )
    if images:
        yield from _spread(overlap, labelled)
    examples = tuple(Dictated(image=name, labels=()) for name in study.examples)
    for where, listed in (
        ("practice", file.practice.images), ("checks", file.checks.images), (file.instructions.text, examples)
    ):  # fmt: skip
        for one in listed:
            if images is not None and one.image not in images:
                near = did_you_mean(one.image, [*images])
                yield f"{where} names image {one.image!r}, which the data set has not{near or '.'}"
            for label in one.labels:
                if labels is not None and label not in labels:
                    yield f"{where} asks for {label!r}, which is no label there{did_you_mean(label, [*labels]) or '.'}"


def _recruiting(file: StudyFile) -> Iterator[str]:
    recruit, panel = file.recruit, file.recruit.panel
    if panel != "links" and "study" in recruit.names and not recruit.study:
        yield f"recruit.study is empty: without {panel}'s id of the study anybody's address is as good as another."
    if panel == "prolific":
        for kind in ("completed", "screened_out", "quota_full"):
            if kind not in recruit.codes:
                yield f"recruit.codes has no {kind}: Prolific knows a participant's end by the code that you set there."
    if panel in ("prolific", "sona") and not recruit.return_to:
        yield f"recruit.return_to is empty: people would have to find the way back to {panel} themselves."
    needed = {"prolific": "{code}", "sona": "{person}"}.get(panel, "")
    if recruit.return_to and needed not in recruit.return_to:
        yield f"recruit.return_to has no {needed}: {panel} would not know who comes back."
    if panel in ("prolific", "mturk") and file.pay.per_person and "completed" not in file.pay.paid_by_panel:
        yield f"pay.paid_by_panel has no completed: {panel} pays its reward itself, and the list would pay it again."
    if panel != "sona" and not file.pay.per_person:
        yield "pay.per_person is 0: nobody is paid."
    if file.practice.images and file.pay.per_person and not file.pay.per_screen_out:
        yield "pay.per_screen_out is 0: who does not pass the practice has worked for nothing."
    if file.places.minutes < (least := max(5.0, 2 * file.minutes_per_image)):
        yield f"places.minutes is {file.places.minutes:g}: nobody can pause; {least:g} is the least."
    for question in (*file.before.questions, *file.after.questions):
        if question.share and question.kind == "text":
            yield f"question {question.id} is free text and shared: people may write there who they are."
    if not file.help:
        yield "help is empty: people need somebody to turn to."


def _groups(file: StudyFile) -> Iterator[str]:
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


def _spread(overlap: int | Overlap, images: int) -> Iterator[str]:
    try:
        if isinstance(overlap, Overlap):
            overlap.check(images)
    except StoreError as error:
        yield f"overlap: {error}."


def people_needed(file: StudyFile, images: int) -> int:
    """How many people it takes until so many images have the people they want, when all complete it."""
    return ceil(round(images * _each(file, images) / file.images_per_person, 6))


def _each(file: StudyFile, images: int) -> float:
    overlap = file.overlap_of(images)
    return overlap if isinstance(overlap, int) else overlap.mean


def hourly(study: Study) -> Decimal:
    """What a person who completes it in the announced time earns in an hour."""
    return round(study.file.pay.per_person * 60 / announced_minutes(study), 2)


def _per_image(file: StudyFile) -> str:
    overlap = file.overlap
    if isinstance(overlap, int):
        return f"{overlap} per image"
    return f"{overlap.min} to {overlap.max} per image, by what the first ones say"


def summary(study: Study) -> str:
    """What an ethics board or a data protection officer asks of the study, from the file, as Markdown."""
    file = study.file
    pay, checks, recruit = file.pay, file.checks, file.recruit
    asked = [*file.before.questions, *file.after.questions]
    shared = [question.id for question in asked if question.share]
    free = [question.id for question in asked if question.kind == "text"]
    ids = "the number of their link" if recruit.panel == "links" else f"{recruit.panel}'s id of the person"
    if "session" in recruit.names:
        ids += ", and of this participation"
    text = " ".join(filter(None, [file.consent.text, file.consent.version]))
    unfinished = {"all": "all of it", "nothing": "nothing", "by_images": "the share that their images are"}
    follows = {
        "note": "it is noted, and nothing else",
        "warn": "the person is warned",
        "end": "the images end, with pay",
    }
    over = f", and {pay.per_minute_over:.2f} for each minute over, {pay.most_minutes_over} at most"
    groups = ", ".join(f"{name}: {most}" for name, most in file.places.per_answer.items())
    rows = {
        "Before they agree": "nothing is stored but how many people opened the page, and how many declined; who does "
        "not agree leaves at once, and nothing of them is kept",
        "Agreed to": f"{text}, sha256 {study.hashes['consent']}; ticked: {' '.join(file.consent.boxes)}",
        "Answers": f"the labels that each person chooses for {file.images_per_person} images, and when; what images "
        "evoke in somebody may say something of their health, beliefs or sexual life",
        "Questions about the person": "; ".join(f"{question.id}: {question.text}" for question in asked) or "none",
        "Free text": f"{', '.join(free)}: people may write there who they are" if free else "none",
        "Shared with the data set": ", ".join(["the answers, under a random name", *shared]),
        "Identity": f"{ids}, in a table of its own, read for the payment alone",
        "Where it lies": "in the study's database, on the lead's own machine or server; the page loads nothing from "
        "elsewhere and sends nothing elsewhere; no internet address is stored, but a server in front may log it",
        "In the browser": "one cookie (HttpOnly, 30 days): the ids as they came, and a random number of the browser, "
        "so that the person can go on; one of Streamlit's against forged requests, a random number, until the browser "
        "is closed; answers, until the server has them",
        "Who sees it": "the leads, and who administers the machine; other participants see nothing"
        + ("" if recruit.panel == "links" else f"; {recruit.panel} learns who took part, and how it ended"),
        "How long": f"answers {file.keep_months} months; ids until the payment (`study pay --forget`), then a keyed "
        "hash by which whoever comes back is known",
        "Leaving": "at any moment, with one click and without a reason; what was given until then is kept",
        "Erasing": "by a click on the page or by writing to the lead, who confirms: answers, questions, ids, in the "
        "database and its files too; published data, backups and replicas cannot be reached",
        "Payment": f"{pay.per_person:.2f} {pay.currency} for about {announced_minutes(study)} minutes ({hourly(study)} "
        f"an hour){over if pay.per_minute_over else ''}; screened out or one too many: {pay.per_screen_out:.2f}; "
        f"left or out of time: {unfinished[pay.unfinished]}; what anybody answers decides nothing about it",
        "Practice": f"{_so_many(len(file.practice.images), 'image')} before the work, {file.practice.tries} tries "
        "each; whether the instructions were understood, never what somebody feels",
        "Attention checks": f"{checks.rate:.0%} of the images say in their own words what to choose; after "
        f"{checks.failed} failed: {follows[checks.then]}"
        if checks.rate
        else "none",
        "Protection": "an image with a content warning stays covered until the person uncovers it; any image can be "
        f"left out; where to turn to: {' '.join(file.help) or 'not said'}",
        "People": f"{file.places.people} at most{f', by group {groups}' if groups else ''}; {_per_image(file)}",
    }
    lines = [f"| {what} | {' '.join(how.replace('|', '/').split())} |" for what, how in rows.items()]
    return "\n".join(["# Data protection summary", "", "| what | how |", "|---|---|", *lines])
