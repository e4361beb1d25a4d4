"""The one door to a labelling task's database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.languages import as_code
from affectml_annotation.store import changing, claims, setup, versions
from affectml_annotation.store.claims import Claim, Claiming
from affectml_annotation.store.engine import Database
from affectml_annotation.store.migrations import MIGRATIONS, migrate, version_of
from affectml_annotation.store.place import backup_note, dataset_of, holds_store
from affectml_annotation.store.reading import Reading
from affectml_annotation.store.schema import MAIN, STOPPED, annotator, now_ms, read_setting, write_setting
from affectml_annotation.store.submits import Submitting
from affectml_annotation.study.file import Task

P = ParamSpec("P")
T = TypeVar("T")


class LabelStore(Claiming, Submitting, Reading):
    """A labelling task in a database: SQLite by a file's path, PostgreSQL by URL. Opens or makes it, and migrates.

    Many processes may use one database, each with a LabelStore of its own (make it after a fork). Every method is
    one transaction. must_exist: refuse a file that is not there, or holds no label store, instead of making one.
    reads_only: change nothing; a file with an earlier schema is migrated in memory. A backup is opened so alone. Raises
    StoreError for a database that cannot be opened or comes from a newer version.

    >>> from affectml_annotation import Answer, LabelStore, Task
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
                raise StoreError(f"{url}: {what}; `affectml label init DATASET --db {url}` makes one")
        if not reads_only and "://" not in str(url) and Path(url).is_file() and backup_note(url) is not None:
            raise StoreError(
                f"{url} is a backup, which stays as it is; `affectml label backup --restore {url} DB` makes a database "
                "of it"
            )
        self._proposed: dict[tuple[str, int], list[int]] = {}
        self._labels: tuple[str, ...] | None = None
        self.database = Database(url, reads_only=reads_only)
        try:
            # before a file to wait in line at is made beside what is none
            version = self.database.reading(version_of)
            if reads_only and not 1 <= version <= len(MIGRATIONS):
                raise StoreError(f"{url}: has another schema than this version of affectml writes")
            if reads_only and version < len(MIGRATIONS) and self.database.dialect == "sqlite":
                self.database, reads_only = self.database.in_memory(), False
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
        apart: Iterable[str] = (),
    ) -> None:
        """Set the task up, once: its file and its images (columns image_id, and file and stratum if any).

        dataset: the folder of the data set that it is about, which `dataset` gives back. texts, apart: of a study, as
        `Study` has them. Raises StoreError where there is a task, or the file has no labels or no question.
        """
        with self.database.write() as connection:
            if versions.has_task(connection):
                raise StoreError(
                    f"{self.database.where} holds a task already; another task needs another database: --db OTHER.db"
                )
            if file.is_study and texts is None:
                raise StoreError(f"recruit.panel: {changing.BEGINS}")
            setup.init_task(connection, file, images, dataset, texts)
            changing.open_second_looks(connection, file)
            changing.set_apart(connection, file, apart)

    @property
    def dataset(self) -> Path | None:
        """The folder of the data set whose task this is: as it was set up, else beside the database; None for none."""
        named = self.database.reading(read_setting, setup.DATASET)
        there = named is not None and (Path(named) / "dataset.json").is_file()
        return Path(named) if there else dataset_of(self.database.where)

    @property
    def stopping(self) -> Mapping[str, Any] | None:
        """How images stopped early, in a task from when they could: min, max, mean, until, whole; else None."""
        rule: Mapping[str, Any] | None = self.database.reading(read_setting, STOPPED)
        return rule

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

        return self._steered(changing.set_task, file, since=since, by=by)

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
        since: int | None = None,
        by: str | None = None,
    ) -> int:
        """Invite people, change the task and queue images, all or nothing; return what `enqueue` does.

        invite, file, changes, queue and more: as of `invite`, `set_task`, `change_task` and `enqueue`, and so are the
        errors; changes are made to the file.
        lower: let what is wanted fall too: for all images to a new overlap, for those queued to `more`. since: as of
        `set_task`. by: who changes the task.
        """

        def work(connection: sa.Connection) -> int:
            setup.reopen(connection, invite)
            setup.invite(connection, invite, {})
            if file is not None or changes:
                versions.lock(connection)
                now = versions.read_task(connection)
                then = now if file is None else changing.filled(file, now)
                changing.set_task(connection, then.but(**(changes or {})), lower=lower, since=since, by=by)
            return setup.enqueue(connection, queue, more, lower=lower)

        return self._steered(work)

    def _steered(
        self, change: Callable[Concatenate[sa.Connection, P], T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Make a change after which other images may come next."""
        made = self.database.writing(change, *arguments, **options)
        self._proposed.clear()
        return made

    def add_checks(self, checks: pd.DataFrame) -> None:
        """Make images attention checks (columns image_id, accepted, forbidden: lists of labels).

        A check has no right answer: it fails if a forbidden label is in the answer, or if there are accepted
        labels and none of them is. Checks are shown at the task's rate of checks, to everybody, outside the overlap.
        """
        self.database.writing(setup.add_checks, checks)

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

    # One person's work

    def second_look(self, who: str, image_id: str, *, of: int = MAIN) -> Claim:
        """A second look, at once, at what this person has just answered blind: with a suggestion or, by chance, not.

        Which of the two is fixed for this person and image, and kept with the answer.
        """
        return self._claims(who, [self.database.writing(setup.second_look, who, image_id, of)])[0]

    def chip_order(self, who: str) -> tuple[str, ...]:
        """The order in which this person sees the labels, always the same."""
        order = self.database.scalar(sa.select(annotator.c.chip_order).where(annotator.c.annotator_id == who))
        if order is None:
            raise StoreError(f"nobody invited annotator {who!r}")
        return tuple(order)

    def save_draft(self, who: str, image_id: str, content: Mapping[str, Any], *, round_number: int = MAIN) -> None:
        """Keep what somebody has begun to say; the answer removes it."""
        self.database.writing(setup.save_draft, who, image_id, round_number, dict(content))

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
        self.database.writing(setup.withdraw, annotator_ids, proven=proven)

    def undo_withdrawal(self, *annotator_ids: str) -> None:
        """Take withdrawals back, all or none: their answers count again, beside those that came in their place.

        Raises StoreError for a name that nobody invited, who has not withdrawn, or not in the last week.
        """
        self.database.writing(setup.undo_withdrawal, annotator_ids)

    def undoable_withdrawals(self) -> list[str]:
        """Who has withdrawn and can be taken back."""
        return self.database.reading(setup.undoable)


def is_database(text: str) -> bool:
    """Whether a name is that of a label store rather than of a file or folder of judgements."""
    return "://" in text or Path(text).suffix in (".db", ".sqlite", ".sqlite3")
