"""Parts: each made by one of those who share the work, and by another where that one is gone; workers of Ray."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

import affectml
from affectml import parts, ray_engine
from affectml.demo_set import write_demo
from affectml.embeddings import EmbeddingStore, embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadDataset, BadInput, MissingExtra, command_line
from affectml.parts import Claims
from affectml.predicting.files import predict_to_file
from affectml.predicting.predictor import Predictor
from affectml_annotation.exchange.files import replacing

from .checks import noise_set
from .fuzz.reading import quiet

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


# Workers of a local Ray cluster


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"--workers ray needs ray: pip install 'affectml\[ray\]'"), command_line():
        ray_engine.with_workers(lambda threads: None, tmp_path, "*", None, quiet)


def test_a_gpu_gets_the_processors_of_its_machine():
    def cluster_of(*machines):
        return Mock(nodes=lambda: [{"Alive": True, "Resources": machine} for machine in machines])

    gpus = cluster_of({"CPU": 32.0, "GPU": 4.0}, {"CPU": 12.0, "GPU": 2.0}, {"CPU": 64.0})
    assert ray_engine._room(gpus, None) == (6, 1, 6)
    assert ray_engine._room(cluster_of({"CPU": 8.0}, {"CPU": 3.0}), 2) == (2, 0, 5)
    with pytest.raises(BadInput, match="no machine of the Ray cluster has 9 CPUs"):
        ray_engine._room(cluster_of({"CPU": 8.0}), 9)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_does_not_answer_is_said_in_a_line(tmp_path, free_port, monkeypatch, scheme):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", f"{scheme}127.0.0.1:{free_port()}")
    with pytest.raises(BadInput, match=r"--workers ray: no Ray cluster .*refused.*RAY_ADDRESS"), command_line():
        ray_engine.with_workers(lambda threads: None, tmp_path, "*", None, quiet)


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False,
            _node_ip_address="127.0.0.1",
        )  # fmt: skip
        yield ray
        ray.shutdown()


@pytest.mark.slow
def test_a_lost_worker_costs_its_part_and_all_files_are_those_of_one_process(cluster, tmp_path, spec, monkeypatch):
    monkeypatch.setattr(parts, "SIZE", 10)
    data = noise_set(tmp_path / "data", 60).root
    (data / "images/3.png").write_bytes(b"not an image")
    whole = Path(shutil.copytree(data, tmp_path / "whole"))
    killed, before = tmp_path / "killed", ray_engine.with_workers

    def once_killed(work, *given):
        """The first worker that has embedded a part is killed before it is written; parts are of 10 images."""

        def dying(threads: int) -> None:
            import os
            import signal

            from affectml import parts
            from affectml.embeddings import embed

            parts.SIZE, write = 10, embed.write_part

            def killing(*args, **options):
                if not killed.exists():
                    killed.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return write(*args, **options)

            embed.write_part = killing
            work(threads)

        before(dying, *given)

    monkeypatch.setattr(ray_engine, "with_workers", once_killed)
    ray_engine.embed_with_ray(data, spec, precision="fp32", threads=None, say=quiet)
    assert killed.exists()
    summary = embed_dataset(data, load_encoder(spec, threads=1))
    assert (summary.done, summary.skipped_existing, [row[0] for row in summary.unreadable]) == (0, 59, ["i3"])
    alone = embed_dataset(whole, load_encoder(spec, threads=1)).store.folder
    files = [{path.name: path.read_bytes() for path in store.iterdir()} for store in (summary.store.folder, alone)]
    assert files[0] == files[1]
    assert len(EmbeddingStore.open(alone).unmade) == 0

    monkeypatch.chdir(tmp_path)
    demo = write_demo(tmp_path / "demo", images=40, seed=3)
    run = affectml.train(demo, multilabel=True, out=tmp_path / "run", encoder=spec, threads=1, say=quiet).folder
    ray_engine.predict_with_ray(run, ["data/images"], Path("out.csv"), threads=1, say=quiet)
    assert len(list(Path("out.csv.parts").glob("part-*.parquet"))) == 6
    for name, calls in (("out.csv", 0), ("alone.csv", 6)):
        with patch.object(Predictor, "predict", autospec=True, side_effect=Predictor.predict) as predict:
            predict_to_file(run, ["data/images"], name, threads=1, say=quiet)
        assert predict.call_count == calls
    for ending in ("", ".unreadable.csv"):
        assert Path(f"out.csv{ending}").read_bytes() == Path(f"alone.csv{ending}").read_bytes()


@pytest.mark.slow
def test_where_no_worker_comes_to_the_end_it_says_why(cluster, tmp_path):
    def failing(threads: int) -> None:
        raise ValueError("no weights here")

    with pytest.raises(BadDataset, match=r"no worker came to the end \(no weights here\); what is done is kept"):
        ray_engine.with_workers(failing, tmp_path, "*", None, quiet)
