"""The server makes backups that are due in a process of its own, and tells the lead why one could not be made."""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from affectml_annotation.store import keeping
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.schema import write_setting
from affectml_annotation.store.setup import DATASET
from affectml_apps.relabel import backups, web

from .conftest import say


@pytest.fixture
def answered(task):
    """A task with an answer, of which a backup is due at once."""
    task.store.invite(["ann"])
    say(task.store, "ann", 1, task.file.labels[0])
    task.store.change_task(backups={"hours": 1e-6})
    return task


def program(path, *lines):
    """A program of these lines of the shell; its path."""
    path.write_text("\n".join(("#!/bin/sh", *lines)))
    path.chmod(0o755)
    return str(path)


def serve_until(task, done):
    """Serve the task as the server does, until `done`; other requests are answered meanwhile."""

    async def serve():
        async with web.lifespan(task, None):
            while not done():
                await asyncio.sleep(0.01)

    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a browser
        thread.submit(asyncio.run, asyncio.wait_for(serve(), 300)).result()


def test_a_server_makes_the_backup_that_is_due_and_none_that_is_not(answered, monkeypatch):
    monkeypatch.setattr(backups, "SECONDS", 0.01)
    store = answered.store
    serve_until(answered, lambda: keeping.kept(store))
    (made,) = keeping.kept(store)
    assert read_backup(made).counts["event"] == 1
    serve_until(answered, iter([False] * 20 + [True]).__next__)
    assert keeping.kept(store) == [made]


def test_a_process_that_ends_without_a_word_is_told_to_the_lead(answered, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", program(tmp_path / "killed", "kill -9 $$"))
    serve_until(answered, lambda: keeping.about(answered.store)["failed"])
    assert keeping.about(answered.store)["failed"] == "the process that makes it ended with exit code -9"


def test_a_server_that_ends_ends_the_process_that_makes_a_backup(answered, monkeypatch, tmp_path):
    number = tmp_path / "number"
    slow = program(tmp_path / "slow", f"echo $$ > {number}.new", f"mv {number}.new {number}", "exec sleep 600")
    monkeypatch.setattr(sys, "executable", slow)
    serve_until(answered, number.exists)
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(int(number.read_text()), 0)


def test_a_failure_is_said_by_status_until_a_backup_is_made(answered, monkeypatch, capsys):
    from affectml.cli import main

    store = answered.store
    keeping.note_failure(store, "too little room")
    monkeypatch.setattr(sys, "argv", ["affectml", "label", "status", "--db", store.database.where, "--json"])
    with pytest.raises(SystemExit):
        main()
    said = json.loads(capsys.readouterr().out)["backups"]
    assert (said["kept"], said["last"], said["failed"]) == (0, None, "too little room")


def test_a_page_notes_where_the_data_set_of_a_moved_task_is(serve, tmp_path, demo):
    elsewhere = str(tmp_path / "moved.db")
    before = serve(db=elsewhere).store
    before.database.writing(write_setting, DATASET, "/of/another/machine")
    assert (before.dataset, serve(db=elsewhere).store.dataset) == (None, demo.resolve())
