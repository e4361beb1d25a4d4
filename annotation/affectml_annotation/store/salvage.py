"""Salvaging a torn SQLite database: what its whole pages hold goes into a new one, row by row."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from affectml_annotation.errors import StoreError
from affectml_annotation.exchange.files import workplace
from affectml_annotation.judgements import answer_problems
from affectml_annotation.store import claims, erasing, setup
from affectml_annotation.store.engine import WATCH
from affectml_annotation.store.keys import ERASING, was_erased
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.pages import LEAF, Pages, Row, Torn
from affectml_annotation.store.place import BACKUP
from affectml_annotation.store.rebuilding import KEYS, rebuild
from affectml_annotation.store.schema import annotator, answer, event, image, metadata, round_, secret, setting
from affectml_annotation.store.settings import read_setting, read_settings

# What was set up, and who was erased: another database of the same task can give what is lost of it.
SET_UP = (
    "setting", "image", "round", "attention_check", "content_warning", "study_version", "study_text", "secret",
    "erasure",
)  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {"VARCHAR": (str,), "JSON": (str, int, float), "FLOAT": (int, float)}
Form = list[Any]  # of a table: PRAGMA table_info


@dataclass(frozen=True)
class Salvaged:
    """What was had of a torn database.

    rows: by table, as the new database has them. pages: how many there were, of page_size bytes; unread: those of which
    nothing was had. refused: rows, by table, that are none of this task's, or belong to one that is lost. gaps: numbers
    of events that are missing, first and last of each; whoever was erased leaves gaps too. lost: how many events other
    rows name that are missing. people: of whom answers were had and nothing else, invited anew. images: likewise, by
    their names alone.
    """

    out: Path
    rows: dict[str, int]
    pages: int
    page_size: int
    unread: int
    refused: dict[str, int]
    gaps: list[tuple[int, int]]
    lost: int
    people: list[str]
    images: list[str]


def salvage(broken: str | Path, out: str | Path, *, settings: str | Path | None = None) -> Salvaged:
    """Put what can be had of a torn SQLite database, and of the log beside it, into a new one at `out`.

    Every row of a page that is whole comes back as it was; of other pages nothing is guessed. `answer`, `assignment`
    and `slot` are then what the events say. `broken` is not written to. settings: another database, or a backup, of the
    same task, which gives settings, images and rounds where they are lost, and who was erased. Raises StoreError where
    they are lost and there is none, for one of another task, and where `out` exists.
    """
    broken, out = Path(broken), Path(out)
    if not broken.is_file():
        raise StoreError(f"{broken}: no such file; name the torn database itself")
    if out.exists():
        raise StoreError(f"{out} exists; name a file that does not")
    pages = Pages(broken)
    with workplace(out) as folder:
        fresh = folder / "salvaged.db"
        fresh.touch(0o600)
        with LabelStore(fresh) as store, store.database.write() as connection:
            found = _fill(connection, broken, pages, settings)
        fresh.replace(out)
    return Salvaged(out, pages=pages.count, page_size=pages.size, **found)


def _fill(connection: sa.Connection, broken: Path, pages: Pages, source: str | Path | None) -> dict[str, Any]:
    """Put all that is had into a new store."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    forms: dict[str, Form] = {
        name: [*connection.exec_driver_sql(f'PRAGMA table_info("{name}")')]
        for name in metadata.tables
        if name != "schema_version"
    }
    where, refused, labels = _tables(pages, forms), Counter[str](), list[str]()

    def put(name: str, parts: Iterable[list[Row]]) -> None:
        marks = ", ".join("?" * len(forms[name]))
        for rows in parts:
            fitting = [values for row in rows if (values := _values(forms[name], row))]
            if name == "event":
                fitting = [values for values in fitting if not any(_wrong(forms[name], values, labels))]
            refused[name] += len(rows) - len(fitting)
            WATCH.get()(len(rows))
            if fitting:
                connection.exec_driver_sql(f'INSERT OR IGNORE INTO "{name}" VALUES ({marks})', fitting)

    for name in SET_UP:
        put(name, map(pages.rows, where[name]))
    try:
        read_settings(connection)
    except StoreError:  # not there, or damaged
        connection.execute(setting.delete().where(setting.c.key == "task"))
    if source is not None:
        _take_set_up(connection, source)
    connection.execute(setting.delete().where(setting.c.key == BACKUP))
    if read_setting(connection, "task") is None or not all(
        connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (image, round_)
    ):
        raise StoreError(
            f"{broken}: the task's settings, images or rounds are lost; a backup or another database of the same task "
            "gives them: --settings FILE"
        )
    labels += read_settings(connection).labels
    for name in forms:
        if name not in SET_UP:
            put(name, map(pages.rows, where[name]))
    put("event", (rows for rows in pages.older_rows() if all(_values(forms["event"], row) for row in rows)))
    _forget(connection)
    absent = answer.c.event_id.not_in(sa.select(event.c.event_id))
    count = {name: sa.select(sa.func.count()).select_from(metadata.tables[name]) for name in forms}
    named = connection.scalar(count["answer"].where(absent))
    people, images = _make_anew(connection)
    while lost := {(name, row) for name, row, *_ in connection.exec_driver_sql("PRAGMA foreign_key_check")}:
        for name, row in lost:
            refused[name] += 1
            connection.exec_driver_sql(f'DELETE FROM "{name}" WHERE rowid = ?', (row,))
    rebuild(connection)
    numbers = connection.scalars(sa.select(event.c.number).order_by(event.c.number)).all()
    pages.look_at_indexes()
    made = {table.name for table in KEYS}
    return {
        "rows": {name: connection.scalar(query) for name, query in count.items()},
        "unread": pages.count - len(pages.read | pages.free()),
        "refused": {name: many for name, many in refused.items() if many and name not in made},
        "gaps": [(one + 1, other - 1) for one, other in zip((0, *numbers), numbers, strict=False) if other > one + 1],
        "lost": named,
        "people": people,
        "images": images,
    }


