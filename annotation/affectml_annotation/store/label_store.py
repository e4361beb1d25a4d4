"""The one door to a labelling task's database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import BadImport, StoreError, check_labels
from affectml_annotation.exchange.formats import read_judgements
from affectml_annotation.exchange.tables import at_lines
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.languages import as_code
from affectml_annotation.store import changing, claims, reading, setup, versions
from affectml_annotation.store.engine import Database
from affectml_annotation.store.importing import import_judgements
from affectml_annotation.store.migrations import MIGRATIONS, migrate, version_of
from affectml_annotation.store.place import backup_note, dataset_of, holds_store
from affectml_annotation.store.records import Answer, Claim, Progress, Receipt
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    answer,
    assignment,
    check,
    conflict,
    decision,
    draft,
    event,
    image,
    now_ms,
    round_,
)
from affectml_annotation.store.settings import how_stopped, read_setting, write_setting
from affectml_annotation.store.submits import OF_ASSIGNMENT, submit_one
from affectml_annotation.study.file import Task

P = ParamSpec("P")
T = TypeVar("T")


class LabelStore:
    """A labelling task in a database: SQLite by a file's path, PostgreSQL by URL. Opens or makes it, and migrates.

    Many processes may use one database, each with a LabelStore of its own (make it after a fork). Every method is
    one transaction. must_exist: refuse a file that is not there, or holds no label store, instead of making one.
    reads_only: change nothing, not even the schema; a backup is opened so alone. Raises StoreError for a database that
    cannot be opened or comes from a newer version.

    >>> store = LabelStore("sqlite://")
    >>> store.init_task(Task(labels=("awe", "fear"), question="What do you feel?", overlap=1), ["a", "b"])
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
        if not reads_only and "://" not in str(url) and Path(url).is_file() and backup_note(url) is not None:
            raise StoreError(
                f"{url} is a backup, which stays as it is; `affectml labels restore {url} DB` makes a database of it"
            )
        self._proposed: dict[tuple[str, int], list[int]] = {}
        self._labels: tuple[str, ...] | None = None
        self.database = Database(url, reads_only=reads_only)
        try:
            with self.database.read() as connection:  # before a file to wait in line at is made beside what is none
                if reads_only and not 1 <= version_of(connection) <= len(MIGRATIONS):
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
        self,
        file: Task,
        images: pd.DataFrame | Sequence[str],
        *,
        dataset: Path | None = None,
        texts: Mapping[str, str] | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        """Set the task up, once: its file and its images (columns image_id, and file and stratum if any).

        dataset: the folder of the data set that it is about, which `dataset` gives back. texts, examples: of a study,
        as `Study` has them. Raises StoreError where there is a task, or the file has no labels or no question.
        """
        with self.database.write() as connection:
            if versions.has_task(connection):
                raise StoreError(
                    f"{self.database.where} holds a task already; another task needs another database: --db OTHER.db"
                )
            setup.init_task(connection, file, images, dataset, texts)
            changing.set_apart(connection, file, examples)

    @property
    def dataset(self) -> Path | None:
        """The folder of the data set whose task this is: as it was set up, else beside the database; None for none."""
        named = self.database.reading(read_setting, setup.DATASET)
        there = named is not None and (Path(named) / "dataset.json").is_file()
        return Path(named) if there else dataset_of(self.database.where)

    @property
    def stopping(self) -> Mapping[str, Any] | None:
        """How images stopped early, in a task from when they could: min, max, mean, until, whole; else None."""
        return self.database.reading(how_stopped)

    def note_dataset(self, folder: Path) -> None:
        """Note where the task's data set is, where nobody knows any more: on another machine than it was set up on."""
        if self.dataset is None:
            self.database.writing(write_setting, setup.DATASET, str(folder.resolve()))

    @property
    def has_task(self) -> bool:
        """Whether `init_task` was here."""
        return self.database.reading(versions.has_task)

    @property
    def task(self) -> Task:
        """The task's file, in its newest version; StoreError before `init_task`."""
        return self.database.reading(versions.read_task)

    def change_task(self, *, by: str | None = None, **changes: Any) -> Task:
        """Change keys of the task's file, and return it: `change_task(overlap=5, page={"blur": True})`.

        That is a new version, where anything differs. A new overlap holds for the images that had the old one, or less;
        the others keep the people they were to have. Raises StoreError, naming the key, for what cannot change any
        more: labels, construct, taxonomy and seed, and the question once an image was given to somebody; BadTask for a
        value that cannot be.
        """
        self.steer(changes=changes, by=by)
        return self.task

    def set_task(self, file: Task, *, since: int | None = None, by: str | None = None) -> int:
        """Make this file the task, as `change_task`; return the number of the version that is the task now.

        since: the version that it was made of; StoreError where somebody made another one meanwhile. by: who.
        """

        def work(connection: sa.Connection) -> int:
            versions.lock(connection)
            if since is not None and (now := versions.newest(connection).number) != since:
                raise StoreError(f"somebody made version {now} of the task meanwhile; open it, and change it again")
            return changing.set_task(connection, file, by=by)

        return self._steered(work)

    def images(self) -> pd.DataFrame:
        """All images: position, image_id, file, stratum, priority, queue_rank."""
        return self.database.table(sa.select(image).order_by(image.c.position))

    def add_images(self, images: pd.DataFrame) -> int:
        """Add images to the task's main round; those it has stay as they are. Returns how many were new.

        images: columns image_id, and file and stratum if any.
        """
        return self._steered(setup.add_images, images)

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
        return self._steered(setup.uninvite, annotator_ids)

    def closed(self) -> list[str]:
        """The people whose entry is closed: their answers stay and count, the page takes no more."""
        return self.database.reading(setup.closed)

    def steer(
        self,
        *,
        invite: Sequence[str] = (),
        file: Task | None = None,
        changes: Mapping[str, Any] | None = None,
        queue: Sequence[str] = (),
        more: int | None = None,
        lower: bool = False,
        by: str | None = None,
    ) -> int:
        """Invite people, change the task and queue images, all or nothing; return what `enqueue` does.

        invite, file, changes, queue and more: as of `invite`, `set_task`, `change_task` and `enqueue`, and so are the
        errors; changes are made to the file.
        lower: let what is wanted fall too: for all images to a new overlap, for those queued to `more`. by: who changes
        the task.
        """

        def work(connection: sa.Connection) -> int:
            setup.reopen(connection, invite)
            setup.invite(connection, invite, {})
            if file is not None or changes:
                now = versions.read_task(connection)
                then = now if file is None else changing.filled(file, now)
                changing.set_task(connection, then.but(**(changes or {})), lower=lower, by=by)
            return setup.enqueue(connection, queue, more, lower=lower)

        return self._steered(work)

    def _steered(
        self, change: Callable[Concatenate[sa.Connection, P], T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Make a change after which other images may come next."""
        made = self.database.retried(change, *arguments, **options)
        self._proposed.clear()
        return made

    def add_checks(self, checks: pd.DataFrame) -> None:
        """Make images attention checks (columns image_id, accepted, forbidden: lists of labels).

        A check has no right answer: it fails if a forbidden label is in the answer, or if there are accepted
        labels and none of them is. Checks are shown at the task's rate of checks, to everybody, outside the overlap.
        """
        self.database.writing(setup.add_checks, checks)

    def checks(self) -> pd.DataFrame:
        """The attention checks: image_id, accepted, forbidden."""
        columns = (image.c.image_id, check.c.accepted, check.c.forbidden)
        return self.database.table(sa.select(*columns).join(image, image.c.position == check.c.position))

    def dictated(self) -> set[str]:
        """The images that say by themselves what to choose: practice and checks of the study, in any version of it."""
        files = [version.file for version in self.database.reading(versions.all_versions)]
        return {one.image for file in files for one in (*file.practice.images, *file.checks.images)}

    def set_priority(self, priority: Mapping[str, float]) -> None:
        """Set images' priority (for the strategy `priority`): a model's uncertainty, or people's disagreement."""
        if not all(np.isfinite(value) for value in priority.values()):
            raise StoreError("priority: expected finite numbers")
        self._steered(setup.set_priority, priority)

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
        return self.database.writing(setup.open_round, purpose, image_ids, of, overlap)

    def rounds(self) -> pd.DataFrame:
        """All rounds: round, purpose (main, repeat, second, discussion), of."""
        columns = (round_.c.number.label("round"), round_.c.purpose, round_.c.of)
        return self.database.table(sa.select(*columns).order_by(round_.c.number))

    # One person's work

    def claim(self, who: str, count: int = 5, *, round_number: int = MAIN, most: int | None = None) -> list[Claim]:
        """The next images for this person, at most `count`: what they hold already first, in its place.

        So a client that was closed goes on where it was. Fewer come back where nothing is left to give. most: what they
        hold beyond so many is given back. Raises StoreError for somebody not invited or withdrawn.
        """
        key = (who, round_number)
        rows: list[Any] = []
        for _ in range(3):
            proposed = self._proposed.get(key) or self._propose(key)
            rows = self.database.retried(claims.claim, who, count, round_number, proposed, most)
            if len(rows) >= count or proposed or not self._propose(key):  # a study's person may have had them all
                break
        return self._claims(who, rows)

    def _propose(self, key: tuple[str, int]) -> list[int]:
        """A fresh list of images for a person and round, read outside the writing transaction: it takes a while."""
        self.release_expired()
        found = self._proposed[key] = self.database.reading(claims.candidates, *key)
        return found  # not what the lead's next change may take away meanwhile

    def _claims(self, who: str, rows: Sequence[Any]) -> list[Claim]:
        if not rows:
            return []
        ids = [row.image_id for row in rows]

        def by_image(column: sa.Column[Any]) -> dict[tuple[str, int], Any]:
            has = column.table.c
            query = sa.select(has.image_id, has.round, column).where(has.annotator_id == who, has.image_id.in_(ids))
            return {(image_id, number): value for image_id, number, value in connection.execute(query)}

        with self.database.read() as connection:
            revisions, drafts = by_image(answer.c.revision), by_image(draft.c.content)
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
        late = sa.select(assignment.c.place).where(claims.expired())
        return 0 if self.database.scalar(late.limit(1)) is None else self.database.retried(claims.release_expired)

    def give_back(self, who: str, asked: float) -> int:
        """Free the images that this person holds unanswered and did not claim again after `asked`; returns how many.

        asked: seconds since 1970. For a client that was closed before anything was done; the next `claim` gives the
        same images where nobody else took them meanwhile. Second looks are kept: what they showed was seen.
        """
        until = round((asked + self.task.lease_seconds) * 1000)
        freed = self.database.retried(claims.release, who, until)
        for key in [key for key in list(self._proposed) if key[0] == who]:
            self._proposed.pop(key, None)
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
            self._labels = self.task.labels
        return self._labels

    def second_look(self, who: str, image_id: str, *, of: int = MAIN) -> Claim:
        """A second look, at once, at what this person has just answered blind: with a suggestion or, by chance, not.

        Which of the two is fixed for this person and image, and kept with the answer.
        """
        return self._claims(who, [self.database.retried(setup.second_look, who, image_id, of)])[0]

    def chip_order(self, who: str) -> tuple[str, ...]:
        """The order in which this person sees the labels, always the same."""
        order = self.database.scalar(sa.select(annotator.c.chip_order).where(annotator.c.annotator_id == who))
        if order is None:
            raise StoreError(f"nobody invited annotator {who!r}")
        return tuple(order)

    def save_draft(self, who: str, image_id: str, content: Mapping[str, Any], *, round_number: int = MAIN) -> None:
        """Keep what somebody has begun to say; the answer removes it."""
        self.database.writing(setup.save_draft, who, image_id, round_number, dict(content))

    def history(self, who: str, limit: int = 50) -> pd.DataFrame:
        """This person's current answers, newest first, with the revision that a correction has to name."""
        return self.database.reading(reading.history, who, limit)

    def consent(self, who: str) -> None:
        """Remember that this person has read what they will see and agreed."""
        with self.database.write() as connection:
            claims.lock_annotator(connection, who)
            connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(consented_at=now_ms()))

    def speak(self, who: str, language: str | None) -> None:
        """Remember the language, by its code, that this person chose for the page; None takes the choice back.

        Raises StoreError for what is no language, and for somebody not invited.
        """
        code = None if language is None else as_code(language)
        if code is None and language is not None:
            raise StoreError(f"language: expected a code such as de or pt-BR, but received {language!r:.40}")
        with self.database.write() as connection:
            setup.check_invited(connection, [who])
            connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(language=code))

    def withdraw(self, *annotator_ids: str, proven: bool = True) -> None:
        """Take people out, all or none: no more claims or answers, their answers no longer count.

        Their places are free for others. For a week `undo_withdrawal` takes it back, then it is final. proven: False
        where only a name says who wants it, which anybody could give: it is never final then. Raises StoreError for a
        name that nobody invited, or who has withdrawn.
        """
        self.database.retried(setup.withdraw, annotator_ids, proven=proven)

    def undo_withdrawal(self, *annotator_ids: str) -> None:
        """Take withdrawals back, all or none: their answers count again, beside those that came in their place.

        Raises StoreError for a name that nobody invited, who has not withdrawn, or not in the last week.
        """
        self.database.retried(setup.undo_withdrawal, annotator_ids)

    def undoable_withdrawals(self) -> list[str]:
        """Who has withdrawn and can be taken back."""
        return self.database.reading(setup.undoable)

    # Reading

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
        """
        return self.database.reading(
            reading.judgements, rounds=rounds, surplus=surplus, withdrawn=withdrawn, image_ids=image_ids
        )

    def events(self, *, people: Sequence[str] | None = None) -> pd.DataFrame:
        """Everything anybody ever said, in the order it came. people: these only."""
        columns = [column for column in event.c if column.name not in ("number", *OF_ASSIGNMENT)]
        query = sa.select(*columns).order_by(event.c.number)
        if people is not None:
            query = query.where(event.c.annotator_id.in_(people))
        return self.database.reading(reading.events_table, query)

    def progress(self, *, round_number: int = MAIN) -> Progress:
        """How far a round is, how fast, and how long it will take."""
        return self.database.reading(reading.progress, round_number)

    def skipped_images(self) -> list[str]:
        """The images of the main round that have fewer answers than they were to have, since too many people skipped.

        An unsure or a flag is a skip here. More people see such an image if `skips` or what it wants is raised.
        """
        return self.database.reading(reading.skipped_images)

    def annotators(self) -> pd.DataFrame:
        """Everybody invited, with what they did."""
        return self.database.reading(reading.annotators)

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
        named = {"name": path.name, "sha256": digest.hexdigest()}
        try:
            return self.database.retried(import_judgements, table, **named, invite=invite)
        except BadImport as error:
            encoding = reading_options.get("encoding", "utf-8")
            raise BadImport(path.name, at_lines(error.problems, path, encoding), error.way_out) from None

    # The lead's decisions

    def conflicts(self) -> pd.DataFrame:
        """Answers that met a changed one."""
        return self.database.table(reading.CONFLICTS)

    def resolve_conflict(self, event_id: str, *, keep: bool, by: str) -> None:
        """Settle a conflict: keep the later answer (it becomes current) or the one that stands. Both stay stored."""
        with self.database.write() as connection:
            row = connection.execute(
                sa.select(conflict, event.c.annotator_id, event.c.round, event.c.image_id, event.c.kind)
                .join(event, event.c.event_id == conflict.c.event_id)
                .where(conflict.c.event_id == event_id)
            ).one_or_none()
            if row is None or row.resolved_at is not None:
                raise StoreError(f"no open conflict about event {event_id!r}")
            if keep:
                one = (answer.c.annotator_id == row.annotator_id, answer.c.round == row.round)
                stands = answer.update().where(*one, answer.c.image_id == row.image_id).returning(answer.c.surplus)
                if not connection.scalar(stands.values(event_id=event_id, revision=answer.c.revision + 1)):
                    claims.settle(connection, row.annotator_id, row.round, row.image_id, row.kind)
            settled = {"resolved_at": now_ms(), "resolved_by": by, "kept": keep}
            connection.execute(conflict.update().where(conflict.c.event_id == event_id).values(settled))

    def decide(self, image_id: str, labels: Sequence[str], *, by: str, note: str | None = None) -> None:
        """Add an adjudicated set for an image. Nobody's answer is touched, and earlier decisions stay."""
        check_labels(labels, self._task_labels(), f"decision on image {image_id!r}")
        if note is not None and not storable(note):
            raise StoreError(f"decision on image {image_id!r}: the note {UNSTORABLE}")
        row = {"image_id": image_id, "labels": list(labels), "decided_by": by, "note": note, "at": now_ms()}
        with self.database.write() as connection:
            setup.position_of(connection, image_id)
            connection.execute(decision.insert().values(row))

    def decisions(self) -> pd.DataFrame:
        """All decisions, oldest first; the last one about an image stands."""
        columns = (decision.c.image_id, decision.c.labels, decision.c.decided_by, decision.c.note, decision.c.at)
        table = self.database.table(sa.select(*columns).order_by(decision.c.number))
        table["at"] = pd.to_datetime(table["at"], unit="ms", utc=True)
        return table


def is_database(text: str) -> bool:
    """Whether a name is that of a label store rather than of a file or folder of judgements."""
    return "://" in text or Path(text).suffix in (".db", ".sqlite", ".sqlite3")
