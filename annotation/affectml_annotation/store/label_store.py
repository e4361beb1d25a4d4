"""The one door to a labelling task's database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import BadImport, StoreError, UnknownLabel
from affectml_annotation.exchange.formats import read_judgements
from affectml_annotation.exchange.tables import at_lines
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.store import claims, reading, setup
from affectml_annotation.store.engine import Database
from affectml_annotation.store.importing import import_judgements
from affectml_annotation.store.migrations import MIGRATIONS, migrate, version_of
from affectml_annotation.store.place import dataset_of, holds_store
from affectml_annotation.store.records import Answer, Claim, Progress, Receipt
from affectml_annotation.store.schema import (
    annotator,
    answer,
    assignment,
    conflict,
    decision,
    draft,
    event,
    now_ms,
    round_,
)
from affectml_annotation.store.settings import TaskSettings
from affectml_annotation.store.submits import submit_one

MAIN = 1


class LabelStore:
    """A labelling task in a database: SQLite by a file's path, PostgreSQL by URL. Opens or makes it, and migrates.

    Many processes may use one database, each with a LabelStore of its own (make it after a fork). Every method is
    one transaction. must_exist: refuse a file that is not there, or holds no label store, instead of making one.
    reads_only: change nothing, not even the schema. Raises StoreError for a database that cannot be opened or comes
    from a newer version.

    >>> store = LabelStore("sqlite://")
    >>> store.init_task(TaskSettings(labels=("awe", "fear"), question="What do you feel?", overlap=1), ["a", "b"])
    >>> store.invite(["ann"])
    ['ann']
    >>> claim, = store.claim("ann", 1)
    >>> receipt, = store.submit([Answer(claim.image_id, "ann", "labels", ("awe",))])
    >>> receipt.status, store.judgements()["labels"].tolist()
    ('accepted', [['awe']])
    """

    def __init__(self, url: str | Path, *, must_exist: bool = False, reads_only: bool = False) -> None:
        if must_exist and "://" not in str(url):
            there = Path(url)
            if not there.exists() or (there.is_file() and not holds_store(there)):
                what = "holds no label store" if there.exists() else "no such database"
                raise StoreError(f"{url}: {what}; `affectml labels init DATASET --db {url}` makes one")
        self._proposed: dict[tuple[str, int], list[int]] = {}
        self._labels: tuple[str, ...] | None = None
        self.database = Database(url, reads_only=reads_only)
        try:
            with self.database.read() as connection:  # before a file to wait in line at is made beside what is none
                if reads_only and version_of(connection) != len(MIGRATIONS):
                    raise StoreError(f"{url}: has another schema than this version of affectml writes")
            if not reads_only:
                migrate(self.database.write)
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # The task

    def init_task(
        self, settings: TaskSettings, images: pd.DataFrame | Sequence[str], *, dataset: Path | None = None
    ) -> None:
        """Set the task up, once: its settings and its images (columns image_id, and file and stratum if any).

        dataset: the folder of the data set that it is about, which `dataset` gives back.
        """
        with self.database.write() as connection:
            if setup.has_task(connection):
                raise StoreError(
                    f"{self.database.where} holds a task already; another task needs another database: --db OTHER.db"
                )
            setup.init_task(connection, settings, images, dataset)

    @property
    def dataset(self) -> Path | None:
        """The folder of the data set whose task this is: as it was set up, else beside the database; None for none."""
        with self.database.read() as connection:
            named = setup.read_dataset(connection)
        there = named is not None and (named / "dataset.json").is_file()
        return named if there else dataset_of(self.database.where)

    @property
    def has_task(self) -> bool:
        """Whether `init_task` was here."""
        with self.database.read() as connection:
            return setup.has_task(connection)

    @property
    def settings(self) -> TaskSettings:
        """The task's settings; StoreError before `init_task`."""
        with self.database.read() as connection:
            return setup.read_settings(connection)

    def update_settings(self, **changes: Any) -> TaskSettings:
        """Change how images are handed out; labels, construct and seed stay, and so does what people were asked.

        A new overlap holds for the images that had the old one, or less; the others keep the people they were to have.
        The question can change until the first image was given to somebody. Raises StoreError for what cannot.
        """
        with self.database.write() as connection:
            fresh = setup.update_settings(connection, changes)
        self._proposed.clear()
        return fresh

    def images(self) -> pd.DataFrame:
        """All images: position, image_id, file, stratum, priority, queue_rank."""
        with self.database.read() as connection:
            return setup.images(connection)

    def add_images(self, images: pd.DataFrame) -> int:
        """Add images to the task's main round; those it has stay as they are. Returns how many were new.

        images: columns image_id, and file and stratum if any.
        """
        with self.database.write() as connection:
            added = setup.add_images(connection, images)
        self._proposed.clear()
        return added

    def invite(
        self, annotator_ids: Iterable[str], attributes: Mapping[str, Mapping[str, Any]] | None = None
    ) -> list[str]:
        """Let people in; those invited before stay as they are, and a closed entry is open again. Returns who is new.

        attributes: what they share, by annotator.
        """
        with self.database.write() as connection:
            people = list(annotator_ids)
            setup.reopen(connection, people)
            return setup.invite(connection, people, attributes or {})

    def uninvite(self, annotator_ids: Sequence[str]) -> list[str]:
        """Take invitations back, all or none. One that nobody used is removed, and the images held are free again.

        Whoever has answered keeps their answers, which count, and their entry is closed until they are invited again.
        Returns those. Raises StoreError for a name that nobody invited.
        """
        with self.database.write() as connection:
            answered = setup.uninvite(connection, annotator_ids)
        self._proposed.clear()
        return answered

    def steer(
        self,
        *,
        invite: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        queue: Sequence[str] = (),
        more: int | None = None,
        lower: bool = False,
    ) -> int:
        """Invite people, change settings and queue images, all or nothing; return what `enqueue` does.

        invite, settings, queue and more: as of `invite`, `update_settings` and `enqueue`, and so are the errors.
        lower: let what is wanted fall too: for all images to a new overlap, for those queued to `more`.
        """
        with self.database.write() as connection:
            setup.reopen(connection, invite)
            setup.invite(connection, invite, {})
            if settings:
                setup.update_settings(connection, settings, lower=lower)
            raised = setup.enqueue(connection, queue, more, MAIN, lower=lower)
        self._proposed.clear()
        return raised

    def add_checks(self, checks: pd.DataFrame) -> None:
        """Make images attention checks (columns image_id, accepted, forbidden: lists of labels).

        A check has no right answer: it fails if a forbidden label is in the answer, or if there are accepted
        labels and none of them is. Checks are shown at the task's check_rate, to everybody, outside the overlap.
        """
        with self.database.write() as connection:
            setup.add_checks(connection, checks)

    def checks(self) -> pd.DataFrame:
        """The attention checks: image_id, accepted, forbidden."""
        with self.database.read() as connection:
            return setup.checks(connection)

    def set_priority(self, priority: Mapping[str, float]) -> None:
        """Set images' priority (for the strategy `priority`): a model's uncertainty, or people's disagreement."""
        if not all(np.isfinite(value) for value in priority.values()):
            raise StoreError("priority: expected finite numbers")
        with self.database.write() as connection:
            setup.set_priority(connection, priority)
        self._proposed.clear()

    def enqueue(self, image_ids: Sequence[str], *, more: int | None = None) -> int:
        """Put images at the end of the queue, which is served before anything else.

        more: at least so many more people are to answer each, beyond those who have it now; an image that still waits
        for as many keeps what it waits for. None leaves the overlap as it is, so that complete images stay out.
        Returns how many images wait for more people than before.
        """
        return self.steer(queue=image_ids, more=more)

    def open_round(
        self, purpose: str, image_ids: Sequence[str] | None = None, *, of: int = MAIN, overlap: int | None = None
    ) -> int:
        """Open a further round over images (all, unless given) and return its number.

        purpose `second`: people see their images again, with a suggestion or, by chance, without (the control);
        `discussion`: again after they talked. Only who answered an image in round `of` sees it again.
        """
        if purpose not in ("second", "discussion"):
            raise StoreError(f"purpose: expected second or discussion, but received {purpose!r}")
        with self.database.write() as connection:
            return setup.open_round(connection, purpose, image_ids, of, overlap)

    def rounds(self) -> pd.DataFrame:
        """All rounds: round, purpose (main, repeat, second, discussion), of."""
        with self.database.read() as connection:
            rows = connection.execute(
                sa.select(round_.c.number.label("round"), round_.c.purpose, round_.c.of).order_by(round_.c.number)
            ).all()
        return pd.DataFrame.from_records([tuple(r) for r in rows], columns=["round", "purpose", "of"])

    # One person's work

    def claim(self, who: str, count: int = 5, *, round_number: int = MAIN) -> list[Claim]:
        """The next images for this person, at most `count`: what they hold already first, in its place.

        So a client that was closed goes on where it was. Fewer come back where nothing is left to give. Raises
        StoreError for somebody not invited or withdrawn.
        """
        key = (who, round_number)
        rows: list[Any] = []
        for _ in range(3):
            proposed = self._proposed.get(key) or self._propose(who, round_number)
            self._proposed[key] = proposed
            rows = self.database.retried(partial(self._claim, who, count, round_number, proposed))
            if len(rows) >= count or (not proposed and not self._propose_again(key)):
                break
        return self._claims(who, rows)

    def _claim(
        self, who: str, count: int, round_number: int, proposed: list[int], connection: sa.Connection
    ) -> list[Any]:
        settings = setup.read_settings(connection)
        return claims.claim(connection, settings, who, count, round_number, proposed)

    def _propose(self, who: str, round_number: int) -> list[int]:
        """A fresh list of images for this person, read outside the writing transaction: it takes a while."""
        self.release_expired()
        with self.database.read() as connection:
            return claims.candidates(connection, setup.read_settings(connection), who, round_number)

    def _propose_again(self, key: tuple[str, int]) -> bool:
        self._proposed[key] = self._propose(*key)
        return bool(self._proposed[key])

    def _claims(self, who: str, rows: Sequence[Any]) -> list[Claim]:
        if not rows:
            return []
        ids = [row.image_id for row in rows]
        with self.database.read() as connection:
            revisions = {
                (row.image_id, row.round): row.revision
                for row in connection.execute(
                    sa.select(answer).where(answer.c.annotator_id == who, answer.c.image_id.in_(ids))
                )
            }
            drafts = {
                (row.image_id, row.round): row.content
                for row in connection.execute(
                    sa.select(draft).where(draft.c.annotator_id == who, draft.c.image_id.in_(ids))
                )
            }
        return [
            Claim(
                image_id=row.image_id,
                file=row.file,
                round=row.round,
                place=row.place,
                purpose=row.purpose,
                suggestions_visible=row.suggestions_visible,
                lease_until=row.lease_until / 1000,
                revision=revisions.get((row.image_id, row.round), 0),
                draft=drafts.get((row.image_id, row.round)),
            )
            for row in rows
        ]

    def release_expired(self) -> int:
        """Give back claims whose lease ran out; `claim` does so by itself. Returns how many."""
        with self.database.read() as connection:
            late = sa.select(assignment.c.place).where(
                assignment.c.answered_at.is_(None), assignment.c.lease_until < now_ms()
            )
            if connection.execute(late.limit(1)).first() is None:
                return 0
        return self.database.retried(claims.release_expired)

    def give_back(self, who: str, asked: float) -> int:
        """Free the images that this person holds unanswered and did not claim again after `asked`; returns how many.

        asked: seconds since 1970. For a client that was closed before anything was done; the next `claim` gives the
        same images where nobody else took them meanwhile. Second looks are kept: what they showed was seen.
        """
        until = round((asked + self.settings.lease_seconds) * 1000)
        freed = self.database.retried(partial(claims.release, who, until))
        for key in [key for key in self._proposed if key[0] == who]:
            del self._proposed[key]
        return freed

    def submit(self, answers: Sequence[Answer]) -> list[Receipt]:
        """Store answers, in one transaction; one receipt each. A refused one does not stop the others."""
        labels = self._task_labels()

        def work(connection: sa.Connection) -> list[Receipt]:
            # In the order of the keys, so that two batches never wait for each other.
            order = sorted(range(len(answers)), key=lambda at: answers[at].annotator_id)
            receipts = {at: submit_one(connection, answers[at], labels) for at in order}
            return [receipts[at] for at in range(len(answers))]

        return self.database.retried(work)

    def _task_labels(self) -> tuple[str, ...]:
        if self._labels is None:
            self._labels = self.settings.labels
        return self._labels

    def second_look(self, who: str, image_id: str, *, of: int = MAIN) -> Claim:
        """A second look, at once, at what this person has just answered blind: with a suggestion or, by chance, not.

        Which of the two is fixed for this person and image, and kept with the answer.
        """
        row = self.database.retried(lambda connection: setup.second_look(connection, who, image_id, of))
        return self._claims(who, [row])[0]

    def chip_order(self, who: str) -> tuple[str, ...]:
        """The order in which this person sees the labels, always the same."""
        with self.database.read() as connection:
            order = connection.scalar(sa.select(annotator.c.chip_order).where(annotator.c.annotator_id == who))
        if order is None:
            raise StoreError(f"nobody invited annotator {who!r}")
        return tuple(order)

    def save_draft(self, who: str, image_id: str, content: Mapping[str, Any], *, round_number: int = MAIN) -> None:
        """Keep what somebody has begun to say; the answer removes it."""
        with self.database.write() as connection:
            setup.save_draft(connection, who, image_id, round_number, dict(content))

    def history(self, who: str, limit: int = 50) -> pd.DataFrame:
        """This person's current answers, newest first, with the revision that a correction has to name."""
        with self.database.read() as connection:
            return reading.history(connection, who, limit)

    def consent(self, who: str) -> None:
        """Remember that this person has read what they will see and agreed."""
        with self.database.write() as connection:
            claims.lock_annotator(connection, who)
            connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(consented_at=now_ms()))

    def withdraw(self, *annotator_ids: str, proven: bool = True) -> None:
        """Take people out, all or none: no more claims or answers, their answers no longer count.

        Their places are free for others. For a week `undo_withdrawal` takes it back, then it is final. proven: False
        where only a name says who wants it, which anybody could give: it is never final then. Raises StoreError for a
        name that nobody invited, or who has withdrawn.
        """
        with self.database.write() as connection:
            setup.check_invited(connection, annotator_ids)
            for who in dict.fromkeys(annotator_ids):
                setup.withdraw(connection, who, proven=proven)

    def undo_withdrawal(self, *annotator_ids: str) -> None:
        """Take withdrawals back, all or none: their answers count again, beside those that came in their place.

        Raises StoreError for a name that nobody invited, who has not withdrawn, or not in the last week.
        """
        with self.database.write() as connection:
            setup.check_invited(connection, annotator_ids)
            for who in dict.fromkeys(annotator_ids):
                setup.undo_withdrawal(connection, who)

    def undoable_withdrawals(self) -> list[str]:
        """Who has withdrawn and can be taken back."""
        with self.database.read() as connection:
            return setup.undoable(connection)

    # Reading

    def judgements(
        self, *, rounds: Sequence[int] | None = None, surplus: bool = False, withdrawn: bool = False
    ) -> pd.DataFrame:
        """Current judgements as the long table of annotations.parquet, with purpose, place and revision.

        rounds: these only. surplus: also answers beyond the overlap. withdrawn: also of people who withdrew.
        """
        with self.database.read() as connection:
            return reading.judgements(connection, rounds=rounds, surplus=surplus, withdrawn=withdrawn)

    def events(self) -> pd.DataFrame:
        """Everything anybody ever said, in the order it came."""
        columns = [column for column in event.c if column.name != "number"]
        with self.database.read() as connection:
            rows = connection.execute(sa.select(*columns).order_by(event.c.number)).all()
        return reading.events_table(rows, [column.name for column in columns])

    def progress(self, *, round_number: int = MAIN) -> Progress:
        """How far a round is, how fast, and how long it will take."""
        with self.database.read() as connection:
            return reading.progress(connection, round_number)

    def annotators(self) -> pd.DataFrame:
        """Everybody invited, with what they did."""
        with self.database.read() as connection:
            return reading.annotators(connection)

    def import_file(
        self,
        path: str | Path,
        *,
        invite: bool = False,
        image_of: Callable[[str], str] | None = None,
        **reading_options: Any,
    ) -> int:
        """Take a file or folder of judgements in, all of it or nothing; returns the rows.

        The same content a second time is refused. invite: let its annotators in. image_of: the image_id that is meant
        by what the file calls an image. Other options as for `read_judgements`. Raises BadImport with every bad row.
        """
        path = Path(path)
        table = read_judgements(path, **reading_options)
        if image_of is not None:
            table["image_id"] = table["image_id"].map(image_of, na_action="ignore")
        digest = sha256()
        for file in [path] if path.is_file() else sorted(path.rglob("*.parquet")):
            digest.update(file.read_bytes())
        try:
            with self.database.write() as connection:
                return import_judgements(connection, table, name=path.name, sha256=digest.hexdigest(), invite=invite)
        except BadImport as error:
            encoding = reading_options.get("encoding", "utf-8-sig")
            raise BadImport(path.name, at_lines(error.problems, path, encoding), error.way_out) from None

    # The lead's decisions

    def conflicts(self) -> pd.DataFrame:
        """Answers that met a changed one."""
        with self.database.read() as connection:
            return reading.conflicts(connection)

    def resolve_conflict(self, event_id: str, *, keep: bool, by: str) -> None:
        """Settle a conflict: keep the later answer (it becomes current) or the one that stands. Both stay stored."""
        with self.database.write() as connection:
            row = connection.execute(
                sa.select(conflict, event.c.annotator_id, event.c.round, event.c.image_id)
                .join(event, event.c.event_id == conflict.c.event_id)
                .where(conflict.c.event_id == event_id)
            ).one_or_none()
            if row is None or row.resolved_at is not None:
                raise StoreError(f"no open conflict about event {event_id!r}")
            if keep:
                connection.execute(
                    answer.update()
                    .where(
                        answer.c.annotator_id == row.annotator_id,
                        answer.c.round == row.round,
                        answer.c.image_id == row.image_id,
                    )
                    .values(event_id=event_id, revision=answer.c.revision + 1)
                )
            connection.execute(
                conflict.update()
                .where(conflict.c.event_id == event_id)
                .values(resolved_at=now_ms(), resolved_by=by, kept=keep)
            )

    def decide(self, image_id: str, labels: Sequence[str], *, by: str, note: str | None = None) -> None:
        """Add an adjudicated set for an image. Nobody's answer is touched, and earlier decisions stay."""
        known = self._task_labels()
        for label in labels:
            if label not in known:
                raise UnknownLabel.named(label, known, f"decision on image {image_id!r}")
        if note is not None and not storable(note):
            raise StoreError(f"decision on image {image_id!r}: the note {UNSTORABLE}")
        with self.database.write() as connection:
            setup.position_of(connection, image_id)
            connection.execute(
                decision.insert().values(image_id=image_id, labels=list(labels), decided_by=by, note=note, at=now_ms())
            )

    def decisions(self) -> pd.DataFrame:
        """All decisions, oldest first; the last one about an image stands."""
        columns = [decision.c.image_id, decision.c.labels, decision.c.decided_by, decision.c.note, decision.c.at]
        with self.database.read() as connection:
            rows = connection.execute(sa.select(*columns).order_by(decision.c.number)).all()
        table = pd.DataFrame.from_records([tuple(row) for row in rows], columns=[c.name for c in columns])
        table["at"] = pd.to_datetime(table["at"], unit="ms", utc=True)
        return table


def is_database(text: str) -> bool:
    """Whether a name is that of a label store rather than of a file or folder of judgements."""
    return "://" in text or Path(text).suffix in (".db", ".sqlite", ".sqlite3")
