"""`auto` against logistic regression on real CLIP features with one label each: repeated cross-validation, paired.

    python benchmarks/single_labels.py emotion6_clip_vit_l_14.npz [--repeats 5] [--cache FOLDER] [--dry-run]

All rows, 5 folds, repeated; each fold's choices are made on its training rows: auto's as always, logistic regression's
C by scikit-learn's inner 5-fold cross-validation on standardised features. The file's own test split is reported once,
with its interval. Writes its table between its markers in benchmarks/README.md.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from section import machine, write

from affectml.heads import AutoHead, SoftmaxHead
from affectml_metrics import functional as F
from affectml_metrics import mean_interval

Array = NDArray[Any]

METRICS = ("top-1", "top-2", "cross-entropy")


def logistic(x: Array, y: Array, new: Array) -> Array:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegressionCV(
        Cs=np.logspace(-4, 0, 9), cv=5, scoring="neg_log_loss", max_iter=2000, use_legacy_attributes=False,
        l1_ratios=(0,),
    )  # fmt: skip
    return np.asarray(make_pipeline(StandardScaler(), model).fit(x, y).predict_proba(new))


def softmax(x: Array, y: Array, new: Array) -> Array:
    return SoftmaxHead().fit(x, np.eye(y.max() + 1)[y]).predict_distribution(new).numpy()


def auto(x: Array, y: Array, new: Array) -> Array:
    head = AutoHead(kind="distribution", seed=0).fit(x, np.eye(y.max() + 1)[y])
    print("  " + head.report_["why"][-1], file=sys.stderr, flush=True)
    return head.predict_distribution(new).numpy()


SYSTEMS = {"auto": auto, "softmax, linear": softmax, "logistic regression": logistic}


def measured(predicted: Array, y: Array) -> Array:
    """[N, 3]: top-1, top-2, cross-entropy."""
    preds, hits = torch.from_numpy(predicted), torch.from_numpy(np.eye(predicted.shape[1], dtype=np.int64)[y])
    loss = -np.log(predicted[np.arange(len(y)), y].clip(1e-12))
    top = [F.top_k_accuracy(preds, hits, k=k).double().numpy() for k in (1, 2)]
    return np.stack([*top, loss], axis=1)


def repeated(name: str, x: Array, y: Array, repeats: int, cache: Path) -> Array:
    """Every row's metrics, averaged over repeats: [N, 3]."""
    total = np.zeros((len(y), len(METRICS)))
    for repeat in range(repeats):
        file = cache / f"{name}-{repeat}.npy"
        if not file.exists():
            out = np.zeros((len(y), y.max() + 1))
            for part in np.array_split(np.random.RandomState(repeat).permutation(len(y)), 5):
                kept = np.setdiff1d(np.arange(len(y)), part)
                out[part] = SYSTEMS[name](x[kept], y[kept], x[part])
            np.save(file, out)
            print(name, repeat, measured(out, y).mean(axis=0), file=sys.stderr, flush=True)
        total += measured(np.load(file), y) / repeats
    return total


def report(file: Path, repeats: int, cache: Path) -> str:
    content = np.load(file, allow_pickle=False)
    x = content["embedding"].astype(np.float32)
    labels, y = np.unique(content["label"].astype(str), return_inverse=True)
    rows = {name: repeated(name, x, y, repeats, cache) for name in SYSTEMS}
    lines = [
        f"{len(y):,} images, {len(labels)} labels, {repeats} x 5-fold cross-validation; means over rows and repeats."
        f"{machine(('torch', 'scikit-learn'))}",
        "",
        "| | " + " | ".join(METRICS) + " |",
        "|---|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{v:.4f}" for v in found.mean(axis=0)) + " |" for name, found in rows.items()
    ]
    lines += ["", "`auto` less logistic regression, paired over rows, ± SE:", ""]
    gain = rows["auto"] - rows["logistic regression"]
    error = gain.std(axis=0, ddof=1) / len(gain) ** 0.5
    for k, metric in enumerate(METRICS):
        better = -gain[:, k].mean() if metric == "cross-entropy" else gain[:, k].mean()
        verdict = "better" if better > error[k] else "within one standard error" if better >= -error[k] else "worse"
        lines.append(f"- {metric}: {gain[:, k].mean():+.4f} ± {error[k]:.4f}, {verdict}")
    train, test = content["split"] == "train", content["split"] == "test"
    note = cache / "own-split.json"
    if not note.exists():
        found = measured(auto(x[train], y[train], x[test]), y[test])
        interval = mean_interval(torch.from_numpy(found))
        note.write_text(json.dumps([interval.value.tolist(), interval.low.tolist(), interval.high.tolist()]))
    value, low, high = json.loads(note.read_text())
    own = ", ".join(f"{m} {v:.3f} [{a:.3f}, {b:.3f}]" for m, v, a, b in zip(METRICS, value, low, high, strict=True))
    return "\n".join([*lines, "", f"The file's own split, {int(test.sum())} test images, `auto`: {own}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="emotion6_clip_vit_l_14.npz")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path("single-labels-cache"), help="folder for predictions")
    parser.add_argument("--dry-run", action="store_true", help="print the section and leave the README as it is")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    text = report(options.file, options.repeats, options.cache)
    print(text)
    if not options.dry_run:
        write("single labels", "Single labels on CLIP features", "single_labels.py FILE", text)


if __name__ == "__main__":
    main()
