"""The annotation library beside NLTK and krippendorff, and the store under load. Prints Markdown.

    python benchmarks/annotation.py agreement|aggregation|store [--url URL] [--processes 16] [--rate 200]

Figures are of one machine and one run; compare the columns, not machines. The set data are drawn from a seed: each
image has its own rates, and ten people choose by them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation import (
    LabelStore,
    Task,
    count_votes,
    fit_beta_prior,
    krippendorff_alpha,
    smoothed_rates,
)

LABELS = tuple("abcdefgh")
CLIENT = Path(__file__).with_name("annotation_client.py")


def judgements(images: int, people: int = 10, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rates = random.beta(0.5, 1.5, size=(images, len(LABELS)))
    chosen = random.random((images, people, len(LABELS))) < rates[:, None]
    names = np.array(LABELS, dtype=object)
    lists = [names[row].tolist() for row in chosen.reshape(-1, len(LABELS))]
    return pd.DataFrame({
        "image_id": np.repeat([f"image-{n:06d}.jpg" for n in range(images)], people),
        "annotator_id": np.tile([f"p{n}" for n in range(people)], images),
        "round": 1,
        "kind": ["labels" if labels else "none" for labels in lists],
        "labels": lists,
    })  # fmt: skip


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def agreement() -> None:
    from krippendorff import alpha as krippendorff_alpha_of
    from nltk.metrics.agreement import AnnotationTask
    from nltk.metrics.distance import masi_distance

    big = judgements(100_000)
    row("what", "judgements", "seconds", "value", "peak MB")
    row("---", "---:", "---:", "---:", "---:")
    base = peak_mb()
    row("the table itself", len(big), "", "", f"{base:.0f}")
    options: dict[str, Any] = {"labels": LABELS}
    seconds, found = timed(lambda: krippendorff_alpha(big, "masi", **options))
    row("MASI alpha", len(big), f"{seconds:.2f}", f"{found.value:.6f}", f"{peak_mb():.0f}")
    seconds, found = timed(lambda: krippendorff_alpha(big, "masi", intervals=True, **options))
    interval = f"{found.value:.6f} [{found.low:.4f}, {found.high:.4f}]"
    row("MASI alpha with its interval", len(big), f"{seconds:.2f}", interval, f"{peak_mb():.0f}")
    small = judgements(100)
    small = small[small["kind"] == "labels"]
    triples = [
        (who, image, frozenset(labels))
        for who, image, labels in zip(small["annotator_id"], small["image_id"], small["labels"], strict=True)
    ]
    seconds, found = timed(lambda: krippendorff_alpha(small, "masi", **options))
    row("MASI alpha", len(small), f"{seconds:.3f}", f"{found.value:.12f}", "")
    seconds, value = timed(lambda: AnnotationTask(triples, distance=masi_distance).alpha())
    row(
        "NLTK, the same rows (empty sets left out: NLTK fails on them)",
        len(small),
        f"{seconds:.2f}",
        f"{value:.12f}",
        "",
    )
    single = big.assign(labels=[labels[:1] for labels in big["labels"]])
    seconds, found = timed(lambda: krippendorff_alpha(single, "nominal", **options))
    row("nominal alpha, first label only", len(single), f"{seconds:.2f}", f"{found.value:.12f}", "")
    codes = np.array([LABELS.index(labels[0]) if labels else len(LABELS) for labels in single["labels"]])
    counts = np.zeros((100_000, len(LABELS) + 1), dtype=np.int64)
    np.add.at(counts, (np.repeat(np.arange(100_000), 10), codes), 1)
    seconds, value = timed(lambda: krippendorff_alpha_of(value_counts=counts, level_of_measurement="nominal"))
    row("krippendorff, the same from ready counts", len(single), f"{seconds:.2f}", f"{value:.12f}", "")


def aggregation() -> None:
    big = judgements(100_000)
    row("what", "judgements", "seconds")
    row("---", "---:", "---:")

    def shares() -> np.ndarray:
        counted = count_votes(big, LABELS)
        return smoothed_rates(counted.votes, counted.n, fit_beta_prior(counted.votes, counted.n))

    seconds, _ = timed(shares)
    row("smoothed shares (count, fit the priors, smooth)", len(big), f"{seconds:.2f}")


def store(url: str | None, processes: int, rate: float, answers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = url or str(Path(folder) / "labels.db")
        people = [f"p{n:02d}" for n in range(processes)]
        with LabelStore(where) as opened:
            task = Task(labels=LABELS, question="What do you feel?", overlap=4)
            opened.init_task(task, [f"i{n}" for n in range(answers // 4)])
            opened.invite(people)
        paced = ["--rate", str(rate / processes)] if rate else []
        go = Path(folder) / "go"
        clients = [
            subprocess.Popen(
                [sys.executable, str(CLIENT), where, who, str(Path(folder) / f"{who}.txt"), *paced, "--go", str(go)],
                stdout=subprocess.PIPE,
            )
            for who in people
        ]
        for client in clients:  # importing takes longer than answering
            assert client.stdout is not None
            client.stdout.readline()
        go.touch()
        start = time.perf_counter()
        failed = sum(client.wait() != 0 for client in clients)
        seconds = time.perf_counter() - start
        notes = [line.split() for f in Path(folder).glob("p*.txt") for line in f.read_text().splitlines()]
        took = np.array([float(ms) for _, _, ms in notes])
        with LabelStore(where) as opened:
            table = opened.judgements()
        over = int((table.groupby("image_id").size() > 4).sum())
        twice = int(table.duplicated(["image_id", "annotator_id"]).sum())
        lost = len({event for event, _, _ in notes} - set(table["event_id"]))
        row("processes", "answers", "answers/s", "p50 ms", "p95", "p99", "max", "over", "twice", "lost", "failed")
        row(*["---:"] * 11)
        p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99])
        speed = f"{len(notes) / seconds:.0f}"
        spread = [f"{value:.1f}" for value in (p50, p95, p99, took.max())]
        row(processes, len(notes), speed, *spread, over, twice, lost, failed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["agreement", "aggregation", "store"])
    parser.add_argument("--url", help="a new, empty PostgreSQL database; without it a SQLite file")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.0, help="answers per second of all together; 0: flat out")
    parser.add_argument("--answers", type=int, default=20_000)
    given = parser.parse_args()
    if given.part == "agreement":
        agreement()
    elif given.part == "aggregation":
        aggregation()
    else:
        store(given.url, given.processes, given.rate, given.answers)


if __name__ == "__main__":
    main()
