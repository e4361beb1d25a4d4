"""What stopping early does to figures, whether it is made up for, and how many answers it saves. Prints Markdown.

    python benchmarks/stopping.py bias      what is off, and by how much, as it is and made up for
    python benchmarks/stopping.py saved     answers saved at equal scores, on ten demo sets and on FER+ in --data

For `bias`, in each run other people look at other images: answers are drawn from a mixed logit (labels, images and
people, normal), 12 to an image, and the rule stops them at a mean of 5. What is said of the answers that are left, as
they are and as affectml does it, is compared with what all 12 say, in standard errors: the SD over runs of the figure
made up for. Ends with an error where one that is made up for is off by a quarter of that.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import entr, rel_entr

from affectml.demo_set.annotators import Annotators, choice_chances
from affectml.demo_set.feelings import Words, draw_feeling, true_rates
from affectml.demo_set.panels import words_of
from affectml.taxonomies import get_taxonomy
from affectml_annotation import (
    Overlap,
    count_votes,
    expected_change,
    fit_beta_prior,
    judgement_tensor,
    krippendorff_alpha,
    label_sets,
    posterior_entropy,
    smoothed_rates,
)
from affectml_annotation.stopped import first_answers
from affectml_annotation.stopping import threshold, whole
from affectml_metrics import functional as F
from affectml_metrics import student_interval

LABELS = tuple("abcdef")
FIGURES = ("mean rate", "entropy, bits", "alpha (Jaccard)", "set F1 of a model")
PEOPLE, TAU, LIMIT = 60, 1 / 3, 0.25


def panels(images: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who answered [N, most], what they chose [N, most, C], and the sets [N, C] of a model that knows the images."""
    random, labels = np.random.default_rng(seed), np.linspace(-3, -0.6, len(LABELS))
    image = labels + random.normal(0, 1.3, (images, len(LABELS)))
    person = random.normal(0, 0.5, (PEOPLE, len(LABELS)))
    who = np.stack([random.permutation(PEOPLE)[:most] for _ in range(images)])
    said = random.random((images, most, len(LABELS))) < 1 / (1 + np.exp(-image[:, None] - person[who]))
    return who, said, image > np.log(TAU / (1 - TAU))


def stopped(said: np.ndarray, overlap: Overlap, seed: int) -> np.ndarray:
    """How many of an image's answers are asked for, [N]; the rule is fitted anew with every tenth of answers more."""
    votes, rows = said.cumsum(axis=1), np.arange(len(said))
    kept = whole([str(row) for row in rows], seed)
    goes_on = np.array([str(row) not in kept for row in rows])
    n, fitted = np.where(goes_on, overlap.min, overlap.max), 0
    while goes_on.any():
        k = votes[rows, n - 1]
        if n.sum() > 1.1 * fitted:
            fitted, prior = n.sum(), fit_beta_prior(k, n)
            limit = threshold(k, n, prior, overlap, overlap.mean * len(n), seed=seed)
        goes_on &= (expected_change(k, n, prior, overlap.until) > limit) & (n < overlap.max)
        n = n + goes_on
    return n


def table(who: np.ndarray, said: np.ndarray, n: np.ndarray) -> pd.DataFrame:
    """The first n [N] answers to each image as a judgement table with their order."""
    image, place = np.nonzero(np.arange(said.shape[1]) < n[:, None])
    chosen = [[LABELS[at] for at in np.flatnonzero(row)] for row in said[image, place]]
    return pd.DataFrame({
        "image_id": image.astype(str), "annotator_id": who[image, place].astype(str), "round": 1,
        "kind": np.where([bool(one) for one in chosen], "labels", "none"), "labels": chosen, "order": place + 1,
    })  # fmt: skip


def plain_entropy(shares: np.ndarray) -> np.ndarray:
    """Of "chosen or not", in bits."""
    return np.asarray((entr(shares) + entr(1 - shares)) / np.log(2))


