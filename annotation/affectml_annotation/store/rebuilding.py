"""`answer`, `assignment` and `slot` made anew from the log, and where what is there differs from that.

What the log does not say stays where it agrees with it: claims that nobody has answered, how many people a slot wants,
that an erasure gave its place to an answer which had come too late, and what was given out before schema 4.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from affectml_annotation.store.engine import watched
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    answer,
    assignment,
    check,
    conflict,
    erasure,
    event,
    image,
    round_,
    slot,
)
from affectml_annotation.store.settings import read_settings

KEYS = {
    answer: ("annotator_id", "round", "image_id"),
    assignment: ("annotator_id", "round", "position"),
    slot: ("round", "position"),
}
HOLDING = ("task", "discussion")  # purposes of which each holds a place; of a check or second look some do
KINDS = ("added", "changed", "removed")
EXAMPLES = 5
_SAID = (
    "number", "event_id", "annotator_id", "round", "image_id", "received_at", "suggestions_visible", "status",
    "revision", "place", "purpose", "holds_slot", "claimed_at",
)  # fmt: skip
_LOG = (
    sa.select(*(event.c[name] for name in _SAID), conflict.c.kept, conflict.c.resolved_at)
    .outerjoin(conflict, conflict.c.event_id == event.c.event_id)
    .order_by(event.c.annotator_id, event.c.number)
    .execution_options(yield_per=1000)
)
_who: sa.BindParameter[str] = sa.bindparam("who")
_ANSWERS = sa.select(answer).where(answer.c.annotator_id == _who)
_ASSIGNMENTS = sa.select(assignment).where(assignment.c.annotator_id == _who)
Row = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A row that is not what the log says. there: None where it is missing; made: None where it is one too many."""

    table: str
    there: Row | None
    made: Row | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that differ; none of a row that is missing or too many."""
        there, made = self.there, self.made
        return () if there is None or made is None else tuple(name for name in made if made[name] != there[name])

    @property
    def kind(self) -> str:
        """added, removed or changed: what becomes of the row."""
        return "added" if self.there is None else "removed" if self.made is None else "changed"


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild` did. rows: by table and kind (added, changed, removed), how many; claims: open ones that stayed.

    examples: the first differences of each table.
    """

    rows: dict[str, dict[str, int]]
    examples: list[Difference]
    claims: int


def rebuild(connection: sa.Connection) -> Rebuilt:
    """Make `answer`, `assignment` and `slot` anew from the log, within this transaction; nobody else writes meanwhile.

    An image without a slot in the main round gets one that wants as many people as the settings say.
    """
    if connection.dialect.name == "postgresql":  # annotator first: so does everybody who claims or answers
        connection.exec_driver_sql("LOCK TABLE annotator IN EXCLUSIVE MODE")
        connection.exec_driver_sql("LOCK TABLE event, conflict, answer, assignment, slot IN SHARE ROW EXCLUSIVE MODE")
    rows = {table.name: dict.fromkeys(KINDS, 0) for table in KEYS}
    examples: list[Difference] = []
    for found in differences(connection):
        for table, key in KEYS.items():
            here = [one for one in found if one.table == table.name]
            for one in here:
                rows[table.name][one.kind] += 1
            examples += here[: max(0, EXAMPLES - sum(one.table == table.name for one in examples))]
            # Removed before any is added: a place may go from one row to another.
            if gone := [{f"at_{name}": one.there[name] for name in key} for one in here if one.there is not None]:
                at = (table.c[name] == sa.bindparam(f"at_{name}") for name in key)
                connection.execute(table.delete().where(*at), gone)
            if made := [one.made for one in here if one.made is not None]:
                connection.execute(table.insert(), made)
    still = sa.select(sa.func.count()).select_from(assignment).where(assignment.c.answered_at.is_(None))
    return Rebuilt(rows, examples, int(connection.scalar(still) or 0))


def differences(connection: sa.Connection) -> Iterator[list[Difference]]:
    """Where `answer`, `assignment` and `slot` are not what the log says: person by person, then the slots."""
    task = _Task.of(connection)

    def of(who: str, said: Sequence[Any]) -> list[Difference]:
        answers = {(row["round"], row["image_id"]): row for row in _rows(connection, _ANSWERS, who)}
        given = {(row["round"], row["position"]): row for row in _rows(connection, _ASSIGNMENTS, who)}
        return task.of_person(who, said, answers, given)

    silent = {*connection.scalars(sa.union(*(sa.select(table.c.annotator_id) for table in (answer, assignment))))}
    for who, said in groupby(watched(connection.execute(_LOG)), attrgetter("annotator_id")):
        silent.discard(who)
        yield of(who, list(said))
    for who in sorted(silent):
        yield of(who, [])
    yield task.slots(connection)


def _rows(connection: sa.Connection, query: sa.Select[Any], who: str) -> list[Row]:
    found = connection.execute(query, {"who": who})
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]  # quicker than mappings


def _compared(table: sa.Table, there: dict[Any, Row], made: dict[Any, Row]) -> list[Difference]:
    keys = dict.fromkeys((*there, *made))
    both = (Difference(table.name, there.get(key), made.get(key)) for key in keys)
    return [one for one in both if one.there != one.made]


