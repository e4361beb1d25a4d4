"""How often a 95 % interval holds the truth, by simulation from distributions whose truth is known.

    python benchmarks/intervals.py                 500 to 1,000 draws a line, some minutes on one core
    python benchmarks/intervals.py --draws 50 --dry-run
    python benchmarks/intervals.py --only two-way  people and images: 5 of these minutes

Beside each coverage stands that of plain percentiles of as many replicates (Efron & Tibshirani 1993): what intervals
would be if nothing were done about few units, bias and skew. Then how often a paired p value is below .05 where there
is nothing to find. Writes its tables between their markers in docs/metrics.md and benchmarks/README.md. Needs
`pip install -e ".[dev-all]"`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import section
import torch
from scipy.stats import norm, t, ttest_1samp
from torch import Tensor

from affectml_metrics import (
    Interval,
    debiased_calibration,
    mean_interval,
    paired_difference,
    sums_interval,
    table_interval,
    two_way_interval,
)
from affectml_metrics import functional as F
from affectml_metrics.functional.labels import averaged, f1
from affectml_metrics.functional.labels import precision as precision_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
SCORES = torch.tensor([0.0, 0.4, 0.5, 2 / 3, 0.8, 1.0], dtype=torch.float64)  # as set F1 has them
SHARES = torch.tensor([0.2, 0.1, 0.15, 0.2, 0.1, 0.25], dtype=torch.float64)
HIT, FALSE_ALARM = 0.6, 0.08  # of the system whose macro F1 is simulated
FEWER = 200  # replicates where one takes a pass over the table
RARE = (0.05, 0.1, 0.2, 0.3, 0.4)
COLUMNS = 50  # data sets of one panel: who is asked about what is drawn anew after so many

Ends = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Case:
    """draw: one data set's interval and plain percentiles, both for each of `names`; truth: what they should hold."""

    names: tuple[str, ...]
    size: str
    truth: Tensor
    draws: int
    draw: Callable[[torch.Generator], tuple[Interval, Ends]]


def plain(spread: Tensor) -> Ends:
    low, high = torch.nanquantile(spread, torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    return low, high


def replicates(metric: Callable[[Tensor], Tensor], n: int, draws: int, g: torch.Generator) -> Tensor:
    """A metric of row weights over draws with replacement of the n rows, [draws, K]."""
    index = torch.randint(n, (draws, n), generator=g)
    return torch.stack([metric(torch.bincount(row, minlength=n).double()).flatten() for row in index])


def rows(n: int, draws: int) -> Case:
    def draw(g: torch.Generator) -> tuple[Interval, Ends]:
        table = torch.stack(
            [
                SCORES[SHARES.multinomial(n, replacement=True, generator=g)],
                (torch.rand(n, generator=g, dtype=torch.float64) < 0.9).double(),
                (torch.randn(n, generator=g, dtype=torch.float64) * 0.8).exp(),
            ],
            dim=1,
        )
        counts = torch.zeros(1000, n, dtype=torch.float64)
        index = torch.randint(n, (1000, n), generator=g)
        counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float64))
        return mean_interval(table, bounds=[(0, 1), (0, 1), (0, None)]), plain(counts @ table / n)

    kinds = ("set F1", "0/1 accuracy of .9", "a cross-entropy (log-normal)")
    names = tuple(f"mean, {kind}" for kind in kinds)
    return Case(
        names,
        f"{n} rows",
        torch.tensor([float(SCORES @ SHARES), 0.9, math.exp(0.32)], dtype=torch.float64),
        draws,
        draw,
    )


def groups(count: int, draws: int) -> Case:
    def draw(g: torch.Generator) -> tuple[Interval, Ends]:
        sizes = torch.randint(4, 16, (count,), generator=g)
        ids = torch.arange(count).repeat_interleave(sizes)
        table = torch.randn(count, generator=g, dtype=torch.float64)[ids]
        table = table + 1.5 * torch.randn(len(ids), generator=g, dtype=torch.float64)
        sums = torch.zeros(count, 2, dtype=torch.float64).index_add_(0, ids, torch.stack([table, table * 0 + 1], 1))
        index = torch.randint(count, (1000, count), generator=g)
        drawn = sums[index].sum(1)
        interval = mean_interval(table[:, None], groups=ids)
        return interval, plain(drawn[:, :1] / drawn[:, 1:])

    return Case(("mean, groups of 4 to 15 rows",), f"{count} groups", torch.zeros(1, dtype=torch.float64), draws, draw)


