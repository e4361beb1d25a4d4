"""Promises on demo sets: what comes out over many calibration draws.

    python benchmarks/promises.py      200 draws a line; it draws 16,000 paintings first, 12 minutes in all
    python benchmarks/promises.py --images 3000 --draws 20 --sizes 200 1000 --dry-run

One head is trained on 700 images and given thresholds on 300 others; each draw then takes N calibration images (or
groups of one to three images) at random from the rest, and all that are left are judged. Where the promise is right the
mean risk lies between alpha - 2 B / (N + 1) and alpha, B being the largest loss, within two standard errors of draws.
Writes its part of benchmarks/README.md between its markers. Needs `pip install -e ".[dev-all]"`.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.embeddings import EmbeddingStore, embed_dataset
from affectml.encoders import load_encoder
from affectml.heads import SigmoidHead
from affectml.heads.promise import OF_RISK, Asked, family_scores, find_cut, losses, unit_means

README = Path(__file__).resolve().parent / "README.md"
START, END = "<!-- promises -->", "<!-- /promises -->"
PROMISES = ("recall=.8", "recall=.9", "extra=.5")
TRAIN, VAL = 700, 300


def demo(folder: Path, images: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Features, votes and shares of a demo set, drawn where it is not there."""
    if not (folder / "dataset.json").exists():
        write_demo(folder, images=images, seed=11, size=96)
    dataset = Dataset.open(folder)
    embed_dataset(dataset, load_encoder("affect-tiny"), progress=False)
    store = EmbeddingStore.for_dataset(dataset)
    target = dataset.target("emotions")
    return torch.from_numpy(store.rows(target.image_id)), target.table, target.shares()


def trained(X: torch.Tensor, shares: np.ndarray, train: np.ndarray, val: np.ndarray) -> SigmoidHead:
    head = SigmoidHead().fit(X[train], shares[train], val=(X[val], shares[val]))
    return head.tune_thresholds(X[val], (shares[val] >= 1 / 3 - 1e-9).astype(int))


def drawn(
    asked: Asked, scores: np.ndarray, votes: np.ndarray, groups: np.ndarray | None, size: int, draws: int
) -> tuple[float, float]:
    """Mean risk of the units that are left, and its standard error over draws."""
    table = family_scores(OF_RISK[asked.risk], torch.from_numpy(scores)).numpy()
    units = np.arange(len(table)) if groups is None else groups
    chosen = votes.sum(axis=1) > 0 if asked.risk == "recall" else np.ones(len(votes), dtype=bool)
    counted = np.unique(units[chosen])  # N is the number of units that count
    risks = []
    for draw in range(draws):
        picked = np.random.default_rng(draw).permutation(counted)[:size]
        inside = np.isin(units, picked)
        own = None if groups is None else groups
        cut = find_cut(asked, table[inside], votes[inside], groups=None if own is None else own[inside])
        sets = table[~inside] >= cut.value
        rest = losses(asked.risk, sets, votes[~inside])
        rest[~chosen[~inside]] = np.nan
        risks.append(float(unit_means(rest, None if own is None else own[~inside]).mean()))
    return float(np.mean(risks)), float(np.std(risks, ddof=1) / math.sqrt(draws))


def of_promises(args: argparse.Namespace, X: torch.Tensor, votes: np.ndarray, shares: np.ndarray) -> Iterator[str]:
    order = np.random.default_rng(0).permutation(len(X))
    head = trained(X, shares, order[:TRAIN], order[TRAIN : TRAIN + VAL])
    rest = order[TRAIN + VAL :]
    scores, said = head.scores(X[rest]).numpy(), votes[rest]
    sizes = np.random.default_rng(1).integers(1, 4, len(rest))
    groups = np.repeat(np.arange(len(rest)), sizes)[: len(rest)]
    # images of one group are alike, as pictures of one theme are: neighbours in the order of their first label's rate
    alike = np.empty(len(rest), dtype=np.int64)
    alike[np.argsort(said[:, 0] + 0.5 * said[:, 1], kind="stable")] = groups
    yield f"| promise | unit | {' | '.join(f'{size:,}' for size in args.sizes)} |"
    yield "|---|---|" + "--:|" * len(args.sizes)
    errors = []
    for text in PROMISES:
        asked = Asked.parse(text)
        for unit, of in (("image", None), ("group", alike)):
            cells = []
            for size in args.sizes:
                if size >= (len(rest) if of is None else len(np.unique(of))):
                    cells.append("")
                    continue
                mean, error = drawn(asked, scores, said, of, size, args.draws)
                low = asked.alpha - 2 * asked.bound(scores.shape[1]) / (size + 1)
                kept = low - 2 * error <= mean <= asked.alpha + 2 * error
                errors.append(error)
                cells.append(f"{mean:.4f} ({low:.4f}){'' if kept else ' NOT KEPT'}")
            yield f"| {text} | {unit} | {' | '.join(cells)} |"
    yield f"\nSE: {min(errors):.4f} to {max(errors):.4f}."


def of_families(X: torch.Tensor, votes: np.ndarray, shares: np.ndarray) -> Iterator[str]:
    order = np.random.default_rng(0).permutation(len(X))
    head = trained(X, shares, order[:TRAIN], order[TRAIN : TRAIN + VAL])
    rest = order[TRAIN + VAL :]
    half = len(rest) // 2
    scores, said = head.scores(X[rest]), votes[rest]
    assert head.thresholds_ is not None
    moved = scores.clamp(1e-12, 1 - 1e-12).logit() - head.thresholds_.clamp(1e-12, 1 - 1e-12).logit()
    families = {
        "rates": family_scores("rates", scores),
        "rates over their sum": family_scores("shares", scores),
        "thresholds of validation, moved together": moved,
    }
    yield f"| promise | {' | '.join(families)} |"
    yield "|---|" + "--:|" * len(families)
    for text in PROMISES:
        cells = []
        for table in families.values():
            cut = find_cut(Asked.parse(text), table[:half].numpy(), said[:half])
            sets = table[half:].numpy() >= cut.value
            held = 1 - np.nanmean(losses("recall", sets, said[half:]))
            extra = losses("extra", sets, said[half:]).mean()
            cells.append(f"{sets.sum(axis=1).mean():.3f} ({held:.3f}, {extra:.3f})")
        yield f"| {text} | {' | '.join(cells)} |"


def written(page: str, markers: tuple[str, str], lines: Sequence[str]) -> str:
    before, after = page.split(markers[0])[0], page.split(markers[1])[1]
    return f"{before}{markers[0]}\n" + "\n".join(lines) + f"\n{markers[1]}{after}"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000, 5000])
    parser.add_argument("--data", type=Path, help="where the demo set is, or is drawn; a temporary folder")
    parser.add_argument("--dry-run", action="store_true", help="print the tables only")
    args = parser.parse_args(words)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        X, votes, shares = demo(args.data or Path(temporary) / "demo", args.images)
    lines = [
        f"A demo set of {args.images:,} paintings, `affect-tiny`, a sigmoid head on {TRAIN} of them. The mean risk "
        f"over {args.draws} calibration draws of N units and, in brackets, the least that it may be; the most is what "
        "was promised. Kept within 2 SE unless it says otherwise.",
        "",
        *of_promises(args, X, votes, shares),
        "",
        "What is cut: labels per set (choices held, labels that nobody chose); half of the rest calibrates, the other "
        "half is judged:",
        "",
        *of_families(X, votes, shares),
    ]
    print("\n".join(lines))
    if not args.dry_run:
        README.write_text(written(README.read_text(encoding="utf-8"), (START, END), lines), encoding="utf-8")


if __name__ == "__main__":
    main()
