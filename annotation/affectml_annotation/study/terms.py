"""What the consent says of time, pay and checks: made from the file, so that it is always true."""

from collections.abc import Iterator

from affectml_annotation.languages import _, marked, money, ngettext
from affectml_annotation.study.check import announced_minutes
from affectml_annotation.study.file import Task
from affectml_annotation.study.folder import Study

LEAVING = {
    "by_images": marked(
        "If you stop early or are away for too long, you are paid for the share of the images that you have done."
    ),
    "all": marked("If you stop early or are away for too long, you are paid the full amount all the same."),
    "nothing": marked("If you stop early or are away for too long, you are not paid."),
}


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
