"""What the store knows, as tables: images, current judgements, progress, people, conflicts, decisions."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import methodcaller
from typing import Any

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import StoreError
from affectml_annotation.exchange.tables import as_numbers
from affectml_annotation.judgements import ANSWERS, FLAG, of_now
from affectml_annotation.store.claims import expired, round_row
from affectml_annotation.store.engine import OnDatabase, table_of
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    answer,
    assignment,
    check,
    conflict,
    decision,
    event,
    image,
    round_,
    slot,
)  # fmt: skip
from affectml_annotation.store.submits import OF_ASSIGNMENT
from affectml_annotation.store.versions import all_versions

HOUR_MS = 3_600_000
# A file without times says nothing of when its judgements were made: the log has the moment of the import for them.
SAID_AT = sa.case(
    (sa.and_(event.c.source.is_not(None), event.c.at == event.c.received_at), None), else_=event.c.at
).label("at")
SAID = [event.c[column.name] for column in COLUMNS if column.name != "purpose"]  # whose purpose may be an assignment's
_GONE = sa.select(annotator.c.annotator_id).where(annotator.c.withdrawn_at.is_not(None))


@dataclass(frozen=True)
class Progress:
    """How far a round is. Times in seconds; rate in answers per hour over the last hour of work, nan before any.

    wanted: answers needed in all; answered: those there (surplus ones not counted); claimed: images out now,
    whose time is not up; complete: images with all the answers wanted; seconds_left: at the present rate, or nan.
    """

    round: int
    images: int
    wanted: int
    answered: int
    claimed: int
    complete: int
    conflicts: int
    annotators: int
    rate: float
    seconds_left: float


def _is_current(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether an event is the current one of such an answer, asked by the answer's key.

    As a join, SQLite would go through the answers, and sort what it finds by the events' numbers.
    """
    return sa.exists().where(
        *(answer.c[name] == event.c[name] for name in ("annotator_id", "round", "image_id", "event_id")), *which
    )


def events_table(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """Events as a table with proper types."""
    table = of_now(table_of(connection, query))
    if {*map(type, chain.from_iterable(table["labels"]))} - {str}:
        raise TypeError("labels that are no texts")
    for column in COLUMNS:
        if column.name in table:
            table[column.name] = _IN_MEMORY[column.type](table[column.name])
    table["received_at"] = _times(table["received_at"])
    if "place" in table:
        table["place"] = table["place"].astype("Int64")
    return table


def _times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(column.astype("Int64"), unit="ms", utc=True).astype("datetime64[ms, UTC]")


def _numbers(column: "pd.Series[Any]") -> "pd.Series[Any]":
    for cell in column.dropna():
        as_numbers(cell)  # raises for what a damaged file holds in its place
    return column


_IN_MEMORY: Mapping[str, Callable[["pd.Series[Any]"], "pd.Series[Any]"]] = {
    **dict.fromkeys(("text", "language"), methodcaller("astype", "str")), "whole": methodcaller("astype", "int64"),
    "number": methodcaller("astype", "float64"), "truth": lambda column: column.eq(True),
    "time": _times, "numbers": _numbers, "labels": lambda column: column,
}  # fmt: skip


def _rate(connection: sa.Connection, round_number: int) -> float:
    """Answers an hour in the last hour of work, however long ago: a team that went home has not become slow."""
    # An import comes all at once, which is no pace; a check is no image of the task.
    given = (event.c.round == round_number, event.c.source.is_(None), event.c.purpose.is_distinct_from("check"))
    last = connection.scalar(sa.select(sa.func.max(event.c.received_at)).where(*given))
    if last is None:
        return float("nan")
    recent = sa.select(sa.func.count(), sa.func.min(event.c.received_at))
    count, first = connection.execute(recent.where(*given, event.c.received_at > last - HOUR_MS)).one()
    return (count - 1) / max(last - first, 1) * HOUR_MS if count > 1 else float("nan")


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.sum(column), 0)


