"""Learning distributions from features: our heads beside PyLDL and scikit-learn, on people's real answers.

    python benchmarks/distributions.py emotion6_features_distributions.mat [--cache FOLDER] [--seconds 180] [--dry-run]
    python benchmarks/distributions.py emotion6_clip_vit_l_14_people.npz

The .mat is PyLDL's Emotion6: `features` [1980, 168], `labels` [1980, 7]. The .npz has CLIP's features and people's
shares for 801 of its photographs: `embedding` [801, 768], `shares` [801, 7]. Five folds, features scaled by each
fold's training rows, every choice made on training rows alone, metrics averaged over each fold's rows, then over folds.
Each of PyLDL's methods runs with its defaults in a process of its own and is stopped after `--seconds`. With `--cache`
what was predicted is kept and not computed again. Writes its table between its markers in benchmarks/README.md.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from section import machine, write

from affectml.heads import AutoHead, KernelHead, PriorHead, SoftmaxHead
from affectml_metrics import functional as F

Array = NDArray[np.float64]
Predict = Callable[[Array, Array, Array], Array]  # features and distributions to learn from, features to predict

GROWS = ("cosine", "intersection", "top-1")
FOLD_SECONDS = 60


@dataclass(frozen=True)
class Study:
    """A file's section in the README, its metrics, and what `auto` has to reach.

    bar: the largest KL. leak: below it, something of the test rows has most likely come into the training.
    """

    section: str
    title: str
    titles: tuple[str, ...]
    bar: float
    leak: float = 0.0


SHOWN = ("KL", "top-1")  # of every system; `auto` is compared in all that a study has
STUDIES = {
    ".mat": Study(
        "distributions",
        "Distributions",
        ("KL", "Chebyshev", "Clark", "Canberra", "cosine", "intersection", "top-1"),
        bar=0.560,
    ),
    ".npz": Study(
        "people's shares",
        "People's shares on CLIP features",
        ("KL", "TVD", "cosine", "top-1"),
        bar=0.228,
        leak=0.21,
    ),
}


def load(file: Path) -> tuple[Array, Array]:
    """Features and people's shares."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as content:
            features, labels = content["embedding"], content["shares"]
    else:
        from scipy.io import loadmat

        content = loadmat(file)
        features, labels = content["features"], content["labels"]
    shares = np.asarray(labels, dtype=np.float64)
    return np.asarray(features, dtype=np.float64), shares / shares.sum(axis=1, keepdims=True)


def folds(rows: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    parts = np.array_split(np.random.RandomState(0).permutation(rows), 5)
    return [(np.concatenate([p for j, p in enumerate(parts) if j != k]), parts[k]) for k in range(5)]


def standardised(train: Array, test: Array) -> tuple[Array, Array]:
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation < 1e-9, 1.0, deviation)
    return (train - mean) / deviation, (test - mean) / deviation


def as_they_are(train: Array, test: Array) -> tuple[Array, Array]:
    """Heads of ours scale features themselves."""
    return train, test


def one_scale(train: Array, test: Array) -> tuple[Array, Array]:
    """Centred, and divided by one scale, as heads of ours do to an encoder's features."""
    mean = train.mean(axis=0)
    scale = np.sqrt(np.square(train - mean).mean())
    return (train - mean) / scale, (test - mean) / scale


def metrics(predicted: Array, truth: Array) -> dict[str, Array]:
    """One value per row; predictions are kept away from zero by 1e-12 and scaled to sum to one."""
    q = np.clip(predicted, 1e-12, None)
    preds, target = torch.from_numpy(q / q.sum(axis=1, keepdims=True)), torch.from_numpy(truth)
    return {
        "KL": F.kl_divergence(preds, target).numpy(),
        "TVD": F.total_variation(preds, target).numpy(),
        "Chebyshev": F.chebyshev_distance(preds, target).numpy(),
        "Clark": F.clark_distance(preds, target).numpy(),
        "Canberra": F.canberra_distance(preds, target).numpy(),
        "cosine": F.cosine_similarity(preds, target).numpy(),
        "intersection": F.intersection(preds, target).numpy(),
        "top-1": F.top_k_accuracy(preds, F.modes(target, ties="all"), k=1).double().numpy(),
    }


def _auto(x: Array, p: Array, new: Array) -> Array:
    head = AutoHead(kind="distribution", seed=0).fit(x, p)
    print("  " + "; ".join(head.report_["why"][-1:]), file=sys.stderr, flush=True)
    return head.predict_distribution(new).numpy()


