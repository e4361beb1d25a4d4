"""Many processes on one database, some of them killed: no image too often, nothing twice, nothing lost."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore, TaskSettings
from affectml_annotation.store.schema import answer, assignment, slot

CLIENT = Path(__file__).parents[2] / "benchmarks" / "annotation_client.py"


def start(url: str, who: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CLIENT), url, who, str(folder / f"{who}.txt")], stderr=subprocess.PIPE, text=True
    )


def run_clients(url: str, folder: Path, people: list[str], kills: int, seed: int = 0) -> list[tuple[str, str]]:
    """Run everybody to the end; meanwhile kill `kills` of them at random and start them again."""
    pick = random.Random(seed)
    running = {who: start(url, who, folder) for who in people}
    for _ in range(kills):
        time.sleep(pick.uniform(0.1, 0.4))
        busy = [who for who, client in running.items() if client.poll() is None]
        notes = [who for who in busy if (folder / f"{who}.txt").exists()]
        if not notes:
            continue
        who = pick.choice(notes)
        running[who].kill()
        running[who].communicate()
        running[who] = start(url, who, folder)
    for who, client in running.items():
        _, errors = client.communicate(timeout=500)
        assert client.returncode == 0, f"{who}: {errors}"
    lines = [line.split() for file in folder.glob("*.txt") for line in file.read_text().splitlines()]
    return [(event_id, status) for event_id, status, _ in lines]


def check(url: str, folder: Path, images: int, overlap: int, people: int, kills: int) -> None:
    names = [f"p{number:02d}" for number in range(people)]
    with LabelStore(url) as store:
        labels = ("awe", "fear", "joy")
        task = TaskSettings(labels=labels, question="What do you feel?", overlap=overlap)
        store.init_task(task, [f"i{n}" for n in range(images)])
        store.invite(names)
        store.close()
        notes = run_clients(url, folder, names, kills)
        acknowledged = {event_id for event_id, status in notes}
        assert {status for _, status in notes} == {"accepted"}
        assert len(acknowledged) == len(notes)
        assert acknowledged <= set(store.events()["event_id"])
        table = store.judgements()
        assert not table.duplicated(["image_id", "annotator_id", "round"]).any()
        assert (table.groupby("image_id").size() == overlap).all()
        assert len(table) == images * overlap
        with store.database.read() as connection:
            wrong = connection.scalars(sa.select(slot.c.position).where(slot.c.round == 1, slot.c.taken != overlap))
            assert not wrong.all()
            counted = sa.select(sa.func.count())
            assert connection.scalar(counted.select_from(answer)) == images * overlap
            assert connection.scalar(counted.select_from(assignment)) == images * overlap


def test_several_processes_and_some_killed(database_url, tmp_path):
    check(database_url, tmp_path, images=250, overlap=3, people=5, kills=3)


@pytest.mark.slow
def test_sixteen_processes_and_twenty_thousand_answers(database_url, tmp_path):
    check(database_url, tmp_path, images=5000, overlap=4, people=16, kills=20)