class Reading(OnDatabase):
    """The part of a label store that reads: nothing is changed."""

    def images(self) -> pd.DataFrame:
        """All images: position, image_id, file, stratum, priority, queue_rank."""
        return self.database.table(sa.select(image).order_by(image.c.position))

    def checks(self) -> pd.DataFrame:
        """The attention checks: image_id, accepted, forbidden."""
        columns = (image.c.image_id, check.c.accepted, check.c.forbidden)
        return self.database.table(sa.select(*columns).join(image, image.c.position == check.c.position))

    def dictated(self) -> set[str]:
        """The images that say by themselves what to choose: practice and checks of the study, in any version of it."""
        return {name for version in self.database.reading(all_versions) for name in version.file.dictated_images}

    def rounds(self) -> pd.DataFrame:
        """All rounds: round, purpose (main, repeat, second, discussion), of."""
        columns = (round_.c.number.label("round"), round_.c.purpose, round_.c.of)
        return self.database.table(sa.select(*columns).order_by(round_.c.number))

    def judgements(
        self,
        *,
        rounds: Sequence[int] | None = None,
        surplus: bool = False,
        withdrawn: bool = False,
        image_ids: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Current judgements as the long table of annotations.parquet, with purpose, place and revision.

        rounds, image_ids: these only. surplus: also answers beyond the overlap. withdrawn: also of people who withdrew.
        `at` is missing where nobody said it. Raises StoreError for answers of which a damaged file has no event.
        """
        which = [] if surplus else [~answer.c.surplus]
        same = (assignment.c[name] == event.c[name] for name in ("annotator_id", "round"))
        query = (
            sa.select(
                *(SAID_AT if column is event.c.at else column for column in SAID),
                event.c.revision,
                event.c.received_at,
                sa.func.coalesce(event.c.purpose, assignment.c.purpose, "task").label("purpose"),
                sa.func.coalesce(event.c.place, assignment.c.place).label("place"),
            )
            # Only corrections, and answers from before the log had it, are looked up: a text's place takes its time.
            .outerjoin(image, image.c.image_id == sa.case((event.c.place.is_(None), event.c.image_id)))
            .outerjoin(assignment, sa.and_(*same, assignment.c.position == image.c.position))
            .where(_is_current(*which))
            .order_by(event.c.number)
        )
        if rounds is not None:
            query = query.where(event.c.round.in_(rounds))
            which.append(answer.c.round.in_(rounds))
        if image_ids is not None:  # the index by person and round finds an image's: so all of those are named
            people, numbers = sa.select(annotator.c.annotator_id), sa.select(round_.c.number)
            keys = event.c.annotator_id.in_(people), event.c.round.in_(numbers), event.c.image_id.in_(image_ids)
            query = query.where(*keys)
            which.append(answer.c.image_id.in_(image_ids))
        if not withdrawn:
            query = query.where(event.c.annotator_id.not_in(_GONE))
            which.append(answer.c.annotator_id.not_in(_GONE))
        with self.database.read() as connection:
            table = events_table(connection, query)
            if connection.dialect.name == "sqlite":  # its pages may be damaged, and both questions are of one moment
                counted = connection.scalar(sa.select(sa.func.count()).select_from(answer).where(*which))
                lost = int(counted or 0) - len(table)
                if lost:
                    raise StoreError(f"{lost:,} answers name no event of theirs: the database is damaged, and "
                                     "`affectml audit --files` says where")  # fmt: skip
        return table

    def events(self, *, people: Sequence[str] | None = None) -> pd.DataFrame:
        """Everything anybody ever said, in the order it came. people: these only."""
        columns = [column for column in event.c if column.name not in ("number", *OF_ASSIGNMENT)]
        query = sa.select(*columns).order_by(event.c.number)
        if people is not None:
            query = query.where(event.c.annotator_id.in_(people))
        return self.database.reading(events_table, query)

    def history(self, who: str, limit: int = 50) -> pd.DataFrame:
        """This person's current answers, newest first, with the revision that a correction has to name."""
        query = (
            sa.select(*SAID, answer.c.revision, event.c.received_at)
            .join(answer, answer.c.event_id == event.c.event_id)
            .where(answer.c.annotator_id == who)
            .order_by(event.c.number.desc())
            .limit(limit)
        )
        return self.database.reading(events_table, query)

    def progress(self, *, round_number: int = MAIN) -> Progress:
        """How far a round is, how fast, and how long it will take."""
        held = (
            sa.select(
                assignment.c.position,
                sa.func.count().label("people"),
                sa.func.count().filter(~expired()).label("still"),
            )
            .where(assignment.c.answered_at.is_(None), assignment.c.round == round_number, assignment.c.holds_slot)
            .group_by(assignment.c.position)
            .subquery()
        )
        answered = slot.c.taken - sa.func.coalesce(held.c.people, 0)
        said = sa.exists().where(answer.c.annotator_id == annotator.c.annotator_id, answer.c.round == round_number)
        columns = {
            "images": sa.func.count(),
            "wanted": _sum(slot.c.wanted),
            "answered": _sum(answered),
            "claimed": _sum(held.c.still),
            "complete": sa.func.count().filter(answered >= slot.c.wanted),
            "conflicts": sa.select(sa.func.count()).where(conflict.c.resolved_at.is_(None)).scalar_subquery(),
            "annotators": sa.select(sa.func.count()).select_from(annotator).where(said).scalar_subquery(),
        }
        query = sa.select(*(column.label(name) for name, column in columns.items()))
        query = query.select_from(slot.outerjoin(held, held.c.position == slot.c.position))
        query = query.where(slot.c.round == round_number, slot.c.wanted > 0)
        with self.database.read() as connection:
            round_row(connection, round_number)
            counts = {name: int(count) for name, count in connection.execute(query).one()._mapping.items()}
            rate = _rate(connection, round_number)
        left = max(counts["wanted"] - counts["answered"], 0)
        return Progress(round_number, **counts, rate=rate, seconds_left=left / rate * 3600 if left else 0.0)

    def skipped_images(self) -> list[str]:
        """The images of the main round that have fewer answers than they were to have, since too many people skipped.

        An unsure or a flag is a skip here. More people see such an image if `skips` or what it wants is raised.
        """
        same = (assignment.c[name] == event.c[name] for name in ("annotator_id", "round"))
        holds = sa.exists().where(*same, assignment.c.position == image.c.position, assignment.c.holds_slot)
        query = (
            sa.select(event.c.image_id)
            .where(event.c.kind.not_in(ANSWERS), event.c.round == MAIN, event.c.annotator_id.not_in(_GONE))
            .where(_is_current(~answer.c.surplus), holds.where(image.c.image_id == event.c.image_id))
        )
        with self.database.read() as connection:
            return sorted(set(connection.scalars(query)))

    def annotators(self) -> pd.DataFrame:
        """Everybody invited: answers so far, open claims, when they answered last, the language that they chose.

        answered_in: how many of their answers were given in each language, the most used first.
        """
        # Grouped by the language first: by the person first, SQLite would jump through the events person by person.
        counts = (sa.func.count().label("answers"), sa.func.max(event.c.received_at).label("last"))
        said = sa.select(event.c.annotator_id, event.c.language, *counts).where(_is_current())
        holders = sa.select(assignment.c.annotator_id).where(assignment.c.answered_at.is_(None), ~expired())
        with self.database.read() as connection:
            answers = table_of(connection, said.group_by(event.c.language, event.c.annotator_id))
            held = Counter(connection.scalars(holders))
            people = table_of(connection, sa.select(annotator).order_by(annotator.c.number))
        who, by_person = people["annotator_id"], answers.groupby("annotator_id")
        spoken = answers.dropna(subset="language").sort_values(["answers", "language"], ascending=[False, True])
        languages = {person: dict(zip(own["language"], own["answers"].tolist(), strict=True))
                     for person, own in spoken.groupby("annotator_id")}  # fmt: skip
        last = who.map(by_person["last"].max()).astype("Int64")
        return pd.DataFrame({
            "annotator_id": who,
            "answers": who.map(by_person["answers"].sum()).fillna(0).astype("int64"),
            "claimed": [held[person] for person in who],
            "last_answer": pd.to_datetime(last, unit="ms", utc=True),
            "consented": people["consented_at"].notna(),
            "withdrawn": people["withdrawn_at"].notna(),
            "language": people["language"].astype("str"),
            "answered_in": [languages.get(person, {}) for person in who],
            "attributes": [attributes or {} for attributes in people["attributes"]],
            "chip_order": people["chip_order"],
        })  # fmt: skip

    def remarks(self) -> pd.DataFrame:
        """Current flags and notes: image_id, annotator_id, round, flag, note; none of people who withdrew."""
        flagged = sa.or_(event.c.kind == FLAG, event.c.flag, event.c.note.is_not(None))
        columns = (event.c[name] for name in ("image_id", "annotator_id", "round", "kind", "note", "flag"))
        query = (
            sa.select(*columns)
            .where(_is_current(), event.c.annotator_id.not_in(_GONE), flagged)
            .order_by(event.c.number)
        )
        table = of_now(self.database.table(query)).drop(columns="kind")
        return table.assign(flag=table["flag"].eq(True))

    def conflicts(self) -> pd.DataFrame:
        """Answers that met a changed one, open ones first: both event ids, and what each said."""
        one, other = event.alias("one"), event.alias("other")
        query = (
            sa.select(
                conflict.c.event_id,
                conflict.c.against,
                *(one.c[name] for name in ("image_id", "annotator_id", "round", "labels", "kind")),
                other.c.labels.label("against_labels"),
                other.c.kind.label("against_kind"),
                *(conflict.c[name] for name in ("resolved_at", "resolved_by", "kept")),
            )
            .outerjoin(one, one.c.event_id == conflict.c.event_id)  # is there: so that SQLite begins with the conflicts
            .outerjoin(other, other.c.event_id == conflict.c.against)
            .order_by(conflict.c.resolved_at.is_not(None), one.c.number)
        )
        return self.database.table(query)

    def decisions(self) -> pd.DataFrame:
        """All decisions, oldest first; the last one about an image stands."""
        columns = (decision.c.image_id, decision.c.labels, decision.c.decided_by, decision.c.note, decision.c.at)
        table = self.database.table(sa.select(*columns).order_by(decision.c.number))
        table["at"] = pd.to_datetime(table["at"], unit="ms", utc=True)
        return table
