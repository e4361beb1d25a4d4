"""What drawing a kernel head's landmarks costs and saves, on planted rates that a linear head cannot follow.

    python benchmarks/kernel.py --rows 4000 --landmarks 500 1000 2000 --exact
    python benchmarks/kernel.py growth [--rows 1000 2000 5000 10000 20000]      # the head as it is, by rows

Eight labels' rates depend on which of 60 places the 128 features are near; five people vote. Prints excess
cross-entropy against the true rates of 3,000 new rows, CPU seconds of the fit, and the process's peak memory so far.
"""

import argparse
import multiprocessing
import resource
import time

import torch
from torch import Tensor

from affectml.heads import Head, KernelHead, PriorHead, SigmoidHead
from affectml_metrics.functional import rate_cross_entropy

LABELS, FEATURES, PLACES, PEOPLE = 8, 128, 60, 5


def planted(rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, votes' shares and true rates; the places are the same for every seed."""
    fixed, drawn = torch.Generator().manual_seed(7), torch.Generator().manual_seed(seed)
    places = torch.randn(PLACES, FEATURES, generator=fixed) / 2
    tastes = 1.5 * torch.randn(PLACES, LABELS, generator=fixed) - 1
    straight = 0.08 * torch.randn(FEATURES, LABELS, generator=fixed)
    X = places[torch.randint(PLACES, (rows,), generator=drawn)] + torch.randn(rows, FEATURES, generator=drawn)
    near = torch.softmax(-torch.cdist(X, places).square() / 20, dim=1)
    rates = torch.sigmoid(near @ tastes + X @ straight).double()
    votes = torch.rand(PEOPLE, rows, LABELS, generator=drawn) < rates
    return X, votes.double().mean(0), rates


def cost(head: Head, rows: int) -> tuple[float, float, float]:
    """Excess cross-entropy on new rows, CPU seconds of fit and prediction, and this process's peak so far in MiB."""
    torch.set_num_threads(1)
    X, shares, _ = planted(rows, 1)
    new, _, rates = planted(3000, 99)
    least = float(rate_cross_entropy(rates, rates).mean())
    started = time.process_time()
    said = head.fit(X, shares, generator=torch.Generator().manual_seed(0)).predict_rates(new)
    cpu, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return float(rate_cross_entropy(said, rates).mean()) - least, cpu, peak


def growth(counts: list[int]) -> None:
    """The head with its defaults, each number of rows in a process of its own."""
    print(f"{FEATURES} features, {LABELS} labels, {PEOPLE} people; gamma and L2 chosen on five folds. One thread.\n")
    print("| rows | landmarks | excess cross-entropy | CPU, s | peak, MiB |\n|--:|--:|--:|--:|--:|")
    for rows in counts:
        head = KernelHead(kind="rates")
        with multiprocessing.get_context("spawn").Pool(1) as one:
            excess, cpu, peak = one.apply(cost, (head, rows))
        landmarks = min(rows, head.config.landmarks)
        print(f"| {rows:,} | {landmarks:,} | {excess:.4f} | {cpu:.1f} | {peak:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topic", nargs="?", choices=["growth"], help="otherwise, numbers of landmarks side by side")
    parser.add_argument("--rows", type=int, nargs="+", help="4000; of growth 1000 2000 5000 10000 20000")
    parser.add_argument("--landmarks", type=int, nargs="*", default=[500, 1000, 2000])
    parser.add_argument("--exact", action="store_true", help="every row a landmark as well, which takes minutes")
    options = parser.parse_args()
    if options.topic == "growth":
        growth(options.rows or [1000, 2000, 5000, 10_000, 20_000])
        return
    [rows] = options.rows or [4000]
    heads: dict[str, Head] = {"prior": PriorHead(), "linear": SigmoidHead()}
    heads |= {f"{m:,} landmarks": KernelHead(kind="rates", exact_rows=1, landmarks=m) for m in options.landmarks}
    if options.exact:
        heads["all"] = KernelHead(kind="rates", exact_rows=rows)
    for name, head in heads.items():
        excess, cpu, peak = cost(head, rows)
        print(f"{name}: excess {excess:.4f}, {cpu:.1f} CPU s, peak {peak:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
