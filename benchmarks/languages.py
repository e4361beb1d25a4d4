"""How often comparing languages claims a difference that is not there, and how often it finds one that was planted.

    python benchmarks/languages.py [--seeds 500]    two fifths of them where something is planted

Prints Markdown. Each study: 60 people, 200 images, 8 labels, six people an image, languages dealt at random. People,
with thresholds and tastes of their own, and images are drawn anew from the worlds of `planning.py` in turn: the demo's
two panels and a mixed logit. Nothing planted: any claim, of all labels and languages, is a false one. Planted: people
of the first language also choose one label where they did not, which raises its rate by .15; found: that label in that
language. Ends with an error where more than 7 % of the studies with nothing planted claim anything. Needs
`pip install -e ".[dev-all]"`.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from planning import IMAGES, PEOPLE, WORLDS, World

from affectml_annotation import compare_languages

LABELS = tuple("abcdefgh")
PICTURES, EACH, MORE = 200, 6, 0.15

Dealt = Callable[[np.random.Generator, np.ndarray], np.ndarray]  # who sees each image [N, EACH], by language [P]


def evenly(g: np.random.Generator, spoken: np.ndarray) -> np.ndarray:
    """Whoever comes, each as often."""
    return g.random((PICTURES, len(spoken))).argsort(axis=1)[:, :EACH]


def unevenly(g: np.random.Generator, spoken: np.ndarray) -> np.ndarray:
    """Some people see many images, and some few: numbers that are log-normal with an SD of 1."""
    eager = np.exp(g.normal(size=len(spoken)))
    return (g.exponential(size=(PICTURES, len(spoken))) / eager).argsort(axis=1)[:, :EACH]


def few_of_the_last(g: np.random.Generator, spoken: np.ndarray) -> np.ndarray:
    """People of the last language see a fifth as many as others."""
    eager = np.where(spoken == spoken.max(), 0.2, 1.0)
    return (g.exponential(size=(PICTURES, len(spoken))) / eager).argsort(axis=1)[:, :EACH]


def two_of_each(g: np.random.Generator, spoken: np.ndarray) -> np.ndarray:
    """As many people of each language at every image."""
    order = g.random((PICTURES, len(spoken))).argsort(axis=1)
    kinds = [order[spoken[order] == k].reshape(PICTURES, -1)[:, :2] for k in range(3)]
    return np.concatenate(kinds, axis=1)


def apart(g: np.random.Generator, spoken: np.ndarray) -> np.ndarray:
    """Two thirds of the images are seen in one language only."""
    foreign = spoken != g.integers(3, size=(PICTURES, 1))
    foreign[: PICTURES // 3] = False
    return (g.random((PICTURES, len(spoken))) + foreign).argsort(axis=1)[:, :EACH]


SETTINGS: dict[str, tuple[tuple[int, ...], Dealt]] = {
    "evenly": ((20, 20, 20), evenly),
    "evenly, of two languages": ((30, 30), evenly),
    "evenly, unequal numbers": ((30, 20, 10), evenly),
    "some see many images": ((20, 20, 20), unevenly),
    "unequal, the ten see few": ((30, 20, 10), few_of_the_last),
    "two of each at an image": ((20, 20, 20), two_of_each),
    "two thirds of images in one language": ((20, 20, 20), apart),
}


def study(
    world: World, sizes: tuple[int, ...], deal: Dealt, g: np.random.Generator, *, more: float
) -> tuple[pd.DataFrame, str]:
    """A judgement table with languages, and the label in which something is planted where `more` is above 0."""
    spoken = g.permutation(np.repeat(np.arange(len(sizes)), sizes))
    person = deal(g, spoken).ravel()
    image = np.repeat(np.arange(PICTURES), EACH)
    who, what = g.integers(PEOPLE, size=len(spoken)), g.choice(IMAGES, PICTURES, replace=False)
    chosen = world.chosen[who[person], what[image]]
    rate = chosen.mean(axis=0)
    at = int(np.abs(rate - 0.3).argmin())
    chosen[:, at] |= (spoken[person] == 0) & (g.random(len(person)) < more / (1 - rate[at]))
    labels = [[LABELS[k] for k in np.flatnonzero(row)] for row in chosen]
    table = pd.DataFrame({
        "image_id": image.astype(str), "annotator_id": person.astype(str), "round": 1,
        "kind": np.where(chosen.any(axis=1), "labels", "none"), "labels": labels,
        "language": np.array(["de", "en", "fr"])[spoken[person]],
    })  # fmt: skip
    return table, LABELS[at]


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=500)
    seeds = parser.parse_args().seeds
    worlds = [World.of(kind, np.random.default_rng(0)) for kind in WORLDS]
    planted, worst, started = max(1, seeds * 2 // 5), 0.0, time.process_time()
    print(
        f"Nothing planted: {seeds} studies a row; {MORE:g} planted in one label of one language: {planted}. Covered: "
        "intervals (95 %) of differences that hold what is true where nothing is planted, 0.\n\n"
        "| people see images | people by language | any claim, nothing planted | covered | found | its difference | "
        "another label claimed |\n|---|---|--:|--:|--:|--:|--:|"
    )
    for name, (sizes, deal) in SETTINGS.items():
        false, found, wrong, covered, estimates = 0, 0, 0, [], []
        for seed in range(seeds):
            for more in (0.0, MORE) if seed < planted else (0.0,):
                table, label = study(worlds[seed % len(worlds)], sizes, deal, np.random.default_rng(seed), more=more)
                compared = compare_languages(table, LABELS, bootstrap=0, seed=seed)
                tests = compared.differences
                claimed = tests["p"] < 0.05
                if not more:
                    false += claimed.any()
                    covered.append(((tests["difference_low"] <= 0) & (tests["difference_high"] >= 0)).mean())
                    continue
                here = (tests["label"] == label) & (tests["language"] == "de")
                found += claimed[here].any()
                wrong += claimed[tests["label"] != label].any()
                estimates.append(tests["difference"][here].iloc[0])
        worst = max(worst, false / seeds)
        print(
            f"| {name} | {' / '.join(map(str, sizes))} | {false / seeds:.1%} | {np.mean(covered):.1%} | "
            f"{found / planted:.0%} | {np.mean(estimates):+.3f} | {wrong / planted:.1%} |",
            flush=True,
        )
    studies = len(SETTINGS) * (seeds + planted)
    print(f"\n{1000 * (time.process_time() - started) / studies:.0f} ms a study, 999 permutations each.")
    if worst > 0.07:
        sys.exit(f"{worst:.1%} of studies claim a difference where there is none: 7 % is the limit")


if __name__ == "__main__":
    main()
