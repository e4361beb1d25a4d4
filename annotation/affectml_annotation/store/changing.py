"""Changing a task: its file becomes another version. Functions within a transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, check_labels
from affectml_annotation.store import claims, setup, versions
from affectml_annotation.store.schema import MAIN, assignment, check, lead_change, now_ms, slot, visit
from affectml_annotation.study.file import Dictated, Part, Task, changed_keys

STAY = ("name", "labels", "construct", "stratum", "seed", "page.chips")
BEGINS = "a study begins by `affectml study run OUT`, with the texts that people read"
OPEN = {"dataset", "target", "taxonomy", "question", "name", "labels", "about"}  # what an empty value leaves open
ANEW = "another task needs a database of its own (--db)"


# What a study's folder says, with the texts and translations that belong to it.
OF_FOLDER = {
    "languages", "texts", "consent", "before", "instructions", "practice", "checks", "after", "debriefing",
    "debriefing_unseen", "help", "recruit",
}  # fmt: skip


def filled(file: Task, before: Task) -> Task:
    """A file as somebody wrote it, for the task that is there: what it leaves out, or open, is as it was.

    What a study's folder alone says is not taken from before: its texts would not fit.
    """
    folder = OF_FOLDER if file.is_study else set()

    def kept(part: Part, was: Part) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in type(part).model_fields.keys() - folder:
            own = getattr(part, name)
            if name not in part.model_fields_set or (own in ("", ()) and name in OPEN):
                values[name] = getattr(was, name)
            elif isinstance(own, Part):
                values[name] = own.model_copy(update=kept(own, getattr(was, name)))
        return values

    return file.model_copy(update=kept(file, before)).but()


def set_task(
    connection: sa.Connection, file: Task, texts: Mapping[str, str] | None = None, *, apart: Iterable[str] = (),
    lower: bool = False, since: int | None = None, by: str | None = None,
) -> int:  # fmt: skip
    """Make this file the task, where it differs; return the number of the version that is the task now.

    since: the version that it was made of; StoreError where somebody made another one meanwhile. texts: of a study;
    without them they stay. apart: images that are nobody's to label. A new overlap holds for the images of the main
    round but checks; those that more people were asked for keep them, unless `lower`. by: who. Of a study, another
    version of the software makes another version, too. Raises StoreError, naming the key, for what cannot change.
    """
    versions.lock(connection)
    last = versions.newest(connection)
    if since is not None and last.number != since:
        raise StoreError(f"somebody made version {last.number} of the task meanwhile; open it, and change it again")
    file = filled(file, last.file)
    keys = changed_keys(last.file, file)
    refuse_change(connection, last.file, file, keys, begins=texts is not None)
    check_labels(file.words, file.labels, "words")
    digests = dict(last.texts) if texts is None else versions.keep_texts(connection, texts)
    if "overlap" in keys or lower:
        _ask_more(connection, last.file.overlap, file.overlap, lower=lower)
    if not keys and digests == last.texts and (texts is None or last.affectml == versions.own_version()):
        return last.number
    number = versions.add_version(connection, file, digests)
    open_second_looks(connection, file)
    set_apart(connection, file, apart, before=last.file.checks.images)
    if by is not None:
        note_change(connection, by, {"version": number})
    return number


def open_second_looks(connection: sa.Connection, file: Task) -> None:
    """Open the round in which people see their images again with a suggestion, where the file asks for it."""
    if file.page.blind_first and claims.round_of(connection, "second", MAIN) is None:
        setup.open_round(connection, "second", None, MAIN, None)


def note_change(connection: sa.Connection, by: str, what: Mapping[str, object]) -> None:
    """Keep who changed what of the task, and when."""
    connection.execute(lead_change.insert().values(by=by, what=dict(what), at=now_ms()))


def refuse_change(
    connection: sa.Connection, before: Task, after: Task, keys: Sequence[str], *, begins: bool = False
) -> None:
    """Raise StoreError, naming the key, for the first that cannot change. begins: whether it may become a study."""
    for key in STAY:
        if key in keys:
            raise StoreError(f"{key}: cannot change in a task that is set up; leave it out of the file; {ANEW}")
    if "question" in keys and question_stays(connection):
        raise StoreError(
            f"question: cannot change any more, since an image was given to somebody; it is {before.question!r}; {ANEW}"
        )
    if after.is_study and not before.is_study and not begins:
        raise StoreError(f"recruit.panel: {BEGINS}")
    if before.is_study and not begins and (own := [key for key in keys if key.split(".")[0] in OF_FOLDER]):
        raise StoreError(
            f"{own[0]}: belongs to the texts of the study; change it in the study's folder, and start "
            "`affectml study run OUT` again"
        )
    if before.is_study and not after.is_study:
        raise StoreError(f"recruit.panel: cannot be empty in a study; {ANEW}")
    if (
        "pay.currency" in keys
        and before.is_study
        and connection.scalar(sa.select(visit.c.version).limit(1)) is not None
    ):
        raise StoreError(
            f"pay.currency: people came for {before.pay.currency}, and a panel's list of amounts has one currency; "
            "leave it, or begin anew with a database of its own (--db)"
        )


def question_stays(connection: sa.Connection) -> bool:
    """Whether an image was given to somebody, so that the question cannot change."""
    return connection.scalar(sa.select(assignment.c.place).limit(1)) is not None


def _ask_more(connection: sa.Connection, before: int, now: int, *, lower: bool) -> None:
    apart = sa.or_(slot.c.wanted == 0, slot.c.position.in_(sa.select(check.c.position)))  # of a study, too
    follow = [slot.c.round == 1, ~apart]
    if not lower:
        follow.append(sa.or_(slot.c.wanted == before, slot.c.wanted < now))
    in_order = sa.select(slot.c.position).where(slot.c.round == 1).order_by(slot.c.position)
    connection.execute(in_order.with_for_update()).all()  # as everybody does, or two might wait for each other
    connection.execute(slot.update().where(*follow).values(wanted=now))


def set_apart(connection: sa.Connection, now: Task, apart: Iterable[str], *, before: Sequence[Dictated] = ()) -> None:
    """Checks are shown to everybody, and those of `before` that are none to nobody; the others here are nobody's."""
    checks = now.checks.images
    for name in {one.image for one in before} - {one.image for one in checks}:
        connection.execute(check.delete().where(check.c.position == setup.position_of(connection, name)))
    if checks:
        others = [[label for label in now.labels if label not in one.labels] for one in checks]
        table = {"image_id": [one.image for one in checks], "accepted": [[*one.labels] for one in checks]}
        setup.add_checks(connection, pd.DataFrame(table | {"forbidden": others}))
    for one in now.practice.images:
        check_labels(one.labels, now.labels, f"practice on image {one.image}")
    for name in {*(one.image for one in now.practice.images), *apart}:
        setup.set_apart(connection, setup.position_of(connection, name))
