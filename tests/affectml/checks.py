"""What many tests write, change, ask of a run, and check in one way."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.evaluating import EvaluateConfig
from affectml.evaluating.datasets import on_datasets
from affectml.evaluating.systems import sources_of
from affectml.judging.answers import FILE, SystemAnswers, write_answers
from affectml.runs import RunFolder
from affectml_annotation import BetaPrior, label_sets

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "0.3.0"  # data sets and runs of this version, only to be read


def refused(error, says, deed, *given, **more):
    """This deed is refused, with an error in whose text the pattern is found."""
    with pytest.raises(error, match=says):
        deed(*given, **more)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# JSON files of data sets and runs


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file, and those of the objects in it, as far down as `changes` goes."""
    content = merged(json.loads(path.read_text(encoding="utf-8")), changes)
    path.write_text(json.dumps(content), encoding="utf-8")


def edited_copy(folder: Path, out: Path, file: str, **changes: Any) -> Path:
    """A copy of a folder in which a JSON file says otherwise."""
    edit(shutil.copytree(folder, out) / file, **changes)
    return out


def merged(old: Any, new: Any) -> Any:
    """`new` in the place of `old`; two objects key by key."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new


# Small data sets


def one_target(folder, table, *said, **target):
    """A data set of one target, `t`, of these columns; said: its judgements, then its people.

    target: what is other than of votes for rates of polarity-2.
    """
    table, own = pd.DataFrame(table), {"kind": "rates", "values": "votes", "taxonomy": "polarity-2"}
    meta = TargetMeta(**{"construct": "evoked", "file": "targets-t.parquet", **own, **target})
    return write_dataset(folder, DatasetMeta("some", {"t": meta}), table[["image_id"]], {"t": table}, *said)


def words(target):
    """The labels of each image."""
    labels = np.array(target.taxonomy.labels)
    return {image: set(labels[row > 0]) for image, row in zip(target.image_id, target.table, strict=True)}


def pictures_alone(folder, files, **columns):
    """A data set without a target: pictures or pixels by file name, None for a file that is not there."""
    (folder / "images").mkdir(parents=True)
    for name, picture in files.items():
        if picture is not None:
            shown = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
            shown.save(folder / "images" / name)
    images = pd.DataFrame({"image_id": list(files), "file": [f"images/{name}" for name in files], **columns})
    return write_dataset(folder, DatasetMeta("some"), images, {})


def noise(number: int) -> Image.Image:
    """The image of this number, 50 by 40 pixels; no two are alike."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def noise_set(folder: Path, count: int = 6) -> Dataset:
    """A data set of i0, i1 ..., whose files are images/0.png, images/1.png ..."""
    files = {f"{number}.png": noise(number) for number in range(count)}
    return pictures_alone(folder, files, image_id=[f"i{number}" for number in range(count)])


def single(demo, out):
    """A copy of a demo set with one label per image, the first of the most chosen."""
    shutil.copytree(demo, out)
    table = pd.read_parquet(out / "targets-emotions.parquet")
    labels = [column for column in table if column not in ("image_id", "n")]
    most = np.eye(len(labels), dtype=np.int64)[table[labels].to_numpy().argmax(axis=1)]
    table[["image_id"]].assign(**dict(zip(labels, most.T, strict=True))).to_parquet(out / "targets-emotions.parquet")
    edit(out / "dataset.json", targets={"emotions": {"kind": "single", "values": "indicator", "vote_rule": None}})
    return out


# What runs and people say of images


def answered(run):
    """image_id, split, the head's score of every label, and where it has sets `set`, the labels as a tuple."""
    said = RunFolder.open(run.folder).model_answers
    table = said.frame.reset_index()
    table.insert(1, "split", said.split)
    return table if said.sets is None else table.assign(set=[said.set_of(row) for row in range(len(table))])


def write_answered(folder, labels, table, *, shares=True):
    """Write such a table as a run's answers. shares: whether the scores are shares of people."""
    scores, ids, split = table[list(labels)].to_numpy(), table["image_id"].to_numpy(), table["split"].to_numpy()
    sets = np.array([[label in chosen for label in labels] for chosen in table["set"]]) if "set" in table else None
    said = SystemAnswers(tuple(labels), ids, split, scores, scores if shares else None, sets)
    write_answers(folder / FILE, "hand", labels, [("model", ids, split, said)])


def evaluated(run, on, say=lambda line: None, **options):
    """What is found of a run on a data set, as `affectml evaluate RUN --on DATASET` finds it."""
    config = EvaluateConfig(on=(str(on),), threads=1, **options)
    return on_datasets(sources_of([getattr(run, "folder", run)]), config, say)[0].evaluation


def truth_of(chosen, *, kind="rates", groups=None):
    """Of judgements [N, A, C], by everybody of every image; "distribution": one label a person."""
    from affectml.judging.truth import Truth, hits_of  # which brings torch

    chosen = np.asarray(chosen, dtype=np.uint8)
    images, people, labels = chosen.shape
    votes, n = chosen.sum(axis=1).astype(np.int64), np.full((images, labels), people)
    prior = BetaPrior(np.ones(labels), np.ones(labels), np.zeros(labels, dtype=bool)) if kind == "rates" else None
    own = {"vote_rule": "one_choice"} if prior is None else {"sets": label_sets(votes, n, prior), "people": n}
    own |= {"votes": votes, "chosen": chosen, "asked": np.ones((images, people), dtype=bool), "groups": groups}
    names, ids, hits = tuple("abcdefgh"[:labels]), np.arange(images).astype(str), hits_of(kind, votes / n)
    return Truth(kind, names, ids, votes / n, *hits, beta=prior, **own)
