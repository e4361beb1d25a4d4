"""The study that a store runs: its versions, whether people are let in, and how many places there are."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, check_labels, did_you_mean
from affectml_annotation.store import setup
from affectml_annotation.store.claims import following
from affectml_annotation.store.earlier import one_overlap
from affectml_annotation.store.keys import make_key
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import (
    check,
    content_warning,
    image,
    lead_change,
    now_ms,
    questionnaire,
    setting,
    slot,
    study_tally,
    study_text,
    study_version,
    visit,
)
from affectml_annotation.store.settings import read_setting, read_settings, write_setting
from affectml_annotation.study.file import Dictated, StudyFile, parse
from affectml_annotation.study.folder import Study
from affectml_annotation.study.keys import SIGNING

KEY = "study"  # of the setting that says whether people are let in, and how many places were added
TALLIES = ("opened", "declined", "full")
State = Literal["running", "paused", "ended"]
STATES: tuple[State, ...] = get_args(State)


def open_study(store: LabelStore, study: Study, *, affectml: str, by: str) -> int:
    """Let a study run on the store's task, or go on with it; return its version.

    A file or text that changed is a new version, which those see who come from now on. affectml: the version of the
    software, kept with it; by: who opened it. Images of practice and checks, and those that the instructions show and
    say something of, are nobody's to label. Raises StoreError for another currency once people came.
    """

    def work(connection: sa.Connection) -> int:
        connection.execute(sa.select(setting).where(setting.c.key == "task").with_for_update())  # one at a time
        read_settings(connection)
        content, texts = study.file.model_dump(mode="json", by_alias=True), study.hashes
        newest_first = sa.select(study_version).order_by(study_version.c.number.desc())
        last = connection.execute(newest_first.limit(1)).one_or_none()
        if last is not None and (last.content, last.texts, last.affectml) == (content, texts, affectml):
            _follow(connection, study.file)
            return int(last.number)
        promised = study.file.pay.currency if last is None else file_in(last).pay.currency
        if study.file.pay.currency != promised and connection.scalar(sa.select(visit.c.version).limit(1)) is not None:
            raise StoreError(
                f"pay.currency: people came for {promised}, and a panel's list of amounts has one currency; leave it, "
                "or begin anew with a database of its own (--db)"
            )
        make_key(connection, SIGNING)
        known = set(connection.scalars(sa.select(study_text.c.sha256)))
        for name, digest in texts.items():
            if digest not in known:
                connection.execute(study_text.insert().values(sha256=digest, content=study.texts[name]))
                known.add(digest)
        number = max(1, following(connection, study_version.c.number))
        row = {"number": number, "content": content, "texts": texts, "affectml": affectml, "at": now_ms()}
        connection.execute(study_version.insert().values(row))
        _set_apart(connection, study, () if last is None else file_in(last).checks.images)
        if last is None:
            write_setting(connection, KEY, {"state": "running", "more": 0})
            connection.execute(study_tally.insert(), [{"name": name, "count": 0} for name in TALLIES])
        _follow(connection, study.file)
        note_change(connection, by, {"version": number})
        return number

    return store.database.retried(work)


def _set_apart(connection: sa.Connection, study: Study, before: Sequence[Dictated]) -> None:
    """before: checks of the version before; those that are none any more are shown to nobody."""
    labels = read_settings(connection).labels
    checks = study.file.checks.images
    for name in {one.image for one in before} - {one.image for one in checks}:
        connection.execute(check.delete().where(check.c.position == setup.position_of(connection, name)))
    if checks:
        others = [[label for label in labels if label not in one.labels] for one in checks]
        table = {"image_id": [one.image for one in checks], "accepted": [[*one.labels] for one in checks]}
        setup.add_checks(connection, pd.DataFrame(table | {"forbidden": others}))
    for one in study.file.practice.images:
        check_labels(one.labels, labels, f"practice on image {one.image}")
    for name in study.apart:
        setup.set_apart(connection, setup.position_of(connection, name))


def _follow(connection: sa.Connection, file: StudyFile) -> None:
    """As many people and skips an image as the study says, and images are held for as long as places are."""
    lease = file.places.minutes * 60
    setup.update_settings(connection, {"overlap": file.overlap, "skips": file.skips, "lease_seconds": lease})


def warn_of(store: LabelStore, warnings: Mapping[str, str]) -> None:
    """Cover these images with these words from now on, and no others; ids that the task has not are passed over."""

    def work(connection: sa.Connection) -> None:
        connection.execute(content_warning.delete())
        known = connection.execute(sa.select(image.c.position, image.c.image_id))
        rows = [{"position": at, "text": warnings[name]} for at, name in known if name in warnings]
        if rows:
            connection.execute(content_warning.insert(), rows)

    store.database.retried(work)


def study_of(connection: sa.Connection, version: int | None = None) -> tuple[int, Study]:
    """The version that newcomers see, or another, with its number. Raises StoreError where there is none."""
    row = _version(connection, version)
    there = sa.select(study_text).where(study_text.c.sha256.in_(row.texts.values()))
    texts = {text.sha256: text.content for text in connection.execute(there)}
    return int(row.number), Study(file_in(row), {name: texts[digest] for name, digest in row.texts.items()})


def file_of(connection: sa.Connection, version: int | None = None) -> StudyFile:
    """As `study_of`, the file alone."""
    return file_in(_version(connection, version))


def _version(connection: sa.Connection, version: int | None) -> Any:
    query = sa.select(study_version).order_by(study_version.c.number.desc()).limit(1)
    if version is not None:
        query = query.where(study_version.c.number == version)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise StoreError("this database has no study yet; `affectml study run OUT` begins one")
    return row


def file_in(row: Any) -> StudyFile:
    """The file of a row of `study_version`."""
    return parse(one_overlap(row.content), f"version {row.number} of the study")


def change_state(store: LabelStore, state: str, *, by: str) -> None:
    """Let newcomers in, keep them out for now, or for good; whoever has a place goes on.

    Raises StoreError for another state.
    """
    if state not in STATES:
        raise StoreError(f"state: expected {', '.join(STATES)}, but received {state!r}{did_you_mean(state, STATES)}")
    _steer(store, by, {"state": state})


def more_places(store: LabelStore, people: int, *, by: str) -> None:
    """Open places for so many more people; they are given the images that still want somebody."""
    if people < 1:
        raise StoreError(f"people: expected one at least, but received {people}")
    _steer(store, by, {"more": people})


def _steer(store: LabelStore, by: str, what: dict[str, Any]) -> None:
    def work(connection: sa.Connection) -> None:
        lock(connection)
        now = read_setting(connection, KEY)
        write_setting(connection, KEY, {**now, **what, "more": now["more"] + what.get("more", 0)})
        note_change(connection, by, what)

    store.database.retried(work)


def note_change(connection: sa.Connection, by: str, what: dict[str, Any]) -> None:
    """Keep who changed what of the study, and when."""
    connection.execute(lead_change.insert().values(by=by, what=what, at=now_ms()))


def lock(connection: sa.Connection) -> None:
    """One at a time counts people and takes a place. Raises StoreError where there is no study."""
    first = sa.select(study_version.c.number).where(study_version.c.number == 1).with_for_update()
    if connection.execute(first).one_or_none() is None:
        raise StoreError("this database has no study yet; `affectml study run OUT` begins one")


def is_full(connection: sa.Connection, file: StudyFile, now: int) -> bool:
    """Whether there is no place, or no image that wants somebody."""
    people = connection.scalar(sa.select(sa.func.count()).select_from(visit).where(holds_place(now)))
    if int(people or 0) >= file.places.people + read_setting(connection, KEY)["more"]:
        return True
    wanting = sa.select(slot.c.position).where(slot.c.round == 1, slot.c.taken < slot.c.wanted).limit(1)
    return connection.execute(wanting).first() is None


def full_answer(connection: sa.Connection, file: StudyFile, who: str, given: dict[str, Any], now: int) -> str | None:
    """The question whose answer enough others have given who complete the study or are at it; None for none."""
    for name, most in file.places.per_answer.items():
        limit = most if isinstance(most, int) else most.get(given.get(name, ""))
        if limit is None or name not in given:
            continue
        others = connection.scalars(
            sa.select(questionnaire.c.value)
            .join(visit, visit.c.annotator_id == questionnaire.c.annotator_id)
            .where(questionnaire.c.question == name, visit.c.annotator_id != who, holds_place(now))
        )
        if sum(value == given[name] for value in others) >= limit:
            return name
    return None


def holds_place(now: int) -> sa.ColumnElement[bool]:
    """A visit that is completed, or goes on in time."""
    going = sa.and_(visit.c.status.is_(None), visit.c.place_until >= now)
    return sa.or_(visit.c.status == "completed", going)


def count_one(connection: sa.Connection, name: str) -> None:
    """Add one to a count of people of whom nothing else is kept."""
    connection.execute(study_tally.update().where(study_tally.c.name == name).values(count=study_tally.c.count + 1))


def images_wanting(store: LabelStore) -> pd.DataFrame:
    """The images that still want people: image_id, wanted, taken (answered, or held now)."""
    query = sa.select(image.c.image_id, slot.c.wanted, slot.c.taken).join(image, image.c.position == slot.c.position)
    return store.database.table(query.where(slot.c.round == 1, slot.c.taken < slot.c.wanted).order_by(slot.c.position))
