"""Who is to be paid what. The one place that joins a panel's ids to visits; nobody's answers decide about it.

Amounts are whole hundredths of the currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from affectml_annotation.exchange.files import csv_text
from affectml_annotation.store.changing import note_change
from affectml_annotation.store.keeping import clean_backups
from affectml_annotation.store.keys import ERASING, FORGOTTEN, is_theirs, make_key, mark
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import annotator, now_ms, owed, panel, visit
from affectml_annotation.store.setup import DAY_MS
from affectml_annotation.store.visits import failed_checks, images_done
from affectml_annotation.study import running, visits
from affectml_annotation.study.check import announced_minutes
from affectml_annotation.study.file import Status
from affectml_annotation.study.folder import Study


@dataclass(frozen=True)
class PayRow:
    """One visit. person: empty once it is forgotten. status: None while it goes on, with nothing due yet. due: in
    hundredths, all of it; by_panel: so much of that the panel pays by itself. failed_checks: noted, and of no
    consequence here. code: that they were given."""

    person: str
    session: str | None
    status: Status | None
    minutes: float
    images: int
    failed_checks: int
    currency: str
    due: int
    by_panel: int
    code: str | None
    paid: bool


_VISITS = sa.select(visit, panel.c.person, panel.c.session).join(panel, panel.c.annotator_id == visit.c.annotator_id)


def pay_rows(store: LabelStore) -> list[PayRow]:
    """A row per visit, in the order they came, and per person who was erased before they were paid."""
    visits.give_back_places(store)
    with store.database.read() as connection:
        rows = connection.execute(_VISITS.order_by(visit.c.entered_at, visit.c.annotator_id)).all()
        studies = _studies(connection, rows)
        return [_row(connection, studies[row.version], row) for row in rows] + [
            PayRow(row.person, row.session, row.status, 0.0, 0, 0, row.currency, row.amount, row.by_panel, None, False)
            for row in connection.execute(sa.select(owed).order_by(owed.c.number))
        ]


def _studies(connection: sa.Connection, rows: Sequence[Any]) -> dict[int, Study]:
    return {number: running.study_of(connection, number)[1] for number in {row.version for row in rows}}


def _row(connection: sa.Connection, study: Study, row: Any) -> PayRow:
    images = images_done(connection, row.annotator_id)
    fixed, over = due(study, row.status, images, row.active_ms)
    earned = row.status not in (None, "left")
    return PayRow(
        person="" if row.person.startswith(FORGOTTEN) else row.person,
        session=row.session,
        status=row.status,
        minutes=row.active_ms / 60_000,
        images=images,
        failed_checks=failed_checks(connection, row.annotator_id),
        currency=study.file.pay.currency,
        due=fixed + over,
        by_panel=fixed if row.status in study.file.pay.paid_by_panel else 0,
        code=visits.code_for(connection, study.file, row.status, row.annotator_id) if earned else None,
        paid=row.paid_at is not None,
    )


def keep_owed(connection: sa.Connection, who: str) -> None:
    """Before somebody is erased: what they are due, apart from all else of them, until it is paid.

    A visit that goes on is left with that. Nothing is kept of who was paid, is due nothing, is forgotten, or takes part
    in no study.
    """
    for table in (annotator, visit):  # in this order, as everybody does: no answer and no payment comes between
        connection.execute(sa.select(table).where(table.c.annotator_id == who).with_for_update())
    row = visits.left_now(connection, who)
    if row is None or row.paid_at is not None:
        return
    study = running.study_of(connection, row.version)[1]
    fixed, over = due(study, row.status, images_done(connection, who), row.active_ms)
    theirs = connection.execute(sa.select(panel).where(panel.c.annotator_id == who)).one()
    by_panel = fixed if row.status in study.file.pay.paid_by_panel else 0
    if fixed + over and not theirs.person.startswith(FORGOTTEN):
        connection.execute(owed.insert().values(
            person=theirs.person, session=theirs.session, status=row.status, amount=fixed + over,
            by_panel=by_panel, currency=study.file.pay.currency, at=now_ms(),
        ))  # fmt: skip


def due(study: Study, status: Status | None, images: int, active_ms: int) -> tuple[int, int]:
    """What the file says is due for such a visit, in hundredths: the fixed part, and that for minutes over.

    images: how many were answered, whatever the answers are. A share is rounded up: to whole units of a currency that
    has no smaller one (JPY), by the decimals of Unicode's CLDR; in all others to hundredths, also where there are three
    decimals (KWD), since a study's amounts have two.
    """
    pay, whole = study.file.pay, _hundredths(study.file.pay.per_person)
    if status == "completed":
        over = ceil(max(0, active_ms - announced_minutes(study) * 60_000) / 60_000)
        return whole, min(over, pay.most_minutes_over) * _hundredths(pay.per_minute_over)
    if status in ("screened_out", "quota_full"):
        return _hundredths(pay.per_screen_out), 0
    if status is None or pay.unfinished == "nothing":
        return 0, 0
    if pay.unfinished == "all":
        return whole, 0
    n = study.file.images_per_person
    unit = 10 ** max(0, 2 - get_currency_precision(pay.currency))
    return min(whole, -(-whole * min(images, n) // (n * unit)) * unit), 0


def _hundredths(amount: Decimal) -> int:
    return int(amount * 100)


def amount(hundredths: int) -> str:
    """An amount as it is written: 1.50."""
    return f"{hundredths // 100}.{hundredths % 100:02d}"


@dataclass(frozen=True)
class Sum:
    """What visits of one status come to, in hundredths. to_pay: what is not paid yet and the panel does not pay."""

    status: str
    currency: str
    people: int
    due: int
    by_panel: int
    paid: int
    to_pay: int


def sums(rows: Sequence[PayRow]) -> list[Sum]:
    """The pay table by status and currency, in the order in which they first come. paid: how many people were."""
    kinds = dict.fromkeys((row.status, row.currency) for row in rows)
    theirs = {kind: [row for row in rows if (row.status, row.currency) == kind] for kind in kinds}
    return [
        Sum(status=status or "going_on", currency=currency, people=len(mine), due=sum(row.due for row in mine),
            by_panel=sum(row.by_panel for row in mine), paid=sum(row.paid for row in mine),
            to_pay=sum(row.due - row.by_panel for row in mine if not row.paid))
        for (status, currency), mine in theirs.items()
    ]  # fmt: skip


def mark_paid(store: LabelStore, people: Sequence[str], *, by: str = "the command line") -> int:
    """Note that these people, by their ids at the panel, were paid; return how many were not before.

    What was owed to somebody who was erased leaves with it. by: who notes it; of the people their number is kept.
    """

    def work(connection: sa.Connection) -> int:
        theirs = sa.select(panel.c.annotator_id).where(is_theirs(connection, panel.c.person, *people))
        open_ones = (visit.c.annotator_id.in_(theirs), visit.c.paid_at.is_(None), visit.c.status.is_not(None))
        marked = connection.execute(visit.update().where(*open_ones).values(paid_at=now_ms())).rowcount
        over = connection.execute(owed.delete().where(is_theirs(connection, owed.c.person, *people))).rowcount
        count = int(marked) + int(over)
        if count:
            note_change(connection, by, {"paid": count})
        return count

    return store.database.retried(work)


def forget_ids(store: LabelStore, *, by: str) -> tuple[int, list[str]]:
    """Forget the ids at the panel of all who are paid, or are due nothing since a day; how many are kept, and those.

    What stays of an id is a keyed hash: who comes back is known, and can still be erased by the id that they know.
    Then they leave the backups that are kept, and the database's files are written anew; raises DatabaseAway while
    others read it, and the same call goes on.
    """

    def work(connection: sa.Connection) -> tuple[int, list[str]]:
        make_key(connection, ERASING)
        rows = [row for row in connection.execute(_VISITS) if not row.person.startswith(FORGOTTEN)]
        studies = _studies(connection, rows)
        gone = []
        for row in rows:
            images, long_ago = images_done(connection, row.annotator_id), now_ms() - DAY_MS
            nothing = not any(due(studies[row.version], row.status, images, row.active_ms))
            if row.paid_at is not None or (nothing and row.ended_at is not None and row.ended_at < long_ago):
                mine = panel.update().where(panel.c.annotator_id == row.annotator_id)
                connection.execute(mine.values(person=FORGOTTEN + mark(connection, row.person), session=None))
                gone.append(str(row.person))
        if gone:
            note_change(connection, by, {"forgotten": len(gone)})
        owing = connection.scalar(sa.select(sa.func.count()).select_from(owed)) or 0
        return len(rows) - len(gone) + owing, gone

    done = store.database.retried(work)
    clean_backups(store)
    store.database.rewrite([panel.name, owed.name])
    return done


def as_csv(rows: Sequence[PayRow]) -> str:
    """The whole table."""
    names = ("person", "session", "status", "minutes", "images", "failed_checks", "code", "currency", "due", "by_panel")
    return csv_text([
        (*names, "paid"),
        *(
            (row.person, row.session or "", row.status or "going on", f"{row.minutes:.1f}", row.images,
             row.failed_checks, row.code or "", row.currency, amount(row.due), amount(row.by_panel),
             "yes" if row.paid else "no")
            for row in rows
        ),
    ])  # fmt: skip


def as_bulk(rows: Sequence[PayRow]) -> str:
    """Prolific's list for bulk payments: id and amount, of who is not paid yet, less what the panel pays by itself.

    Nobody is in it whose id is forgotten.
    """
    open_ones = [row for row in rows if row.person and not row.paid and row.due > row.by_panel]
    return csv_text((row.person, amount(row.due - row.by_panel)) for row in open_ones)
