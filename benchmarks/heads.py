"""What the heads' options are worth on simulated paintings, whose true rates are known: paired over demo sets.

    python benchmarks/heads.py [--seeds 10] [--images 800] [--cache FOLDER] [--only topk,votes,...] [--dry-run]

Each seed is a demo set of its own, embedded by affect-tiny, split 70/15/15. Every option is compared with its plain
counterpart on the same images, and the difference over seeds gets a paired t-test. Writes its tables between its
markers in benchmarks/README.md. They say what the machinery does where the truth is known, nothing about people.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import ttest_1samp
from section import machine, write

from affectml.demo_set import write_demo
from affectml.demo_set.people import Annotators, choice_chances
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.heads import (
    AutoHead,
    KernelHead,
    SigmoidHead,
    TopKHead,
    choose_thresholds,
)
from affectml_annotation import aggregate, count_votes, fit_beta_prior, label_sets
from affectml_metrics import functional as F

Array = NDArray[Any]
Scores = dict[str, float]

TAU = 1 / 3


class Demo(NamedTuple):
    """One demo set as arrays: features [N, D], true rates [N, C], votes [N, C], people [N], judgements, parts."""

    X: Array
    rates: Array
    votes: Array
    people: Array
    judgements: pd.DataFrame
    ids: Array
    labels: tuple[str, ...]
    train: Array
    val: Array
    test: Array


def demo(seed: int, images: int, cache: Path, taxonomy: str = "mikels-8") -> Demo:
    """Drawn, embedded and kept in the cache."""
    file = cache / f"{taxonomy}-{images}-{seed}.npz"
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            drawn = {"images": images, "seed": seed, "taxonomy": taxonomy, "panel": "textbook", "size": 96}
            dataset = write_demo(Path(folder) / "demo", **drawn)
            store = embed_dataset(dataset, load_encoder("affect-tiny", threads=torch.get_num_threads())).store
            ids = dataset.images["image_id"].to_numpy(dtype=object)
            labels = dataset.target("emotions").taxonomy.labels
            truth = dataset.truth.set_index("image_id").loc[ids, list(labels)].to_numpy()
            assert dataset.judgements is not None
            dataset.judgements.to_parquet(file.with_suffix(".parquet"))
            np.savez(file, X=np.asarray(store.rows(ids)), rates=truth, ids=ids.astype(str), labels=np.array(labels))
    kept = np.load(file)
    judgements = pd.read_parquet(file.with_suffix(".parquet"))
    labels = tuple(kept["labels"].tolist())
    counted = count_votes(judgements, labels, kept["ids"].tolist())
    some = np.flatnonzero(counted.n > 0)
    order = np.random.default_rng(seed).permutation(some)
    cut = [int(0.7 * len(order)), int(0.85 * len(order))]
    train, val, test = np.split(order, cut)
    return Demo(
        kept["X"].astype(np.float32),
        kept["rates"],
        counted.votes,
        counted.n,
        judgements,
        kept["ids"].astype(object),
        labels,
        train,
        val,
        test,
    )


def excess(predicted: torch.Tensor, rates: Array) -> float:
    """Cross-entropy to the true rates above the true rates' own, nats per label: 0 is perfect."""

    def loss(p: Array) -> float:
        p = p.clip(1e-9, 1 - 1e-9)
        return float(-(rates * np.log(p) + (1 - rates) * np.log(1 - p)).mean())

    return loss(predicted.numpy()) - loss(rates)


def f1(sets: torch.Tensor, truth: torch.Tensor) -> float:
    return float(F.set_f1(sets, truth).double().mean())


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(np.corrcoef(a.double().numpy(), b.double().numpy())[0, 1])


