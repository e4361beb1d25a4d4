"""Importers, given damaged files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from affectml.importers import get_importer
from affectml.importers.clip_e import import_clip_e

from . import sources
from .reading import Reader, imports, parquet, written
from .sources import picture, text

VOTES = [{"image": f"{at}.jpg", "n": 5, "votes": {"joy": 3 - at, "awe": at}, "by": [at]} for at in range(3)]
TABLES = {
    "table": ("t.csv", "file,label,split", "0.jpg,joy|awe,train", "1.jpg,awe,test", "2.jpg,joy,"),
    "table of votes": ("t.csv", "file,joy,awe,n,width", "0.jpg,3,1,4,1990", "1.jpg,0,2,5,", "2.jpg,1,1,4,2001"),
    "votes in JSON": ("t.json", json.dumps(VOTES)),
    "table of judgements": ("t.csv", "file,annotator,label,seconds", "0.jpg,ann,joy,1", "0.jpg,bob,none,2.5",
                            "1.jpg,ann,awe;joy,"),
}  # fmt: skip
READERS = {name: Reader(written(rows), imports("table", rows[0], images="none")) for name, rows in TABLES.items()}
READERS["table beside its images"] = Reader(
    written(("t.tsv", "file\tlabel", "a.jpg\tjoy", "b.jpg\tawe"), pictures=("a.jpg", "b.jpg")),
    imports("table", "t.tsv"),
)


READERS["table in Parquet"] = Reader(
    parquet("t.parquet", file=["0.jpg", "1.jpg", "2.jpg"], label=[["joy"], ["joy", "awe"], []], year=[1, None, 3]),
    imports("table", "t.parquet", images="none"),
)
READERS["folder"] = Reader(written(pictures=("joy/a.jpg", "joy/b.jpg", "awe/c.jpg")), imports("folder"))
READERS["images"] = Reader(
    written(("a.txt", "a bird", "on a branch"), pictures=("a.jpg", "b/c.jpg")),
    lambda folder, out: get_importer("images")(folder, out, taxonomy="ekman-6"),
)

# Published sets, in their own layouts.

READERS["webemo"] = Reader(
    written(("train25.txt", *sources.TRAIN), ("test25.txt", *sources.TEST), pictures=("train/zest/b.jpg",)),
    imports("webemo"),
)
READERS["unbiasedemo"] = Reader(
    written(pictures=tuple(f"images/{label}/baby/1.jpg" for label in sources.PARROTT)), imports("unbiasedemo")
)
READERS["artphoto"] = Reader(
    written(pictures=tuple(f"testImages_artphoto/{label}_1.jpg" for label in ("sad", *sources.MIKELS[:-1]))),
    imports("artphoto"),
)
VOTED = ["a.jpg 1 2 0 0 0 0 0 8", "b.jpg 11 0 0 0 0 0 0 0"], ["c.jpg 0 0 0 0 0 0 5 6"]
FOLDERS: dict[str, Callable[[Path], object]] = {
    "emotion6": sources.emotion6_folder,
    "fi": sources.fi_folder,
    "abstract": sources.abstract_folder,
    "emoset": sources.emoset_folder,
    "emotic": sources.emotic_folder,
    "findingemo": sources.finding_folder,
    "oasis": lambda folder: sources.oasis_folder(folder, sources.OASIS, ["Dog 1", "Fence 1"]),
    "artemis": sources.artemis_folder,
    "twitter1": sources.twitter_folder,
    **dict.fromkeys(("flickrldl", "twitterldl"), lambda folder: sources.ldl_folder(folder, *VOTED)),
}
READERS |= {name: Reader(write, imports(name)) for name, write in FOLDERS.items()}


READERS["clip-e"] = Reader(
    lambda folder: sources.keras_weights(folder / "w.hdf5"),
    lambda folder, out: import_clip_e(folder / "w.hdf5", out).head,
)

# Embeddings and containers.


EMBEDDED: dict[str, list[Any]] = {"image": ["a.jpg", "b.jpg", "c.jpg"], "embedding": np.eye(3, 4).tolist()}
EMBEDDED |= {"label": ["joy", "fear", "joy"], "year": [1990, 2001, 1999]}


def as_npz(folder: Path) -> None:
    shares = np.array([[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]])
    np.savez(folder / "t.npz", shares=shares, labels=["joy", "fear"], split=["train", "train", "test"], **EMBEDDED)


def as_npy(folder: Path) -> None:
    np.save(folder / "t.npy", np.eye(3, 4, dtype=np.float32))
    text(folder / "t.csv", "file,label", "a.jpg,joy", "b.jpg,awe", "c.jpg,joy")


for file, write in (("t.npz", as_npz), ("t.npy", as_npy), ("t.parquet", parquet("t.parquet", **EMBEDDED))):
    READERS[f"embeddings {file}"] = Reader(write, imports("embeddings", file, "t.csv" if file == "t.npy" else ""))


def as_images_in_parquet(folder: Path) -> None:
    picture(folder / "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").unlink()
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"), n=datasets.Value("int64"))
    rows = {"image": [{"bytes": content, "path": "a.jpg"}, {"bytes": content, "path": None}], "label": ["joy", "awe"]}
    datasets.Dataset.from_dict({**rows, "n": [1, None]}, features=features).to_parquet(folder / "train.parquet")


READERS["datasets parquet"] = Reader(as_images_in_parquet, imports("datasets", "train.parquet"))
READERS["datasets imagefolder"] = Reader(
    written(
        ("metadata.jsonl", '{"file_name": "a.jpg", "label": "joy"}', '{"file_name": "b.jpg", "label": "awe"}'),
        pictures=("a.jpg", "b.jpg"),
    ),
    imports("datasets"),
)
