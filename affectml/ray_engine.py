"""Workers on a Ray cluster for work in parts: each takes parts as any other process does, and Ray only starts them."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectml._progress import Progress, Say
from affectml.errors import BadDataset, BadInput, MissingExtra, option

RETRIES = 5  # how often a worker that was lost is started again
LOOK = 1.0  # seconds between looks at how far they are
PATIENCE = 20  # seconds in which a cluster answers


def embed_with_ray(root: Path, spec: str, *, precision: str, threads: int | None, say: Say, **options: Any) -> None:
    """Embed a data set's images with workers, see `with_workers`; options: of `embed_dataset`.

    `embed_dataset` then finds them embedded, and tells what there is.
    """
    root = root.absolute()

    def work(threads: int) -> None:
        from affectml.embeddings import embed_dataset
        from affectml.encoders import load_encoder

        embed_dataset(
            root, load_encoder(spec, precision=precision, threads=threads, mapped=True), progress=False, **options
        )

    with_workers(work, root / "embeddings", "*/part-*.npy", threads, say)


def predict_with_ray(
    run: Path, images: Sequence[str], out: Path, *, threads: int | None, say: Say, **options: Any
) -> None:
    """Predict for images with workers, see `with_workers`; options: of `predict_to_file`, which then joins the parts.

    Names of images are those of this working folder.
    """
    here = Path.cwd()

    def work(threads: int) -> None:
        from affectml.predicting.files import predict_to_file

        os.chdir(here)
        predict_to_file(run, list(images), out, threads=threads, join=False, say=lambda line: None, **options)

    with_workers(work, out.absolute().with_name(f"{out.name}.parts"), "part-*.parquet", threads, say)


def with_workers(work: Callable[[int], None], folder: Path, parts: str, threads: int | None, say: Say) -> None:
    """Do work in parts with as many workers as the Ray cluster has room for; `work` gets the threads of its worker.

    The cluster is the caller's own, that of RAY_ADDRESS, or the one that runs on this machine. Every machine needs
    affectml, the encoder's weights, and what is worked on at the same path of a disk that all share. A worker that is
    lost costs the part it had in hand, which another one makes; what is done is kept where the command is stopped.

    Args:
        work: what a worker does until no part is left.
        folder: where the parts are made; the files there that fit the pattern `parts` are counted.
        parts: see there.
        threads: of a worker, and CPUs that it takes; None is one, or those that a GPU has for itself.
        say: called with each line for the user.

    Raises:
        MissingExtra: without ray.
        BadInput: where no cluster can be had, or none of its machines has as many CPUs.
        BadDataset: where no worker came to the end.
    """
    with _cluster() as ray:
        cpus, gpus, workers = _room(ray, threads)
        say(f"{workers} workers of a Ray cluster, with {cpus} CPUs{' and a GPU' if gpus else ''} each")
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=[OSError])(work)
        left, failed, counted = [task.remote(cpus) for _ in range(workers)], [], 0
        with Progress("on Ray", None, "parts") as bar:
            while left:
                ended, left = ray.wait(left, num_returns=len(left), timeout=LOOK)
                for one in ended:
                    try:
                        ray.get(one)
                    except ray.exceptions.RayError as error:
                        failed.append(_words(getattr(error, "cause", None) or error))
                there = len(list(folder.glob(parts)))
                bar.advance(there - counted)
                counted = there
    if len(failed) == workers:
        raise BadDataset(f"no worker came to the end ({failed[0]}); what is done is kept, and the same command goes on")


def _room(ray: Any, threads: int | None) -> tuple[int, int, int]:
    """CPUs and GPUs of a worker, and how many run at once: where there are GPUs, one for each of them."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpus = [(int(node["GPU"]), int(node.get("CPU", 0))) for node in nodes if node.get("GPU", 0) >= 1]
    if with_gpus:
        cpus = threads or max(1, min(cpus // gpus for gpus, cpus in with_gpus))
        return cpus, 1, sum(gpus for gpus, _ in with_gpus)
    workers = sum(int(node.get("CPU", 0)) // (threads or 1) for node in nodes)
    if not workers:
        raise BadInput(f"no machine of the Ray cluster has {threads or 1} CPUs for {option('threads')}")
    return threads or 1, 0, workers


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


@contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, connected to a cluster that runs."""
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise MissingExtra("ray", "ray", option("workers", "ray")) from None
    if ray.is_initialized():  # the caller's own
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS") or "auto"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():  # for which Ray itself would wait for minutes
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError: each way in which a cluster is not there
        way = "start one (`ray start --head`), or name one in RAY_ADDRESS"
        raise BadInput(f"{option('workers', 'ray')}: no Ray cluster answers ({_words(error)}); {way}") from None
    try:
        yield ray
    finally:
        ray.shutdown()
