"""The study that a store runs: its versions, whether people are let in, and how many places there are."""

from typing import Any, Literal, get_args

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, did_you_mean
from affectml_annotation.store import setup, versions
from affectml_annotation.store.engine import reading, table_of, transaction
from affectml_annotation.store.people import SIGNING, make_key
from affectml_annotation.store.schema import image, read_setting, slot, study_tally, study_text, visit, write_setting
from affectml_annotation.store.versions import Version, newest, version_of
from affectml_annotation.study.file import Task
from affectml_annotation.study.folder import Study

KEY = "study"  # of the setting that says whether people are let in, and how many places were added
NO_STUDY = "this database has no study yet; `affectml study run OUT` begins one"
TALLIES = ("opened", "declined", "full")
State = Literal["running", "paused", "ended"]
STATES: tuple[State, ...] = get_args(State)


@transaction
def open_study(connection: sa.Connection, study: Study, *, by: str) -> int:
    """Let a study run on the store's task, or go on with it; return its version.

    A file or text that changed is a new version, which those see who come from now on. by: who opened it. Images of
    practice and checks, and those that the instructions show and say something of, are nobody's to label. Raises
    StoreError, naming the key, for what cannot change: another currency once people came, say.
    """
    versions.lock(connection)  # of two servers that begin at once one begins
    begins = read_setting(connection, KEY) is None
    said_by = None if begins else by
    number = setup.set_task(connection, study.file, study.texts, apart=study.apart, by=said_by)
    if begins:
        make_key(connection, SIGNING)
        write_setting(connection, KEY, {"state": "running", "more": 0})
        connection.execute(study_tally.insert(), [{"name": name, "count": 0} for name in TALLIES])
        setup.note_change(connection, by, {"version": number})
    return number


def study_of(connection: sa.Connection, version: int | None = None) -> Study:
    """The version that newcomers see, or another. Raises StoreError where there is none."""
    there = running_version(connection, version)
    rows = connection.execute(sa.select(study_text).where(study_text.c.sha256.in_(there.texts.values())))
    texts = {text.sha256: text.content for text in rows}
    return Study(there.file, {name: texts[digest] for name, digest in there.texts.items()})


def file_of(connection: sa.Connection, version: int | None = None) -> Task:
    """As `study_of`, the file alone."""
    return running_version(connection, version).file


def running_version(connection: sa.Connection, number: int | None = None) -> Version:
    """The version that newcomers see, or another. Raises StoreError where there is no study."""
    version = newest(connection) if number is None else version_of(connection, number)
    if not version.file.is_study:
        raise StoreError(NO_STUDY)
    return version


@transaction
def change_state(connection: sa.Connection, state: str, *, by: str) -> None:
    """Let newcomers in, keep them out for now, or for good; whoever has a place goes on.

    Raises StoreError for another state.
    """
    if state not in STATES:
        raise StoreError(f"state: expected {', '.join(STATES)}, but received {state!r}{did_you_mean(state, STATES)}")
    write_setting(connection, KEY, {**lock(connection), "state": state})
    setup.note_change(connection, by, {"state": state})


@transaction
def more_places(connection: sa.Connection, people: int, *, by: str) -> None:
    """Open places for so many more people; they are given the images that still want somebody."""
    if people < 1:
        raise StoreError(f"people: expected one at least, but received {people}")
    now = lock(connection)
    write_setting(connection, KEY, {**now, "more": now["more"] + people})
    setup.note_change(connection, by, {"more": people})


def steering(connection: sa.Connection) -> dict[str, Any]:
    """Whether people are let in (`state`), and how many places were added (`more`). StoreError without a study."""
    setting: dict[str, Any] | None = read_setting(connection, KEY)
    if setting is None:
        raise StoreError(NO_STUDY)
    return setting


def lock(connection: sa.Connection) -> dict[str, Any]:
    """One at a time counts people and takes a place. Gives `steering`."""
    versions.lock(connection)
    return steering(connection)


def is_full(connection: sa.Connection, file: Task, now: int) -> bool:
    """Whether there is no place, or no image that wants somebody."""
    people = connection.scalar(sa.select(sa.func.count()).select_from(visit).where(holds_place(now)))
    if int(people or 0) >= file.places.people + steering(connection)["more"]:
        return True
    wanting = sa.select(slot.c.position).where(slot.c.round == 1, slot.c.taken < slot.c.wanted).limit(1)
    return connection.execute(wanting).first() is None


def holds_place(now: int) -> sa.ColumnElement[bool]:
    """A visit that is completed, or goes on in time."""
    going = sa.and_(visit.c.status.is_(None), visit.c.place_until >= now)
    return sa.or_(visit.c.status == "completed", going)


def count_one(connection: sa.Connection, name: str) -> None:
    """Add one to a count of people of whom nothing else is kept."""
    connection.execute(study_tally.update().where(study_tally.c.name == name).values(count=study_tally.c.count + 1))


@reading
def images_wanting(connection: sa.Connection) -> pd.DataFrame:
    """The images that still want people: image_id, wanted, taken (answered, or held now)."""
    query = sa.select(image.c.image_id, slot.c.wanted, slot.c.taken).join(image, image.c.position == slot.c.position)
    wanting = query.where(slot.c.round == 1, slot.c.taken < slot.c.wanted).order_by(slot.c.position)
    return table_of(connection, wanting)