def _forest(x: Array, p: Array, new: Array) -> Array:
    """Leaf size from an inner split, by KL, as for the others."""
    from sklearn.ensemble import RandomForestRegressor

    def fit(rows: Any, leaf: int) -> Any:
        return RandomForestRegressor(300, min_samples_leaf=leaf, max_features=0.33, random_state=0).fit(
            x[rows], p[rows]
        )

    inner, held = _inner(len(x))
    loss = {leaf: metrics(fit(inner, leaf).predict(x[held]), p[held])["KL"].mean() for leaf in (3, 5, 10, 20)}
    return np.asarray(fit(slice(None), min(loss, key=lambda leaf: loss[leaf])).predict(new))


def _kernel_ridge(x: Array, p: Array, new: Array) -> Array:
    """Kernel width, penalty and the floor under negative predictions from an inner split, by KL."""
    from sklearn.kernel_ridge import KernelRidge

    def fit(rows: Any, gamma: float, alpha: float) -> Any:
        return KernelRidge(kernel="rbf", gamma=gamma / x.shape[1], alpha=alpha).fit(x[rows], p[rows] - p.mean(axis=0))

    inner, held = _inner(len(x))
    loss: dict[tuple[float, float, float], float] = {}
    for gamma in (0.1, 0.2, 0.4, 0.8):
        for alpha in (1.0, 3.0, 10.0, 30.0):
            raw = fit(inner, gamma, alpha).predict(x[held]) + p.mean(axis=0)
            for floor in (0.003, 0.01, 0.02):
                loss[gamma, alpha, floor] = metrics(np.maximum(raw, floor), p[held])["KL"].mean()
    gamma, alpha, floor = min(loss, key=lambda choice: loss[choice])
    return np.maximum(fit(slice(None), gamma, alpha).predict(new) + p.mean(axis=0), floor)


