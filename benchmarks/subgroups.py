"""How often the test of subgroups accuses a model without a bias, and how often it finds one that was planted.

    python benchmarks/subgroups.py [--seeds 400]        a quarter of them where something is planted

Eight labels with mean rates of .02 to .5; five people an image; a model whose log-odds are the true ones with noise
of SD .5. A column of two levels, the first of which has a share of the images. any finding: of 400 seeds with nothing
planted, 5 % and chance allow 28. "people agree less": the images of the first level have rates near 0 and 1, the others
have not, and the model knows the truth. Planted in the first level: one label's log-odds raised (found: that label), or
noise of another size (found: the squared error).
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from section import machine, write

from affectml.judging.figures import Rows
from affectml.judging.scoring import Answers
from affectml.judging.subgroups import subgroups
from affectml.judging.truth import Truth
from affectml.judging.views import Case

MEANS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
LABELS = tuple(f"{mean:g}" for mean in MEANS)
PLANTED = 5  # the label of rate .3
PEOPLE = 5
SETTINGS = {
    "nothing planted": {},
    "nothing planted, people agree less": {"spread": (1.0, 8.0), "noise": 0.0},
    "a label's log-odds + .5": {"bias": 0.5},
    "a label's log-odds + 1": {"bias": 1.0},
    "noise of SD 1 in place of .5": {"worse": 0.5},
    "noise of SD 1.5 in place of .5": {"worse": 1.0},
}


def drawn(
    generator: np.random.Generator, images: int, share: float, *, spread: tuple[float, float] = (2.0, 2.0),
    noise: float = 0.5, bias: float = 0.0, worse: float = 0.0,
) -> tuple[Answers, Truth, pd.DataFrame]:  # fmt: skip
    """A model's answers, the truth, and images with the column `look`."""
    first = generator.random(images) < share
    width = np.where(first, *spread)[:, None]
    rates = np.clip(generator.beta(width * MEANS, width * (1 - MEANS)), 1e-4, 1 - 1e-4)
    odds = np.log(rates / (1 - rates))
    chosen = (generator.random((images, PEOPLE, len(MEANS))) < rates[:, None]).astype(np.uint8)
    votes, n = chosen.sum(axis=1).astype(np.int64), np.full(rates.shape, PEOPLE)
    said = odds + (noise + worse * first)[:, None] * generator.normal(size=rates.shape)
    said[:, PLANTED] += bias * first
    q = torch.from_numpy(1 / (1 + np.exp(-said)))
    truth = Truth(
        kind="rates", labels=LABELS, image_id=np.arange(images).astype(str).astype(object), shares=votes / PEOPLE,
        hits=np.zeros(votes.shape, dtype=int), sets=votes >= 2, votes=votes, people=n, chosen=chosen,
        asked=np.ones((images, PEOPLE), dtype=bool),
    )  # fmt: skip
    images_table = pd.DataFrame({"image_id": truth.image_id, "look": np.where(first, "first", "second")})
    return Answers(q, q, (q > 1 / 3).long()), truth, images_table


def counted(images: int, share: float, seeds: int, planted: dict) -> tuple[int, int, float]:
    """Of `seeds` runs: those with any finding, those that found what was planted, and seconds of one."""
    wanted = "rate_brier_score" if "worse" in planted else LABELS[PLANTED]
    any_, right, started = 0, 0, time.process_time()
    for seed in range(seeds):
        answers, truth, table = drawn(np.random.default_rng(seed), images, share, **planted)
        case = Case({"model": answers}, truth, "model", seed, Rows(), table)
        subgroups(case)
        found = {each.label or each.metric for each in case.rows.rows if each.found}
        any_ += bool(found)
        right += wanted in found
    return any_, right, (time.process_time() - started) / seeds


def main() -> None:
    """Count, print, and write the section in benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--dry-run", action="store_true", help="print, and leave benchmarks/README.md alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sizes = ((100, 0.2), (300, 0.3), (1000, 0.3))
    heads = " | ".join(f"{images} images, {share:.0%} in the first" for images, share in sizes)
    table, spent = [f"| what was planted | {heads} |", "|---|" + "--:|" * len(sizes)], []
    for name, planted in SETTINGS.items():
        cells = []
        for images, share in sizes:
            seeds = args.seeds if name.startswith("nothing") else max(1, args.seeds // 4)
            any_, right, seconds = counted(images, share, seeds, planted)
            cells.append(f"{any_ if name.startswith('nothing') else right}/{seeds}")
            spent.append(seconds)
        table.append(f"| {name} | {' | '.join(cells)} |")
        print(table[-1], flush=True)
    lines = [
        "Two levels, ten tests together, Holm at 5 %. Seeds with any finding where nothing is planted, else those that "
        f"find it; at most {max(spent):.2f} CPU s each.{machine(['torch', 'numpy'])}\n",
        *table,
    ]
    if not args.dry_run:
        write("subgroups", "Subgroups", "subgroups.py", "\n".join(lines))


if __name__ == "__main__":
    main()
