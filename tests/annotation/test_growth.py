"""What the page and the commands ask a task's large tables they find by an index, where they do not read all of it."""

import re
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import affectml
import affectml_annotation
import affectml_apps
from affectml_annotation import LabelStore
from affectml_annotation.study import overview
from affectml_apps.relabel import queries

from .anything import Anything
from .tasks import on_sqlite

LARGE = ("event", "answer", "assignment", "slot")  # they grow with people's work
PARTIAL = ("assignment_open", "assignment_held", "event_by_pace", "slot_open")  # hold just what is asked for
OURS = [Path(package.__file__).parent for package in (affectml, affectml_annotation, affectml_apps)]
READS_ALL = {  # or, of the slots, all of a round, of which there is one for each image
    "reading.events_table": "every current answer is the result, or every event",
    "reading.Reading.judgements": "and counted, so that none is lost without a word",
    "reading.Reading.annotators": "every answer is counted for its person",
    "reading.Reading.skipped_images": "so is it where it is none",
    "reading.Reading.progress": "the images of a round are counted",
    "setup._ask_more": "every image gets the new overlap",
    "setup.open_round": "every image of another round is asked about again",
    "setup.enqueue": "once for all images that are queued",
}


def read_whole(database, asked) -> dict[str, list[str]]:
    """What reads a large table, by who asks it. A search by a round alone is one: most of the work is in one."""
    found = {}
    with database.read() as connection:
        cursor = connection.connection.cursor()
        for statement, (who, parameters) in asked.items():
            for table, how in plan(cursor, statement, parameters):
                if table in LARGE:
                    found.setdefault(who, []).append(f"{how}: {' '.join(statement.split())}")
    return found


def asker() -> str | None:
    """The function of ours that asks; None where a test does."""
    frame = sys._getframe(2)
    while frame is not None and Path(__file__).parent not in Path(frame.f_code.co_filename).parents:
        file = Path(frame.f_code.co_filename)
        if file.name != "engine.py" and any(folder in file.parents for folder in OURS):
            return f"{file.stem}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
        frame = frame.f_back
    return None


def plan(cursor, statement, parameters):
    names = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement)}
    for *_, how in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall():
        found = re.match(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?(?: \((.*)\))?", how)
        if found and found[3] not in PARTIAL and (found[1] == "SCAN" or found[4] == "round=?"):
            yield names.get(found[2], found[2]), how


@pytest.fixture
def asked():
    """Every statement by what asks it, with the values that it was asked with first."""
    asked_by = {}

    def note(_connection, _cursor, statement, parameters, _context, many):
        if statement not in asked_by and re.match("SELECT|UPDATE|DELETE|WITH", statement) and (who := asker()):
            asked_by[statement] = who, parameters[0] if many else parameters

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield asked_by
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.mark.slow
@on_sqlite
def test_nothing_but_what_is_named_reads_a_large_table_from_end_to_end(database_url, asked, monkeypatch, tmp_path, run):
    anything = Anything(database_url, 5, monkeypatch, tmp_path)
    anything.do(350)
    with anything.store as store:
        for who in store.annotators()["annotator_id"].head(3):
            queries.person(store, who)
            store.history(who)
            queries.answered_count(store, who, [1, 2])
            queries.left_for(store, who, 1)
            queries.round_for(store, who)
            queries.is_assigned(store, who, "i03")
            queries.is_assigned(store, who, "i03", 1)
            queries.own_answer(store, who, "i03", 1)
        for ask in (overview.overview, overview.people, LabelStore.conflicts, LabelStore.undoable_withdrawals):
            ask(store)
        for words in (
            ["status", "--db"], ["agreement"], ["attention", "--db"], ["aggregate"],
            ["assign", "--invite", "zoe", "--top", "5", "--more", "1", "--db"], ["assign", "--overlap", "4", "--db"],
            ["export", "--to", tmp_path / "all.csv", "--db"], ["export", "--to", tmp_path / "data", "--db"],
        ):  # fmt: skip
            run("label", *words, database_url.removeprefix("sqlite:///"))
        found = read_whole(store.database, asked)
    assert {who: how for who, how in found.items() if who not in READS_ALL} == {}
    assert set(found) == set(READS_ALL)


def test_what_refers_to_an_event_has_an_index_or_each_that_leaves_would_be_looked_for_in_all_of_it(database_url):
    with LabelStore(database_url) as store, store.database.read() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            keys = [inspector.get_pk_constraint(table)["constrained_columns"]]
            keys += [index["column_names"] for index in inspector.get_indexes(table)]
            for reference in inspector.get_foreign_keys(table):
                if reference["referred_table"] == "event":
                    columns = reference["constrained_columns"]
                    assert any(key[: len(columns)] == columns for key in keys), (table, columns)
