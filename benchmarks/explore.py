"""What exploring costs: opening, filters, lassos, searches, one image, and memory.

    python benchmarks/explore.py [--images 100000] [--runs 3] [--again 5] [--small] [--data FOLDER]

The images are synthetic: 512 features in half precision that 25 labels depend on, five people's answers, and runs that
are their rates with noise; 300 files are shared by all. Texts are embedded by a ViT-B/32 with random weights, or with
`--small` by towers as small as affect-tiny's, so that what is found means nothing, and what it costs does. Peaks are of
a process of its own, once with the pages of files that it has read, which the system can drop, and once without.
`--data` keeps the data set there, or takes the one that is there.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scale import BLOCK, LABELS, PEOPLE, Memory, drawn

FILES = 300


def towers(folder: Path, small: bool) -> str:
    """Weights drawn at random: a ViT-B/32's, or those of towers that have 512 features and little else; their spec."""
    import open_clip
    import torch
    from embedding import ARCHITECTURE, random_weights
    from safetensors.torch import save_file

    if not small:
        random_weights(folder / "weights.safetensors", seed=0)
        return f"{ARCHITECTURE}:{folder / 'weights.safetensors'}"
    layers: dict[str, Any] = {"layers": 4, "width": 192}
    config = {
        "embed_dim": 512, "vision_cfg": {"image_size": 64, "patch_size": 8, "head_width": 32, **layers},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "heads": 6, **layers},
    }  # fmt: skip
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    plain = {"size": 64, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": plain})
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    return f"local-dir:{folder}"


def write_images(folder: Path, count: int, small: bool = False) -> str:
    """A data set of so many images with embeddings of an encoder with random weights; its spec."""
    from affectml.data import DatasetMeta, TargetMeta, write_dataset
    from affectml.embeddings import write_store
    from affectml.encoders import load_encoder
    from affectml.taxonomies import get_taxonomy

    folder.mkdir(parents=True)
    encoder = load_encoder(towers(folder.parent, small))
    draw, names = np.random.default_rng(0), [f"{number:09d}" for number in range(count)]
    (folder / "images").mkdir()
    for number in range(FILES):
        small = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"images/{number}.jpg")
    made = [drawn(len(names[start : start + BLOCK]), seed) for seed, start in enumerate(range(0, count, BLOCK))]
    votes = [said for _, said in made]
    write_store(
        folder, encoder.identity, names, [X for X, _ in made], specs=[encoder.spec], logit_scale=encoder.logit_scale
    )
    table, labels = np.concatenate(votes), np.array(get_taxonomy("parrott-25").labels, dtype=object)
    people = draw.random((count, PEOPLE, LABELS)).argsort(axis=1) < table[:, None]
    judged = pd.DataFrame(
        {"image_id": np.repeat(names, PEOPLE), "annotator_id": ["ann", "ben", "cem", "dee", "eve"] * count}
    )
    judged["labels"] = [labels[row].tolist() for row in people.reshape(-1, LABELS)]
    judged["kind"] = ["labels" if row else "none" for row in judged["labels"]]
    judged["round"] = 1
    images = pd.DataFrame({
        "image_id": names, "file": [f"images/{number % FILES}.jpg" for number in range(count)],
        "split": draw.choice(["train", "val", "test"], count, p=[0.7, 0.15, 0.15]),
        "where": draw.choice(["sea", "town", "wood"], count), "brightness": draw.random(count),
    })  # fmt: skip
    said = pd.DataFrame(table, columns=labels).assign(image_id=names, n=PEOPLE)
    meta = TargetMeta("rates", "evoked", "parrott-25", "votes", "targets-rates.parquet")
    write_dataset(folder, DatasetMeta("drawn", {"rates": meta}), images, {"rates": said}, judged)
    return encoder.spec


