"""Whether maps of what speaks for a label beat maps that know nothing, on demo paintings.

    python benchmarks/explanation.py [--images 100] [--write]

A sigmoid head on affect-tiny learns the demo set; its test images are explained for their likeliest label. Each map is
set against the map of the least likely label, a centred blob and the mean of five random maps on the same image, by the
area under the trained head's curves: deletion should be lower, insertion higher. The same for maps of a head whose
weights were shuffled over the features, which should win nothing.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from section import machine, write

import affectml
from affectml.data import Dataset
from affectml.explanation._curves import centred, curve, filled, spread
from affectml.explanation._explain import Explainer
from affectml.heads import Head
from affectml.pictures import Picture
from affectml.runs import RunFolder

STEPS, RANDOM = 16, 5
CONTROLS = ("random", "other label", "centre")


def shuffled(head: Head, generator: torch.Generator) -> Head:
    """The head with its weights dealt to other features."""
    twin = copy.deepcopy(head)
    weight = twin._state["weight"]
    twin._state["weight"] = weight[torch.randperm(len(weight), generator=generator)]
    return twin


def areas(run: RunFolder, images: int) -> dict[tuple[str, str, str], np.ndarray]:
    """Areas [N] by map, filling and curve, of the first test images."""
    data, table = Dataset.open(str(run.info.config.dataset)), run.predictions
    ids = table["image_id"][table["split"] == "test"].tolist()[:images]
    files = data.images.set_index("image_id")["file"]
    explainer, generator = Explainer(run, threads=1), torch.Generator().manual_seed(0)
    tower, rates, rows = explainer.tower, explainer.rates, []
    for image_id in ids:
        pixels = explainer.encoder.preprocess(Picture(image_id, str(data.image_path(files[image_id]))).read())
        size = (pixels.shape[1], pixels.shape[2])
        covers = filled(pixels)
        found = rates(tower.features(torch.stack([pixels, *covers.values()])))
        column, other = int(found[0].argmax()), int(found[0].argmin())
        wrong = Explainer(run, encoder_factory=lambda: explainer.encoder, head=shuffled(run.head, generator), threads=1)
        every, (own, others) = explainer.occlusion(pixels), explainer.gradient(pixels, (column, other))
        cells = {
            "occlusion": every[column],
            "gradient": own,
            "occlusion, other label": every[other],
            "gradient, other label": others,
            "occlusion, shuffled": wrong.occlusion(pixels)[column],
            "gradient, shuffled": wrong.gradient(pixels, (column,))[0],
        }
        maps = {name: spread(values, size) for name, values in cells.items()} | {"centre": centred(size)}
        drawn = torch.rand(RANDOM, *every.shape[1:], generator=generator, dtype=torch.float64)
        maps |= {f"random {k}": spread(values, size) for k, values in enumerate(drawn)}
        row: dict[tuple[str, str, str], float] = {}
        for place, (filling, cover) in enumerate(covers.items(), start=1):
            ends = (float(found[0, column]), float(found[place, column]))
            row["fall", filling, ""] = ends[0] - ends[1]
            for name, order in maps.items():
                made = curve(tower, rates, pixels, (filling, cover), order, column, ends, STEPS)
                row[name, filling, "deletion"], row[name, filling, "insertion"] = (
                    made.deletion_area,
                    made.insertion_area,
                )
        for filling in covers:
            for kind in ("deletion", "insertion"):
                row["random", filling, kind] = float(
                    np.mean([row[f"random {k}", filling, kind] for k in range(RANDOM)])
                )
        rows.append(row)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Mean paired difference, and half the width of its 95 % interval (Student)."""
    from scipy.stats import t

    apart = first - second
    return float(apart.mean()), float(t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5)


def lines(found: dict[tuple[str, str, str], np.ndarray]) -> list[str]:
    """The table in Markdown, and what it says."""
    n = len(found["fall", "blur", ""])
    falls = {filling: found["fall", filling, ""].mean() for filling in ("blur", "mean")}
    out = [
        f"{n} test images. Covering the whole image lowers the rate of its likeliest label by {falls['blur']:.3f} with "
        f"the blurred image, by {falls['mean']:.3f} with the mean colour. Area under the curve less that of the "
        "control, mean over images ± half the 95 % interval; bold: better than the control.",
        "",
        "| map | filling | curve | area | less random | less other label | less centre |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for name in ("occlusion", "gradient", "occlusion, shuffled", "gradient, shuffled"):
        for filling in ("blur", "mean"):
            for kind in ("deletion", "insertion"):
                own = found[name, filling, kind]
                cells = []
                for control in CONTROLS:
                    if control == "other label" and name.endswith("shuffled"):
                        cells.append("–")  # the label of another head
                        continue
                    place = f"{name.split(',')[0]}, other label" if control == "other label" else control
                    mean, half = difference(own, found[place, filling, kind])
                    won = mean + half < 0 if kind == "deletion" else mean - half > 0
                    cells.append(f"**{mean:+.4f} ± {half:.4f}**" if won else f"{mean:+.4f} ± {half:.4f}")
                out.append(f"| {name} | {filling} | {kind} | {own.mean():.3f} | {' | '.join(cells)} |")
    return out


def main() -> None:
    """Draw, train, explain, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = affectml.demo(Path(folder, "demo"), seed=0)
        run = affectml.train(data, encoder="affect-tiny", threads=1, out=Path(folder, "run"), say=lambda line: None)
        found = areas(RunFolder.open(run.folder), options.images)
    text = "\n".join([*lines(found), "", f"{machine(('torch', 'open_clip_torch'))}."])
    print(text)
    if options.write:
        write("explanation", "Maps of what speaks for a label", "explanation.py --write", text)


if __name__ == "__main__":
    main()
