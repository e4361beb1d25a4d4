"""Peak memory of embedding and of predicting, for few images and for many: it must not grow with them.

    python benchmarks/memory.py [--images 1000 20000]

Draws tiny images, and trains a run on a small demo set with affect-tiny. Each number of images is embedded by the same
encoder as a data set, and predicted into a file, each in a process of its own. Prints a table in Markdown; ends with an
error where the peak of any is more than 10 % above that of the same command for the first number.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

BAR = 1.10  # the peak for many images over the peak for few


def draw(folder: Path, count: int) -> None:
    """PNG files of 32 x 32 pixels, all different."""
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:06d}.png")


def peak(*words: object) -> tuple[float, float]:
    """Seconds and the largest resident set in MiB of an `affectml` command."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "affectml", *map(str, words)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"affectml {' '.join(map(str, words))}: exit code {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", nargs="+", type=int, default=[1000, 20_000])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        peak("demo", folder / "demo", "--images", 200)
        train = ("train", folder / "demo", "--multilabel", "--encoder", "affect-tiny", "--threads", 1)
        peak(*train, "--out", folder / "run")
        print("\n| images | command | seconds | peak, MiB | of the first |\n|--:|---|--:|--:|--:|")
        grown = 0.0
        first: dict[str, float] = {}
        for count in given.images:
            photos, data = folder / str(count), folder / f"{count}-data"
            draw(photos, count)
            peak("import", "images", photos, data, "--images", "hardlink")
            commands = {
                "embed": ("embed", data, "--encoder", "affect-tiny", "--threads", 1),
                "predict": ("predict", folder / "run", photos, "--out", folder / f"{count}.csv", "--threads", 1),
            }
            for name, words in commands.items():
                seconds, most = peak(*words)
                times = most / first.setdefault(name, most)
                grown = max(grown, times)
                print(f"| {count:,} | {name} | {seconds:.1f} | {most:.0f} | {times:.3f} |", flush=True)
    print(f"\nBar: {BAR} times the first.")
    raise SystemExit(grown > BAR)


if __name__ == "__main__":
    main()