def topk(d: Demo) -> dict[str, Scores]:
    """Set F1 against the sets that votes make and against the true ones; size against the true size."""
    prior = fit_beta_prior(d.votes[d.train], d.people[d.train])
    voted = torch.from_numpy(label_sets(d.votes, d.people, prior, TAU).astype(np.int64))
    true = torch.from_numpy((d.rates >= TAU - 1e-9).astype(np.int64))
    shares = d.votes / d.people.clip(1)[:, None]

    def scored(sets: torch.Tensor) -> Scores:
        return {
            "set F1": f1(sets, voted[d.test]),
            "set F1, true sets": f1(sets, true[d.test]),
            "size correlation, true sizes": correlation(sets.sum(dim=1), true[d.test].sum(dim=1)),
        }

    X, train, val = d.X, d.train, d.val
    sigmoid = SigmoidHead().fit(X[train], shares[train], val=(X[val], shares[val]))
    sigmoid.tune_thresholds(X[val], voted[val])
    out = {"sigmoid, tuned thresholds": scored(sigmoid.predict_sets(X[d.test]))}
    head = TopKHead().fit(X[train], voted[train], val=(X[val], voted[val]))
    return out | {"topk": scored(head.predict_sets(X[d.test]))}


def votes(d: Demo) -> dict[str, Scores]:
    """1 to 20 people per image, evenly or as in the wild (log-uniform: few for most images), of a fresh panel of 20;
    every image left over counts the same, against the truth."""
    rng = np.random.default_rng([1, int(d.train[0])])
    panel = Annotators.draw(len(d.labels), rng, people=20)
    said = (rng.random((20, *d.rates.shape)) < choice_chances(d.rates, panel)).transpose(1, 0, 2)
    turn = rng.random((len(d.X), 20)).argsort(axis=1).argsort(axis=1)
    panels = {
        "evenly": rng.integers(1, 21, len(d.X)),
        "log-uniform": np.exp(rng.uniform(0, np.log(21), len(d.X))).astype(int).clip(1, 20),
    }
    ways = {"plain rates": False, "votes of n": True}
    new = np.concatenate([d.val, d.test])
    out: dict[str, Scores] = {name: {} for name in ways}
    for spread, people in panels.items():
        shares = (said * (turn < people[:, None])[:, :, None]).sum(axis=1) / people[:, None]
        for train in (d.train[:200], d.train):
            for name, counted in ways.items():
                n = people[train].astype(float) if counted else None
                head = SigmoidHead().fit(d.X[train], shares[train], weights=n)
                metric = f"excess cross-entropy, {spread}, {len(train)} images"
                out[name][metric] = excess(head.predict_rates(d.X[new]), d.rates[new])
    return out