def _inner(rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Four fifths of the training rows to fit on, and a fifth to choose by."""
    cut = np.random.RandomState(1).permutation(rows)
    return cut[rows // 5 :], cut[: rows // 5]


def _ridge(x: Array, p: Array, new: Array) -> Array:
    """Penalty by 5-fold cross-validation of the squared error; negative shares become a floor, chosen by KL."""
    from sklearn.linear_model import RidgeCV

    def fit(rows: Any) -> Any:
        return RidgeCV(alphas=np.logspace(1, 6, 26), cv=5).fit(x[rows], p[rows])

    inner, held = _inner(len(x))
    raw = fit(inner).predict(x[held])
    loss = {floor: metrics(np.maximum(raw, floor), p[held])["KL"].mean() for floor in (0.001, 0.003, 0.01, 0.02, 0.03)}
    return np.maximum(fit(slice(None)).predict(new), min(loss, key=lambda floor: loss[floor]))


def _repeated(x: Array, p: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Each row once for each label that anybody chose, weighted by its share: soft labels for classifiers."""
    row, label = np.nonzero(p)
    return x[row], label, p[row, label]


def _logistic(x: Array, p: Array, new: Array) -> Array:
    """Multinomial logistic regression on people's shares; C by an inner split, by KL."""
    from sklearn.linear_model import LogisticRegression

    def fit(rows: Any, c: float) -> Any:
        features, label, weight = _repeated(x[rows], p[rows])
        return LogisticRegression(C=c, max_iter=2000).fit(features, label, sample_weight=weight)

    inner, held = _inner(len(x))
    loss = {c: metrics(fit(inner, c).predict_proba(x[held]), p[held])["KL"].mean() for c in np.logspace(-5, 0, 11)}
    return np.asarray(fit(slice(None), min(loss, key=lambda c: loss[c])).predict_proba(new))


def _mlp(x: Array, p: Array, new: Array) -> Array:
    """One hidden layer of 128 on people's shares, mean of three; penalty and epochs by an inner split, by KL."""
    from sklearn.neural_network import MLPClassifier

    def fit(rows: Any, alpha: float, epochs: int, seed: int) -> Any:
        features, label, weight = _repeated(x[rows], p[rows])
        made = MLPClassifier(128, alpha=alpha, max_iter=epochs, random_state=seed, n_iter_no_change=1000)
        return made.fit(features, label, sample_weight=weight)

    inner, held = _inner(len(x))
    loss = {
        (alpha, epochs): metrics(fit(inner, alpha, epochs, 0).predict_proba(x[held]), p[held])["KL"].mean()
        for alpha in (1.0, 10.0, 30.0, 100.0)
        for epochs in (2, 4, 8, 16, 32)
    }
    alpha, epochs = min(loss, key=lambda choice: loss[choice])
    return np.mean([fit(slice(None), alpha, epochs, seed).predict_proba(new) for seed in range(3)], axis=0)


OURS: dict[str, Predict] = {
    "auto": _auto,
    "kernel, exponential": lambda x, p, new: KernelHead().fit(x, p).predict_distribution(new).numpy(),
    "kernel, RBF": lambda x, p, new: KernelHead(kernel="rbf").fit(x, p).predict_distribution(new).numpy(),
    "softmax, linear": lambda x, p, new: SoftmaxHead().fit(x, p).predict_distribution(new).numpy(),
    "softmax, hidden 64": lambda x, p, new: SoftmaxHead(hidden=64).fit(x, p).predict_distribution(new).numpy(),
    "prior": lambda x, p, new: PriorHead().fit(x, p).predict_distribution(new).numpy(),
}
SCIKIT: dict[str, Predict] = {
    "ridge": _ridge,
    "logistic regression": _logistic,
    "MLP": _mlp,
    "MLP, one scale": _mlp,
    "random forest": _forest,
    "kernel ridge": _kernel_ridge,
}


def pyldl_names() -> list[str]:
    """PyLDL's methods for learning distributions, without its abstract bases."""
    import pyldl.algorithms as algorithms

    return [name for name in algorithms._ldl__ if not name.startswith("_")]


def _pyldl(name: str) -> Predict:
    def predict(x: Array, p: Array, new: Array) -> Array:
        import pyldl.algorithms as algorithms

        return np.asarray(getattr(algorithms, name)().fit(x, p).predict(new))

    return predict


def run(name: str, predict: Predict, x: Array, p: Array) -> tuple[Array, float]:
    """Predictions for every row, and CPU seconds of the slowest fold."""
    scaled = as_they_are if name in OURS else one_scale if name.endswith("one scale") else standardised
    out, slowest = np.zeros_like(p), 0.0
    for train, test in folds(len(x)):
        features, new = scaled(x[train], x[test])
        start = time.process_time()
        out[test] = predict(features, p[train], new)
        slowest = max(slowest, time.process_time() - start)
    if not np.isfinite(out).all():
        raise ValueError("predictions that are not finite")
    return out, slowest


def one(name: str, file: Path, cache: Path, limit: float) -> None:
    """One system, in this process: NAME.npy and NAME.json into the cache, or why not."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # PyLDL draws from the global state
    known: dict[str, Predict] = {**OURS, **SCIKIT}
    if name not in known:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
    x, p = load(file)
    try:
        out, seconds = run(name, known[name] if name in known else _pyldl(name), x, p)
    except Exception as error:  # whatever a peer raises is its result
        found: dict[str, Any] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:100]}
    else:
        np.save(cache / f"{name}.npy", out)
        found = {"seconds": round(seconds, 1)}
    (cache / f"{name}.json").write_text(json.dumps(found))


def collect(names: list[str], file: Path, cache: Path, limit: float) -> dict[str, dict[str, Any]]:
    """Run what the cache lacks, each in its own process and one at a time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "PYTHONWARNINGS": "ignore"}
    found = {}
    for name in names:
        note = cache / f"{name}.json"
        if not note.exists():
            print(name, file=sys.stderr, flush=True)
            ours = name in OURS or name in SCIKIT
            try:
                subprocess.run(
                    [
                        sys.executable,
                        __file__,
                        str(file),
                        "--cache",
                        str(cache),
                        "--one",
                        name,
                        "--seconds",
                        str(limit),
                    ],
                    env=environment,
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=None if ours else subprocess.DEVNULL,
                )
            except subprocess.CalledProcessError as error:
                killed = error.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
                why = f"not done in {limit:.0f} s of CPU" if killed else f"its process ended with {error.returncode}"
                note.write_text(json.dumps({"failed": why}))
        found[name] = json.loads(note.read_text())
    return found


def by_fold(values: Array) -> Array:
    """The mean of each fold's rows, [5]."""
    return np.array([values[test].mean() for _, test in folds(len(values))])


def standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


