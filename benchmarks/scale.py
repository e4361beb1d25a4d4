"""What many rows cost: heads beside their peers, and a million images from end to end.

    python benchmarks/scale.py mlp        the hidden layer beside a DataLoader loop, to the same validation mAP
    python benchmarks/scale.py linear     the linear head beside scikit-learn's one-vs-rest logistic regression
    python benchmarks/scale.py million    split, train, judge and predict: seconds and peak memory by stage

Options: [--rows 240000 ...] [--runs 5] [--threads 2] [--dry-run]; `mlp` and `linear` take one number of rows,
`million` several. Rows are synthetic embeddings, 512 features in half precision that 25 labels depend on in a curved
way; no image is embedded. Each topic writes its section of benchmarks/README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from section import machine, write

FEATURES, LABELS, PEOPLE = 512, 25, 5
BLOCK = 65_536

Array = NDArray[Any]


def drawn(rows: int, seed: int) -> tuple[Array, Array]:
    """Unit rows [N, 512] float16, and how many of five people chose each label [N, 25].

    Forty hidden causes make the features, half of what is said follows from them in a line, half by way of units that
    switch on, and labels differ in how common they are, from one in three to one in fifty.
    """
    fixed, own = np.random.default_rng(0), np.random.default_rng([seed, 1])
    causes = 40
    seen = fixed.normal(size=(causes, FEATURES)).astype(np.float32)
    straight = fixed.normal(size=(causes, LABELS)).astype(np.float32) / np.sqrt(causes)
    into = fixed.normal(size=(causes, 200)).astype(np.float32) / np.sqrt(causes)
    out = fixed.normal(size=(200, LABELS)).astype(np.float32) / np.sqrt(200)
    usual = np.linspace(-1.0, -5.0, LABELS, dtype=np.float32)
    z = own.normal(size=(rows, causes)).astype(np.float32)
    X = z @ seen + 3 * own.normal(size=(rows, FEATURES)).astype(np.float32) + 4 * fixed.normal(size=FEATURES)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    logits = usual + 1.5 * (z @ straight) + 3 * (np.maximum(z @ into - 0.5, 0) @ out)
    votes = own.binomial(PEOPLE, 1 / (1 + np.exp(-logits)))
    return X.astype(np.float16), votes


def write_data(folder: Path, rows: int) -> None:
    """A data set of so many images without files, with their embeddings and the votes of five people on each."""
    from affectml._files import new_folder
    from affectml.data import DatasetMeta, TargetMeta, write_dataset
    from affectml.embeddings import write_store
    from affectml.encoders import EncoderIdentity
    from affectml.taxonomies import get_taxonomy

    labels = list(get_taxonomy("parrott-25").labels)
    names = [f"{number:09d}" for number in range(rows)]
    identity = EncoderIdentity("imported-drawn", None, None, {}, "float16", True, FEATURES, False, "0" * 64)
    tables = []

    def blocks() -> Iterator[NDArray[Any]]:
        for seed, start in enumerate(range(0, rows, BLOCK)):
            X, votes = drawn(min(BLOCK, rows - start), seed)
            tables.append(pd.DataFrame(votes, columns=labels))
            yield X

    with new_folder(folder) as temporary:
        write_store(temporary, identity, names, blocks())
        table = pd.concat(tables, ignore_index=True)
        table.insert(0, "n", PEOPLE)
        table.insert(0, "image_id", names)
        meta = TargetMeta("rates", "evoked", "parrott-25", "votes", "targets-rates.parquet")
        images = pd.DataFrame({"image_id": names})
        write_dataset(temporary, DatasetMeta("drawn", {"rates": meta}), images, {"rates": table})


class Memory:
    """The most that this process holds while watched, MiB: in all, and without pages of files, which can be dropped."""

    def __init__(self) -> None:
        self.most, self.own = 0.0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            held = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.most = max(self.most, int(held["VmRSS"].split()[0]) / 1024)
            self.own = max(self.own, int(held["RssAnon"].split()[0]) / 1024)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def stages(data: Path, out: Path, threads: int, hidden: int) -> dict[str, tuple[float, float, float]]:
    """Seconds, peak and peak without file pages of each stage, in this process."""
    from affectml.page import WRITERS
    from affectml.predicting.files import predict_to_file
    from affectml.runs import TrainConfig
    from affectml.training import fit, judge, plan_run, prepare, write

    found: dict[str, tuple[float, float, float]] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = time.perf_counter()
        with Memory() as memory:
            yield
        found[name] = (time.perf_counter() - start, memory.most, memory.own)
        print(name, *(round(x, 1) for x in found[name]), file=sys.stderr, flush=True)

    config = TrainConfig(str(data), multilabel=True, threads=threads, options={"hidden": hidden})
    with stage("read and split"):
        prepared = prepare(plan_run(config, out=out))
    with stage("train"):
        systems = fit(prepared)
    with stage("judge, with intervals"):
        judged = judge(prepared, systems)
    with stage("write the run and its report"):
        write(judged, {}, writers=WRITERS)
    with stage("predict all into a file"):
        predict_to_file(out, str(data), out.with_suffix(".parquet"), threads=threads, say=lambda line: None)
    return found


def parts(rows: int) -> tuple[Array, Array, Array, Array]:
    """Features float32 and shares to learn from and, of a sixth as many other rows, to judge by."""
    X, votes = drawn(rows + rows // 6, 0)
    return X[:rows].astype(np.float32), votes[:rows] / PEOPLE, X[rows:].astype(np.float32), votes[rows:] / PEOPLE


def mean_ap(scores: torch.Tensor, shares: Array) -> float:
    """Mean average precision over labels; a label holds where two of five chose it."""
    from affectml_metrics.functional import mean_average_precision

    return float(mean_average_precision(scores, torch.from_numpy(shares >= 0.4)))


def gemm(dtype: torch.dtype) -> float:
    """GFLOP/s of a square product: what the machine gives."""
    a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
    return 2 * 2048**3 / median([seconds(lambda: a @ b) for _ in range(7)]) / 1e9


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def loader_loop(X: Array, Y: Array, Xv: Array, Yv: Array, epochs: int) -> list[tuple[float, float]]:
    """Seconds so far and validation mAP after each epoch of the loop that one writes first.

    torch.nn.Sequential of CLIP-E's shape with dropout, AdamW, DataLoader in batches of 256, on standardised features.
    """
    torch.manual_seed(0)
    start = time.perf_counter()
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    rows, held = torch.from_numpy((X - mean) / deviation), torch.from_numpy((Xv - mean) / deviation)
    data = torch.utils.data.TensorDataset(rows, torch.from_numpy(Y.astype(np.float32)))
    loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True)
    linear = torch.nn.Linear
    model = torch.nn.Sequential(
        linear(X.shape[1], 512), torch.nn.ReLU(), torch.nn.Dropout(0.5), linear(512, Y.shape[1])
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    spent, found = time.perf_counter() - start, []
    for _ in range(epochs):
        start = time.perf_counter()
        model.train()
        for x, y in loader:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y, reduction="sum") / len(x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            scores = model(held).sigmoid()
        spent += time.perf_counter() - start
        found.append((spent, mean_ap(scores, Yv)))  # the metric's own time is nobody's
    return found


def mlp(given: argparse.Namespace) -> str:
    """The hidden layer beside the loop: the time of each to the loop's best mAP, and of as many epochs."""
    from affectml.heads import SigmoidHead

    rows = given.rows[0]
    X, Y, Xv, Yv = parts(rows)
    flop = rows * 2 * 512 * (2 * FEATURES + 3 * LABELS)  # the gradient by X is not needed
    runs, shares = [], []
    for run in range(given.runs):
        loop = loader_loop(X, Y, Xv, Yv, given.epochs)
        best, there = max((score, -spent) for spent, score in loop)
        head = SigmoidHead(hidden=512, weight_decay=0.01, max_epochs=given.epochs)

        def fit(epochs: int, run: int = run, head: Any = head) -> float:
            head.set_params(max_epochs=epochs)
            generator = torch.Generator().manual_seed(run)
            return seconds(lambda: head.fit(X, Y, val=(Xv, Yv), generator=generator))

        whole = fit(given.epochs)
        reached = mean_ap(head.scores(Xv), Yv)
        for epochs in range(1, given.epochs + 1):
            ours = fit(epochs)
            if mean_ap(head.scores(Xv), Yv) >= best:
                break
        rate, plain, half = flop * given.epochs / whole / 1e9, gemm(torch.float32), gemm(torch.bfloat16)
        shares.append(rate / half)
        runs.append((best, -there, ours, -there / ours, epochs, loop[-1][0], whole, reached, rate, plain, half))
        print(runs[-1], file=sys.stderr, flush=True)
    ratio = median(run[3] for run in runs)
    head_line = (
        "| mAP of the loop | the loop to it, s | ours to it, s | times faster | in epochs | "
        f"the loop, {given.epochs} epochs, s | ours, s | mAP then | ours, GFLOP/s | GEMM fp32 | GEMM bf16 |"
    )
    return "\n".join(
        [
            f"{rows:,} rows x {FEATURES} x {LABELS}, {rows // 6:,} to judge by; CLIP-E's shape, 512 hidden units.\n",
            head_line,
            "|" + "--:|" * 11,
            medians(runs, ".4f", ".1f", ".1f", ".2f", ".0f", ".1f", ".1f", ".4f", ".0f", ".0f", ".0f"),
            "",
            verdict(f"{ratio:.1f} times faster to the same validation mAP", ratio >= 4, "4"),
            f"- {median(shares):.2f} of the bf16 GEMM rate, median, standardising and judging included",
        ]
    )