def noise(d: Demo) -> dict[str, Scores]:
    """What rates to learn from, judged by the truth; also with a quarter of the people answering at random."""
    rng = np.random.default_rng([2, int(d.train[0])])
    people = np.sort(d.judgements["annotator_id"].unique())
    careless = d.judgements["annotator_id"].isin(rng.choice(people, len(people) // 4, replace=False))
    spoilt = d.judgements.copy()
    for column in ("labels", "kind"):  # their answers, dealt out to the wrong images
        given = spoilt.loc[careless, column].to_numpy()
        spoilt.loc[careless, column] = given[np.random.default_rng(int(d.train[0])).permutation(len(given))]
    out: dict[str, Scores] = {by: {} for by in ("votes", "weighted")}
    ways = {"excess cross-entropy": d.judgements, "excess cross-entropy, careless people": spoilt}
    for metric, judgements in ways.items():
        for by in out:
            images = d.ids[d.train].tolist()
            seen = judgements[judgements["image_id"].isin(images)]
            made = aggregate(seen, d.labels, "weighted" if by == "weighted" else "shares", image_ids=images)
            rows = pd.Index(d.ids).get_indexer(pd.Index(made.image_id))
            head = SigmoidHead().fit(d.X[rows], np.asarray(made.values, dtype=np.float64).clip(0, 1))
            out[by][metric] = excess(head.predict_rates(d.X[d.test]), d.rates[d.test])
    return out


def rare(d: Demo) -> dict[str, Scores]:
    """Labels rarer than one image in ten: macro F1 over them, and set F1 over all; thresholds from 60 images."""
    true = (d.rates >= 0.5).astype(np.int64)
    scarce = np.flatnonzero(true[d.train].mean(axis=0) < 0.1)
    shares = d.votes / d.people.clip(1)[:, None]
    sets = (shares >= 0.5).astype(np.int64)
    val = d.val[:60]
    out = {}

    def scored(chosen: torch.Tensor) -> Scores:
        each = F.label_f1(chosen, torch.from_numpy(true[d.test]), average="none")[scarce].double()
        return {"macro F1 of rare labels": float(each.nanmean()), "set F1": f1(chosen, torch.from_numpy(true[d.test]))}

    head = SigmoidHead().fit(d.X[d.train], sets[d.train])
    p, new = head.predict_rates(d.X[val]), head.predict_rates(d.X[d.test])
    for name, shrinkage in {"set F1 thresholds": 50.0, "raw search for each label": 0.0}.items():
        own = choose_thresholds(p, sets[val], shrinkage=shrinkage)
        out[f"plain, {name}"] = scored((new >= own).long())
    return out


def families(d: Demo) -> dict[str, Scores]:
    """Which head predicts the true rates best."""
    shares = d.votes / d.people.clip(1)[:, None]
    heads = {
        "sigmoid, linear": SigmoidHead(),
        "kernel, exponential": KernelHead(kind="rates"),
        "kernel, RBF": KernelHead(kind="rates", kernel="rbf"),
        "auto": AutoHead(kind="rates"),
    }
    fitted = {name: head.fit(d.X[d.train], shares[d.train]) for name, head in heads.items()}
    return {
        n: {"excess cross-entropy": excess(h.predict_rates(d.X[d.test]), d.rates[d.test])} for n, h in fitted.items()
    }


STUDIES: dict[str, tuple[Callable[[Demo], dict[str, Scores]], str]] = {
    "topk": (topk, "mikels-8"),
    "votes": (votes, "mikels-8"),
    "noise": (noise, "mikels-8"),
    "rare": (rare, "emotic-26"),
    "families": (families, "mikels-8"),
}
LESS_IS_BETTER = "excess"


def table(name: str, found: list[dict[str, Scores]]) -> list[str]:
    """Means over seeds, and the difference from the first system with its paired t-test."""
    systems = list(found[0])
    told = " ".join(str(STUDIES[name][0].__doc__).split())
    lines = [
        f"**{name}**: {told}",
        "",
        f"| | {systems[0]} | | its mean | better by | p |",
        "|---|--:|---|--:|--:|--:|",
    ]
    for metric in found[0][systems[0]]:
        first = np.array([f[systems[0]].get(metric, np.nan) for f in found])
        start = f"| {metric} | {first.mean():.4f} |"
        for system in systems[1:]:
            values = np.array([f[system].get(metric, np.nan) for f in found])
            if np.isnan(values).all():
                continue
            gain = (values - first) * (-1 if metric.startswith(LESS_IS_BETTER) else 1)
            if np.isnan(gain).any() or not gain.any():
                lines.append(f"{start} {system} | {values.mean():.4f} | | |")
            else:
                p = ttest_1samp(gain, 0).pvalue
                lines.append(f"{start} {system} | {values.mean():.4f} | {gain.mean():+.4f} | {p:.3g} |")
            start = "| | |"
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="demo sets, at least 2")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--cache", type=Path, default=Path("heads-cache"), help="folder for features and results")
    parser.add_argument("--only", default=",".join(STUDIES), help="studies, separated by commas")
    parser.add_argument("--dry-run", action="store_true", help="print the section and leave the README as it is")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    lines = [f"{options.seeds} demo sets of {options.images} images; p: paired t-test over them, two-sided."
             f"{machine(('torch',))}", ""]  # fmt: skip
    for name in options.only.split(","):
        study, taxonomy = STUDIES[name]
        found = []
        for seed in range(options.seeds):
            note = options.cache / f"{name}-{options.images}-{seed}.json"
            if not note.exists():
                note.write_text(json.dumps(study(demo(seed, options.images, options.cache, taxonomy))))
                print(name, seed, note.read_text(), file=sys.stderr, flush=True)
            found.append(json.loads(note.read_text()))
        lines += table(name, found)
    text = "\n".join(lines).rstrip()
    print(text)
    if not options.dry_run:
        write("heads", "Heads", "heads.py", text)


if __name__ == "__main__":
    main()