def report(found: dict[str, dict[str, Any]], cache: Path, p: Array, study: Study) -> str:
    rows = {name: metrics(np.load(cache / f"{name}.npy"), p) for name, note in found.items() if "failed" not in note}
    peers = [name for name in rows if name not in OURS]
    errors = [standard_error(of["KL"]) for of in rows.values()]
    lines = [
        f"{len(p):,} rows, {p.shape[1]} labels, 5 folds; means over each fold's rows, then over folds; SE of the KL "
        f"over images {min(errors):.4f} to {max(errors):.4f}; CPU seconds of the slowest fold."
        f"{machine(('torch', 'scikit-learn', 'python-ldl'))}",
        "",
        "| | " + " | ".join(SHOWN) + " | s |",
        "|---|" + "--:|" * (len(SHOWN) + 1),
    ]
    order = [n for n in OURS if n in rows] + sorted(peers, key=lambda n: rows[n]["KL"].mean())
    for name in order:
        kind = "" if name in OURS else " (scikit-learn)" if name in SCIKIT else " (PyLDL)"
        cells = " | ".join(f"{by_fold(rows[name][t]).mean():.4f}" for t in SHOWN)
        seconds = found[name].get("seconds")
        bold = "**" if name == "auto" else ""
        lines.append(f"| {bold}{name}{bold}{kind} | {cells} | {'' if seconds is None else seconds} |")
    return "\n".join([*lines, *_against_peers(rows, peers, found["auto"]["seconds"], study), *_failed(found)])


def _against_peers(rows: dict[str, dict[str, Array]], peers: list[str], slowest: float, study: Study) -> list[str]:
    """`auto` beside the best peer in each metric, and whether it reached what it has to."""
    verdicts, beside = [], []
    for title in study.titles:
        sign = 1 if title in GROWS else -1
        best = max(peers, key=lambda n: sign * rows[n][title].mean())
        gain = sign * (rows["auto"][title] - rows[best][title])
        error = standard_error(gain)
        verdict = "better" if gain.mean() > error else "no worse" if gain.mean() >= -error else "worse"
        verdicts.append(verdict)
        beside.append(f"{title} {gain.mean():+.4f} ± {error:.4f} ({verdict}; {best})")
    kl = by_fold(rows["auto"]["KL"]).mean()
    checks = {
        f"KL at most {study.bar:.3f} ({kl:.4f})": kl <= study.bar,
        "no metric worse than the best peer's by more than a standard error": not any("worse" in v for v in verdicts),
        f"a fold in less than {FOLD_SECONDS} s of CPU ({slowest} s)": slowest < FOLD_SECONDS,
    }
    if study.leak:
        checks[f"KL not below {study.leak:.2f}, where a leak is the likelier reason"] = kl >= study.leak
    said = f"`auto` less the best peer in each metric, paired over rows, ± SE: {'; '.join(beside)}."
    return ["", said, "", *(f"- {'kept' if kept else '**missed**'}: {check}" for check, kept in checks.items())]


def _failed(found: dict[str, dict[str, Any]]) -> list[str]:
    """Which of PyLDL's methods gave nothing, and why; which were not run."""
    failed: dict[str, list[str]] = {}
    for name, note in found.items():
        if "failed" in note:
            failed.setdefault(note["failed"], []).append(name)
    said = "; ".join(f"{', '.join(names)} ({why})" for why, names in failed.items())
    lines = ["", f"Of PyLDL's methods these gave nothing: {said}."] if said else []
    left_out = [name for name in pyldl_names() if name not in found]
    return [*lines, "", f"Not run: {len(left_out)} others of PyLDL's methods."] if left_out else lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the .mat or the .npz")
    parser.add_argument("--cache", type=Path, default=Path("distributions-cache"), help="folder for predictions")
    parser.add_argument("--seconds", type=float, default=180, help="limit for each of PyLDL's methods, five folds")
    parser.add_argument("--pyldl", default="all", help="PyLDL's methods to run, separated by commas, or none")
    parser.add_argument("--dry-run", action="store_true", help="print the section and leave the README as it is")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.one:
        one(options.one, options.file, options.cache, options.seconds)
        return
    chosen = pyldl_names() if options.pyldl == "all" else [n for n in options.pyldl.split(",") if n != "none"]
    names = [*OURS, *SCIKIT, *chosen]
    study = STUDIES[options.file.suffix]
    found = collect(names, options.file, options.cache, options.seconds)
    text = report(found, options.cache, load(options.file)[1], study)
    print(text)
    if not options.dry_run:
        write(study.section, study.title, "distributions.py FILE", text)


if __name__ == "__main__":
    main()
