"""Faults planted in a copy of a demo set, and a list of them: what a check of data should find, and nothing else.

All are drawn from a stream of their own (`Purpose.FAULT`), so that the demo set is what it was.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from affectml._files import new_folder, write_parquet
from affectml.data import Dataset, check_new, write_dataset
from affectml.data.dataset import SPLITS
from affectml.demo_set.painting import Purpose, demo_stream
from affectml.demo_set.people import Annotators, FloatArray, judge
from affectml.errors import BadDataset, BadInput
from affectml_annotation import count_votes

PARTS = (0.7, 0.15, 0.15)
QUALITY = 70  # of the copies that are compressed anew
ANSWERS = ("labels", "none")


def plant_faults(
    demo: Dataset,
    out: Path,
    *,
    seed: int = 0,
    swapped: float = 0.03,
    copies: int = 20,
    careless: int = 2,
    merged: bool = True,
) -> Dataset:
    """Write a copy of a demo set with a split and faults, and truth-faults.parquet, which names them.

    Args:
        demo: what `write_demo` drew, with answers in sets.
        out: the folder; it must not exist, or be empty.
        seed: of what is planted where.
        swapped: this share of the answers change places among each other (fault "answer": image_id, annotator_id).
        copies: as many images stand in a second part of the split too, judged by five people on their own; every other
            copy is compressed anew (fault "copy": image_id, other_id).
        careless: as many people gave their answers to any of their images (fault "person": annotator_id).
        merged: whether people say one label where they mean another one, too, whose images are as unlike its own as any
            label's (fault "label": label, and other, which nobody says).

    Returns:
        The copy. Its truth.parquet is the demo set's.

    Raises:
        BadDataset: for no demo set with answers in sets.
        BadInput: `out` is taken, or there are not as many images or people.
    """
    check_new(out)
    if demo.truth is None or demo.judgements is None or demo.target("emotions").kind != "rates":
        raise BadDataset(f"{demo.root}: faults are planted in a demo set with answers in sets: `affectml demo`")
    draw = demo_stream(seed, Purpose.FAULT)
    table, labels = demo.images.copy(), demo.target("emotions").taxonomy.labels
    people = _panel(demo, labels)
    if not (0 <= copies <= len(table) and 0 <= careless < len(people.ids) and 0 <= swapped < 1):
        raise BadInput(
            f"expected at most {len(table)} copies, fewer than {len(people.ids)} careless people, and a share"
        )
    rates = demo.truth.set_index("image_id").loc[table["image_id"], list(labels)].to_numpy(dtype=np.float64)
    table["split"] = draw.choice(SPLITS, len(table), p=PARTS)
    faults: list[dict[str, str]] = []
    with new_folder(out) as folder:
        shutil.copytree(demo.root / "images", folder / "images")
        chosen = np.sort(draw.choice(len(table), copies, replace=False))
        said = demo.judgements
        if copies:
            rows = _copied(folder, table.iloc[chosen], draw)
            pairs = zip(table["image_id"].iloc[chosen], rows["image_id"], strict=True)
            faults += [{"fault": "copy", "image_id": str(image), "other_id": name} for image, name in pairs]
            more = judge(rates[chosen], labels, rows["image_id"].to_numpy(dtype=object), people, draw)
            table, said = (pd.concat(both, ignore_index=True) for both in ((table, rows), (said, more)))
        said = _careless(said, list(draw.choice(people.ids, careless, replace=False)), draw, faults)
        said = _swapped(said, swapped, draw, faults)
        said = _merged(said, labels, rates, faults) if merged else said
        for name in ("truth.parquet", "truth-annotators.parquet"):
            shutil.copy2(demo.root / name, folder / name)
        columns = ["fault", "image_id", "other_id", "annotator_id", "label", "other"]
        write_parquet(folder / "truth-faults.parquet", pd.DataFrame(faults, columns=columns, dtype="str"))
        counted = count_votes(said, labels, list(table["image_id"])).table()
        meta = replace(demo.meta, name=f"{demo.meta.name} with faults", source=f"{demo.meta.source}; faults of {seed=}")
        asked = {"emotions": counted[counted["n"] > 0].reset_index(drop=True)}
        write_dataset(folder, meta, table, asked, said, demo.annotators)
    return Dataset.open(out)


def _panel(demo: Dataset, labels: tuple[str, ...]) -> Annotators:
    """The people who judged the demo set, with their habits."""
    habits = pd.read_parquet(demo.root / "truth-annotators.parquet")
    columns = ("talkativeness", [f"leaning:{label}" for label in labels], "decisiveness", "hesitancy")
    return Annotators(tuple(habits["annotator_id"]), *(habits[each].to_numpy() for each in columns))


def _copied(folder: Path, rows: pd.DataFrame, draw: np.random.Generator) -> pd.DataFrame:
    """These rows of images.parquet once more, under new names and in other parts, and their files."""
    names, files, parts = [f"c{at:05d}" for at in range(len(rows))], [], []
    for at, (name, file, part) in enumerate(zip(names, rows["file"], rows["split"], strict=True)):
        files.append(f"images/{name}.{'jpg' if at % 2 else 'png'}")
        with Image.open(folder / file) as image:
            image.convert("RGB").save(folder / files[-1], quality=QUALITY)  # PNG takes no notice of it
        other = [each for each in SPLITS if each != part]
        parts.append(other[int(draw.integers(len(other)))])
    return rows.assign(image_id=names, file=files, split=parts)


def _exchanged(said: pd.DataFrame, rows: np.ndarray, order: np.ndarray) -> pd.DataFrame:
    """The answers of `rows` in another order; everything else of each judgement stays."""
    said = said.copy()
    for column in ("kind", "labels"):
        values = said[column].to_numpy(dtype=object).copy()
        values[rows] = values[rows[order]]
        said[column] = values
    return said


def _careless(
    said: pd.DataFrame, people: list[str], draw: np.random.Generator, faults: list[dict[str, str]]
) -> pd.DataFrame:
    for person in sorted(map(str, people)):
        mine = np.flatnonzero((said["annotator_id"] == person) & said["kind"].isin(ANSWERS))
        said = _exchanged(said, mine, draw.permutation(len(mine)))
        faults.append({"fault": "person", "annotator_id": person})
    return said


def _swapped(said: pd.DataFrame, share: float, draw: np.random.Generator, faults: list[dict[str, str]]) -> pd.DataFrame:
    """Each of the drawn answers goes to the next one's place; one that comes to where it says the same is no fault."""
    careless = {fault["annotator_id"] for fault in faults if fault["fault"] == "person"}
    there = np.flatnonzero(said["kind"].isin(ANSWERS) & ~said["annotator_id"].isin(careless))
    rows = draw.permutation(there)[: round(share * len(there))]
    new = _exchanged(said, rows, np.roll(np.arange(len(rows)), 1))
    for row in np.sort(rows):
        if set(new["labels"].iloc[row]) != set(said["labels"].iloc[row]):
            image, person = new["image_id"].iloc[row], new["annotator_id"].iloc[row]
            faults.append({"fault": "answer", "image_id": str(image), "annotator_id": str(person)})
    return new


def _merged(
    said: pd.DataFrame, labels: tuple[str, ...], rates: FloatArray, faults: list[dict[str, str]]
) -> pd.DataFrame:
    """Of the two labels whose rates over the images go together least, the more common one is said for both."""
    apart = np.corrcoef(rates.T)
    one, other = np.unravel_index(np.argmin(apart), apart.shape)
    keep, gone = sorted((int(one), int(other)), key=lambda at: (-rates[:, at].sum(), at))
    called = {labels[gone]: labels[keep]}
    new = [list(dict.fromkeys(called.get(name, str(name)) for name in given)) for given in said["labels"]]
    faults.append({"fault": "label", "label": labels[keep], "other": labels[gone]})
    return said.assign(labels=pd.Series(new, index=said.index, dtype=object))
