"""Whether maps of what speaks for a label beat maps that know nothing, on demo paintings.

    python benchmarks/explanation.py [--images 100] [--write]

A sigmoid head on affect-tiny learns the demo set; its test images are explained for their likeliest label, as `affectml
explain` does. Each map is set against the map of the least likely label, a centred blob and the mean of 19 random maps
on the same image, by the area under the head's curves: deletion should be lower, insertion higher, and so should gain,
which is insertion less deletion and what verdicts compare. Maps of five heads whose weights were dealt to other
features are judged on the curves of the trained head, where they should gain nothing.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from section import machine, write

import affectml
from affectml.data import Dataset
from affectml.explanation import (
    Curve,
    Explanation,
    Rates,
    covers_of,
    curves,
    explain_image,
    occlusion,
    rates_of,
    spread,
)
from affectml.pictures import Picture
from affectml.predicting.features import run_encoder
from affectml.runs import RunFolder

STEPS, SHUFFLES = 16, 5
KINDS = ("deletion", "insertion", "gain")
CONTROLS = ("random", "other label", "centre")


def shuffled(run: RunFolder, generator: torch.Generator) -> RunFolder:
    """The run, the weights of its head dealt to other features."""
    twin = RunFolder.open(run.folder)
    weight = twin.head._state["weight"]
    twin.head._state["weight"] = weight[torch.randperm(len(weight), generator=generator)]
    return twin


def areas(run: RunFolder, images: int) -> tuple[dict[tuple[str, str, str], np.ndarray], list[str]]:
    """Areas [N] by map, filling and curve of the first test images, and the verdicts."""
    data, said = Dataset.open(str(run.info.config.dataset)), run.model_answers
    ids = said.image_id[said.split == "test"].tolist()[:images]
    files = data.images.set_index("image_id")["file"]
    encoder, generator = run_encoder(run, 1), torch.Generator().manual_seed(0)
    rates = rates_of(run, encoder)
    rows: list[dict[tuple[str, str, str], float]] = []
    verdicts: list[str] = []
    for seed, image_id in enumerate(ids):
        picture = Picture(image_id, str(data.image_path(files[image_id])))
        found = explain_image(run, picture, seed=seed, threads=1, encoder_factory=lambda: encoder)
        pixels, column = encoder.preprocess(picture.read()), run.taxonomy.index(found.label)
        row: dict[tuple[str, str, str], float] = {}
        for name, by in found.curves.items():
            add(row, name.replace(f" of {found.other}", ", other label"), by)
        for filling in found.random[0]:
            for kind in KINDS:
                row["random", filling, kind] = float(np.mean([area(by[filling], kind) for by in found.random]))
        dealt: list[dict[tuple[str, str, str], float]] = [{} for _ in range(SHUFFLES)]
        for one in dealt:
            wrong = rates_of(shuffled(run, generator), encoder)
            add(one, "occlusion, shuffled head", curves_of_wrong(rates, wrong, pixels, found, column))
        row |= {key: float(np.mean([one[key] for one in dealt])) for key in dealt[0]}
        for filling, fall in found.falls.items():
            row["fall", filling, ""] = fall
        verdicts.append("better" if found.holds else "not better" if found.lost else "nothing told")
        rows.append(row)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}, verdicts


def add(row: dict[tuple[str, str, str], float], name: str, by: Mapping[str, Curve]) -> None:
    for filling, made in by.items():
        row |= {(name, filling, kind): area(made, kind) for kind in KINDS}


def area(made: Curve, kind: str) -> float:
    return made.gain if kind == "gain" else float(getattr(made, f"{kind}_area"))


def curves_of_wrong(
    rates: Rates, wrong: Rates, pixels: torch.Tensor, found: Explanation, column: int
) -> dict[str, Curve]:
    """The map of a head with shuffled weights, on the curves of the trained head."""
    covers = covers_of(pixels)
    ends = rates(torch.stack([pixels, *covers.values()]))[:, column]
    rows, columns = found.cells.shape
    order = spread(occlusion(wrong, pixels, covers, (rows, columns))[column], pixels.shape[1:])
    return curves(rates, pixels, covers, order, column, ends, STEPS)


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Mean paired difference, and half the width of its 95 % interval (Student)."""
    from scipy.stats import t

    apart = first - second
    return float(apart.mean()), float(t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5)


def lines(found: dict[tuple[str, str, str], np.ndarray], verdicts: list[str]) -> list[str]:
    """The table in Markdown, and the verdicts on single images."""
    falls = {filling: found["fall", filling, ""].mean() for filling in ("blur", "mean")}
    out = [
        f"{len(verdicts)} test images. Covering the whole image lowers the rate of its likeliest label by "
        f"{falls['blur']:.3f} with the blurred image, by {falls['mean']:.3f} with the mean colour. Gain (area "
        "under insertion less deletion), and less that of the control: mean over images ± half the 95 % interval; "
        "bold: better than it.",
        "",
        "| map | filling | gain | less random | less other label | less centre |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in ("occlusion", "occlusion, shuffled head"):
        for filling in ("blur", "mean"):
            own, cells = found[name, filling, "gain"], []
            for control in CONTROLS:
                if control == "other label" and "shuffled" in name:
                    cells.append("–")  # the label of another head
                    continue
                place = f"{name}, other label" if control == "other label" else control
                mean, half = difference(own, found[place, filling, "gain"])
                cells.append(f"**{mean:+.4f} ± {half:.4f}**" if mean > half else f"{mean:+.4f} ± {half:.4f}")
            out.append(f"| {name} | {filling} | {own.mean():.3f} | {' | '.join(cells)} |")
    out.append("")
    out.append(f"- {gains_of(found, 'occlusion', CONTROLS, 'every control')}")
    out.append(f"- of shuffled heads: {gains_of(found, 'occlusion, shuffled head', ('random',), 'random')}")
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("better", "not better", "nothing told"))
    out.append(f"- verdicts on single images: {counts}")
    return out


def gains_of(found: dict[tuple[str, str, str], np.ndarray], name: str, controls: tuple[str, ...], what: str) -> str:
    """With which fillings a map is better than all of these controls, by gain and by deletion alone."""

    def better(filling: str, kind: str) -> bool:
        for control in controls:
            place = f"{name}, other label" if control == "other label" else control
            mean, half = difference(found[name, filling, kind], found[place, filling, kind])
            if not (mean + half < 0 if kind == "deletion" else mean - half > 0):
                return False
        return True

    by = {kind: [f for f in ("blur", "mean") if better(f, kind)] for kind in ("gain", "deletion")}
    said = {kind: " and ".join(fillings) or "neither filling" for kind, fillings in by.items()}
    return f"better than {what} by gain with {said['gain']}, by deletion alone with {said['deletion']}"


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
    text = "\n".join(lines(*found)) + machine(("torch", "open_clip_torch"))
    print(text)
    if options.write:
        write("explanation", "Maps of what speaks for a label", "explanation.py --write", text)


if __name__ == "__main__":
    main()