def figures(judgements: pd.DataFrame, sets: np.ndarray, minimum: int | None, *, smooth: bool) -> list[float]:
    """FIGURES. minimum: of which first answers alpha and set F1 are; smooth: rates and entropy from posteriors."""
    counted, first = count_votes(judgements, LABELS), first_answers(judgements, minimum)
    k, n = counted.votes, counted.n
    prior, shares = fit_beta_prior(k, n), k / n[:, None]
    rates = smoothed_rates(k, n, prior) if smooth else shares
    undecided = posterior_entropy(k, n, prior) if smooth else plain_entropy(shares)
    chosen, asked, _ = judgement_tensor(first, LABELS, counted.image_id.tolist())
    image, person = np.nonzero(asked)
    f1 = F.set_f1(torch.from_numpy(sets[image]), torch.from_numpy(chosen[image, person].astype(bool))).numpy()
    each = np.bincount(image, f1) / np.bincount(image)
    alpha = krippendorff_alpha(first, "jaccard", labels=LABELS).value
    return [float(rates.mean()), float(undecided.mean()), alpha, float(each.mean())]


def biases(runs: int, images: int, overlap: Overlap) -> pd.DataFrame:
    """By figure: what all answers say, and how far off it is as it is and made up for, in standard errors."""
    found = []
    for run in range(runs):
        who, said, sets = panels(images, overlap.max, run)
        some, every = (table(who, said, n) for n in (stopped(said, overlap, run), np.full(images, overlap.max)))
        raw, made_up = figures(some, sets, None, smooth=False), figures(some, sets, overlap.min, smooth=True)
        said_by_all = figures(every, sets, None, smooth=False)
        expected = [*said_by_all]
        expected[1] = figures(every, sets, None, smooth=True)[1]  # entropy of shares is low for 12 people, too
        found.append([expected, raw, made_up, said_by_all])
    values = np.array(found)
    error = values[:, 2].std(axis=0, ddof=1)
    off = (values[:, 1:3] - values[:, [3, 0]]) / error
    return pd.DataFrame({
        "figure": FIGURES, "all answers": values[:, 0].mean(axis=0), "standard error": error,
        "off as it is": off[:, 0].mean(axis=0), "off made up for": off[:, 1].mean(axis=0),
        "±": 1.96 * off[:, 1].std(axis=0, ddof=1) / np.sqrt(runs),
    })  # fmt: skip