def separated(n: int, prevalences: tuple[float, ...], g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Scores, 1.2 standard deviations higher where a label is there, and labels; each is there once at least."""
    while True:
        target = torch.rand(n, len(prevalences), generator=g, dtype=torch.float64) < torch.tensor(prevalences)
        if bool(target.any(0).all()):
            return torch.randn(n, len(prevalences), generator=g, dtype=torch.float64) + 1.2 * target, target


def precision(n: int, prevalences: tuple[float, ...], draws: int) -> Case:
    cut = np.linspace(-9, 10, 100_001)
    true = []
    for share in prevalences:
        above, false = share * norm.sf(cut - 1.2), (1 - share) * norm.sf(cut)
        true.append(np.trapezoid(above / (above + false) * norm.pdf(cut - 1.2), cut))

    def draw(g: torch.Generator) -> tuple[Interval, Ends]:
        scores, target = separated(n, prevalences, g)

        def metric(weights: Tensor) -> Tensor:
            return F.mean_average_precision(scores, target, weights=weights)[None]

        interval = table_interval(metric, n, bounds=[(0, 1)])
        return interval, plain(replicates(metric, n, FEWER, g))

    what = "of a 5 % label" if len(prevalences) == 1 else f"of labels of {', '.join(f'{p:.0%}' for p in prevalences)}"
    return Case((f"mAP {what}",), f"{n} rows", torch.tensor([np.mean(true)]), draws, draw)


def macro_f1(n: int, draws: int) -> Case:
    share = torch.tensor(RARE, dtype=torch.float64)
    said = share * HIT + (1 - share) * FALSE_ALARM
    true = (2 * share * HIT / (share + said)).mean()

    def draw(g: torch.Generator) -> tuple[Interval, Ends]:
        target = torch.rand(n, len(RARE), generator=g, dtype=torch.float64) < share
        preds = torch.rand(n, len(RARE), generator=g, dtype=torch.float64) < torch.where(target, HIT, FALSE_ALARM)
        table = torch.cat([preds & target, preds, target, torch.ones_like(preds)], dim=1)

        def metric(sums: Tensor) -> Tensor:
            return torch.stack([averaged(ratio, sums.chunk(4, dim=1)) for ratio in (f1, precision_of)], dim=1)

        interval = sums_interval(table, metric, bounds=[(0, 1)] * 2)
        counts = torch.zeros(1000, n, dtype=torch.float64)
        index = torch.randint(n, (1000, n), generator=g)
        counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float64))
        return interval, plain(metric(counts @ table.double()))

    names = tuple(f"macro {what}, labels of 5 to 40 %" for what in ("F1", "precision"))
    return Case(names, f"{n} rows", torch.stack([true, (share * HIT / said).mean()]), draws, draw)


def calibration(n: int, wrong: float, votes: int, draws: int) -> Case:
    def draw(g: torch.Generator) -> tuple[Interval, Ends]:
        rates = torch.rand(n, 1, generator=g, dtype=torch.float64)
        chance = (rates + wrong * (0.5 - rates)).expand(n, votes)
        target = torch.bernoulli(chance, generator=g).mean(1, keepdim=True)
        metric = debiased_calibration(rates, target)
        interval = table_interval(metric, n)
        return Interval(*(field[None] for field in interval)), plain(replicates(metric, n, 100, g))

    what = "calibrated" if not wrong else f"slope off by {wrong:g}"
    true = wrong**2 / 12 * (1 - 1 / 15**2)
    said = "0/1" if votes == 1 else f"{votes} votes"
    return Case((f"squared calibration error, {what}, {said}",), f"{n} rows", torch.tensor([true]), draws, draw)


def _scores(n: int, draws: int, g: torch.Generator) -> Tensor:
    return SCORES[SHARES.multinomial(n * draws, replacement=True, generator=g)].reshape(n, draws)


def _loss(share: float) -> Callable[[int, int, torch.Generator], Tensor]:
    """Of a share of the rows one system loses .7, on the others it is a little better: equal means."""

    def draw(n: int, draws: int, g: torch.Generator) -> Tensor:
        lost = (torch.rand(n, draws, generator=g) < share).double()
        return 0.7 * (share - lost) + 0.1 * (_scores(n, draws, g) - _scores(n, draws, g))

    return draw


def _squared(n: int, draws: int, g: torch.Generator) -> Tensor:
    return torch.randn(n, draws, generator=g, dtype=torch.float64).square()


DIFFERENCES: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "set F1 of two systems": lambda *how: _scores(*how) - _scores(*how),
    "hits, 10 % of them different": lambda n, draws, g: (
        (u := torch.rand(n, draws, generator=g)).lt(0.05).double() - u.gt(0.95).double()
    ),
    "cross-entropies of two systems": lambda *how: _squared(*how) - _squared(*how),
    "a divergence less its mean": lambda *how: _squared(*how) - 1,
    "log-normal less its mean": lambda n, draws, g: (
        torch.randn(n, draws, generator=g, dtype=torch.float64).exp() - math.exp(0.5)
    ),
    "log-normal, 1.5, less its mean": lambda n, draws, g: (
        (1.5 * torch.randn(n, draws, generator=g, dtype=torch.float64)).exp() - math.exp(1.125)
    ),
    "of two log-normal, 1.5": lambda n, draws, g: (
        (1.5 * torch.randn(2, n, draws, generator=g, dtype=torch.float64)).exp().diff(dim=0)[0]
    ),
    "one large loss in 10": _loss(0.1),
    "one large loss in 20": _loss(0.05),
    "one large loss in 50": _loss(0.02),
}


def bootstrap_t(apart: Tensor, g: torch.Generator) -> Tensor:
    """P values [M] of means of 0 by equal tails of 1,000 studentised replicates (Efron 1981; Hall 1988)."""
    n = len(apart)
    index = torch.randint(n, (1000, n), generator=g)
    counts = torch.zeros(1000, n, dtype=torch.float64).scatter_add_(1, index, torch.ones(1000, n, dtype=torch.float64))
    rest = apart - apart.mean(0)
    moved = counts @ rest / n
    drawn = torch.where(
        moved.abs() < 1e-12, 0.0, moved / (counts @ rest.square() / n - moved.square()).clamp(min=0).sqrt()
    )
    own = apart.mean(0) / rest.square().mean(0).sqrt()
    fewer = torch.minimum((drawn >= own).sum(0), (drawn <= own).sum(0))
    return (2 * (fewer + 1) / 1001).clamp(max=1)


def paired_levels(draws: int) -> str:
    """How often p values of paired differences are small where both means are equal."""
    lines = [
        f"`python benchmarks/intervals.py --only paired`: {draws:,} simulated data sets a line, seed 0. Share of them, "
        "in per cent, whose p value is at most .05 though both means are equal (5 is due): ours, Student's t, "
        "bootstrap-t with equal tails (1,000 replicates) and sign flips.",
        "",
        "| differences | 30 rows | 50 rows | 300 rows |",
        "|---|--:|--:|--:|",
    ]
    for name, draw in DIFFERENCES.items():
        cells = []
        for n in (30, 50, 300):
            g = torch.Generator().manual_seed(0)
            apart = draw(n, draws, g)
            flips = torch.randint(0, 2, (1000, n), generator=g).double() * 2 - 1
            flipped = (
                torch.cat(
                    [
                        ((flips @ some).abs() >= some.sum(0).abs() * (1 - 1e-9)).sum(0) + 1
                        for some in apart.split(500, 1)
                    ]
                )
                / 1001
            )
            ours = paired_difference(apart, torch.zeros_like(apart)).p
            student = torch.from_numpy(ttest_1samp(apart.numpy(), 0).pvalue)
            told = (ours, student, bootstrap_t(apart, g), flipped)
            cells.append(", ".join(f"{100 * float((p <= 0.05).double().mean()):.1f}" for p in told))
            print(name, n, cells[-1], flush=True)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def families(draws: int) -> dict[str, Callable[[], Iterator[Case]]]:
    """Cases by what they are about. Each family starts from the seed anew, so that one alone gives its lines."""
    return {
        "means": lambda: (rows(n, 2 * draws) for n in (20, 50, 200, 1000)),
        "groups": lambda: (groups(count, 2 * draws) for count in (5, 10, 30)),
        "map": lambda: (precision(n, p, draws) for n, p in ((200, (0.05,)), (1000, (0.05,)), (200, (0.05, 0.2, 0.4)))),
        "f1": lambda: (macro_f1(n, 2 * draws) for n in (50, 200)),
        "calibration": lambda: (
            calibration(n, wrong, votes, draws)
            for n, wrong, votes in ((500, 0.0, 1), (500, 0.0, 5), (500, 0.1, 1), (500, 0.3, 1))
        ),
    }


def measured(case: Case, g: torch.Generator) -> dict[str, str]:
    """For each name: coverage here and of plain percentiles."""
    ours, theirs = torch.zeros(len(case.names)), torch.zeros(len(case.names))
    for _ in range(case.draws):
        interval, (low, high) = case.draw(g)
        ours += (interval.low <= case.truth) & (case.truth <= interval.high)
        theirs += (low <= case.truth) & (case.truth <= high)
    return {
        name: f"{case.size}: {100 * a / case.draws:.1f} ({100 * b / case.draws:.1f})"
        for name, a, b in zip(case.names, ours.tolist(), theirs.tolist(), strict=True)
    }


@dataclass(frozen=True)
class Panel:
    """People, images, who is asked about what, and the standard deviations of people, images and the rest."""

    people: int
    images: int
    asked: str
    spread: tuple[float, float, float]
    shape: str = "normal"

    def drawn(self, g: np.random.Generator) -> np.ndarray:
        """Who is asked about what, [people, images]; whoever is asked about nothing is not there."""
        order = g.random((self.people, self.images))
        if self.asked == "all":
            asked = order >= 0
        elif self.asked == "a fifth":
            most = np.round(self.images * g.uniform(0.2, 0.25, (self.people, 1))).clip(1)
            asked = order.argsort(1).argsort(1) < most
        else:  # 3 to 10 people an image, some of whom are much busier than others
            busy = g.normal(size=(self.people, 1)) + g.gumbel(size=order.shape)
            asked = (-busy).argsort(0).argsort(0) < g.integers(3, 11, self.images)
        return asked[asked.any(1)][:, asked.any(0)]

    def values(self, who: np.ndarray, what: np.ndarray, g: np.random.Generator) -> np.ndarray:
        """Values [A, COLUMNS] around 0."""

        def effects(count: int) -> np.ndarray:
            drawn = g.normal(size=(count, COLUMNS))
            if self.shape != "log-normal":
                return drawn
            return (np.exp(0.8 * drawn) - math.exp(0.32)) / math.sqrt((math.exp(0.64) - 1) * math.exp(0.64))

        rest = effects(len(who))
        if self.shape == "taste":  # half of the rest is what a person makes of a kind of image
            rest = (rest + g.normal(size=(self.people, COLUMNS))[who] * effects(self.images)[what]) / math.sqrt(2)
        person, image, left = self.spread
        return person * effects(self.people)[who] + image * effects(self.images)[what] + left * rest


def one_way(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Variance of the mean [M] by groups, with the factor G / (G - 1)."""
    residuals = torch.from_numpy((values - values.mean(0)) / len(values))
    sums = torch.zeros(int(groups.max()) + 1, values.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(groups), residuals)
    return (sums.square().sum(0) * len(sums) / (len(sums) - 1)).numpy()


def two_way(panel: Panel, draws: int, g: np.random.Generator) -> dict[str, tuple[float, float]]:
    """For each interval how often it holds the mean 0, and its width in widths of one that knows the variances."""
    kept: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def keep(name: str, low: np.ndarray, high: np.ndarray) -> None:
        kept.setdefault(name, []).append(((low <= 0) & (high >= 0), (high - low) / oracle))

    for _ in range(-(-draws // COLUMNS)):
        asked = panel.drawn(g)
        who, what = asked.nonzero()
        values = panel.values(who, what, g)
        shares = [(asked.sum(1) / len(who)) @ (asked.sum(1) / len(who)), (asked.sum(0) ** 2).sum() / len(who) ** 2]
        oracle = 2 * norm.ppf(0.975) * math.sqrt(np.square(panel.spread) @ [*shares, 1 / len(who)])
        mean, fewest = values.mean(0), min(asked.shape)
        people, images, cells = (one_way(values, ids) for ids in (who, what, np.arange(len(who))))
        few = t.ppf(0.975, fewest - 1)

        def around(name: str, half: np.ndarray, mean: np.ndarray = mean) -> None:
            keep(name, mean - half, mean + half)

        around("images", t.ppf(0.975, asked.shape[1] - 1) * np.sqrt(images))
        clustered = np.sqrt((people + images - cells).clip(0))
        around("clustered t", few * clustered)
        found = two_way_interval(values, who, what)
        keep("here", found.low.numpy(), found.high.numpy())
    return {
        name: (float(np.mean([h for h, _ in parts])), float(np.mean([w for _, w in parts])))
        for name, parts in kept.items()
    }


def two_way_grid(draws: int) -> str:
    """The table of benchmarks/README.md: every design, summed up by people and by how far they differ."""
    lines = [
        f"{-(-draws // COLUMNS) * COLUMNS:,} simulated panels a setting, seed 0: 50, 200 and 600 images; everybody "
        "asked about all of them, about 20 to 25 % of them, and 3 to 10 people an image of whom some are much "
        "busier; SD of images .3 and, where normal, 1; of the rest 1. Mean coverage in per cent over 18 settings, 9 "
        "where not normal, of intervals over images alone, of clustered ones (Cameron, Gelbach & Miller 2011, G / "
        "(G - 1) and t with min(people, images) - 1 degrees of freedom; with a normal quantile they cover less) and "
        "of ours, with the least in any setting. In brackets: mean widths, in widths of an interval that knows the "
        "three variances.",
        "",
        "| people's SD, shape | 5 people | 12 | 30 | 120 |",
        "|---|--:|--:|--:|--:|",
    ]
    cells: dict[str, list[str]] = {}
    kinds = [(0.0, "normal"), (0.1, "normal"), (0.3, "normal"), (1.0, "normal"), (0.3, "log-normal"), (0.3, "taste")]
    g = np.random.default_rng(0)
    for people in (5, 12, 30, 120):
        for person, shape in kinds:
            every = [
                two_way(Panel(people, images, asked, (person, image, 1.0), shape), draws, g)
                for images in (50, 200, 600)
                for asked in ("all", "a fifth", "a crowd")
                for image in ((0.3, 1.0) if shape == "normal" else (0.3,))
            ]
            names = ("images", "clustered t", "here")
            cover = {name: 100 * np.array([found[name][0] for found in every]) for name in names}
            wide = {name: f" ({np.mean([found[name][1] for found in every]):.2f})" for name in names[1:]}
            listed = "; ".join(f"{x.mean():.1f}{wide.get(name, '')}" for name, x in cover.items())
            cells.setdefault(f"{person:g}, {shape}", []).append(f"{listed}; {cover['here'].min():.1f}")
            print(people, person, shape, listed, flush=True)
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    return "\n".join(lines)


def report(draws: int, only: Sequence[str]) -> str:
    told: dict[str, list[str]] = {}
    for name, cases in families(draws).items():
        g = torch.Generator().manual_seed(0)
        for case in cases() if name in only else ():
            for figure, found in measured(case, g).items():
                told.setdefault(figure, []).append(found)
                print(figure, found, flush=True)
    lines = [
        f"`python benchmarks/intervals.py`: {draws:,} simulated data sets ({2 * draws:,} for means, groups and F1), "
        f"seed 0; 1,000 replicates ({FEWER} for mAP, 100 for calibration). Share of the 95 % intervals that hold the "
        "truth, in per cent, and in brackets that of plain percentiles; standard error about "
        f"{100 * math.sqrt(0.05 * 0.95 / draws):.1f}.",
        "",
        "| figure | here (plain percentiles) |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| {figure} | {'; '.join(found)} |" for figure, found in told.items())])


def write(name: str, text: str) -> None:
    """Put the text between markers of docs/metrics.md, in one step."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(start)
    after = rest.split(end)[1]
    new = PAGE.with_suffix(".tmp")
    new.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
    new.replace(PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500, help="data sets a line; cheap lines take twice as many")
    kinds = ("means", "groups", "map", "f1", "calibration")
    what = "print these lines alone; the page gets only tables of which every line is asked for"
    parser.add_argument("--only", nargs="+", choices=(*kinds, "paired", "two-way"), help=what)
    parser.add_argument("--dry-run", action="store_true", help="print the tables and leave the pages as they are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    only = options.only or (*kinds, "paired", "two-way")
    if set(kinds) & set(only):
        text = report(options.draws, only)
        if set(kinds) <= set(only) and not options.dry_run:
            write("coverage", text)
    if "paired" in only:
        levels = paired_levels(4 * options.draws)
        if not options.dry_run:
            write("levels", levels)
    if "two-way" in only:
        grid = two_way_grid(2 * options.draws)
        if not options.dry_run:
            grid = grid.replace("\n\n", f"{section.machine(['torch', 'numpy'])}\n\n", 1)
            title = "Intervals over people and images"
            section.write("intervals", title, "intervals.py --only two-way", grid)


if __name__ == "__main__":
    main()
