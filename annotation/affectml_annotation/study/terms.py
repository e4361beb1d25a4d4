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
        if pay.per_minute_over and pay.most_minutes_over:
            yield ngettext(
                "If it takes you longer, you are paid {pay} more for one more minute.",
                "If it takes you longer, you are paid {pay} more for each further minute, for up to {n} minutes.",
                pay.most_minutes_over, pay=money(pay.per_minute_over, pay.currency),
            )  # fmt: skip
        yield _(LEAVING[pay.unfinished])
    if file.practice.images:
        yield _("Before the images there is a short practice. If you do not pass it, the study ends there.")
    if file.places.per_answer:
        yield _("If enough people like you have taken part already, the study ends after the first questions.")
    if (file.practice.images or file.places.per_answer) and (short or pay.per_person):
        yield (
            _("If it ends early in this way, you are paid {pay}.", pay=short)
            if short
            else _("If it ends early in this way, you are not paid.")
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
                "If you miss {n} of them, no more images come, and the rest of the study follows.",
                "If you miss {n} of them, no more images come, and the rest of the study follows.",
                file.checks.failed,
            )
            if file.pay.per_person:
                yield _("You are paid in full then, too.")