def _tables(pages: Pages, forms: dict[str, Form]) -> dict[str, list[int]]:
    """The whole leaves of each table: those that its root leads to, then others whose rows can be no other table's."""

    def read(number: int) -> list[Row]:
        try:
            return pages.rows(number)
        except Torn:
            return []

    found: dict[str, list[int]] = {name: [] for name in forms}
    lacking, roots, taken = set(forms), dict[str, int](), pages.free()
    (leaves, whole), leafy = pages.leaves(1), [at for at in range(1, pages.last + 1) if pages.kind(at) == LEAF]
    for number in leaves if whole else (*leaves, *leafy):
        for _, values in read(number):
            if len(values) == 5 and values[0] == "table" and isinstance(root := values[3], int):
                roots.setdefault(str(values[1]), root)
                taken.add(number)
    for name, root in roots.items():
        numbers, whole = pages.leaves(root)
        found[name] = [number for number in numbers if read(number)]
        taken.update(numbers)
        lacking -= {name} if whole else set()
    for number in leafy:
        rows = [] if number in taken else read(number)
        fitting = [name for name in lacking if rows and all(_values(forms[name], row) for row in rows)]
        said = [sum(column.type == "JSON" for column in forms[name]) for name in fitting]  # no other text is JSON
        if said.count(max(said, default=-1)) == 1:
            found[fitting[said.index(max(said))]].append(number)
        elif rows:
            pages.read.discard(number)
    return found


def _values(form: Form, row: Row) -> tuple[Any, ...] | None:
    """A row's values by the columns of a table; None where it is no row of it."""
    rowid, values = row
    values = [*values, *[None] * (len(form) - len(values))]  # columns that a migration has added
    for column, (place, value) in zip(form, enumerate(values), strict=False):
        kind = column.type
        if value is None and column.pk and kind == "INTEGER" and sum(each.pk > 0 for each in form) == 1:
            values[place] = rowid
        elif value is None and not column.notnull:
            continue
        elif not isinstance(value, TYPES.get(kind, (int,))) or (kind == "BOOLEAN" and value not in (0, 1)):
            return None
        elif isinstance(value, str):
            try:
                json.loads(value) if kind == "JSON" else None
            except (ValueError, RecursionError):
                return None
            if "\0" in value:
                return None
    return tuple(values) if len(values) == len(form) else None


def _wrong(form: Form, values: tuple[Any, ...], labels: list[str]) -> Iterable[str]:
    """What is wrong with an event that is well-formed."""
    said = dict(zip((column.name for column in form), values, strict=True))
    chosen = json.loads(str(said["labels"]))
    if not isinstance(chosen, list) or not all(isinstance(label, str) for label in chosen):
        return ["labels are no list of texts"]
    return answer_problems(said["kind"], chosen, labels)


def _take_set_up(connection: sa.Connection, source: str | Path) -> None:
    """Take what is lost of a task's set-up from another database."""
    images = sa.select(image.c.position, image.c.image_id)
    with LabelStore(source, must_exist=True, reads_only=True) as other, other.database.read() as theirs:
        for table in (metadata.tables[name] for name in SET_UP if sa.inspect(theirs).has_table(name)):
            for part in theirs.execute(sa.select(table)).mappings().partitions(1000):
                connection.execute(insert(table).on_conflict_do_nothing(), [dict(row) for row in part])
        if not {*theirs.execute(images)} <= {*connection.execute(images)}:
            raise StoreError(f"{source}: its images are not those of the torn database; name one of the same task")


def _forget(connection: sa.Connection) -> None:
    """Take out whoever was erased, of whom an earlier state of a page may still have said something."""
    if connection.scalar(sa.select(secret.c.value).where(secret.c.name == ERASING)) is None:
        return
    people = sa.union(sa.select(annotator.c.annotator_id), sa.select(event.c.annotator_id))
    for who in connection.scalars(people).all():
        if was_erased(connection, who=who):
            erasing.take_out(connection, who)


def _make_anew(connection: sa.Connection) -> tuple[list[str], list[str]]:
    """Rows for the people and images whose own are lost and whose answers were had, and who withdrew."""

    def lost(named: sa.Column[Any], own: sa.Column[Any]) -> list[str]:
        absent = sa.select(named).where(named.not_in(sa.select(own)))
        return list(connection.scalars(absent.group_by(named).order_by(sa.func.min(event.c.number))))

    people = setup.invite(connection, lost(event.c.annotator_id, annotator.c.annotator_id), {})
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(setup.WITHDRAWAL)))
    for line in sorted(lines, key=lambda line: line["at"]):
        one = annotator.update().where(annotator.c.annotator_id == line["annotator_id"])
        connection.execute(one.values(withdrawn_at=line["at"] if line["withdrawn"] else None))
    images = lost(event.c.image_id, image.c.image_id)
    # beyond all positions that a row names: those are of images that are lost, nobody knows which
    named = [table.c.position for table in metadata.tables.values() if "position" in table.c]
    start = max(claims.following(connection, column) for column in named)
    for position, name in enumerate(images, start):
        connection.execute(image.insert().values(position=position, image_id=name))
    return people, images
