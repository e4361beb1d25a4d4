"""How often a shift of a promise's ground is called where there is none, and found where there is one.

    python benchmarks/shift.py      200 pairs of each, and 1,000 without a shift: the table of README.md

Eight labels; an image's scores are its rates with some noise, and five people choose by the rates. Without a shift a
pair is calibration images and others drawn alike. MAPIE: its jumper martingale on p values of what people chose.
"""

import numpy as np
import torch
from mapie.exchangeability_testing import OnlineMartingaleTest

from affectml.heads.promise import Array, Asked, losses, make_promise
from affectml.heads.shift import ALPHA, find_shift, make_ground, p_values

ASKED, LABELS = Asked.parse("recall=.8"), list("abcdefgh")
SHIFTS = ("none", "one label half an SD up", "one label an SD up", "all half an SD up", "scores .6 as spread", "people")


def draw(generator: np.random.Generator, images: int, shift: str) -> tuple[torch.Tensor, Array]:
    """Scores and votes [images, 8]."""
    z = generator.normal(size=(images, 8)) * (0.6 if "spread" in shift else 1)
    z[:, : 8 if "all" in shift else 1] += 0.5 if "half" in shift else 1.0 if "an SD" in shift else 0.0
    rates, scores = (1 / (1 + np.exp(1.5 - 1.5 * each)) for each in (z, z + generator.normal(size=z.shape) / 2))
    return torch.from_numpy(scores), generator.binomial(5, np.roll(rates, 1, axis=1) if shift == "people" else rates)


def found(shift: str, calibration: int, images: int, times: int) -> list[float]:
    """Share of pairs called shifted: by scores, by choices too, by MAPIE; and the recall of the others' sets."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(times):
        scores, votes = draw(generator, calibration, "none")
        promise = make_promise(ASKED, scores, votes)
        new, chosen = draw(generator, images, shift)
        ground = make_ground(promise, scores, votes)
        column = make_ground(promise, new, chosen).numpy()[:, 1]
        jumper = OnlineMartingaleTest(test_level=ALPHA, warn=False)
        known = [each[~np.isnan(each)] for each in (ground.numpy()[:, 1], generator.permutation(column))]
        values = [jumper.update_simple_jumper_martingale(p) for p in p_values(*known, generator)]
        kept = new.double() / new.sum(dim=1, keepdim=True) >= promise.careful(promise.cut)
        rows.append(
            [
                find_shift(promise, ground, LABELS, new).found,
                find_shift(promise, ground, LABELS, new, choices=chosen).found,
                max(values) >= 1 / ALPHA,
                1 - np.nanmean(losses("recall", kept, chosen)),
            ]
        )
    return list(np.mean(rows, axis=0))


def main() -> None:
    """Print a row for each size and shift."""
    print("| calibration | new | shift | found by scores | and choices | MAPIE, choices | recall, .8 promised |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for calibration, images in ((50, 100), (200, 200), (500, 1000)):
        for shift in SHIFTS:
            shares = found(shift, calibration, images, 1000 if (shift, calibration) == ("none", 200) else 200)
            print(
                f"| {calibration} | {images:,} | {shift} |" + "".join(f" {each:.3f} |" for each in shares), flush=True
            )


if __name__ == "__main__":
    main()
