"""What people and an ethics board are told of a study's steps, time, pay and checks: from the file, so always true."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from affectml_annotation.languages import _, marked, money, ngettext
from affectml_annotation.study.file import Task
from affectml_annotation.study.folder import Study

WORDS_A_MINUTE = 200
MINUTES_A_QUESTION = 0.25
_IDEOGRAPH = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uff65]")  # Chinese and Japanese have no spaces
LEAVING = {
    "by_images": marked(
        "If you stop early or are away for too long, you are paid for the share of the images that you have done."
    ),
    "all": marked("If you stop early or are away for too long, you are paid the full amount all the same."),
    "nothing": marked("If you stop early or are away for too long, you are not paid."),
}


@dataclass(frozen=True)
class Step:
    """Something a person sees: in which phase, what it is, and how many minutes it takes."""

    phase: str
    what: str
    minutes: float


def steps(study: Study) -> list[Step]:
    """What a person who completes the study sees, in order."""
    file = study.file
    read = {name: words_in(text) / WORDS_A_MINUTE for name, text in study.texts.items()}
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


def so_many(count: int, one: str, many: str = "") -> str:
    """A count and its noun: 1 image, 1,200 images."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def announced_minutes(study: Study) -> int:
    """How long the study takes, as people are told, in whole minutes; what takes longer is over."""
    return max(1, round(sum(step.minutes for step in steps(study))))


def hourly(study: Study) -> Decimal:
    """What a person who completes it in the announced time earns in an hour."""
    return round(study.file.pay.per_person * 60 / announced_minutes(study), 2)


def terms(study: Study) -> tuple[str, ...]:
    """Sentences in the language that is spoken, one thought each. Of pay there are none where the file has none."""
    return (
        ngettext("It takes about {n} minute.", "It takes about {n} minutes.", announced_minutes(study)),
        *_pay(study.file),
        *_checks(study.file),
    )


def _pay(file: Task) -> Iterator[str]:
    pay = file.pay
    short = money(pay.per_screen_out, pay.currency) if pay.per_screen_out else ""
    if pay.per_person:
        yield _("If you finish, you are paid {pay}.", pay=money(pay.per_person, pay.currency))
    if over := pay.per_minute_over and pay.most_minutes_over:
        yield ngettext(
            "If it takes you longer, you are paid {pay} more for one more minute.",
            "If it takes you longer, you are paid {pay} more for each further minute, for up to {n} minutes.",
            over, pay=money(pay.per_minute_over, pay.currency),
        )  # fmt: skip
    if pay.per_person:
        yield _(LEAVING[pay.unfinished])
    elif not (over or short):
        yield _("You are not paid for taking part.")
    if file.practice.images:
        yield _("Before the images there is a short practice. If you do not pass it, the study ends there.")
    if file.places.per_answer:
        yield _(
            "If enough people who gave the same answers have already taken part, the study ends after the first "
            "questions."
        )
    yield _("If other people take all the images before you reach them, the study ends there.")
    if short or pay.per_person:
        yield (
            _("If the study ends early for such a reason, you are paid {pay}.", pay=short)
            if short
            else _("If the study ends early for such a reason, you are not paid.")
        )
    if pay.per_person or short:
        yield _("What you feel about the images never changes what you are paid.")


def _checks(file: Task) -> Iterator[str]:
    if not (count := file.check_count):
        return
    yield ngettext(
        "{n} of the images is an attention check: words in the image say what to choose.",
        "{n} of the images are attention checks: words in the image say what to choose.",
        count,
    )
    match file.checks.then:
        case "note":
            yield _("If you miss one, nothing follows from it for you.")
        case "warn":
            yield ngettext(
                "If you miss {n} of them, a message asks you to look more closely. Nothing else follows.",
                "If you miss {n} of them, a message asks you to look more closely. Nothing else follows.",
                file.checks.failed,
            )
        case "end":
            yield ngettext(
                "If you miss {n} of them, the images end soon after, and the rest of the study follows.",
                "If you miss {n} of them, the images end soon after, and the rest of the study follows.",
                file.checks.failed,
            )
            if file.pay.per_person:
                yield _("You are paid in full then, too.")


