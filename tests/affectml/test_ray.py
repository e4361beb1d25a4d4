"""Shards on a local Ray cluster: what bad images and lost workers cost, and that the result is one process's."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest

import affectml
from affectml import ray_engine
from affectml.cli import main
from affectml.demo_set import write_demo
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadDataset, BadInput, MissingExtra, command_line
from affectml.predicting.files import predict_to_file
from affectml.ray_engine import embed_with_ray

from .noise import noise_set


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    dataset = write_demo(tmp_path / "d", images=20)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"--engine ray needs ray: pip install 'affectml\[ray\]'"), command_line():
        embed_with_ray(dataset, "affect-tiny")


def test_a_gpu_gets_the_processors_of_its_machine():
    class Ray:
        def __init__(self, *nodes):
            self._nodes = nodes

        def nodes(self):
            return [{"Alive": True, "Resources": node} for node in self._nodes]

    task = ray_engine._task(Ray({"CPU": 32.0, "GPU": 4.0}, {"CPU": 12.0, "GPU": 2.0}, {"CPU": 64.0}), None)
    assert (task.threads, task.gpus, task.workers) == (6, 1, 6)
    task = ray_engine._task(Ray({"CPU": 8.0}, {"CPU": 3.0}), 2)
    assert (task.threads, task.gpus, task.workers) == (2, 0, 5)
    with pytest.raises(BadInput, match="no machine of the Ray cluster has 9 CPUs"):
        ray_engine._task(Ray({"CPU": 8.0}), 9)


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False,
            _node_ip_address="127.0.0.1",
        )  # fmt: skip
        yield
        ray.shutdown()


@pytest.fixture
def kill_readers(eventually):
    """`kill_readers(path, times)`: kill whoever opens the file, so many times.

    A lease on the file makes who opens it wait until the lease is given back. Gives the list of processes that are
    killed, as they are.
    """
    threads = []

    def kill(path: Path, times: int) -> list[int]:
        killed: list[int] = []

        def wait() -> None:
            for _ in range(times):
                with path.open("r+b") as held:
                    fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGURG)  # which tells of an opener, and is passed over
                    eventually(lambda held=held: _leased(held))
                    eventually(lambda held=held: fcntl.fcntl(held, fcntl.F_GETLEASE) != fcntl.F_WRLCK)
                    pid = eventually(_who_waits_for_a_lease)  # a look at all processes, which costs
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        return killed

    yield kill
    for thread in threads:
        thread.join()


def _leased(held) -> bool:
    with contextlib.suppress(OSError):  # somebody has it open
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    return False


def _who_waits_for_a_lease() -> int | None:
    """A process of which a thread waits to open a file that another process holds a lease on."""
    for task in Path("/proc").glob("[0-9]*/task/*/wchan"):
        with contextlib.suppress(OSError):
            if "break_lease" in task.read_text():
                return int(task.parts[2])
    return None


@pytest.fixture
def data(tmp_path) -> Path:
    folder = noise_set(tmp_path / "data", 200).root
    (folder / "images/3.png").write_bytes(b"not an image")
    return folder


@pytest.mark.slow
def test_a_lost_worker_costs_its_shard_alone_and_the_store_is_one_process_s(
    cluster, data, tiny_clip, monkeypatch, kill_readers
):
    spec = f"local-dir:{tiny_clip}"
    whole = Path(shutil.copytree(data, data.with_name("whole")))
    with monkeypatch.context() as patch:  # the worker is lost for good: the other shards are done
        patch.setattr(ray_engine, "RETRIES", 0)
        killed = kill_readers(data / "images/77.png", 1)
        with pytest.raises(BadDataset, match=r"shard 4 of 10 failed .*what is done is kept, and the same command"):
            embed_with_ray(data, spec, precision="fp32", shards=10, progress=False)
        assert len(killed) == 1
    made = sorted(path.parent.name for path in data.glob("embeddings/*/shards/*/ids.parquet"))
    assert made == sorted(f"{number}-of-10" for number in range(1, 11) if number != 4)
    times = {path: path.stat().st_mtime_ns for path in data.glob("embeddings/*/shards/*/ids.parquet")}
    killed = kill_readers(data / "images/77.png", 2)
    with monkeypatch.context() as patch:  # before the shards' folders go
        merge = ray_engine.merge_shards
        again = []

        def merged(*args, **options):
            again.extend(path for path, time in times.items() if path.stat().st_mtime_ns != time)
            return merge(*args, **options)

        patch.setattr(ray_engine, "merge_shards", merged)
        summary = embed_with_ray(data, spec, precision="fp32", progress=False)  # as many shards as before
    assert len(set(killed)) == 2
    assert again == []
    assert [row[0] for row in summary.unreadable] == ["i3"]
    alone = embed_dataset(whole, load_encoder(spec, precision="fp32", threads=1)).store.folder
    files = {path.name: path.read_bytes() for path in alone.iterdir() if path.name != ".lock"}
    assert {path.name: path.read_bytes() for path in summary.store.folder.iterdir() if path.name != ".lock"} == files


@pytest.mark.slow
def test_a_cluster_of_its_own_predicts_what_one_process_does(tmp_path, tiny_clip, monkeypatch, capsys, data):
    """In a working folder of its own, whose names of images the file has."""
    import ray

    ray.shutdown()
    monkeypatch.chdir(tmp_path)
    demo = write_demo(tmp_path / "demo", images=120, seed=3)
    run = affectml.train(
        demo, multilabel=True, out=tmp_path / "run", encoder=f"local-dir:{tiny_clip}", threads=1, say=lambda line: None
    ).folder
    for number in range(7):
        shutil.copytree(data / "images", tmp_path / f"photos/{number}")
    words = ["affectml", "predict", "run", "photos", "--out", "out.csv", "--threads", "1", "--engine", "ray"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "1,393 images: out.csv" in capsys.readouterr().out
    predict_to_file(run.name, "photos", "whole.csv", threads=1, say=lambda line: None)
    for ending in ("", ".unreadable.csv"):
        assert Path(f"out.csv{ending}").read_bytes() == Path(f"whole.csv{ending}").read_bytes()
    assert not ray.is_initialized()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_does_not_answer_is_said_in_a_line(tmp_path, free_port, scheme):
    pytest.importorskip("ray")
    demo = write_demo(tmp_path / "demo", images=20)
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(BadInput, match=f"--address {address}: no Ray cluster answers there"), command_line():
        embed_with_ray(demo, "affect-tiny", address=address)
