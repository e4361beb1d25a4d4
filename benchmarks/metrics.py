"""Times of affectml_metrics beside torchmetrics, scikit-learn and PyLDL, in one process on the same tables.

    python benchmarks/metrics.py                  100,000 x 25, the least of 5 in turn, and how time and memory grow
    python benchmarks/metrics.py --rows 20000 --no-growth --dry-run
    python benchmarks/metrics.py --intervals      what 1,000 replicates of everything cost, in passes without any

Writes its table between its markers in benchmarks/README.md. Values are compared before anything is timed, so a fast
wrong answer cannot win. Needs `pip install -e ".[dev-all]"`; takes about 8 minutes, most in the other libraries.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from section import machine, write

from affectml_metrics import functional as F
from affectml_metrics import mean_interval, sums_interval, table_interval, unchecked
from affectml_metrics.spec import Figure, Given, Kind
from affectml_metrics.table import figures

LABELS = 25
SLOW = 60.0  # seconds: a call that takes longer is timed once
OVER_TABLE = ("label_f1_macro", "mean_average_precision", "label_auroc_macro", "soft_f1_macro", "entropy_correlation",
              "squared_calibration_error")  # fmt: skip
ONE = "one distribution metric: "  # these share a row
GROWTH = (10_000, 100_000, 1_000_000)

Call = Callable[[], object]


@dataclass
class Tables:
    """The same rows for everybody: tensors for us and torchmetrics, arrays (sharing memory) for the others."""

    scores: torch.Tensor
    sets: torch.Tensor
    chosen: torch.Tensor
    preds: torch.Tensor
    target: torch.Tensor

    @cached_property
    def label(self) -> torch.Tensor:
        """The most chosen label of each row."""
        return self.target.argmax(-1)

    @cached_property
    def one(self) -> torch.Tensor:
        """The same as a set."""
        return torch.nn.functional.one_hot(self.label, LABELS).bool()

    @staticmethod
    def of(rows: int, ties: bool = True) -> Tables:
        g = torch.Generator().manual_seed(0)

        def rand() -> torch.Tensor:
            return torch.rand(rows, LABELS, generator=g, dtype=torch.float64)

        scores = rand()
        if ties:
            scores[: rows // 4] = (scores[: rows // 4] * 8).round() / 8
        return Tables(scores, (rand() < 0.15).long(), (rand() < 0.12).long(), *((rand() * 4).softmax(-1) for _ in "pt"))


@dataclass
class Contest:
    """One metric: our call, theirs, and the bar it has to clear against each."""

    name: str
    ours: Call
    theirs: dict[str, Call]
    bar: float
    same: bool = True  # whether one number can be compared
    times: dict[str, float] = field(default_factory=dict)


def contests(t: Tables) -> list[Contest]:
    """Every contest, in the order of the table."""
    return [*_rankings(t), *_sets(t), *_near(t), *_calibration(t), *_cosines(t), *_distributions(t)]


def _rankings(t: Tables) -> list[Contest]:
    import sklearn.metrics as sk
    import torchmetrics.functional.classification as tm

    scores, chosen = t.scores.numpy(), t.chosen.numpy()
    return [
        Contest(
            "label ranking average precision",
            lambda: F.label_ranking_average_precision(t.scores, t.chosen, ties="lowest", no_labels=1.0).mean(),
            {
                "torchmetrics": lambda: tm.multilabel_ranking_average_precision(t.scores, t.chosen, LABELS),
                "scikit-learn": lambda: sk.label_ranking_average_precision_score(chosen, scores),
            },
            20,
        ),
        Contest(
            "ranking loss, ties wrong",
            lambda: F.ranking_loss(t.scores, t.chosen, tie_cost=1.0, no_labels=0.0).mean(),
            {"scikit-learn": lambda: sk.label_ranking_loss(chosen, scores)},
            10,
        ),
        Contest(
            "ranking loss, ties half",
            lambda: F.ranking_loss(t.scores, t.chosen, no_labels=0.0).mean(),
            {"torchmetrics": lambda: tm.multilabel_ranking_loss(t.scores, t.chosen, LABELS)},
            10,
        ),
        Contest(
            "coverage error",
            lambda: F.coverage_error(t.scores, t.chosen, no_labels=0.0).mean(),
            {
                "torchmetrics": lambda: tm.multilabel_coverage_error(t.scores, t.chosen, LABELS),
                "scikit-learn": lambda: sk.coverage_error(chosen, scores),
            },
            10,
        ),
    ]


def _sets(t: Tables) -> list[Contest]:
    import sklearn.metrics as sk
    import torchmetrics.functional.classification as tm

    scores, sets, chosen = t.scores.numpy(), t.sets.numpy(), t.chosen.numpy()

    def samplewise() -> object:
        return tm.binary_f1_score(t.sets, t.chosen, multidim_average="samplewise").mean()

    return [
        Contest(
            "set F1",
            lambda: F.set_f1(t.sets, t.chosen, both_empty=0.0).mean(),
            {
                "torchmetrics (samplewise)": samplewise,
                "scikit-learn (samples)": lambda: sk.f1_score(chosen, sets, average="samples", zero_division=0.0),
            },
            10,
        ),
        Contest(
            "macro F1",
            lambda: F.label_f1(t.sets, t.chosen),
            {
                "torchmetrics": lambda: tm.multilabel_f1_score(t.sets, t.chosen, LABELS),
                "scikit-learn": lambda: sk.f1_score(chosen, sets, average="macro"),
            },
            1,
        ),
        Contest(
            "mean average precision",
            lambda: F.mean_average_precision(t.scores, t.chosen),
            {
                "torchmetrics": lambda: tm.multilabel_average_precision(t.scores, t.chosen, LABELS),
                "scikit-learn": lambda: sk.average_precision_score(chosen, scores),
            },
            1,
        ),
    ]


def _near(t: Tables) -> list[Contest]:
    """Where another library comes near."""
    import sklearn.metrics as sk
    import torchmetrics.functional.classification as tm

    scores, p, q = t.scores.numpy(), t.preds.numpy(), t.target.numpy()
    return [
        Contest(
            "NDCG, ties averaged",
            lambda: F.ndcg(t.scores, t.target, ties="expected").mean(),
            {"scikit-learn": lambda: sk.ndcg_score(q, scores)},
            1,
        ),
        Contest(
            "NDCG, no ties",
            lambda: F.ndcg(t.preds, t.target, ties="first").mean(),
            {"scikit-learn": lambda: sk.ndcg_score(q, p, ignore_ties=True)},
            1,
        ),
        Contest(
            "top-3 accuracy, one right label",
            lambda: F.top_k_accuracy(t.preds, t.one, 3).mean(),
            {
                "torchmetrics": lambda: tm.multiclass_accuracy(t.preds, t.label, LABELS, top_k=3, average="micro"),
                "scikit-learn": lambda: sk.top_k_accuracy_score(t.label.numpy(), p, k=3, labels=range(LABELS)),
            },
            1,
        ),
        Contest(
            "ranked alike (RankCS)",
            lambda: F.rank_cs(t.preds, t.target, ties="first").mean(),
            {
                "two torch argsorts": lambda: (t.preds.argsort(-1) == t.target.argsort(-1)).all(-1).double().mean(),
                "two numpy argsorts": lambda: (p.argsort(-1) == q.argsort(-1)).all(-1).mean(),
            },
            1,
        ),
    ]


def _calibration(t: Tables) -> list[Contest]:
    """Not the same figure: the others have other bins, or none of the mean over labels."""
    import torchmetrics.functional.classification as tm
    from sklearn.calibration import calibration_curve

    p = t.preds.numpy()
    return [
        Contest(
            "label calibration error",
            lambda: F.label_calibration_error(t.preds, t.one),
            {
                "scikit-learn (quantile bins)": lambda: [
                    calibration_curve(t.one[:, c].numpy(), p[:, c], n_bins=15, strategy="quantile")
                    for c in range(LABELS)
                ],
                "torchmetrics (equal widths)": lambda: [
                    tm.binary_calibration_error(t.preds[:, c], t.one[:, c].long(), n_bins=15) for c in range(LABELS)
                ],
            },
            1,
            same=False,
        )
    ]


def _cosines(t: Tables) -> list[Contest]:
    """torchmetrics looks at no value and rounds to float32, so it has a race with our own looks switched off."""
    from torchmetrics.functional import cosine_similarity

    def trusting() -> object:
        with unchecked():
            return F.cosine_similarity(t.preds, t.target).mean()

    rounded = "torchmetrics (float32, values unchecked)"
    return [
        Contest(
            "cosine similarity",
            lambda: F.cosine_similarity(t.preds, t.target).mean(),
            {
                rounded: lambda: cosine_similarity(t.preds, t.target, reduction="mean"),
                "torch (values unchecked)": lambda: torch.nn.functional.cosine_similarity(t.preds, t.target).mean(),
            },
            1,
        ),
        Contest(
            "cosine similarity, `unchecked()`",
            trusting,
            {rounded: lambda: cosine_similarity(t.preds, t.target, reduction="mean")},
            1,
        ),
    ]


def _distributions(t: Tables) -> list[Contest]:
    import pyldl.metrics as ldl

    p, q = t.preds.numpy(), t.target.numpy()
    shared = ("chebyshev", "clark", "canberra", "kl_divergence", "js_divergence", "cosine", "intersection")
    squared = ("euclidean", "fidelity")
    ours = (
        F.chebyshev_distance,
        F.clark_distance,
        F.canberra_distance,
        F.kl_divergence,
        F.js_divergence,
        F.cosine_similarity,
        F.intersection,
        F.brier_score,
        F.hellinger_distance,
    )
    ranks = ("spearman", "kendall")
    return [
        *(
            Contest(
                f"{ONE}{name}",
                lambda f=f: f(t.preds, t.target).mean(),  # type: ignore[misc]
                {"PyLDL": lambda name=name: getattr(ldl, name)(q, p)},  # type: ignore[misc]
                1,
            )
            for f, name in zip(ours, shared, strict=False)
        ),
        Contest(
            f"distributions: the {len(ours)} that both have",
            lambda: [float(f(t.preds, t.target).mean()) for f in ours[:7]] + [f(t.preds, t.target) for f in ours[7:]],
            {
                "PyLDL": lambda: (
                    [float(getattr(ldl, m)(q, p)) for m in shared] + [getattr(ldl, m)(q, p) for m in squared]
                )
            },
            1,
            same=False,
        ),
        Contest(
            "distributions: each library's whole family",
            lambda: [f(t.preds, t.target).mean() for f in (*ours, F.cross_entropy, F.entropy_error, F.rank_cs, F.ndcg)],
            {"PyLDL": lambda: [float(getattr(ldl, m)(q, p)) for m in (*shared, *squared, *ranks)]},
            20,
            same=False,
        ),
    ]


def check(contest: Contest, ties: bool) -> None:
    """The values agree, to 1e-9 where the other library keeps float64 and 2e-6 where it does not."""
    if not contest.same:
        if not contest.name.startswith("distributions"):
            return  # the other library's figure is another one
        for ours, theirs in zip(contest.ours()[:7], contest.theirs["PyLDL"]()[:7], strict=True):  # type: ignore[index]
            assert abs(float(ours) - theirs) < 1e-9, (contest.name, float(ours), theirs)
        return
    for who, call in contest.theirs.items():
        if ties and "ranking loss" in contest.name and who == "torchmetrics":
            continue  # it breaks ties by index
        ours, theirs = float(contest.ours()), float(call())  # type: ignore[arg-type]
        assert abs(ours - theirs) < (1e-9 if "scikit" in who else 2e-6), (contest.name, who, ours, theirs)


def race(contest: Contest, runs: int) -> None:
    """Everybody in turn, `runs` times over, so that a noisy minute hits all alike; the least of each."""
    calls = {"ours": contest.ours, **contest.theirs}
    seconds: dict[str, list[float]] = {who: [] for who in calls}
    for _ in range(runs):
        for who, call in calls.items():
            if not seconds[who] or seconds[who][0] < SLOW:
                seconds[who].append(timed(call, 1))
    contest.times = {who: min(times) for who, times in seconds.items()}
    print(contest.name, {who: round(took, 4) for who, took in contest.times.items()}, flush=True)


def timed(call: Call, runs: int) -> float:
    """Median CPU seconds of `runs` calls: on one thread the time on a quiet machine, whatever else runs on this one."""
    seconds = []
    for _ in range(runs):
        gc.collect()
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
        if seconds[0] > SLOW:
            break
    return statistics.median(seconds)


def _cases(t: Tables) -> tuple[tuple[Kind, torch.Tensor, torch.Tensor], ...]:
    return (
        ("sets", t.sets.bool(), t.chosen.bool()),
        ("ranking", t.scores, t.chosen.bool()),
        ("distribution", t.preds, t.target),
        ("rates", t.scores, t.target),
    )


def per_row(t: Tables) -> torch.Tensor:
    """Every per-row metric of the library, as columns."""
    columns = []
    for kind, preds, target in _cases(t):
        chosen = figures(kind, Given(shares=t.target), LABELS)
        columns += [figure.of(preds, target).double() for figure in chosen if figure.spec.over == "rows"]
    return torch.stack(columns, dim=1)


def intervals(t: Tables, runs: int) -> list[str]:
    """What intervals cost beside one pass of the same figures without any."""
    found: dict[str, tuple[float, float]] = {}

    def measured(what: str, plain: Call, interval: Call) -> None:
        found[what] = timed(plain, runs), timed(interval, runs)
        print(what, *(round(x, 2) for x in found[what]), flush=True)

    table = per_row(t)
    measured(
        f"all {table.shape[1]} per-row metrics",
        lambda: per_row(t),
        lambda: mean_interval(table),
    )
    for kind, preds, target in _cases(t):
        for figure in figures(kind, Given(), LABELS):
            if figure.name not in OVER_TABLE or figure.spec.kinds[0] != kind:
                continue

            def drawn(figure: Figure = figure, preds: torch.Tensor = preds, target: torch.Tensor = target) -> object:
                if figure.spec.sums is None:
                    return table_interval(figure.weighted(preds, target), len(preds))
                columns = figure.added(preds, target)
                return sums_interval(columns, lambda s: figure.of_sums(s)[:, None])

            measured(f"`{figure.name}`", lambda f=figure, p=preds, q=target: f.of(p, q), drawn)  # type: ignore[misc]
    measured("scores of prior and model in metrics.csv, that pass included", *_evaluation(t))
    return [
        "Intervals of the same figures beside one pass without any, CPU seconds.",
        "",
        "| what | one pass, s | its interval, s | passes |",
        "|---|--:|--:|--:|",
        *(f"| {what} | {a:.2f} | {b:.2f} | {b / a:.1f} |" for what, (a, b) in found.items()),
    ]


def _evaluation(t: Tables) -> tuple[Call, Call]:
    """What a run's metrics.csv says of two systems against five people's votes: one pass, and all with intervals."""
    import numpy as np

    from affectml.judging import scoring
    from affectml.judging.figures import Rows
    from affectml.judging.truth import Truth, cut_sets, hits_of
    from affectml.judging.views import Case, by_label
    from affectml_annotation import fit_beta_prior

    rng = np.random.default_rng(0)
    rates = t.scores.numpy() ** 3
    votes, n = rng.binomial(5, rates), np.full(rates.shape, 5)
    beta, shares = fit_beta_prior(votes, n), votes / 5
    labels, ids = tuple(f"label-{c}" for c in range(LABELS)), np.arange(len(votes)).astype(str)
    hits, rule = hits_of("rates", shares)
    sets = cut_sets("rates", shares, votes, n, beta, 1 / 3)
    truth = Truth("rates", labels, ids, shares, hits, rule, sets, "", 1 / 3, None, votes, n, None, None, "none", None,
                  None, beta)  # fmt: skip
    prior, model = (torch.from_numpy(x) for x in (np.tile(shares.mean(0), (len(votes), 1)), (rates + 0.1) / 1.2))
    answers = [scoring.Answers(x, x, (x > 1 / 3).long()) for x in (prior, model)]

    def one_pass() -> object:
        return [
            (scoring.row_scores(a, truth), [figure.of(*pair) for figure, pair in scoring._compared(a, truth, "table")])
            for a in answers
        ]

    def drawn() -> object:
        rows = Rows()
        for each in answers:
            scoring.add_scores(rows, each, truth)
        by_label(Case({"model": answers[-1]}, truth, "model", 0, rows))
        return rows

    return one_pass, drawn


def grown(rows: int) -> tuple[float, float, float, float, float]:
    """Seconds of LRAP, KL and all per-row metrics, MiB of the tables and added at the peak, in a fresh process."""
    run = subprocess.run(
        [sys.executable, __file__, "--one-size", str(rows), "--threads", str(torch.get_num_threads())],
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(float(x) for x in run.stdout.split())  # type: ignore[return-value]


def peak_memory(forget: bool = False) -> float:
    """The most memory this process has held, MiB, since it was last told to forget (Linux)."""
    if forget:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def one_size(rows: int) -> None:
    t = Tables.of(rows)
    size = sum(x.nbytes for x in (t.scores, t.sets, t.chosen, t.preds, t.target)) / 2**20
    before = peak_memory(forget=True)
    lrap = timed(lambda: F.label_ranking_average_precision(t.scores, t.chosen), 5)
    kl = timed(lambda: F.kl_divergence(t.preds, t.target), 5)
    everything = timed(lambda: per_row(t), 3)
    peak = peak_memory()
    print(lrap, kl, everything, size, peak - before)


def lines_of(found: list[Contest]) -> list[str]:
    """The table of who took how long."""
    lines = [
        "| metric | ours, s | others, s (times faster, bar) |",
        "|---|--:|---|",
    ]
    each = [contest for contest in found if contest.name.startswith(ONE)]
    for contest in found:
        if contest in each:
            continue
        others = []
        for who in contest.theirs:
            ratio = contest.times[who] / contest.times["ours"]
            unset = contest.name.startswith(("ranking loss", "coverage")) and who != "torchmetrics"
            bar = f", {contest.bar:g}" if contest.bar > 1 and not unset else ""
            once = ", one run" if contest.times[who] > SLOW else ""
            times = f"{ratio:{'.0f' if ratio > 9.5 else '.2f'}}{bar}{once}"
            others.append(f"{who} {contest.times[who]:.4f} ({times})")
        lines.append(f"| {contest.name} | {contest.times['ours']:.4f} | {'; '.join(others)} |")
    if each:
        ours, theirs = (sorted(contest.times[who] for contest in each) for who in ("ours", "PyLDL"))
        ratios = sorted(contest.times["PyLDL"] / contest.times["ours"] for contest in each)
        times = f"{theirs[0]:.4f} to {theirs[-1]:.4f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        lines.append(f"| each of {len(each)} distribution metrics | {ours[0]:.4f} to {ours[-1]:.4f} | PyLDL {times} |")
    return lines


def report(rows: int, runs: int, growth: bool) -> str:
    t = Tables.of(rows)
    found = contests(t)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ties in (True, False):
            for contest in contests(Tables.of(2_000, ties)):
                check(contest, ties)
        for contest in found:
            race(contest, runs)
    lines = [
        f"{rows:,} rows x {LABELS} labels, float64 scores and int64 sets, a quarter of the rows with tied scores; "
        f"one process, torch on {torch.get_num_threads()} thread(s), the least of {runs} runs in turn, CPU seconds."
        f"{machine(['torch', 'torchmetrics', 'scikit-learn', 'python-ldl'])}",
        "",
        *lines_of(found),
    ]
    lines += ["", *intervals(t, min(runs, 3))]
    if growth:
        lines += [
            "",
            "| rows | LRAP, s | KL, s | all per-row metrics, s | the five tables, MiB | added at the peak, MiB |",
            "|--:|--:|--:|--:|--:|--:|",
        ]
        for size in GROWTH:
            lrap, kl, everything, tables, peak = grown(size)
            lines.append(f"| {size:,} | {lrap:.3f} | {kl:.3f} | {everything:.2f} | {tables:.0f} | {peak:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; times are summed over them")
    parser.add_argument("--only", help="print the lines whose metric matches this regular expression, and no more")
    parser.add_argument("--intervals", action="store_true", help="print what intervals cost, and no more")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--dry-run", action="store_true", help="print the section and leave the README as it is")
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one_size:
        one_size(options.one_size)
        return
    if options.only:
        some = [c for c in contests(Tables.of(options.rows)) if re.search(options.only, c.name)]
        for contest in some:
            race(contest, options.runs)
        print("\n".join(lines_of(some)))
        return
    if options.intervals:
        print("\n".join(intervals(Tables.of(options.rows), min(options.runs, 3))))
        return
    text = report(options.rows, options.runs, not options.no_growth)
    print(text)
    if not options.dry_run:
        write("metrics", "Metrics", "metrics.py", text)


if __name__ == "__main__":
    main()