def medians(runs: Sequence[Sequence[float]], *forms: str) -> str:
    """A row of a table: of each column its median over runs."""
    columns = zip(zip(*runs, strict=True), forms, strict=True)
    return f"| {' | '.join(f'{median(column):{form}}' for column, form in columns)} |"


def verdict(words: str, kept: bool, bar: str) -> str:
    return f"- {'kept' if kept else '**missed**'}: {words} (bar: {bar})"


def linear(given: argparse.Namespace) -> str:
    """The linear head, at one L2, beside scikit-learn at the same penalty, both on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import StandardScaler

    from affectml.heads import SigmoidHead

    rows, l2 = given.rows[0], 1e-3
    X, Y, Xv, Yv = parts(rows)
    sets = (Y >= 0.4).astype(np.float64)  # scikit-learn knows no rates: both learn sets
    runs = []
    for _ in range(given.runs):
        head = SigmoidHead(l2=l2)
        ours = seconds(lambda head=head: head.fit(X, sets))
        mine = mean_ap(head.scores(Xv), Yv)
        scaler = StandardScaler()
        theirs = OneVsRestClassifier(LogisticRegression(C=1 / (l2 * rows)))
        other = seconds(lambda theirs=theirs, scaler=scaler: theirs.fit(scaler.fit_transform(X), sets))
        score = mean_ap(torch.from_numpy(theirs.decision_function(scaler.transform(Xv))), Yv)
        runs.append((other, score, ours, mine, other / ours))
        print(runs[-1], file=sys.stderr, flush=True)
    ratio = median(run[-1] for run in runs)
    return "\n".join(
        [
            f"{rows:,} rows x {FEATURES} x {LABELS}, L2 {l2:g}, on standardised features.\n",
            "| scikit-learn one-vs-rest, s | mAP | ours, s | mAP | times faster |",
            "|" + "--:|" * 5,
            medians(runs, ".1f", ".4f", ".1f", ".4f", ".1f"),
            "",
            verdict(f"{ratio:.1f} times faster", ratio >= 20, "20"),
        ]
    )


def million(given: argparse.Namespace) -> str:
    """Each number of rows in a process of its own."""
    lines = ["| rows | stage | s | peak, MiB | own, MiB |", "|--:|---|--:|--:|--:|"]
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_data(folder / "data", rows)
            words = [sys.executable, __file__, "stages", str(folder), "--threads", str(given.threads)]
            words += ["--hidden", str(given.hidden)]
            done = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
            lines += [
                f"| {rows:,} | {name} | {s:.1f} | {most:,.0f} | {own:,.0f} |" for name, (s, most, own) in done.items()
            ]
    return "\n".join(lines)


TITLES = {
    "mlp": "The hidden layer on many rows",
    "linear": "The linear head on many rows",
    "million": "A million images",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("topic", choices=[*TITLES, "stages"])
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", nargs="+", type=int)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=0, help="of the million's head; 0 is the linear one")
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    if given.topic == "stages":
        print(json.dumps(stages(given.folder / "data", given.folder / "run", given.threads, given.hidden)))
        return
    given.rows = given.rows or ([100_000, 1_000_000] if given.topic == "million" else [240_000])
    torch.set_num_threads(given.threads)
    load = os.getloadavg()[0]
    text = {"mlp": mlp, "linear": linear, "million": million}[given.topic](given)
    about = machine(["torch", "numpy", "scikit-learn"], f"{given.threads} threads")
    text = f"Load {load:.1f}.{about}\n\n{text}"
    print(text)
    if not given.dry_run:
        write(f"scale-{given.topic}", TITLES[given.topic], f"scale.py {given.topic}", text)


if __name__ == "__main__":
    main()
