"""The door of a study: who comes, by a panel's ids or a signed link, what they find, and how they agree.

Nothing is stored of anybody before they agree. The panel's ids stay in the table `panel`, which `pay` reads. A link is
a number and its signature, by a key that only this database has; it never says whose it is.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Literal

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.languages import _, as_code
from affectml_annotation.store import LabelStore, people
from affectml_annotation.store.claims import following, visit_of
from affectml_annotation.store.engine import reading, transaction
from affectml_annotation.store.people import FORGOTTEN, SIGNING, keyed, panel_id, participant, was_erased
from affectml_annotation.store.schema import annotator, device, now_ms, panel, secret, study_link, visit, visit_step
from affectml_annotation.study import running
from affectml_annotation.study.file import Task
from affectml_annotation.study.visits import Visit, as_visit, give_back_places, own_code

LATEST = 32_503_680_000_000  # milliseconds since 1970: the year 3000
LINK = "link "  # begins the ids of those whom a link brought; no panel's id does
MOST_ID = 200  # characters of a panel's id
_ID = {"prolific": "[0-9a-fA-F]{24}"}  # what a panel's own ids are like
# What a panel was to fill in and did not: {{%PROLIFIC_PID%}}, %SURVEY_CODE%, ${workerId}
_PLACEHOLDER = re.compile(r"[{}]|%[A-Za-z_]+%|^ASSIGNMENT_ID_NOT_AVAILABLE$")


class NotInStudy(StoreError):
    """Somebody who may not enter, or not go on here. The message is for them to read."""


@dataclass(frozen=True)
class Ids:
    """Who somebody is at their panel. signed: a link of ours proves it; else anybody could have made it up.

    came: the person's id as it stood in the address, of which earlier versions may have kept a hash.
    """

    person: str = field(repr=False)
    session: str | None = field(default=None, repr=False)
    signed: bool = False
    came: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Entry:
    """What somebody finds at the door.

    kind: consent (nothing is stored of them yet), visit (theirs goes on: `participant`), known (it goes on with the
    resume code alone), full, or closed. version: of the study whose texts they are to see. shared: in this browser
    somebody else is at the study.
    """

    kind: Literal["consent", "visit", "known", "full", "closed"]
    version: int
    participant: str | None = None
    shared: bool = False


def ids_from(file: Task, address: Mapping[str, str]) -> Ids:
    """The panel's ids in an address, as they are kept: see `panel_id`.

    Raises NotInStudy where they are not there, are placeholders that nobody filled in, are not of the panel's own form,
    have a line break or another character that nobody sees within, or name another study.
    """
    names = file.recruit.names
    if "person" not in names:
        raise NotInStudy(
            _("this study is open only to people with a personal link; open the link exactly as it was sent to you")
        )
    given = {what: panel_id(address.get(name, "")) for what, name in names.items()}
    if unfilled := next((one for one in given.values() if _PLACEHOLDER.search(one)), None):
        raise NotInStudy(
            _(
                "the address contains the placeholder {placeholder} instead of an id; open the study from your panel's "
                "page, and if you did, please tell the person who leads the study",
                placeholder=unfilled[:40],
            )
        )
    if file.recruit.study and given.get("study") != file.recruit.study:
        raise NotInStudy(_("this address belongs to another study; open the study from your panel's page"))
    person, session = given["person"], given.get("session", "")
    told = re.fullmatch(_ID.get(file.recruit.panel or "", ".+"), person) and max(len(person), len(session)) <= MOST_ID
    if not told or not (person + session).isprintable() or person.lower().startswith((LINK, FORGOTTEN)):
        raise NotInStudy(_("the address does not contain your id at the panel; open the study from your panel's page"))
    return Ids(person, session or None, came=address[names["person"]])


@reading
def ids_of_link(connection: sa.Connection, token: str) -> Ids:
    """Who a signed link is for. Raises NotInStudy for one that opens nothing.

    Once its time is over, it lets nobody in; whoever took part by it goes on as by ids that nobody signed.
    """
    number, _dot, signature = token.partition(".")
    row = None
    if number.isascii() and _same(signature, _signed(connection, number)):
        row = connection.execute(sa.select(study_link).where(study_link.c.number == int(number))).one_or_none()
    if row is None:
        raise NotInStudy(_("this link is not valid; open it exactly as it was sent to you"))
    if row.revoked_at is not None:
        raise NotInStudy(_("this link was revoked; please ask the person who sent it to you for a new one"))
    ids, in_time = Ids(f"{LINK}{row.number}", signed=True), row.ends_at >= now_ms()
    if not in_time and participant(connection, ids.person) is None:
        raise NotInStudy(_("this link has expired; please ask the person who sent it to you for a new one"))
    return replace(ids, signed=in_time)


@transaction
def make_links(connection: sa.Connection, count: int, ends_at: float) -> list[str]:
    """Tokens for so many people, one each, good until `ends_at` (seconds since 1970)."""
    now = now_ms()
    if count < 1 or not now < ends_at * 1000 < LATEST:
        raise StoreError("links: expected one person at least, and an end that is to come before the year 3000")
    connection.execute(sa.select(secret).where(secret.c.name == SIGNING).with_for_update())
    first = max(1, following(connection, study_link.c.number))
    links = [{"number": first + n, "made_at": now, "ends_at": round(ends_at * 1000)} for n in range(count)]
    connection.execute(study_link.insert(), links)
    return [f"{link['number']}.{_signed(connection, link['number'])}" for link in links]


@transaction
def revoke_link(connection: sa.Connection, number: int) -> None:
    """Let a link open nothing any more. Raises StoreError where there is none of this number."""
    one = study_link.update().where(study_link.c.number == number, study_link.c.revoked_at.is_(None))
    if not connection.execute(one.values(revoked_at=now_ms())).rowcount:
        raise StoreError(f"there is no link {number} that could be revoked")


def _signed(connection: sa.Connection, number: int | str) -> str:
    return b32encode(keyed(connection, SIGNING, "link", number)).decode().rstrip("=")


def _same(given: str, right: str) -> bool:
    """Whether they are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