@dataclass(frozen=True)
class _Task:
    """What the rows of a person depend on; held counts the places that are held, by round and position."""

    positions: dict[str, int]
    rounds: dict[int, str]
    people: dict[str, int | None]  # when they withdrew
    checks: set[int]
    erased: bool  # whether anybody was
    held: Counter[tuple[int, int]] = field(default_factory=Counter)

    @classmethod
    def of(cls, connection: sa.Connection) -> "_Task":
        def pairs(*columns: sa.Column[Any]) -> dict[Any, Any]:
            return {row[0]: row[1] for row in connection.execute(sa.select(*columns))}

        return cls(
            pairs(image.c.image_id, image.c.position),
            pairs(round_.c.number, round_.c.purpose),
            pairs(annotator.c.annotator_id, annotator.c.withdrawn_at),
            set(connection.scalars(sa.select(check.c.position))),
            connection.scalar(sa.select(erasure.c.number).limit(1)) is not None,
        )

    def of_person(
        self, who: str, said: Sequence[Any], answers: dict[tuple[int, str], Row], given: dict[tuple[int, int], Row]
    ) -> list[Difference]:
        """Where one person's answers and assignments differ from what they `said`, in the order in which it came."""
        made: dict[tuple[int, str], Row] = {}
        there = self.people.get(who, 0) is None
        assigned = {at: dict(row) for at, row in given.items() if row["answered_at"] is None and there}
        at_images: dict[tuple[int, str], list[Any]] = {}
        for one in said:
            at_images.setdefault((one.round, one.image_id), []).append(one)
        for key, here in at_images.items():
            taken = [one for one in here if one.status != "conflict"]
            if not taken:
                continue
            at = (key[0], self.positions.get(key[1], -1))
            now, had = answers.get(key), given.get(at)
            filled = self.erased and now is not None and not now["surplus"] and had is not None and had["holds_slot"]
            surplus = taken[-1].status == "surplus" and not filled
            made[key] = {**_current(here, taken, now), "surplus": surplus}
            if who in self.people and at[0] in self.rounds and at[1] >= 0:
                assigned[at] = self._assignment(at, taken[0], had, surplus)
                if had is not None and not there:  # until schema 2, whoever withdrew held nothing more
                    assigned[at]["holds_slot"] &= had["holds_slot"]
        for row in assigned.values():
            row["holds_slot"] = row["holds_slot"] or (row["answered_at"] is None and row["purpose"] in HOLDING)
        _place(assigned, given)
        if there:
            self.held.update(at for at, row in assigned.items() if row["holds_slot"])
        return _compared(answer, answers, made) + _compared(assignment, given, assigned)

    def _assignment(self, at: tuple[int, int], first: Any, had: Row | None, surplus: bool) -> Row:
        """The assignment that was answered first by this event. place: None where nothing says it."""
        in_round = self.rounds[at[0]]
        is_check = in_round == "main" and at[1] in self.checks
        before = had or {
            "place": None, "purpose": "check" if is_check else "task" if in_round == "main" else in_round,
            "suggestions_visible": first.suggestions_visible, "holds_slot": False, "claimed_at": first.received_at,
            "lease_until": first.received_at,
        }  # fmt: skip
        known = {name: getattr(first, name) for name in ("place", "purpose", "holds_slot", "claimed_at")}
        row = {**before, **{name: value for name, value in known.items() if value is not None}}
        filled = first.status == "surplus" and not surplus
        holds = not surplus and (row["purpose"] in HOLDING or filled or row["holds_slot"])
        key = {"annotator_id": first.annotator_id, "round": at[0], "position": at[1]}
        return {**key, **row, "holds_slot": holds, "answered_at": first.received_at}

    def slots(self, connection: sa.Connection) -> list[Difference]:
        """Slots that count other people than hold a place there, and images without one in the main round."""
        there = {(row["round"], row["position"]): dict(row) for row in connection.execute(sa.select(slot)).mappings()}
        made = {at: {**row, "taken": self.held[at]} for at, row in there.items()}
        for at in ((MAIN, position) for position in self.positions.values()):
            made.setdefault(at, {"round": at[0], "position": at[1], "wanted": -1, "taken": self.held[at]})
        if odd := [row for row in made.values() if row["wanted"] < 0]:
            usual = read_settings(connection).overlap
            for row in odd:
                row["wanted"] = 0 if row["position"] in self.checks else usual
        return _compared(slot, there, made)


def _current(here: Sequence[Any], taken: Sequence[Any], now: Row | None) -> Row:
    """The answer to an image, of all that one person said of it and of what was `taken` as it came."""
    last = taken[-1]
    kept = [one for one in here if one.status == "conflict" and one.kept]
    revision = max(len(taken) + len(kept), last.revision)
    if revision > last.revision and kept:  # the lead kept one after that; of two in one moment, the one that is there
        there = None if now is None else now["event_id"]
        last = max(kept, key=lambda one: (one.resolved_at, one.event_id == there, one.number))
    key = {"annotator_id": last.annotator_id, "round": last.round, "image_id": last.image_id}
    return {**key, "event_id": last.event_id, "revision": revision}


def _place(assigned: dict[tuple[int, int], Row], given: dict[tuple[int, int], Row]) -> None:
    """Give a place of its own to each that has none, or one that the log gives to another."""
    used: set[int] = set()
    nowhere = []
    # What differs from what is there is what the log says; it goes first.
    for at in sorted(assigned, key=lambda at: assigned[at]["place"] == given.get(at, {}).get("place")):
        if (place := assigned[at]["place"]) is None or place in used:
            nowhere.append(at)
        else:
            used.add(place)
    for number, at in enumerate(nowhere, max(used, default=-1) + 1):
        assigned[at]["place"] = number
