"""Databases for the store's tests (SQLite always, PostgreSQL where its programs are installed); the command line."""

from pathlib import Path

import pytest

from affectml.cli import main


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labels.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line as a shell would; gives back what it printed, or the error line with exit code 2."""

    def run_(*arguments, fails=False):
        monkeypatch.setattr("sys.argv", ["affectml", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        assert stop.value.code == (2 if fails else 0), printed.err
        return printed.err if fails else printed.out

    return run_