def summary(study: Study) -> str:
    """Their questions and what the file answers, as a Markdown table."""
    file = study.file
    pay, recruit, backups, checks = file.pay, file.recruit, file.backups, " ".join(_checks(file))
    asked = file.questions
    shared = [question.id for question in asked if question.share]
    free = [question.id for question in asked if question.kind == "text"]
    ids = "the number of their link" if recruit.panel == "links" else f"{recruit.panel}'s id of the person"
    if "session" in recruit.names:
        ids += ", and of this participation"
    text = " ".join(filter(None, [file.consent.text, file.consent.version]))
    groups = ", ".join(f"{name}: {most}" for name, most in file.places.per_answer.items())
    agreed = [f"{text}, sha256 {study.hashes['consent']}"]
    for language in file.languages[1:]:
        name = f"consent.{language}"
        if name in study.texts:
            who = study.translation(language).read_by.consent or "nobody"
            agreed.append(f"{file.text_files[name]}, sha256 {study.hashes[name]}, read by {who}")
    several = "" if len(file.languages) < 2 else f", and in which of the languages {', '.join(file.languages)}"
    rows = {
        "Before they agree": "nothing is stored but how many people opened the page, and how many declined; who does "
        "not agree leaves at once, and nothing of them is kept",
        "Agreed to": f"{'; '.join(agreed)}; ticked: {' '.join(file.consent.boxes)}",
        "Answers": f"the labels that each person chooses for {file.images_per_person} images, and when{several}; what "
        "images evoke in somebody may say something of their health, beliefs or sexual life",
        "Questions about the person": "; ".join(f"{question.id}: {question.text}" for question in asked) or "none",
        "Free text": f"{', '.join(free)}: people may write there who they are" if free else "none",
        "Shared with the data set": ", ".join(["the answers, under a random name", *shared]),
        "Identity": f"{ids}, in a table of its own, read for the payment alone",
        "Where it lies": "in the study's database, on the lead's own machine or server; the page loads nothing from "
        "elsewhere and sends nothing elsewhere; no internet address is stored, but a server in front may log it"
        + (
            f"; the last {backups.keep} backups beside it, and one of each of {backups.days} days before them"
            if backups.hours
            else ""
        ),
        "In the browser": "one cookie (HttpOnly, 30 days): the ids as they came, and a random number of the browser, "
        "so that the person can go on; one of Streamlit's against forged requests, a random number, until the browser "
        "is closed; answers, until the server has them",
        "Who sees it": "the leads, and who administers the machine; other participants see nothing"
        + ("" if recruit.panel == "links" else f"; {recruit.panel} learns who took part, and how it ended"),
        "How long": f"answers {file.keep_months} months; ids until the payment (`study pay --forget`), then a keyed "
        "hash by which whoever comes back is known",
        "Leaving": "at any moment, with one click and without a reason; what was given until then is kept",
        "Erasing": "by a click on the page or by writing to the lead, who confirms: answers, questions, ids, in the "
        "database, its files and the backups beside it; published data, other copies and replicas cannot be reached",
        "Payment": f"{pay.per_person:.2f} {pay.currency} for about {announced_minutes(study)} minutes ({hourly(study)} "
        f"an hour). {' '.join(_pay(file))}",
        "Practice": f"{so_many(len(file.practice.images), 'image')} before the work, {file.practice.tries} tries "
        "each; whether the instructions were understood, never what somebody feels",
        "Attention checks": f"{checks} Everybody is given as many, and is told before they agree."
        if checks
        else "none",
        "Protection": "an image with a content warning stays covered until the person uncovers it; any image can be "
        f"left out; where to turn to: {' '.join(file.help) or 'not said'}",
        "People": f"{file.places.people} at most{f', by group {groups}' if groups else ''}; {file.overlap} per image",
    }
    lines = [f"| {what} | {' '.join(how.replace('|', '/').split())} |" for what, how in rows.items()]
    return "\n".join(["# Data protection summary", "", "| what | how |", "|---|---|", *lines])
