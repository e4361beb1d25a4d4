"""Many processes on one database, some of them killed: no image too often, nothing twice, nothing lost."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore
from affectml_annotation.store.schema import answer, assignment, slot

from .tasks import new_task

CLIENT = Path(__file__).parents[2] / "benchmarks" / "annotation_client.py"


def run_clients(spawn, url: str, folder: Path, people: list[str], wanted: int, kills: int) -> list[tuple[str, str]]:
    """Run everybody to the end; meanwhile, at even shares of the answers wanted, kill somebody and start them again."""
    pick = random.Random(0)

    def start(who: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(CLIENT), url, who, str(folder / f"{who}.txt")]
        return spawn(command, stderr=subprocess.PIPE, text=True)

    def lines() -> list[str]:
        return [line for file in folder.glob("*.txt") for line in file.read_text().splitlines()]

    running = {who: start(who) for who in people}
    killed = 0
    while killed < kills and (busy := [who for who, client in running.items() if client.poll() is None]):
        if len(lines()) < wanted * (killed + 1) // (kills + 1):
            time.sleep(0.005)
            continue
        who = pick.choice(busy)
        running[who].kill()
        running[who].communicate()
        running[who] = start(who)
        killed += 1
    assert killed == kills
    for who, client in running.items():
        _, errors = client.communicate(timeout=600)
        assert client.returncode == 0, f"{who}: {errors}"
    return [(event_id, status) for event_id, status, _ in map(str.split, lines())]


@pytest.mark.slow
def test_many_processes_and_some_killed(database_url, tmp_path, spawn):
    images, overlap, people, kills = 600, 4, 16, 20
    names = [f"p{number:02d}" for number in range(people)]
    new_task(database_url, [f"i{n}" for n in range(images)], names, overlap=overlap).close()
    notes = run_clients(spawn, database_url, tmp_path, names, images * overlap, kills)
    with LabelStore(database_url) as store:
        acknowledged = {event_id for event_id, status in notes}
        assert ({status for _, status in notes}, len(acknowledged)) == ({"accepted"}, len(notes))
        assert acknowledged <= set(store.events()["event_id"])
        table = store.judgements()
        assert not table.duplicated(["image_id", "annotator_id", "round"]).any()
        assert table["image_id"].value_counts().tolist() == [overlap] * images
        with store.database.read() as connection:
            wrong = connection.scalars(sa.select(slot.c.position).where(slot.c.round == 1, slot.c.taken != overlap))
            assert not wrong.all()
            for table in (answer, assignment):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == images * overlap