def write_run(folder: Path, data: Path, seed: int) -> None:
    """A run whose rates are people's with noise: no more of it than exploring reads."""
    from affectml._files import write_json
    from affectml.data import Dataset
    from affectml.embeddings import EmbeddingStore
    from affectml.judging.answers import FILE, SystemAnswers, write_answers
    from affectml.runs import RunInfo, TrainConfig
    from affectml.runs.schema import DataInfo, EncoderInfo, HeadInfo

    dataset, draw = Dataset.open(data), np.random.default_rng(seed)
    targets, store = dataset.target("rates"), EmbeddingStore.for_dataset(dataset)
    rates = (targets.shares() * PEOPLE + draw.gamma(1, 0.5, targets.table.shape)) / (PEOPLE + 3)
    rates = rates.clip(0, 1)
    labels, ids, split = targets.taxonomy.labels, targets.image_id, dataset.images["split"].to_numpy(dtype=object)
    said = SystemAnswers(labels, ids, split, rates, rates, rates > 0.4)
    info = RunInfo(
        config=TrainConfig(str(data)), data=DataInfo(name="drawn", construct="evoked", target="rates", kind="rates"),
        taxonomy=targets.taxonomy.to_dict(), head=HeadInfo(name="sigmoid"),
        encoder=EncoderInfo(specs=list(store.specs), identity=store.identity.to_json()),
    )  # fmt: skip
    write_json(folder / "run.json", info.to_json())
    write_answers(folder / FILE, "drawn", labels, [("model", ids, split, said)])


def measure(data: Path, runs: list[Path], again: int) -> list[tuple[str, float, float, float]]:
    """What is done, median seconds of `again` times, and the process's peaks until then, MiB: see `Memory`."""
    found: list[tuple[str, float, float, float]] = []
    with Memory() as memory:

        def timed(name: str, does: Callable[[int], Any], times: int = again) -> Any:
            seconds, given = [], None
            for turn in range(times):
                start = time.perf_counter()
                given = does(turn)
                seconds.append(time.perf_counter() - start)
            found.append((name, statistics.median(seconds), memory.most, memory.own))
            print(*found[-1], file=sys.stderr, flush=True)
            return given

        timed("import", lambda _: __import__("affectml.exploring"), 1)
        from affectml.exploring import Collection, Filter, View

        opened = timed("open, with the runs", lambda _: Collection(data, runs), 1)
        run, other = next(iter(opened.runs)), list(opened.runs)[-1]
        first, second = opened.labels[:2]
        timed("map", lambda _: opened.map(), 1)
        for name in ("people.entropy", f"{run}.rate_cross_entropy"):
            timed(f"column {name}", lambda _, name=name: opened.columns[name].values, 1)  # type: ignore[misc]
        some = View(order=f"{run}.rate_cross_entropy", filters=(
            Filter("people.entropy", low=0.1), Filter(f"{other}.rate.{first}", high=0.5),
            Filter("split", levels=("test",)),
        ))  # fmt: skip
        timed("three filters, and an order", lambda turn: opened.shown(some.but(descending=turn % 2 == 0)))
        circle = [(0.5 + 0.3 * np.cos(t), 0.5 + 0.3 * np.sin(t)) for t in np.linspace(0, 6, 100)]
        timed("lasso of 100 corners", lambda _: opened.shown(View(lasso=tuple(circle))))
        timed("rates query", lambda _: opened.shown(View(rates=f"{first} without {second}", of=run)))
        timed("like this image", lambda turn: opened.shown(View(like=opened.image_id[turn])))
        timed("one image, in detail, the first time", lambda _: opened.detail(99), 1)
        timed("one image, in detail", lambda turn: opened.detail(turn + 100))
        timed("text search, with loading the tower", lambda _: opened.shown(View(text="a photo of the sea")), 1)
        timed("text search", lambda turn: opened.shown(View(text=f"{turn} people by the sea")))
    return found


def main() -> None:
    """Make the data set, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--again", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.data or Path(temporary)
        data, runs = folder / "drawn", [folder / f"run-{number + 1:03d}" for number in range(given.runs)]
        if not (data / "dataset.json").exists():
            write_images(data, given.images, given.small)
        for seed, run in enumerate(runs):
            if not run.exists():
                write_run(run, data, seed)
        asked = json.dumps([str(data), [str(run) for run in runs], given.again])
        words = [sys.executable, __file__, "--measure", asked]
        rows = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    peaks = {name: f"{peak:,.0f} MiB" for name, _, peak, _ in rows}
    found = "; ".join(f"{peaks[name]} until {name}" for name in list(peaks)[-2:])
    print(f"{given.images:,} images, {given.runs} runs. Peak: {found}.\n\n| what | seconds |\n|---|--:|")
    for name, seconds, *_ in rows:
        print(f"| {name} | {seconds:.3f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:  # a process of its own: what making the data set took is not counted
        data, runs, again = json.loads(sys.argv[2])
        print(json.dumps(measure(Path(data), [Path(run) for run in runs], again)))
    else:
        main()
