"""How often `affectml evaluate` accuses a system without a bias, and how often it finds one that was planted.

    python benchmarks/label_bias.py [--times 1000]

Eight labels with mean rates of .02 to .5 whose rates vary over images (Beta, concentration 2); five people an image.
The system draws one answer or five from the true rates, or gives one answer five times. accused: some label is named,
of all without a bias; covered: intervals that hold the true difference, 0; never: a label of rate .15 that is never
said is named; more: a label of rate .2 that is said on three in ten of the other images too.
"""

import argparse

import numpy as np

from affectml.judging.compare import label_bias

MEANS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
LABELS = [str(mean) for mean in MEANS]
NEVER, MORE = 3, 4
SYSTEMS = ("one answer", "five answers", "one answer five times")


def simulate(images: int, system: str, times: int, generator: np.random.Generator) -> list[float]:
    """accused, covered, never and more, as shares."""
    found = np.zeros(4)
    for _ in range(times):
        rates = generator.beta(2 * MEANS, 2 * (1 - MEANS), size=(images, len(MEANS)))
        people = generator.binomial(5, rates) / 5
        answers = 5 if system == "five answers" else 1
        said = generator.binomial(answers, rates) / answers
        fair = label_bias(said, people, LABELS, None)
        said[:, NEVER] = 0
        said[:, MORE] = np.maximum(said[:, MORE], generator.random(images) < 0.3)
        biased = label_bias(said, people, LABELS, None)
        covered = np.mean([label.low <= 0 <= label.high for label in fair])
        found += [any(label.found for label in fair), covered, biased[NEVER].found, biased[MORE].found]
    return list(found / times)


def main() -> None:
    """Print a line for each number of images and kind of system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1000)
    times = parser.parse_args().times
    generator = np.random.default_rng(0)
    print(f"{'images':>6}  {'system':<22}{'accused':>8}{'covered':>9}{'never':>7}{'more':>7}")
    for images in (15, 30, 45, 100, 300):
        for system in SYSTEMS:
            shares = simulate(images, system, times, generator)
            print(
                f"{images:>6}  {system:<22}{shares[0]:8.3f}{shares[1]:9.3f}{shares[2]:7.3f}{shares[3]:7.3f}", flush=True
            )


if __name__ == "__main__":
    main()
