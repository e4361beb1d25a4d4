"""What drawing a kernel head's landmarks costs and saves, on planted rates that a linear head cannot follow.

    python benchmarks/kernel.py --rows 4000 --landmarks 500 1000 2000 --exact

Eight labels' rates depend on which of 60 places the 128 features are near; five people vote. Prints excess
cross-entropy against the true rates of 3,000 new rows, CPU seconds of the fit, and the process's peak memory so far.
"""

import argparse
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--landmarks", type=int, nargs="*", default=[500, 1000, 2000])
    parser.add_argument("--exact", action="store_true", help="every row a landmark as well, which takes minutes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    X, shares, _ = planted(options.rows, 1)
    new, _, rates = planted(3000, 99)
    least = float(rate_cross_entropy(rates, rates).mean())
    heads: dict[str, Head] = {"prior": PriorHead(), "linear": SigmoidHead()}
    heads |= {f"{m:,} landmarks": KernelHead(kind="rates", exact_rows=1, landmarks=m) for m in options.landmarks}
    if options.exact:
        heads["all"] = KernelHead(kind="rates", exact_rows=options.rows)
    for name, head in heads.items():
        started = time.process_time()
        said = head.fit(X, shares, generator=torch.Generator().manual_seed(0)).predict_rates(new)
        cpu, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        excess = float(rate_cross_entropy(said, rates).mean()) - least
        print(f"{name}: excess {excess:.4f}, {cpu:.1f} CPU s, peak {peak:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
