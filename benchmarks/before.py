"""Heads of an earlier version and of this one: quality and speed on the same rows, in turn, in one run.

    python benchmarks/before.py CHECKOUT --data FOLDER [--dry-run]

CHECKOUT is a checkout of the earlier version with an environment of its own in .venv. FOLDER holds emotion6/ and
oasis/ (see CONTRIBUTING.md). Emotion6's shares and hand-made features in five folds, a demo set of 800 paintings in
five folds, and the time of linear and hidden heads on 50,000 rows of random features. Every fit is done by each version
in a process of its own, one after the other. Writes its table between its markers in benchmarks/README.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import affectml.heads

Array = NDArray[Any]
HEADS = {
    "distribution": {
        "linear": ("Softmax", {}),
        "hidden 64": ("Softmax", {"hidden": 64}),
        "kernel, RBF": ("Kernel", {"kernel": "rbf"}),
        "auto": ("Auto", {"kind": "distribution"}),
    },
    "rates": {"linear": ("Sigmoid", {}), "auto": ("Auto", {"kind": "rates"})},
    "speed": {"linear": ("Softmax", {}), "hidden 512": ("Softmax", {"hidden": 512})},
}


def make(name: str, options: dict[str, Any]) -> Any:
    """A head by its options, which earlier versions took as one object."""
    head, config = (getattr(affectml.heads, name + end, None) for end in ("Head", "Config"))
    if config is None or not options:
        return head(**options)
    kind = {"kind": options["kind"]} if "kind" in options else {}
    rest = {key: value for key, value in options.items() if key != "kind"}
    return head(config(**rest), **kind) if rest else head(**kind)


def folds(rows: int) -> list[tuple[Array, Array]]:
    """Rows to learn from and rows to predict, five times."""
    parts = np.array_split(np.random.RandomState(0).permutation(rows), 5)
    return [(np.concatenate([p for j, p in enumerate(parts) if j != k]), parts[k]) for k in range(5)]


def fit(table: Path, kind: str, name: str, out: Path) -> None:
    """One head on one table, in this process: its predictions for every row, and the CPU seconds of a fit."""
    torch.set_num_threads(1)
    with np.load(table, allow_pickle=False) as content:
        features, answers = content["features"], content["answers"]
    predicted, seconds = np.full(answers.shape, np.nan), []
    for train, test in folds(len(features))[: 1 if kind == "speed" else 5]:
        head = make(*HEADS[kind][name])
        start = time.process_time()
        head.fit(features[train], answers[train])
        seconds.append(time.process_time() - start)
        predict = head.predict_rates if kind == "rates" else head.predict_distribution
        predicted[test] = predict(features[test]).numpy()
    np.savez(out, predicted=predicted, seconds=np.array(seconds))


def loss(kind: str, predicted: Array, answers: Array) -> Array:
    """A row's KL divergence of the people's distribution; of rates, the mean over labels of the divergence of each."""
    p, q = answers.clip(1e-12, 1), predicted.clip(1e-12, 1)
    if kind == "rates":
        p, q = p.clip(1e-9, 1 - 1e-9), q.clip(1e-9, 1 - 1e-9)
        return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(axis=1)
    return (answers * np.log(p / q)).sum(axis=1)


def tables(data: Path, folder: Path) -> dict[str, tuple[str, Path]]:
    """What is learned, as features and answers in a file, by title; and whether it is shares, rates or a clock."""
    from scipy.io import loadmat

    from affectml.demo_set import write_demo
    from affectml.embeddings import embed_dataset
    from affectml.encoders import load_encoder

    content = loadmat(data / "emotion6" / "emotion6_features_distributions.mat")
    with np.load(data / "emotion6" / "emotion6_clip_vit_l_14_people.npz", allow_pickle=False) as people:
        clip, shares = people["embedding"].astype(np.float64), people["shares"].astype(np.float64)
    dataset = write_demo(folder / "demo", images=800, seed=0)
    store = embed_dataset(dataset, load_encoder("affect-tiny", threads=1)).store
    ids = dataset.images["image_id"].to_numpy(dtype=object)
    truth = dataset.truth.set_index("image_id").loc[ids, list(dataset.target("emotions").taxonomy.labels)].to_numpy()
    rng = np.random.default_rng(0)
    arrays = {
        "Emotion6, CLIP features": ("distribution", clip, shares),
        "Emotion6, hand-made features": ("distribution", content["features"], content["labels"]),
        "demo paintings, true rates": ("rates", np.asarray(store.rows(ids)), truth),
        "50,000 x 512": ("speed", rng.standard_normal((62_500, 512)), rng.dirichlet(np.ones(8), 62_500)),
    }
    found = {}
    for at, (title, (kind, features, answers)) in enumerate(arrays.items()):
        answers = answers / answers.sum(axis=1, keepdims=True) if kind != "rates" else answers
        np.savez(folder / f"{at}.npz", features=features.astype(np.float32), answers=answers.astype(np.float64))
        found[title] = (kind, folder / f"{at}.npz")
    return found


def run(checkout: Path, table: Path, kind: str, name: str, out: Path) -> tuple[Array, float]:
    """What a version predicts, and the CPU seconds of its fits in the mean."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    python = checkout / ".venv" / "bin" / "python"
    subprocess.run([python, __file__, "--fit", str(table), kind, name, str(out)], check=True, env=environment)
    with np.load(out, allow_pickle=False) as result:
        return result["predicted"], float(result["seconds"].mean())


def main() -> None:
    if sys.argv[1:2] == ["--fit"]:
        fit(Path(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5]))
        return
    from section import machine, write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    options = parser.parse_args()
    versions = (options.checkout, Path(__file__).parents[1])
    commit = subprocess.run(
        ["git", "-C", str(options.checkout), "rev-parse", "--short=8", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    lines = [
        "| learned | head | before | after | after - before (95 %) | CPU s a fit, before | after |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for title, (kind, table) in tables(options.data, folder).items():
            for name in HEADS[kind]:
                print(f"{title}: {name}", file=sys.stderr, flush=True)
                (before, slow), (after, fast) = (run(each, table, kind, name, folder / "out.npz") for each in versions)
                figures = "| |"
                if kind != "speed":
                    with np.load(table, allow_pickle=False) as content:
                        losses = [loss(kind, predicted, content["answers"]) for predicted in (before, after)]
                    gain = losses[1] - losses[0]
                    half = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
                    ends = f"{gain.mean():+.4f} ({gain.mean() - half:+.4f} to {gain.mean() + half:+.4f})"
                    figures = f"{losses[0].mean():.4f} | {losses[1].mean():.4f} | {ends}"
                lines.append(f"| {title} | {name} | {figures} | {slow:.1f} | {fast:.1f} |")
    note = (
        f"Load {os.getloadavg()[0]:.1f}.{machine([])} Before is commit {commit}, before heads had one trainer and one "
        "scale. KL divergence of people's shares (of rates: of each label, the mean) over rows that were not learned "
        "from; less is better. Intervals are of the paired differences over rows."
    )
    text = "\n".join([note, "", *lines])
    print(text)
    if not options.dry_run:
        write("before", "Heads before and after", "before.py CHECKOUT --data FOLDER", text)


if __name__ == "__main__":
    main()