def enter(store: LabelStore, ids: Ids, own: str = "", *, again: bool = False) -> Entry:
    """What somebody who comes is to see. Nothing is stored of them but that one more came.

    own: a number that nobody but their browser has; one that agreed, or gave the resume code, goes on, also once it is
    over, until somebody else agrees there. again: they came a moment ago, and are not counted once more.
    """
    give_back_places(store)
    return _enter(store, ids, own, again)


@transaction
def _enter(connection: sa.Connection, ids: Ids, own: str, again: bool) -> Entry:
    _refuse_erased(connection, ids)
    version, here = running.running_version(connection), _visits_here(connection, own)
    who = participant(connection, ids.person, ids.came)
    if who is not None:
        theirs = visit_of(connection, who)
        goes_on = ids.signed or who in here
        withdrawn = sa.select(annotator.c.withdrawn_at).where(annotator.c.annotator_id == who)
        if goes_on and connection.scalar(withdrawn) is not None:
            raise NotInStudy(_("you have withdrawn from this study; none of your answers will be used"))
        return Entry("visit" if goes_on else "known", theirs.version, who if goes_on else None)
    if running.steering(connection)["state"] != "running":
        return Entry("closed", version.number)
    full = running.is_full(connection, version.file, now_ms())
    if not again:
        running.count_one(connection, "full" if full else "opened")
    return Entry("full" if full else "consent", version.number, shared=None in here.values())


@transaction
def resume(connection: sa.Connection, ids: Ids, code: str, own: str = "") -> str:
    """The participant, on another device, by the code that the first one showed. Raises NotInStudy for a wrong one.

    own: as `enter` takes it, for this device to go on by itself from now on.
    """
    who, typed = participant(connection, ids.person, ids.came), "".join(code.upper().split()).replace("-", "")
    if who is None or not _same(typed, own_code(connection, "resume", who)):
        raise NotInStudy(
            _("this code does not belong to this address; the device where you started shows the right one")
        )
    _bind(connection, who, own)
    return who


