"""Who is to be paid what. The one place that joins a panel's ids to visits; nobody's answers decide about it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_UP, Decimal
from math import ceil
from typing import Any

import pandas as pd
import sqlalchemy as sa
from babel.numbers import get_currency_precision

from affectml_annotation.exchange.files import csv_text, table_csv
from affectml_annotation.store import LabelStore
from affectml_annotation.store.claims import failed_checks, images_done
from affectml_annotation.store.engine import transaction
from affectml_annotation.store.keeping import clean_backups
from affectml_annotation.store.people import DAY_MS, ERASING, FORGOTTEN, is_theirs, make_key, mark
from affectml_annotation.store.schema import annotator, now_ms, owed, panel, visit
from affectml_annotation.store.setup import note_change
from affectml_annotation.study import running, visits
from affectml_annotation.study.file import Status
from affectml_annotation.study.folder import Study
from affectml_annotation.study.terms import announced_minutes

NOTHING = CENT = Decimal("0.00")


@dataclass(frozen=True)
class PayRow:
    """One visit.

    person: empty once it is forgotten. status: None while it goes on, with nothing due yet. images: answered ones,
    checks among them. failed_checks: noted, and of no consequence here. code: that they were given. due: all of it;
    by_panel: so much of that the panel pays itself.
    """

    person: str
    session: str | None
    status: Status | None
    minutes: float
    images: int
    failed_checks: int
    code: str | None
    currency: str
    due: Decimal
    by_panel: Decimal
    paid: bool

    @property
    def to_pay(self) -> Decimal:
        """What is not paid yet, and the panel does not pay."""
        return NOTHING if self.paid else self.due - self.by_panel


_VISITS = sa.select(visit, panel.c.person, panel.c.session).join(panel, panel.c.annotator_id == visit.c.annotator_id)


def pay_rows(store: LabelStore) -> list[PayRow]:
    """A row per visit, in the order they came, and per person who was erased before they were paid."""
    visits.give_back_places(store)
    with store.database.read() as connection:
        erased = connection.execute(sa.select(owed).order_by(owed.c.number))
        return [row for _, row in _visits(connection)] + [
            PayRow(row.person, row.session, row.status, 0.0, 0, 0, None, row.currency,
                   due=Decimal(row.amount).scaleb(-2), by_panel=Decimal(row.by_panel).scaleb(-2), paid=False)
            for row in erased
        ]  # fmt: skip


def _visits(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[tuple[Any, PayRow]]:
    """The visits in the order they came, each with its row of the pay table."""
    visits_there = connection.execute(_VISITS.where(*which).order_by(visit.c.entered_at, visit.c.annotator_id)).all()
    studies = {number: running.study_of(connection, number) for number in {one.version for one in visits_there}}
    return [(one, _row(connection, studies[one.version], one)) for one in visits_there]


def _row(connection: sa.Connection, study: Study, row: Any) -> PayRow:
    images = images_paid(connection, row.annotator_id)
    fixed, over = due(study, row.status, images, row.active_ms)
    return PayRow(
        person="" if row.person.startswith(FORGOTTEN) else row.person,
        session=row.session,
        status=row.status,
        minutes=row.active_ms / 60_000,
        images=images,
        failed_checks=failed_checks(connection, row.annotator_id),
        code=visits.earned(connection, study.file, row),
        currency=study.file.pay.currency,
        due=fixed + over,
        by_panel=fixed if row.status in study.file.pay.paid_by_panel else NOTHING,
        paid=row.paid_at is not None,
    )


def images_paid(connection: sa.Connection, who: str) -> int:
    """How many images somebody has answered, as they count them: attention checks are images like any other."""
    return images_done(connection, who, purposes=("task", "check"))


def keep_owed(connection: sa.Connection, who: str) -> None:
    """Before somebody is erased: what they are due, apart from all else of them, until it is paid.

    A visit that goes on is left with that. Nothing is kept of who was paid, is due nothing, is forgotten, or takes part
    in no study.
    """
    for table in (annotator, visit):  # in this order, as everybody does: no answer and no payment comes between
        connection.execute(sa.select(table).where(table.c.annotator_id == who).with_for_update())
    if visits.left_now(connection, who) is None:
        return
    ((_, row),) = _visits(connection, visit.c.annotator_id == who)
    if row.due and row.person and not row.paid:
        connection.execute(owed.insert().values(
            person=row.person, session=row.session, status=row.status, amount=int(row.due * 100),
            by_panel=int(row.by_panel * 100), currency=row.currency, at=now_ms(),
        ))  # fmt: skip


def due(study: Study, status: Status | None, images: int, active_ms: int) -> tuple[Decimal, Decimal]:
    """What the file says is due for such a visit: the fixed part, and that for minutes over.

    images: how many were answered, checks among them, whatever the answers are. A share is rounded up: to whole units
    of a currency that has no smaller one (JPY), by the decimals of Unicode's CLDR; in all others to hundredths, also
    where there are three decimals (KWD), since a study's amounts have two.
    """
    pay, n = study.file.pay, study.file.images_per_person + study.file.check_count
    fixed = over = NOTHING
    if status == "completed":
        minutes = ceil(max(0, active_ms - announced_minutes(study) * 60_000) / 60_000)
        fixed, over = pay.per_person, min(minutes, pay.most_minutes_over) * pay.per_minute_over
    elif status in ("screened_out", "quota_full"):
        fixed = pay.per_screen_out
    elif status is not None and pay.unfinished == "all":
        fixed = pay.per_person
    elif status is not None and pay.unfinished == "by_images":
        smallest = CENT if get_currency_precision(pay.currency) else Decimal(1)
        share = (pay.per_person * min(images, n) / n).quantize(smallest, ROUND_UP)
        fixed = min(pay.per_person, share)
    return fixed.quantize(CENT), over.quantize(CENT)


def sums(rows: Sequence[PayRow]) -> pd.DataFrame:
    """The pay table by status and currency, in the order in which they first come.

    people; paid: how many of them were; due; to_pay.
    """
    columns = ["status", "currency", "people", "paid", "due", "to_pay"]
    table = pd.DataFrame(
        [(row.status or "going_on", row.currency, 1, row.paid, row.due, row.to_pay) for row in rows], columns=columns
    )
    return table.groupby(columns[:2], sort=False, as_index=False).sum()


@transaction
def mark_paid(connection: sa.Connection, people: Sequence[str], *, by: str = "the command line") -> int:
    """Note that these people, by their ids at the panel, were paid; return how many were not before.

    What was owed to somebody who was erased leaves with it. by: who notes it; of the people their number is kept.
    """
    theirs = sa.select(panel.c.annotator_id).where(is_theirs(connection, panel.c.person, *people))
    open_ones = (visit.c.annotator_id.in_(theirs), visit.c.paid_at.is_(None), visit.c.status.is_not(None))
    marked = connection.execute(visit.update().where(*open_ones).values(paid_at=now_ms())).rowcount
    over = connection.execute(owed.delete().where(is_theirs(connection, owed.c.person, *people))).rowcount
    count = int(marked) + int(over)
    if count:
        note_change(connection, by, {"paid": count})
    return count


def forget_ids(store: LabelStore, *, by: str) -> tuple[int, list[str]]:
    """Forget the ids at the panel of all who are paid, or were owed nothing for a day; how many are kept, and those.

    What stays of an id is a keyed hash: who comes back is known, and can still be erased by the id that they know.
    Then they leave the backups that are kept, and the database's files are written anew; raises DatabaseAway while
    others read it, and the same call goes on.
    """
    done = _forget(store, by)
    clean_backups(store)
    store.database.rewrite([panel.name, owed.name])
    return done


@transaction
def _forget(connection: sa.Connection, by: str) -> tuple[int, list[str]]:
    make_key(connection, ERASING)
    kept, gone, long_ago = 0, [], now_ms() - DAY_MS
    for one, row in _visits(connection, panel.c.person.not_like(f"{FORGOTTEN}%")):
        if row.paid or (not row.due and one.ended_at is not None and one.ended_at < long_ago):
            mine = panel.update().where(panel.c.annotator_id == one.annotator_id)
            connection.execute(mine.values(person=FORGOTTEN + mark(connection, row.person), session=None))
            gone.append(row.person)
        else:
            kept += 1
    if gone:
        note_change(connection, by, {"forgotten": len(gone)})
    owing = connection.scalar(sa.select(sa.func.count()).select_from(owed)) or 0
    return kept + owing, gone


def as_csv(rows: Sequence[PayRow]) -> str:
    """The whole table."""
    table = pd.DataFrame(rows, columns=[field.name for field in fields(PayRow)])
    return table_csv(table.assign(
        status=table["status"].fillna("going on"), minutes=table["minutes"].map("{:.1f}".format),
        paid=table["paid"].map({True: "yes", False: "no"}),
    ))  # fmt: skip


def as_bulk(rows: Sequence[PayRow]) -> str:
    """Prolific's list for bulk payments: id and amount, of who is not paid yet, less what the panel pays by itself.

    Nobody is in it whose id is forgotten.
    """
    return csv_text((row.person, row.to_pay) for row in rows if row.person and row.to_pay)
