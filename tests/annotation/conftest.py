"""Databases for the store's tests (SQLite always, PostgreSQL where its programs are installed); the command line."""

import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore

# Where the package stands alone, as in `make wheel-test`, files are left out whose tests ask affectml too.
if find_spec("affectml") is None:
    asks = re.compile(r"^from affectml(_apps)?[. ]", re.MULTILINE)
    collect_ignore = [file.name for file in Path(__file__).parent.glob("test_*.py") if asks.search(file.read_text())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What needs a database runs on both engines, but for a module with `ENGINES` and a test of `tasks.on_sqlite`."""
    named = any(mark.args[0] == "database_url" for mark in metafunc.definition.iter_markers("parametrize"))
    if "database_url" in metafunc.fixturenames and not named:
        engines = getattr(metafunc.module, "ENGINES", ("sqlite", "postgresql"))
        metafunc.parametrize("database_url", engines, indirect=True)


@sa.event.listens_for(sa.pool.Pool, "checkout")
def _no_power_is_cut(connection, _record, _proxy):
    """No test cuts the power, so that none waits for the disk: of a process that is killed the system writes all."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def with_tables(tmp_path_factory) -> Path:
    """A label database without a task: to copy it takes a tenth of the time of making it."""
    file = tmp_path_factory.mktemp("with_tables") / "labels.db"
    LabelStore(file).close()
    return file


@pytest.fixture(scope="session")
def postgres_with_tables(new_postgres) -> Iterator[str]:
    """The same on PostgreSQL, by its name."""
    with new_postgres() as url:
        LabelStore(url).close()
        yield sa.make_url(url).database


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database of the engine that the test is for; without tables for a module that is EMPTY."""
    empty, file = getattr(request.module, "EMPTY", False), tmp_path / "labels.db"
    if request.param == "sqlite":
        if not empty:
            shutil.copy(request.getfixturevalue("with_tables"), file)
        yield f"sqlite:///{file}"
    else:
        template = [] if empty else [request.getfixturevalue("postgres_with_tables")]
        with request.getfixturevalue("new_postgres")(*template) as url:
            yield url


@pytest.fixture(autouse=True)
def same_participants(monkeypatch):
    """Participants get the same random ids in every run, and so the same images in the same order."""
    drawn = random.Random(0)
    monkeypatch.setattr("affectml_annotation.study.door.token_hex", lambda size: drawn.randbytes(size).hex())


@pytest.fixture
def opened(database_url):
    """`opened(**changes)`: a store in which the study of `studies` runs, with these changes of its file."""
    from .studies import open_study

    with ExitStack() as stores:
        yield lambda **changes: stores.enter_context(open_study(database_url, **changes))


@pytest.fixture
def store(opened):
    """One in which that study runs as it is."""
    return opened()


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line as a shell would; gives back what it printed, or the error line with exit code 2.

    code: the exit code of a command that printed what it found. beside: give back what it printed on stderr, too.
    """
    from affectml.cli import main

    def run_(*arguments, fails=False, code=0, beside=False):
        monkeypatch.setattr("sys.argv", ["affectml", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        assert stop.value.code == (2 if fails else code), printed.err
        return printed if beside else printed.err if fails else printed.out

    return run_