def ferplus(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels and vote counts [N, C] of the faces of FER+ that ten people voted on; what is no emotion is one label."""
    table = pd.read_csv(folder / "ferplus" / "fer2013new.csv").iloc[:, 2:]
    table["unknown"] += table.pop("NF")
    return tuple(table.columns), table[table.sum(axis=1) == 10].to_numpy()


def seats(votes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One-choice votes [N, C], as many of each image, as answers in a random order, bool [N, A, C]."""
    labels = np.repeat(np.tile(np.arange(votes.shape[1]), len(votes)), votes.ravel()).reshape(len(votes), -1)
    return np.asarray(random.permuted(labels, axis=1)[..., None] == np.arange(votes.shape[1]))


def demo_rates(panel: str, images: int, random: np.random.Generator) -> np.ndarray:
    """True rates [N, 8] of paintings before one of the demo's panels."""
    taxonomy = get_taxonomy("mikels-8")
    words = Words.of(taxonomy)
    feelings = np.stack([draw_feeling(words.places[words.placed], random) for _ in range(images)])
    return true_rates(feelings, words_of(taxonomy, panel))


def demo_answers(seed: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """What all twelve people of a demo set say, in a random order [N, 12, C], and the true rates [N, C]."""
    random = np.random.default_rng(seed)
    rates = demo_rates("local", images, random)
    chances = choice_chances(rates, Annotators.draw(rates.shape[1], random)).transpose(1, 0, 2)
    said = random.random(chances.shape) < chances
    order = random.random(said.shape[:2]).argsort(axis=1)
    return np.take_along_axis(said, order[..., None], axis=1), rates


def scores(said: np.ndarray, n: np.ndarray, truth: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Of the first n [N] answers: cross-entropy of smoothed rates to the truth's [N, C] above its own, 1 - F1, and the
    squared error of entropy.

    sets: [N, T, C], with which the sets of these answers are compared one by one.
    """
    votes = said.cumsum(axis=1)[np.arange(len(said)), n - 1]
    prior = fit_beta_prior(votes, n)
    rates = smoothed_rates(votes, n, prior).clip(1e-9, 1 - 1e-9)
    apart = (rel_entr(truth, rates) + rel_entr(1 - truth, 1 - rates)).mean()
    mine = torch.from_numpy(label_sets(votes, n, prior, TAU)[:, None].repeat(sets.shape[1], axis=1)).flatten(0, 1)
    undecided = posterior_entropy(votes, n, prior) - plain_entropy(truth).mean(axis=1)
    f1 = float(F.set_f1(mine, torch.from_numpy(sets).flatten(0, 1)).mean())
    return np.array([apart, 1 - f1, (undecided**2).mean()])


def saved_by(said: np.ndarray, overlap: Overlap, seed: int, truth: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The share of its answers that fixed overlap needs more for each of the same scores."""
    n = stopped(said, overlap, seed)
    fixed = np.arange(overlap.min, overlap.max + 1)
    curves = np.stack([scores(said, np.full(len(said), k), truth, sets) for k in fixed])
    curves = np.minimum.accumulate(curves)  # a set may be worse with a person more: shares of few are coarse
    pairs = zip(scores(said, n, truth, sets), curves.T, strict=True)
    return np.array([1 - n.mean() / np.exp(np.interp(-here, -curve, np.log(fixed))) for here, curve in pairs])


def saved(images: int, data: Path) -> Iterator[str]:
    """Both rules on both kinds of sets."""
    _, votes = ferplus(data)
    yield (
        "Answers saved, in per cent of what the same number of people for every image takes for the same score (below "
        f"0: more are needed); mean over ten sets of {images:,} images, 95 % interval. Demo: smoothed rates and their "
        "sets against the true ones. FER+: up to 7 of an image's 10 votes, against the other 3.\n\n"
        "| set | until | people an image | at equal cross-entropy | at equal set F1 | at equal error of entropy |\n"
        "|---|---|--:|--:|--:|--:|"
    )
    for name, until in itertools.product(("demo", "FER+"), ("F1", "entropy")):
        overlap = Overlap(3, 12, 5.0, until) if name == "demo" else Overlap(2, 7, 3.5, until)
        found = []
        for seed in range(10):
            if name == "demo":
                said, truth = demo_answers(seed, images)
                sets = (truth >= TAU)[:, None]
            else:
                random = np.random.default_rng(seed)
                every = seats(votes[random.permutation(len(votes))[:images]], random)
                said, sets = every[:, :7], every[:, 7:]
                truth = sets.mean(axis=1)
            found.append(saved_by(said, overlap, seed, truth, sets))
        spans = student_interval(100 * torch.from_numpy(np.array(found)))
        cells = [f"{m:.1f} ({low:.1f} to {high:.1f})" for m, low, high in zip(*spans[:3], strict=True)]
        cells[2] = cells[2] if name == "demo" else "–"  # of three votes nobody knows the entropy
        yield f"| {name} | {until} | {overlap.mean:g} of {overlap.min} to {overlap.max} | {' | '.join(cells)} |"


def main() -> None:
    """One of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("bias", "saved"))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--images", type=int, help="400 for bias, 2000 for saved")
    parser.add_argument("--data", type=Path, default=os.environ.get("AFFECTML_TEST_DATA", "shared/data"))
    given = parser.parse_args()
    if given.part == "saved":
        for text in saved(given.images or 2000, given.data):
            print(text, flush=True)
        return
    worst = 0.0
    for until in ("F1", "entropy"):
        found = biases(given.runs, given.images or 400, Overlap(3, 12, 5.0, until))
        print(
            f"\nuntil: {until}, {given.runs} runs\n\n| {' | '.join(found)} |\n|---|{'---:|' * (len(found.columns) - 1)}"
        )
        for name, *rest in found.itertuples(index=False):
            print(f"| {name} | {' | '.join(f'{x:.3f}' for x in rest)} |")
        worst = max(worst, found["off made up for"].abs().max())
    if worst >= LIMIT:
        sys.exit(f"off by {worst:.2f} standard errors: a quarter is the limit")


if __name__ == "__main__":
    main()
