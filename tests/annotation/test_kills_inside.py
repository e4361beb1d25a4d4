"""SIGKILL before each step of a write: opening, fsync, rename, link, removal, each change in SQL and its commit."""

import inspect
import multiprocessing
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from affectml.demo_set import write_demo
from affectml.people.labelling import make_task
from affectml_annotation import Answer, LabelStore, Task, write_judgements
from affectml_annotation.erasing import erase_people
from affectml_annotation.store.backup import write_backup

SLOW = {"killed"}  # fixtures, and so all that asks for them
FILES = ("os.rename", "os.link", "os.remove")
CHANGES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


def dies_at(step: int, folder: str, deed: str) -> None:
    """Do a deed, Python in which HERE is the folder; killed before its step of that number that changes anything."""
    import contextlib
    import io
    import os
    import signal
    import sys

    import sqlalchemy as sa

    left = step

    def change() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, given: tuple) -> None:
        opened = event == "open" and bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (opened or event in FILES) and str(given[0]).startswith(folder):
            change()

    def sync(descriptor: int) -> None:
        change()
        fsync(descriptor)

    fsync, os.fsync = os.fsync, sync
    sys.addaudithook(hook)
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda *given: given[2].startswith(CHANGES) and change())
    sa.event.listen(sa.Engine, "commit", lambda _connection: change())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(deed, {"HERE": folder})


def command(*words: str) -> str:
    """The deed of a command, in whose words HERE stands for the folder."""
    return f"""
import sys
from affectml.cli import main
sys.argv = ["affectml", *(word.replace("HERE", HERE) for word in {words!r})]
main()
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """`killed(template, deed)`: for each step a copy of the template in which it was killed there, and `again`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["affectml.cli._label_task", "affectml.people.erasing"])

    def run(step: int, folder: Path, deed: str) -> int | None:
        # as text, since this file is no module that another process could import
        code = f"{inspect.getsource(dies_at)}\ndies_at({step}, {str(folder)!r}, {deed!r})"
        process = context.Process(target=exec, args=(code, {"FILES": FILES, "CHANGES": CHANGES}))
        process.start()
        process.join()
        return process.exitcode

    def each(template: Path, deed: str):
        for step in range(1, 100):
            folder = tmp_path_factory.mktemp("killed") / "world"
            shutil.copytree(template, folder)
            if run(step, folder, deed) != -signal.SIGKILL:
                assert step > 3, "killed nowhere"
                return
            yield folder, lambda folder=folder: run(0, folder, deed)

    return each


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set with judgements of many, its task with the same, and an earlier export of it."""
    folder = tmp_path_factory.mktemp("template") / "world"
    dataset = write_demo(folder / "set", images=40, seed=3)
    with LabelStore(folder / "set-labels.db") as store:
        store.init_task(*make_task(dataset, Task(overlap=5)))
        write_judgements(dataset.judgements, folder / "people.parquet")
        store.import_file(folder / "people.parquet", invite=True)
    (folder / "all.csv").write_text("an earlier one\n")
    return folder


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if path.name.endswith((".tmp", ".lock"))]


@pytest.mark.parametrize(("step", "there", "code"), [(1, False, -signal.SIGKILL), (2, True, 0)])
def test_a_deed_is_killed_before_the_step_and_not_where_it_has_fewer(tmp_path, step, there, code):
    deed = "from pathlib import Path; Path(HERE, 'x').touch()"
    made = f"{CHANGES=}; {FILES=}\n{inspect.getsource(dies_at)}\ndies_at({step}, {str(tmp_path)!r}, {deed!r})"
    assert subprocess.run([sys.executable, "-c", made]).returncode == code
    assert (tmp_path / "x").exists() == there


def test_an_export_to_csv_is_the_old_file_or_the_new_one(world, killed):
    deed = command("label", "export", "--db", "HERE/set-labels.db", "--to", "HERE/all.csv", "--replace")
    states = set()
    for folder, again in killed(world, deed):
        now = (folder / "all.csv").read_text()
        states.add(now == "an earlier one\n")
        assert now == "an earlier one\n" or len(pd.read_csv(folder / "all.csv")) == 200
        assert all(kept.read_text() == "an earlier one\n" for kept in sorted(folder.glob("all.replaced-*"))[:1])
        assert again() == 0
        assert len(pd.read_csv(folder / "all.csv")) == 200
        assert litter(folder) == []
    assert states == {True} or states == {True, False}


def test_who_is_erased_is_gone_after_the_same_command_again(world, killed):
    people = pd.read_parquet(world / "set" / "annotations.parquet")["annotator_id"]
    who, left = people.iloc[0], int((people != people.iloc[0]).sum())
    files = ("annotations.parquet", "annotators.parquet")
    for folder, again in killed(world, command("label", "remove", "erase", "HERE/set", who)):
        before = {name: pd.read_parquet(folder / "set" / name) for name in files}
        assert len(before["annotations.parquet"]) in (left, len(people))
        assert again() == 0
        assert len(pd.read_parquet(folder / "set" / files[0])) == left
        for name in files:
            assert who not in pd.read_parquet(folder / "set" / name)["annotator_id"].tolist()
        with LabelStore(folder / "set-labels.db") as store:
            assert who not in store.events()["annotator_id"].tolist()
            assert len(store.events()) == left
        assert litter(folder) == []


def test_a_restore_is_the_old_database_or_the_new_one_without_whom_was_erased(killed, tmp_path):
    (template := tmp_path / "world").mkdir()
    with LabelStore(template / "labels.db") as store:
        store.init_task(Task(labels=("awe", "fear"), question="?", overlap=1), ["a", "b"])
        store.invite(["ann", "ben"])
        for who in ("ann", "ben"):
            (claim,) = store.claim(who, 1)
            store.submit([Answer(claim.image_id, who, "labels", ("awe",))])
        write_backup(store, template / "kept.db")
        erase_people(["ann"], stores=[store])
        store.invite(["late"])
    states = set()
    deed = command("label", "backup", "--restore", "HERE/kept.db", "HERE/labels.db", "--replace")
    for step, (folder, again) in enumerate(killed(template, deed)):
        for whole in (False,) if step % 4 else (False, True):
            assert not whole or again() == 0
            with LabelStore(folder / "labels.db", must_exist=True) as store:
                assert store.events()["annotator_id"].tolist() == ["ben"]
                new = "late" not in store.annotators()["annotator_id"].tolist()
            states.add((whole, new))
            assert not whole or litter(folder) == []
    assert states - {(False, True)} == {(False, False), (True, True)}
