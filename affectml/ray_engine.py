"""Shards of a job on a Ray cluster: each is a task that any machine may do, again where its worker was lost."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.embeddings import EmbedSummary, embed_dataset, merge_shards
from affectml.embeddings.embed import named_in
from affectml.embeddings.store import SHARDS
from affectml.encoders import DEFAULT_SPEC, Encoder, load_encoder
from affectml.errors import BadDataset, BadInput, MissingExtra, option
from affectml.pictures import Picture, pictures
from affectml.predicting.files import in_parts, predict_to_file, refuse_existing
from affectml.predicting.parts import Parts, PredictionFile, shards_of
from affectml.predicting.shards import merge_predictions
from affectml.shards import Shard, numbers

RETRIES = 5  # how often a shard is begun again after its worker was lost
PER_WORKER = 4  # shards for each worker at least, so that none waits long for another at the end
PATIENCE = 20  # seconds in which a cluster answers
IMAGES = 4096  # images of a shard at most, so that a lost disk or a stop of the command costs little


@dataclass(frozen=True)
class Done:
    """What a task tells: images that its shard has done now and before, where they are, and what one should know."""

    images: int
    folder: str
    says: tuple[str, ...]


def embed_with_ray(
    dataset: Dataset | str | Path,
    encoder: str = DEFAULT_SPEC,
    *,
    precision: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    decode_threads: int | None = None,
    address: str | None = None,
    shards: int | None = None,
    progress: bool = True,
    say: Say = lambda line: None,
) -> EmbedSummary:
    """Embed a data set's images on a Ray cluster: the store is that of `embed_dataset` on one of its machines.

    Every machine needs affectml, the encoder's weights and the data set at the same path of a disk that all share. An
    image that cannot be read costs itself, a lost worker the last ten seconds and what it had in hand. What shards made
    is kept where the command is stopped or fails, and the same call goes on.

    encoder, precision, batch_size, decode_threads: see `embed_dataset` and `load_encoder`. threads: of a task, and CPUs
    that it takes; None is one, or those that a GPU has for itself. address: a running cluster's; None takes the
    environment's RAY_ADDRESS, or starts one on this machine for as long as this takes. shards: how many; None takes as
    many as those that are there, or some for each worker.

    Raises MissingExtra without ray; BadInput where the cluster cannot be had; BadDataset where a shard failed, which
    the message names, or was written where this machine cannot see it; and as `merge_shards`.
    """
    start = time.perf_counter()
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    root, job = data.root.absolute(), uuid.uuid4().hex
    count = len(named_in(data)[0])
    before = [path.name for path in (root / "embeddings").glob(f"*/{SHARDS}/*") if path.is_dir()]
    with _cluster(address) as ray:
        per = _task(ray, threads)
        of = shards or _of(before) or max(1, min(count, max(PER_WORKER * per.workers, -(-count // IMAGES))))

        def embed(shard: str) -> Done:
            says: list[str] = []
            made = embed_dataset(
                _dataset(job, str(root)), _encoder(encoder, precision, per.threads), batch_size=batch_size,
                decode_threads=decode_threads or max(2, per.threads), shard=shard, progress=False, say=says.append,
            )  # fmt: skip
            images = made.done + made.skipped_existing + len(made.unreadable)
            return Done(images, str(made.store.folder), tuple(says))

        done = _run(ray, embed, per, of, Progress("embedding", count if progress else 0, "images"), say)
    folder = Path(done[0].folder)
    if not folder.is_dir():
        raise BadDataset(f"{folder}: written on another machine; the data set must be on a disk that all of them share")
    slug = folder.parents[1].name
    return replace(
        merge_shards(data, slug, check_images=False, progress=progress, say=say), seconds=time.perf_counter() - start
    )


def predict_with_ray(
    run: str | Path,
    images: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    labels: Sequence[str] | None = None,
    replace: bool = False,
    threads: int | None = None,
    address: str | None = None,
    say: Say = print,
) -> PredictionFile:
    """Write what a run says of images, predicted on a Ray cluster: the file is that of `predict_to_file`.

    Every machine needs the run, the images, the folder of `out` and this working folder at the same path of a disk that
    all share. threads: of a task, and CPUs that it takes; None is one, or those that a GPU has for itself. The rest is
    as with `embed_with_ray`, and with `predict_to_file`.
    """
    given = [str(one) for one in ([images] if isinstance(images, str | Path) else images)]
    parts, job, here = Parts(Path(out)), uuid.uuid4().hex, Path.cwd()
    if not parts.finished:
        refuse_existing(parts.file, replace)
    found = _pictures(job, tuple(given))
    count = len(in_parts(found))
    with _cluster(address) as ray:
        per = _task(ray, threads)
        before = [path.name for path in shards_of(parts.file).glob("*") if path.is_dir()]
        of = _of(before) or max(1, min(count, PER_WORKER * per.workers))

        def predict(shard: str) -> Done:
            says: list[str] = []
            with chdir(here):  # names of images are as they were given
                made = predict_to_file(
                    run, _pictures(job, tuple(given)), out, labels=labels, shard=shard, threads=per.threads,
                    say=says.append,
                )  # fmt: skip
                return Done(made.images + len(made.bad), str(made.file.absolute()), tuple(says))

        done = _run(ray, predict, per, of, Progress("predicting", len(found), "images"), say)
    if not any(Path(one.folder).is_dir() for one in done):
        raise BadInput(f"{done[0].folder}: written on another machine; name a place on a disk that all of them share")
    return merge_predictions(run, given, out, labels=labels, replace=replace, check_images=False, say=say)


@dataclass(frozen=True)
class _Task:
    """What a task takes of a machine, and how many run at once."""

    threads: int
    gpus: int
    workers: int


def _task(ray: Any, threads: int | None) -> _Task:
    """A GPU with the CPUs that its machine has for it, where there are GPUs; else CPUs alone."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpus = [(int(node["GPU"]), int(node.get("CPU", 0))) for node in nodes if node.get("GPU", 0) >= 1]
    if with_gpus:
        threads = threads or max(1, min(cpus // gpus for gpus, cpus in with_gpus))
        return _Task(threads, 1, sum(gpus for gpus, _ in with_gpus))
    workers = sum(int(node.get("CPU", 0)) // (threads or 1) for node in nodes)
    if not workers:
        raise BadInput(f"no machine of the Ray cluster has {threads or 1} CPUs for {option('threads')}")
    return _Task(threads or 1, 0, workers)


def _run(ray: Any, work: Callable[[str], Done], per: _Task, of: int, bar: Progress, say: Say) -> list[Done]:
    """What each shard tells, in the order of their ends; raises BadDataset naming those that failed."""
    task = ray.remote(num_cpus=per.threads, num_gpus=per.gpus, max_retries=RETRIES, retry_exceptions=[OSError])(work)
    left = {task.remote(str(shard)): shard for shard in (Shard(number, of) for number in range(1, of + 1))}
    done: list[Done] = []
    failed: dict[Shard, str] = {}
    said: set[str] = set()
    with bar:
        while left:
            (ended,), _ = ray.wait(list(left), num_returns=1)
            shard = left.pop(ended)
            try:
                done.append(ray.get(ended))
            except ray.exceptions.RayError as error:
                failed[shard] = _words(getattr(error, "cause", None) or error)
                continue
            bar.advance(done[-1].images)
            for line in done[-1].says:
                if line not in said:
                    said.add(line)
                    say(line)
    if failed:
        raise BadDataset(
            f"{numbers(failed)} failed ({next(iter(failed.values()))}); what is done is kept, and the same command "
            "goes on from there"
        )
    return done


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address; without one, to a cluster here that ends with the block."""
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise MissingExtra("ray", "ray", option("engine", "ray")) from None
    if ray.is_initialized():  # the caller's own
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    more: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers how it is used
        more = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    _knock(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, **more)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError: each way in which a cluster is not there
        raise BadInput(f"{option('address', address)}: no Ray cluster is to be had there ({_words(error)})") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises BadInput where nobody answers at HOST:PORT, for which Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"{option('address', address)}: no Ray cluster answers there ({error})") from None


def _of(folders: Sequence[str]) -> int | None:
    """How many shards an earlier call made of the job, by the names of their folders."""
    found = [shard.of for name in folders if (shard := Shard.of_folder(name)) is not None]
    return max(found, key=found.count, default=None)


# What a worker keeps between the shards of one job.
@lru_cache(1)
def _encoder(spec: str, precision: str, threads: int) -> Encoder:
    return load_encoder(spec, precision=precision, threads=threads)


@lru_cache(1)
def _dataset(job: str, root: str) -> Dataset:
    return Dataset.open(root)


@lru_cache(1)
def _pictures(job: str, given: tuple[str, ...]) -> list[Picture]:
    return pictures(list(given), bad=[], once=True)
