"""Parts: each made by one of those who share the work, and by another where that one is gone."""

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from affectml import parts
from affectml.parts import Claims
from affectml_annotation.exchange.files import replacing

HERE = f"{socket.gethostname()} {os.getpid()}"


@pytest.fixture
def paths(tmp_path):
    return [tmp_path / f"part-{number}" for number in range(4)]


def claim(path: Path, owner: str) -> Path:
    made = path.with_name(f"{path.name}.claim")
    made.write_text(owner)
    return made


def made(paths: list[Path], say=lambda line: None) -> list[list[int]]:
    """Make all parts that can be had; the numbers of each round."""
    rounds = []
    with Claims(paths, say) as claims:
        for taken in claims.rounds():
            rounds.append([])
            for number in taken:
                rounds[-1].append(number)
                paths[number].write_text("whole")
    return rounds


def test_each_part_that_is_absent_is_made_once_and_nothing_is_left(paths):
    paths[1].touch()
    claim(paths[1], f"{socket.gethostname()} 1")  # of a process that was killed between the part and its claim
    (paths[1].parent / ".part-1.01234567.tmp").touch()
    assert made(paths) == [[0, 2, 3]]
    parts.tidy(paths[1].parent)
    assert sorted(paths[0].parent.iterdir()) == paths
    assert made(paths) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_claim_names_its_owner_from_the_first(paths, monkeypatch, links):
    """Killed in the midst of claiming, a process leaves no claim of nobody, which others would wait for."""
    if not links:
        monkeypatch.setattr("os.link", Mock(side_effect=PermissionError))
    with Claims(paths) as claims:
        next(next(claims.rounds()))
        (held,) = paths[0].parent.iterdir()
        assert held.read_text() == f"{HERE}\n"
    monkeypatch.setattr("os.link", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), Claims(paths) as claims:
        next(claims.rounds())
    assert list(paths[0].parent.iterdir()) == []


def test_two_at_once_take_different_parts(paths):
    with Claims(paths) as one, Claims(paths) as other:
        first, second = next(one.rounds()), next(other.rounds())
        assert [next(first), next(second), next(second), next(first)] == [0, 1, 2, 3]
        assert next(second, None) is next(first, None) is None


def test_a_process_of_this_machine_that_has_ended_has_no_claim(paths):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    claim(paths[0], f"{socket.gethostname()} {ended.stdout}")
    assert not parts.claimed(paths[0].parent)
    assert made(paths) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("owner", ["another-machine 7", "", HERE], ids=["far", "unknown", "here"])
def test_who_is_silent_for_long_has_no_claim_any_more(paths, monkeypatch, owner):
    """By this machine's clock: the last sign of life may be of any time."""
    os.utime(claim(paths[1], owner), (0, 0))
    seconds, said = itertools.count(step=25), []
    monkeypatch.setattr("affectml.parts.time", Mock(monotonic=lambda: next(seconds), sleep=lambda seconds: None))
    assert parts.claimed(paths[0].parent)
    assert made(paths, said.append) == [[0, 2, 3], [1]]
    assert said == ["waiting for 1 parts that other processes make"]
    assert sorted(paths[0].parent.iterdir()) == paths


def test_who_gives_signs_of_life_keeps_its_claim(paths, monkeypatch):
    held, seconds = claim(paths[1], "another-machine 7"), itertools.count(step=25)
    beats = itertools.count(1)

    def sleep(_):
        if (beat := next(beats)) == 20:
            paths[1].touch()  # at last it is made
        os.utime(held, (beat, beat))

    monkeypatch.setattr("affectml.parts.time", Mock(monotonic=lambda: next(seconds), sleep=sleep))
    assert made(paths) == [[0, 2, 3]]


def test_a_folder_that_is_gone_ends_the_work(tmp_path):
    assert made([tmp_path / "gone" / "part"]) == []


@pytest.mark.parametrize("links", [True, False])
def test_the_first_to_write_a_part_stays(tmp_path, monkeypatch, links):
    if not links:  # as on some network disks and memory cards
        monkeypatch.setattr("os.link", Mock(side_effect=PermissionError))
    path = tmp_path / "part"
    with replacing(path, first_stays=True) as one:
        with replacing(path, first_stays=True) as other:
            other.write_text("first")
        one.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_claims_beat_while_a_part_is_made(paths, monkeypatch, eventually):
    monkeypatch.setattr(parts, "BEAT", 0.01)
    with Claims(paths) as claims:
        next(next(claims.rounds()))
        (held,) = paths[0].parent.glob("*.claim")
        os.utime(held, (0, 0))
        assert eventually(lambda: held.stat().st_mtime > 0)
    assert list(paths[0].parent.iterdir()) == []