def _bind(connection: sa.Connection, who: str, own: str) -> None:
    """Let a browser go on with this visit, and no more with those that are over: nobody opens them who comes after.

    Others that go on stay, each by its own address: nobody is locked out by who comes in between.
    """
    if own:
        mine = _digest(connection, own)
        over = sa.select(visit.c.annotator_id).where(visit.c.status.is_not(None))
        theirs = sa.or_(device.c.annotator_id == who, device.c.annotator_id.in_(over))
        connection.execute(device.delete().where(device.c.digest == mine, theirs))
        connection.execute(device.insert().values(annotator_id=who, digest=mine))


def _visits_here(connection: sa.Connection, own: str) -> dict[str, str | None]:
    """The participants as whom a browser goes on, each with the status of their visit."""
    mine = (device.c.annotator_id == visit.c.annotator_id, device.c.digest == _digest(connection, own))
    return dict(map(tuple, connection.execute(sa.select(*visit.c["annotator_id", "status"]).where(*mine))))


def _digest(connection: sa.Connection, own: str) -> str:
    return keyed(connection, SIGNING, "device", own).hex()


def _refuse_erased(connection: sa.Connection, ids: Ids) -> None:
    if was_erased(connection, ids.person, ids.came):
        raise NotInStudy(_("your data in this study was erased because you asked for it; you cannot take part again"))


@transaction
def decline(connection: sa.Connection) -> str:
    """Somebody does not agree: a count and nothing else. Gives the code for that, empty where there is none."""
    running.count_one(connection, "declined")
    return running.file_of(connection).recruit.codes.get("no_consent", "")


@transaction
def agree(
    connection: sa.Connection, ids: Ids, version: int, ticked: Collection[str], own: str = "", *,
    language: str | None = None,
) -> Visit:  # fmt: skip
    """Somebody agrees to the version that was on their screen, and takes a place: their visit begins.

    Where no place is left by now, it ends as quota_full. ticked: boxes in the study's own words, whatever language they
    were read in. own: as `enter` takes it. language: in which they read it, and go on. Raises NotInStudy without every
    box, or for who is here.
    """
    language = as_code(language or "")
    running.lock(connection)
    _refuse_erased(connection, ids)
    now = now_ms()
    study = running.study_of(connection, version)
    file, boxes = study.file, study.translation(language).boxes_of(study.file)
    if unticked := [shown.rstrip(".。 ") for box, shown in boxes.items() if box not in ticked]:
        raise NotInStudy(_("to take part, please tick every box; not ticked: {boxes}", boxes=" / ".join(unticked)))
    if participant(connection, ids.person, ids.came) is not None:
        raise NotInStudy(
            _("you have already started; continue on the device where you started, or enter the code shown there")
        )
    if running.steering(connection)["state"] != "running":
        raise NotInStudy(_("this study is not open at the moment"))
    full = running.is_full(connection, running.file_of(connection), now)
    who = f"p{token_hex(8)}"
    people.invite(connection, [who])
    mine = annotator.update().where(annotator.c.annotator_id == who)
    connection.execute(mine.values(consented_at=now, language=language))
    hold = round(file.places.minutes * 60_000)
    connection.execute(visit.insert().values(
        annotator_id=who, version=version, phase=file.phases[0], entered_at=now, seen_at=now, active_ms=0,
        place_until=now + hold, hold_ms=hold, images=file.images_per_person,
        failed_checks_end=file.checks.failed if file.checks.then == "end" else None,
        status="quota_full" if full else None, ended_at=now if full else None, language=language,
    ))  # fmt: skip
    connection.execute(visit_step.insert().values(annotator_id=who, phase=file.phases[0], at=now))
    connection.execute(panel.insert().values(annotator_id=who, person=ids.person, session=ids.session))
    _bind(connection, who, own)
    return as_visit(visit_of(connection, who))
