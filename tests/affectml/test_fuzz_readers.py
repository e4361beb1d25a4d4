"""Every reader, given damaged files: it reads them, or it is one line of ours that names one, and nothing is left.

A row of READERS writes a small input that is read; `damaged` damages it. With AFFECTML_FUZZ=N pytest
takes N damaged inputs of each as well.
"""

import functools
import hashlib
import io
import json
import os
import random
import shutil
import sqlite3
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from affectml.answers._names import custom_id
from affectml.data import Dataset
from affectml.errors import AffectmlError
from affectml.importers import get_importer
from affectml.importers.clip_e import import_clip_e
from affectml.taxonomies import Taxonomy
from affectml_annotation import AnnotationError, write_judgements

FOLDER = b"a folder in place of the file"
PIECES = [b'"', b",", b"\n", b"\r", b"\t", b"|", b"[", b"{", b"}", b"\\", b" ", b"-", b"9" * 20, b"e999", b"nan",
          b"\xff", b"\0", b"\\ud800", b"null", b"../", b"\xc3\xa9", b"[" * 99_999, b"9" * 5000, b": ", b"&a *a",
          b"!!x ", b"\xef\xbb\xbf", b"\xff\xfe"]  # fmt: skip
ODD = [None, True, False, 0, -1, 0.5, 3, 2**31, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", " ",
       "joy", "\ud800", "\0", "../x", "a\nb", "/", "nan", [], {}, [[]], ["joy"], [None], [1, 2], {"joy": 1}, {"": None},
       [{"joy": "awe"}], "x" * 300]  # fmt: skip
Files = dict[str, bytes]


# Damage. Everything is drawn from a `random.Random`, which Hypothesis can draw and shrink.


def damaged(files: Files, draw: random.Random) -> Files:
    """The files with one to three faults in them."""
    files = dict(files)
    for _ in range(draw.choice([1, 1, 2, 3])):
        name = draw.choice(sorted(files))
        content = files[name]
        kind = draw.randrange(12)
        if kind == 0:
            files[name] = b""
        elif kind == 1 and len(files) > 1:
            del files[name]
        elif kind == 2:
            files[name] = FOLDER
        elif content == FOLDER:
            continue
        elif kind == 3 and name.endswith((".json", ".safetensors")) and "head.json" in files:
            vouch(files)
        else:
            within = {".json": in_json, ".jsonl": in_json_lines, ".parquet": in_parquet, ".npz": in_npz, ".npy": in_npy,
                      ".csv": in_lines, ".txt": in_lines, ".ann": in_lines, ".yaml": in_lines, ".db": in_database,
                      ".mat": in_mat}.get(Path(name).suffix, in_bytes)  # fmt: skip
            if kind < 6:
                within = in_bytes
            try:
                files[name] = within(content, draw)
            except Exception:  # damaged already, so that it cannot be taken apart
                files[name] = in_bytes(content, draw)
    return files


def vouch(files: Files) -> None:
    """Let head.json vouch for the tensors that are there, so that they are looked at."""
    with suppress(ValueError, KeyError, AttributeError, TypeError):
        said = json.loads(files["head.json"])
        files["head.json"] = json.dumps(
            {**said, "tensors_sha256": hashlib.sha256(files["head.safetensors"]).hexdigest()}
        ).encode()


def in_bytes(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content) + 1)
    kind = draw.randrange(5)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[at + draw.randrange(1, 9) :]
    piece = draw.choice(PIECES) if kind < 4 else draw.randbytes(draw.randrange(1, 5))
    return content[:at] + piece + content[at + (len(piece) if kind == 2 else draw.randrange(9)) :]


def in_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    at, kind = draw.randrange(len(lines)), draw.randrange(6)
    if kind == 0:
        lines.insert(at, draw.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        other = draw.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        mark = next((mark for mark in (b"\t", b",", b": ", b" ") if mark in lines[at]), b" ")
        cells = lines[at].split(mark)
        cell, odd = draw.randrange(len(cells)), str(draw.choice(ODD)).encode("utf-8", "replace")
        cells[cell] = draw.choice([odd, b"", draw.choice(cells), cells[cell] * 2, b"-" + cells[cell]])
        lines[at] = mark.join(cells if kind < 5 else [*cells, odd])
    return b"\n".join(lines)


def in_json(content: bytes, draw: random.Random) -> bytes:
    whole = [json.loads(content)]
    places: list[tuple[Any, Any]] = []

    def walk(holder: Any, key: Any) -> None:
        places.append((holder, key))
        inner = holder[key]
        for below in inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ():
            walk(inner, below)

    walk(whole, 0)
    holder, key = draw.choice(places)
    kind, odd = draw.randrange(8), draw.choice(ODD)
    if kind == 0 and holder is not whole:
        del holder[key]
    elif kind == 1:
        other, there = draw.choice(places)
        holder[key] = json.loads(json.dumps(other[there]))
    elif kind == 2 and isinstance(holder, dict):
        holder[draw.choice(["", "x", "\ud800", "joy", "__class__"])] = odd
    elif kind == 3 and isinstance(holder, list):
        holder.append(odd)
    else:
        holder[key] = odd
    text = json.dumps(whole[0]) if whole else ""
    return text.replace("true", "9" * 5000, 1).encode() if kind == 4 and draw.random() < 0.1 else text.encode()


def in_json_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    if draw.random() < 0.3:
        return in_lines(content, draw)
    lines[at] = in_json(lines[at], draw)
    return b"\n".join(lines) + b"\n"


def in_parquet(content: bytes, draw: random.Random) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    kind, name = draw.randrange(9), draw.choice(table.column_names)
    column, at = table[name], table.column_names.index(name)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.rename_columns(
            [draw.choice(["x", "joy", "n", ""]) if c == name else c for c in table.column_names]
        )
    elif kind == 2:
        table = table.slice(0, draw.randrange(len(table) + 1))
    elif kind == 3:
        table = pa.concat_tables([table, table.slice(draw.randrange(len(table)), 1)])
    elif kind == 4:
        says = draw.choice([None, {b"pandas": b"{"}, {b"pandas": b'{"columns": [], "index_columns": ["x"]}'}])
        table = table.replace_schema_metadata(says)
    else:
        values, odd = column.to_pylist(), draw.choice([*ODD, b"\xff", pd.Timestamp(0), [b"\xff"]])
        new = [odd] * len(values) if kind < 7 else values
        new[draw.randrange(len(new))] = odd
        with suppress(pa.ArrowException, OverflowError, UnicodeError, ValueError):
            table = table.set_column(at, name, pa.array(new, column.type if kind == 8 else None))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def odd_array(array: np.ndarray, draw: random.Random) -> np.ndarray:
    kind = draw.randrange(8)
    if kind == 0:
        return array.reshape(-1)[: draw.randrange(array.size + 1)]
    if kind == 1:
        return np.array(draw.choice(ODD[:8]))
    if kind == 2:
        return array[None]
    if kind == 3:
        return np.full(array.shape, draw.choice(ODD[3:14]), dtype=object).astype(draw.choice(["O", "U", "f8", "f4"]))
    if kind == 4:
        return np.zeros(array.shape, dtype=draw.choice(["M8[s]", "c16", "V3", "S2", "?", "u8", ">f4", [("a", "i4")]]))
    if kind == 5:
        return array[: draw.randrange(len(array) + 1)]
    if kind == 6:
        return np.concatenate([array, array[:1]])
    return array.astype(draw.choice(["U", "S", "O", "c8"]))


def in_npy(content: bytes, draw: random.Random) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, odd_array(np.load(io.BytesIO(content)), draw))
    return buffer.getvalue()


def in_npz(content: bytes, draw: random.Random) -> bytes:
    arrays = dict(np.load(io.BytesIO(content)))
    name = draw.choice(sorted(arrays))
    array = arrays.pop(name)
    if draw.randrange(6):
        arrays[draw.choice([name, name, name, "x"])] = odd_array(array, draw)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def in_mat(content: bytes, draw: random.Random) -> bytes:
    from scipy.io import loadmat

    found = {k: v for k, v in loadmat(io.BytesIO(content), simplify_cells=True).items() if not k.startswith("__")}
    places: list[tuple[Any, Any]] = []

    def walk(holder: Any, key: Any) -> None:
        places.append((holder, key))
        inner = holder[key]
        for below in inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ():
            walk(inner, below)

    for key in found:
        walk(found, key)
    holder, key = draw.choice(places)
    odd = draw.choice(
        [0, -1, "", "x", np.nan, [], np.zeros((2, 2)), 1j, "../x", {"a": 1}, np.array(["x", 3], dtype=object)]
    )
    if draw.randrange(4) == 0 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = odd
    buffer = io.BytesIO()
    savemat(buffer, found)
    return buffer.getvalue()


def in_database(content: bytes, draw: random.Random) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        path.write_bytes(content)
        with sqlite3.connect(path) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = draw.choice(sorted(tables))
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
            odd = draw.choice([None, -1, 2**62, "", "x", b"\xff", "{", "[]", '{"a": NaN}', "2026-99-01"])
            with suppress(sqlite3.Error):
                if draw.randrange(4):
                    connection.execute(f"UPDATE {table} SET {draw.choice(columns)} = ?", (odd,))
                elif draw.randrange(2):
                    connection.execute(f"DELETE FROM {table}")
                else:
                    connection.execute(f"DROP TABLE {table}")
            connection.commit()
        connection.close()
        return path.read_bytes()


# The readers.


@dataclass(frozen=True)
class Reader:
    """write: an input that is read, into a folder. read: reads it; what it makes, it makes at the second place.

    changes: whether it may change its input where it succeeds, as what adds to a data set does. works: whether it works
    in its input, as what goes on with a file does.
    """

    write: Callable[[Path], object]
    read: Callable[[Path, Path], object]
    changes: bool = False
    works: bool = False


READERS: dict[str, Reader] = {}


def text(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (10, 90, 40)).save(path, format="JPEG")


def written(*rows: tuple[str, ...], pictures: tuple[str, ...] = ()) -> Callable[[Path], None]:
    """Writes files, each given as its name and its lines, and pictures."""

    def write(folder: Path) -> None:
        for name, *lines in rows:
            text(folder / name, *lines)
        for name in pictures:
            picture(folder / name)

    return write


def whole(dataset: Dataset) -> None:
    """Everything that a data set says is read."""
    assert len(dataset.images) >= 0
    for name in dataset.meta.targets:
        dataset.target(name).shares()
        dataset.fingerprint(name)
    assert dataset.judgements is None or len(dataset.judgements) >= 0


def imports(name: str, file: str = "", **options: Any) -> Callable[[Path, Path], None]:
    def read(folder: Path, out: Path) -> None:
        get_importer(name)(folder / file, out, **options)
        whole(Dataset.open(out))

    return read


URL = "https://stock.example/"
READERS["table"] = Reader(
    written(("t.csv", "file,label,split", "0.jpg,joy|awe,train", "1.jpg,awe,test", "2.jpg,joy,")),
    imports("table", "t.csv", images="none"),
)
READERS["table of votes"] = Reader(
    written(("t.csv", "file,joy,awe,n,width", "0.jpg,3,1,4,1990", "1.jpg,0,2,5,", "2.jpg,1,1,4,2001")),
    imports("table", "t.csv", images="none"),
)
READERS["table of judgements"] = Reader(
    written(("t.csv", "file,annotator,label,seconds", "0.jpg,ann,joy,1", "0.jpg,bob,none,2.5", "1.jpg,ann,awe;joy,")),
    imports("table", "t.csv", images="none"),
)
READERS["table beside its images"] = Reader(
    written(("t.tsv", "file\tlabel", "a.jpg\tjoy", "b.jpg\tawe"), pictures=("a.jpg", "b.jpg")),
    imports("table", "t.tsv"),
)


def parquet(name: str, /, **columns: Any) -> Callable[[Path], None]:
    return lambda folder: pq.write_table(pa.table(columns), folder / name)


READERS["table in Parquet"] = Reader(
    parquet("t.parquet", file=["0.jpg", "1.jpg", "2.jpg"], label=[["joy"], ["joy", "awe"], []], year=[1, None, 3]),
    imports("table", "t.parquet", images="none"),
)
READERS["folder"] = Reader(written(pictures=("joy/a.jpg", "joy/b.jpg", "awe/c.jpg")), imports("folder"))
READERS["images"] = Reader(
    written(("captions.csv", "file,caption", "a.jpg,a bird", "b/c.jpg,a boat"), pictures=("a.jpg", "b/c.jpg")),
    lambda folder, out: get_importer("images")(folder, out, taxonomy="ekman-6", captions=folder / "captions.csv"),
)
COCO = {
    "images": [{"id": number, "file_name": f"{number}.jpg", "license": 1} for number in range(3)],
    "categories": [{"id": 1, "name": "joy"}, {"id": 2, "name": "awe"}],
    "annotations": [{"id": 1, "image_id": 0, "category_id": 1}, {"id": 2, "image_id": 0, "category_id": 2}],
    "licenses": [{"id": 1, "name": "CC0"}],
}
READERS["coco"] = Reader(written(("c.json", json.dumps(COCO))), imports("coco", "c.json", images="none"))

# Published sets, in their own layouts.

MIKELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
READERS["webemo"] = Reader(
    written(
        ("train25.txt", f"{URL}a.jpg 0", f"{URL}b.jpg 24", f"{URL}a.jpg 19"),
        ("test25.txt", f"{URL}c.jpg 3"),
        pictures=("train/zest/b.jpg",),
    ),
    imports("webemo"),
)
READERS["emotion6"] = Reader(
    written(
        (
            "ground_truth.txt",
            "[image_filename]\t[valence]\t[arousal]\t[prob. anger]\t[prob. disgust]\t[prob. fear]\t[prob. joy]"
            "\t[prob. sadness]\t[prob. surprise]\t[prob. neutral]",
            "disgust/1.jpg\t2.5\t3.8\t0.1\t0.7\t0\t0.1\t0.1\t0\t0",
            "joy/2.jpg\t7\t5\t0\t0\t0\t1\t0\t0\t0",
        ),
        pictures=("images/disgust/1.jpg", "images/joy/2.jpg"),
    ),
    imports("emotion6"),
)
READERS["fi"] = Reader(
    written(pictures=tuple(f"emotion_dataset/{label}/{label}_1.jpg" for label in MIKELS)), imports("fi")
)
READERS["unbiasedemo"] = Reader(
    written(
        pictures=tuple(
            f"images/{label}/baby/1.jpg" for label in ("anger", "fear", "joy", "love", "sadness", "surprise")
        )
    ),
    imports("unbiasedemo"),
)
READERS["artphoto"] = Reader(
    written(
        pictures=tuple(f"testImages_artphoto/{label[:3] if label == 'sadness' else label}_1.jpg" for label in MIKELS)
    ),
    imports("artphoto"),
)
READERS["abstract"] = Reader(
    written(
        (
            "testImages_abstract/ABSTRACT_groundTruth.csv",
            "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'",
            "'abstract_0001.jpg',1,0,2,3,0,0,0,8",
            "'abstract_0003.jpg',5,4,0,0,0,0,0,1",
        ),
        pictures=("testImages_abstract/abstract_0001.jpg", "testImages_abstract/abstract_0003.jpg"),
    ),
    imports("abstract"),
)


def emoset(folder: Path) -> None:
    for label, split in zip(MIKELS, ("train", "val", "test"), strict=False):
        image, annotation = f"image/{label}/{label}_1.jpg", f"annotation/{label}/{label}_1.json"
        picture(folder / image)
        said = {"image_id": "x", "emotion": label, "brightness": 0.4, "object": ["Dog", "Ball"], "scene": None}
        text(folder / annotation, json.dumps(said))
        text(folder / f"{split}.json", json.dumps([[label, image, annotation]]))
    text(folder / "info.json", json.dumps({"emotion": {"label2idx": {label: i for i, label in enumerate(MIKELS)}}}))


READERS["emoset"] = Reader(emoset, imports("emoset"))


def emotic(folder: Path) -> None:
    picture(folder / "emotic" / "mscoco" / "images" / "a.jpg")

    def person(*said: str) -> dict[str, Any]:
        return {
            "body_bbox": [0, 0, 5, 3],
            "annotations_categories": [
                {"categories": np.array([word], dtype=object), "worker_id": f"w{at}"} for at, word in enumerate(said)
            ],
            "combined_continuous": {"valence": 3.0, "arousal": 4, "dominance": 5},
            "gender": "Male",
            "age": "Adult",
        }

    photo = {"filename": "a.jpg", "folder": "mscoco/images", "person": [person("Anger", "Fear"), person("Peace")]}
    savemat(folder / "Annotations.mat", {"train": [photo]})


READERS["emotic"] = Reader(emotic, imports("emotic"))
READERS["findingemo"] = Reader(
    written(
        (
            "data/annotations_single.ann",
            "index,user,image_path,reject,tag,age,valence,arousal,emotion,dec_factors,ambiguity,datetime",
            "0,u1,/Run_1/party/a.jpg,Keep,\"['x', 'y']\",Adults,2,4,Joy,\"Face, Body\",1,2022-01-01",
            "1,u2,/Run_1/party/b.jpg,Keep,,,-3,5,Terror,,0,2022-01-02",
        ),
        ("data/dataset_urls_exploded.json", json.dumps([{"rel_path": "Run_1/party/b.jpg", "url": URL, "idx_url": 1}])),
        pictures=("Run_1/party/a.jpg",),
    ),
    imports("findingemo"),
)
READERS["oasis"] = Reader(
    written(
        (
            "OASIS.csv",
            ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N",
            "1,Dog 1,Animal,x,4,2,100,4,2,101",
            "2,Fence 1 ,Object,x,2,1.0,104,3,1.5,99",
        ),
        pictures=("Images/Dog 1.jpg", "Images/Fence 1.jpg"),
    ),
    imports("oasis"),
)
READERS["artemis"] = Reader(
    written(
        (
            "artemis_dataset_release_v0.csv",
            "art_style,painting,emotion,utterance,repetition",
            'Baroque,rembrandt_watch,awe,"so ""grand"" and dark",2',
            "Baroque,rembrandt_watch,Sadness,dark,2",
        ),
        pictures=("wikiart/Baroque/rembrandt_watch.jpg",),
    ),
    imports("artemis"),
)
READERS["twitter1"] = Reader(
    written(
        ("three_agree.txt", "a.jpg 1", "b.jpg 0"),
        ("five_agree.txt", "a.jpg 1"),
        ("amt_result.csv", "image,n,x,y", "a.jpg,5,0,5", "b.jpg,5,4,1"),
        pictures=("Agg_AMT_Candidates/a.jpg", "Agg_AMT_Candidates/b.jpg"),
    ),
    imports("twitter1"),
)
LDL = "images-name Amusement Awe Contentment Excitement Anger Disgust Fear Sadness"
for ldl in ("flickrldl", "twitterldl"):
    READERS[ldl] = Reader(
        written(
            ("train_ground_truth.txt", LDL, "a.jpg 1 2 0 0 0 0 0 8", "b.jpg 11 0 0 0 0 0 0 0"),
            ("test_ground_truth.txt", LDL, "c.jpg 0 0 0 0 0 0 5 6"),
            pictures=("images/a.jpg", "images/b.jpg", "images/c.jpg"),
        ),
        imports(ldl),
    )


def clip_e(folder: Path) -> None:
    with h5py.File(folder / "w.hdf5", "w") as handle:
        for name, shape in (("img_fc1", (8, 4)), ("preds", (4, 6))):
            handle[f"{name}/kernel:0"], handle[f"{name}/bias:0"] = np.ones(shape), np.ones(shape[1])


READERS["clip-e"] = Reader(clip_e, lambda folder, out: import_clip_e(folder / "w.hdf5", out).head)

# Embeddings and containers.


def embedded() -> pa.Table:
    return pa.table({
        "image": ["a.jpg", "b.jpg", "c.jpg"],
        "embedding": np.eye(3, 4, dtype=np.float32).tolist(),
        "label": ["joy", "fear", "joy"],
        "year": [1990, 2001, 1999],
        "shares": [{"joy": 0.5, "fear": 0.5}, {"joy": 0.0, "fear": 1.0}, {"joy": 0.25, "fear": 0.75}],
    })  # fmt: skip


def as_npz(folder: Path) -> None:
    table = embedded()
    shares = np.array([list(cell.values()) for cell in table["shares"].to_pylist()])
    names = {name: np.array(table[name].to_pylist()) for name in ("image", "embedding", "label", "year")}
    np.savez(
        folder / "t.npz", shares=shares, labels=np.array(["joy", "fear"]), split=["train", "train", "test"], **names
    )


def as_npy(folder: Path) -> None:
    np.save(folder / "t.npy", np.eye(3, 4, dtype=np.float32))
    text(folder / "t.csv", "file,label", "a.jpg,joy", "b.jpg,awe", "c.jpg,joy")


def as_safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    header = {name: json.dumps(embedded()[name].to_pylist()) for name in ("image", "label")}
    save_file({"embedding": np.eye(3, 4, dtype=np.float32)}, folder / "t.safetensors", metadata=header)


def as_arrow(folder: Path) -> None:
    with pa.ipc.new_file(folder / "t.arrow", embedded().schema) as writer:
        writer.write_table(embedded(), max_chunksize=2)


EMBEDDED: dict[str, Callable[[Path], object]] = {
    "t.npz": as_npz,
    "t.npy": as_npy,
    "t.safetensors": as_safetensors,
    "t.parquet": lambda folder: pq.write_table(embedded(), folder / "t.parquet"),
    "t.arrow": as_arrow,
    "saved": lambda folder: datasets.Dataset(embedded()).save_to_disk(str(folder / "saved")),
}
for file, write in EMBEDDED.items():
    READERS[f"embeddings {file}"] = Reader(write, imports("embeddings", file))


def as_tar(folder: Path) -> None:
    picture(folder / "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").unlink()
    with tarfile.open(folder / "t.tar", "w") as archive:
        for name, said in (("0", {"label": "joy", "n": 3}), ("1", {"label": "awe", "n": None})):
            for end, data in (("jpg", content), ("json", json.dumps(said).encode())):
                info = tarfile.TarInfo(f"{name}.{end}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def as_images_in_parquet(folder: Path) -> None:
    picture(folder / "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").unlink()
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"), n=datasets.Value("int64"))
    rows = {"image": [{"bytes": content, "path": "a.jpg"}, {"bytes": content, "path": None}], "label": ["joy", "awe"]}
    datasets.Dataset.from_dict({**rows, "n": [1, None]}, features=features).to_parquet(folder / "train.parquet")


READERS["datasets tar"] = Reader(as_tar, imports("datasets", "t.tar"))
READERS["datasets parquet"] = Reader(as_images_in_parquet, imports("datasets", "train.parquet"))
READERS["datasets imagefolder"] = Reader(
    written(
        ("metadata.jsonl", '{"file_name": "a.jpg", "label": "joy"}', '{"file_name": "b.jpg", "label": "awe"}'),
        pictures=("a.jpg", "b.jpg"),
    ),
    imports("datasets"),
)


# What affectml wrote itself: data sets with embeddings, runs, predictions in parts, downloads.

LABELS = ("joy", "awe", "fear")
SPLITS = ("train", "val", "test")


@functools.cache
def world() -> Files:
    """A data set of 24 images with three people's answers, embeddings and splits in data/, and a run on it in run/."""
    import affectml

    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        rows = [
            f"{image}.jpg,{who},{LABELS[(image + at) % 3]}{'|fear' if at else ''},{SPLITS[image // 4 % 3]}"
            for image in range(24)
            for at, who in enumerate(("ann", "bob", "cy"))
        ]
        text(folder / "t.csv", "file,annotator,label,split", *rows)
        get_importer("table")(folder / "t.csv", folder / "data", images="none", question="What do you feel?")
        np.savez(
            folder / "e.npz",
            image=np.array([f"{image}.jpg" for image in range(24)]),
            embedding=np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32),
        )
        get_importer("embeddings")(folder / "e.npz", folder / "data")
        for name in ("t.csv", "e.npz"):
            (folder / name).unlink()
        affectml.train(folder / "data", multilabel=True, head="sigmoid", out=folder / "run", threads=1, say=quiet)
        return {name: content for name, content in contents(folder).items() if not name.endswith((".lock", ".html"))}


def quiet(line: str) -> None:
    pass


def part(*kept: str, also: Callable[[Path], object] = lambda folder: None) -> Callable[[Path], None]:
    """Writes what of the world begins with one of these, and more."""

    def write(folder: Path) -> None:
        put({name: content for name, content in world().items() if name.startswith(kept)}, folder)
        also(folder)

    return write


TABLES = ("data/dataset.json", "data/images", "data/targets", "data/annotations")


def read_store(folder: Path, out: Path) -> None:
    from affectml.embeddings import EmbeddingStore

    store = EmbeddingStore.for_dataset(Dataset.open(folder / "data"))
    store.rows(store.ids)
    assert isinstance(store.provenance, list)
    assert isinstance(store.unreadable, dict)
    store.text_features(None, ["joy", "awe"])


def more_of_the_store(folder: Path) -> None:
    from affectml.encoders._ran import Probe, Ran

    store = next((folder / "data" / "embeddings").iterdir())
    text(store / "unreadable.csv", "image_id,reason", "x.jpg,not an image")
    ran = Ran("fp32", "torch", "cpu", "a processor", False, {"torch": "2"}, Probe(3, 0.99, None)).to_json()
    text(store / "provenance.json", json.dumps([{**ran, "shards": [0, 0]}]))
    key = hashlib.sha256(json.dumps(["joy", "awe"], ensure_ascii=False).encode()).hexdigest()[:16]
    np.save(store / f"texts-{key}.npy", np.zeros((2, 4), dtype=np.float32))


def read_run(folder: Path, out: Path) -> None:
    from affectml.runs import RunFolder
    from affectml.sharing import AffectModel

    run = RunFolder.open(folder / "run")
    assert run.taxonomy.labels
    run.head.scores(np.zeros((1, 4), dtype=np.float32))
    assert isinstance(run.metrics, dict)
    assert len(run.predictions.columns)
    assert AffectModel.from_pretrained(folder / "run").labels


def use_run(folder: Path, out: Path) -> None:
    import affectml

    affectml.load_run(folder / "run").predict(folder / "data")
    affectml.evaluate(folder / "run", folder / "data", threads=1, say=quiet)


def report_on(folder: Path, out: Path) -> None:
    import affectml
    from affectml.report import report_run

    run = affectml.load_run(folder / "run")
    assert len(run.scores)
    assert run._repr_html_()
    out.parent.mkdir()
    try:
        report_run(folder / "run", out=out, dataset=folder / "data")
    finally:
        shutil.rmtree(out.parent)


def predicted(folder: Path) -> None:
    """A file of predictions that was killed on the way: its parts are there."""
    from affectml.prediction_files import Parts, predict_to_file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectml.prediction_files.PART", 10)
        patch.setattr(Parts, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with suppress(KeyboardInterrupt):
            predict_to_file(folder / "run", folder / "data", folder / "p.csv", threads=1, say=quiet)
    (folder / "p.csv.parts" / ".lock").unlink(missing_ok=True)


def resume(folder: Path, out: Path) -> None:
    from affectml.prediction_files import predict_to_file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectml.prediction_files.PART", 10)
        predict_to_file(folder / "run", folder / "data", folder / "p.csv", say=quiet)


def to_fetch(folder: Path) -> None:
    """Three urls; a journal and a list of failures that say what became of two."""
    from affectml.fetching._fetch import _key

    urls = [f"http://photos.example/{name}" for name in "abc"]
    text(folder / "t.csv", "url,label", *(f"{url},{label}" for url, label in zip(urls, LABELS, strict=True)))
    get_importer("table")(folder / "t.csv", folder / "data", images="none")
    (folder / "t.csv").unlink()
    failed = {"url": _key(urls[0]), "reason": "404", "why": "no", "retry": "never", "tries": 1, "when": ""}
    picture(folder / "data" / "images" / "x.jpg")
    size = (folder / "data" / "images" / "x.jpg").stat().st_size
    got = {"url": _key(urls[1]), "file": "images/x.jpg", "sha256": "0" * 64, "size": size}
    text(folder / "data" / ".fetching" / "journal.jsonl", json.dumps(failed), json.dumps(got))
    text(
        folder / "data" / "fetch-failures.csv",
        "image_id,url,reason,why,tries,when,again",
        f"{urls[2]},{urls[2]},x,y,2,2026-01-01T00:00:00Z,yes",
    )


def fetch(folder: Path, out: Path) -> None:
    from affectml.fetching import fetch_images
    from affectml.fetching._download import Downloader
    from affectml.fetching._guard import Failed

    async def unreachable(self: Any, url: str, part: Path) -> Any:
        raise Failed("no network", "this is a test", "later")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Downloader, "get", unreachable)
        fetch_images(folder / "data", progress=False)


def known(folder: Path) -> None:
    """What a run by person knows of two people and of three images."""
    from affectml.heads import ImageEffects
    from affectml.runs.people import People, save_people, write_image_effects

    said = {"run": "run", "head": "0" * 64, "dataset": "data", "fingerprint": {"target": "1" * 64}}
    covariance = np.tile(np.eye(4), (2, 1, 1))
    people = People(
        folder / "run-people.safetensors", ("ann", "ben"), np.zeros((2, 4)), covariance, np.ones(2, int), **said
    )
    save_people(people)
    effects = ImageEffects(np.zeros((3, 3)), np.ones((3, 3)))
    write_image_effects(folder, ["1.jpg", "2.jpg", "3.jpg"], LABELS, effects, np.eye(3, 5, dtype=np.float32))


def read_known(folder: Path, out: Path) -> None:
    from affectml.runs.people import open_people, read_image_effects

    open_people(folder / "run-people.safetensors").row("ann")
    read_image_effects(folder, LABELS)


def of_one(file: Path) -> None:
    """One person's answers, as a table for `predict --answers`."""
    labels = ["joy|awe", "none", "skip", "fear"]
    if file.suffix == ".csv":
        text(file, "image,labels", *(f"{number}.jpg,{cell}" for number, cell in enumerate(labels)))
        return
    cells = [cell.split("|") if cell in ("joy|awe", "fear") else [] for cell in labels]
    kinds = ["labels", "none", "skip", "labels"]
    pd.DataFrame({"image_id": [f"{n}.jpg" for n in range(4)], "kind": kinds, "labels": cells}).to_parquet(file)


def read_of_one(file: Path) -> None:
    from affectml.importers._one_person import said_of

    said_of(file, Taxonomy("three", LABELS))


READERS["data set"] = Reader(part(*TABLES), lambda folder, out: whole(Dataset.open(folder / "data")))
READERS["embeddings store"] = Reader(
    part("data/images", "data/dataset.json", "data/emb", also=more_of_the_store), read_store
)
READERS["run"] = Reader(part("run"), read_run)
READERS["run that is used"] = Reader(part("run", "data"), use_run)
READERS["run that is reported"] = Reader(part("run", "data"), report_on)
READERS["predictions in parts"] = Reader(part("run", "data", also=predicted), resume, works=True)
READERS["people of a run"] = Reader(known, read_known)
for file in ("one.csv", "one.parquet"):
    READERS[f"answers of a person {file}"] = Reader(
        lambda folder, file=file: of_one(folder / file), lambda folder, out, file=file: read_of_one(folder / file)
    )
READERS["downloads"] = Reader(to_fetch, fetch, works=True)
READERS["table joined to a data set"] = Reader(
    part(*TABLES, also=lambda folder: text(folder / "t.csv", "image,joy,awe,n", "1.jpg,2,1,3", "2.jpg,0,1,2")),
    lambda folder, out: get_importer("table")(folder / "t.csv", folder / "data", target="more") and None,
    changes=True,
)


def vectors(folder: Path) -> None:
    np.savez(
        folder / "e.npz", image=np.array([f"{n}.jpg" for n in range(24)]), embedding=np.ones((24, 3), dtype=np.float32)
    )


READERS["embeddings joined to a data set"] = Reader(
    part("data", also=vectors),
    lambda folder, out: get_importer("embeddings")(folder / "e.npz", folder / "data", name="more") and None,
    True,
)
TAXONOMY = """name: own
source: somebody (2020)
parent: coarse.yaml
wheel: [joy, fear]
other_wheels: {back: {order: [fear, joy], source: nobody}}
templates: ["a photo that evokes {label}"]
labels:
  joy:
    parent: good
    synonyms: [happiness]
    place: {valence: 0.8, arousal: 0.2, source: somebody}
  fear: {parent: bad}
"""
READERS["taxonomy"] = Reader(
    written(("own.yaml", TAXONOMY), ("coarse.yaml", "name: coarse", "labels:", "  good: {}", "  bad: {}")),
    lambda folder, out: taxonomy(folder / "own.yaml"),
)


def taxonomy(path: Path) -> None:
    from affectml.taxonomies import get_taxonomy

    found = get_taxonomy(path)
    assert found.to_dict()


# Answers of other systems.

ANSWERS: dict[str, Callable[[Path], object]] = {
    "a.csv": written(("a.csv", "image,labels", "1.jpg,joy|awe", "2.jpg,none", "3.jpg,")),
    "r.csv": written(("r.csv", "image,joy,awe,fear", "1.jpg,.1,.5,.9", "2.jpg,0,0,1")),
    "a.jsonl": written(
        (
            "a.jsonl",
            json.dumps({"image_id": "1.jpg", "labels": ["joy"]}),
            json.dumps({"image": "2.jpg", "rates": {"joy": 0.5, "awe": 0.2}}),
            json.dumps({"image": "3.jpg", "reply": 'It is {"labels": ["awe"]}.'}),
            json.dumps({"image": "4.jpg", "ranking": ["awe", "joy"]}),
        )
    ),
    "b.jsonl": lambda folder: text(
        folder / "b.jsonl",
        *(
            json.dumps({
                "custom_id": custom_id(f"{image}.jpg", 1),
                "response": {"status_code": 200, "body": {"choices": [
                    {"message": {"content": '{"labels": ["joy"]}'}, "finish_reason": "stop"}]}},
                "error": None,
            })
            for image in (1, 2)
        ),
    ),
}  # fmt: skip


def read_answers(path: Path) -> None:
    from affectml.answers import JudgeConfig
    from affectml.answers._judge import _read as read
    from affectml.taxonomies import Taxonomy

    images = pd.DataFrame({"image_id": [f"{image}.jpg" for image in range(9)]})
    case = SimpleNamespace(
        config=JudgeConfig(name="x"),
        targets=SimpleNamespace(taxonomy=Taxonomy("own", LABELS), kind="rates"),
        dataset=SimpleNamespace(images=images),
    )
    read(case, path)


for file, write in ANSWERS.items():
    READERS[f"answers {file}"] = Reader(write, lambda folder, out, file=file: read_answers(folder / file))


# People's answers: files of judgements, data sets they are added to, databases.

JUDGED = pd.DataFrame({
    "event_id": ["e1", "e2", "e3"], "image_id": ["1.jpg", "2.jpg", "1.jpg"], "annotator_id": ["ann", "ann", "bob"],
    "round": 1, "kind": ["labels", "none", "labels"], "labels": [["joy"], [], ["joy", "awe"]],
    "intensities": [[0.5], None, [1.0, 2.0]], "seconds": [1.5, None, 2.0], "note": [None, "a|b", None],
    "at": pd.to_datetime(["2026-01-01T00:00:00Z"] * 3),
})  # fmt: skip


def judged(name: str, kind: Any = None) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        columns = ["intensities"] if name.endswith(".json") else []
        write_judgements(JUDGED.drop(columns=columns), folder / name, kind)

    return write


def read_judged(name: str) -> Callable[[Path, Path], None]:
    def read(folder: Path, out: Path) -> None:
        from affectml.cli._labels_task import open_source
        from affectml_annotation import aggregate

        given = open_source(str(folder / name))
        if len(given.judgements) and given.labels:
            aggregate(given.judgements, given.labels, "votes")

    return read


for file in ("j.csv", "j.jsonl", "j.json", "j.parquet"):
    READERS[f"judgements {file}"] = Reader(judged(file), read_judged(file))
READERS["judgements Hugging Face"] = Reader(judged("hf", "hugging-face"), read_judged("hf"))
READERS["judgements of a data set"] = Reader(
    part(*TABLES, also=lambda folder: parquet("data/annotators.parquet", annotator_id=["ann"], age=["30"])(folder)),
    read_judged("data"),
)
READERS["counts"] = Reader(
    written(("n.csv", "image_id,joy,awe,n", "1.jpg,1,2,3", "2.jpg,0,1,1")),
    lambda folder, out: counted(folder / "n.csv"),
)
READERS["counts in Parquet"] = Reader(
    parquet("n.parquet", image_id=["1.jpg", "2.jpg"], joy=[1, 0], awe=[2, 1], n=[3, 1]),
    lambda folder, out: counted(folder / "n.parquet"),
)


def counted(path: Path) -> None:
    from affectml_annotation.exchange.counts import read_counts

    read_counts(path, ["joy", "awe"], n_column="n")


def database(folder: Path) -> None:
    from affectml_annotation import LabelStore
    from affectml_annotation.store.settings import TaskSettings

    judged("j.parquet")(folder)
    with LabelStore(folder / "t.db") as store:
        store.init_task(TaskSettings(LABELS, "What do you feel?", overlap=2), [f"{image}.jpg" for image in range(4)])
        store.import_file(folder / "j.parquet", invite=True)
        store.claim("ann", 1)
    (folder / "j.parquet").unlink()
    with sqlite3.connect(folder / "t.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    (folder / "t.db-queue").unlink(missing_ok=True)


def labelled(folder: Path, out: Path) -> None:
    from affectml.cli._labels_task import Export, export_store, open_source, open_task
    from affectml_annotation.store.place import task_images

    task_images(folder / "t.db")
    with open_task(str(folder / "t.db")) as store:
        store.progress()
        store.history("ann")
        store.conflicts()
        store.decisions()
        export_store(store, Export(out, None, "labels", "votes", None, "first", True))
    open_source(str(folder / "t.db"))


def exported(folder: Path, out: Path) -> None:
    """Answers are added to a data set that has some."""
    from affectml.cli._labels_task import Export, export_store
    from affectml_annotation import LabelStore
    from affectml_annotation.store.settings import TaskSettings

    with LabelStore("sqlite://") as store:
        store.init_task(TaskSettings(LABELS, "What do you feel?", taxonomy=None), ["1.jpg", "2.jpg"])
        put({"j.parquet": files_of("judgements j.parquet")["j.parquet"]}, out.parent)
        store.import_file(out.parent / "j.parquet", invite=True)
        shutil.rmtree(out.parent)
        export_store(store, Export(folder / "data", None, "labels", "votes", None, "first", True))


def erased(folder: Path, out: Path) -> None:
    from affectml_annotation.exchange.erasing import erase_people

    erase_people(folder / "data", ["ann"])


def queued(name: str) -> Callable[[Path, Path], None]:
    def read(folder: Path, out: Path) -> None:
        from affectml.cli._labels_task import images_to_queue, read_checks
        from affectml_annotation import LabelStore
        from affectml_annotation.store.settings import TaskSettings

        with LabelStore("sqlite://") as store:
            store.init_task(TaskSettings(LABELS, "What?"), [f"{image}.jpg" for image in range(24)])
            if name == "checks.csv":
                read_checks(folder / name)
            else:
                store.enqueue(images_to_queue(store, folder / name, 3, people=None))

    return read


READERS["database"] = Reader(database, labelled, works=True)
READERS["answers added to a data set"] = Reader(part(*TABLES), exported, changes=True)
READERS["people taken out of a data set"] = Reader(part(*TABLES), erased, changes=True)
READERS["queue run"] = Reader(part("run"), queued("run"))
READERS["queue ids.txt"] = Reader(written(("ids.txt", "1.jpg", "2.jpg")), queued("ids.txt"))
for file in ("q.csv", "q.jsonl", "q.parquet"):
    READERS[f"queue {file}"] = Reader(lambda folder, file=file: as_predicted(folder / file), queued(file))
READERS["checks"] = Reader(
    written(("checks.csv", "image_id,accepted,forbidden", "1.jpg,joy|awe,fear", "2.jpg,joy,")), queued("checks.csv")
)


def as_predicted(file: Path) -> None:
    table = pd.DataFrame({"image": ["1.jpg", "2.jpg"], "joy": [0.5, 0.1], "awe": [0.2, 0.3], "fear": [0.0, 0.9]})
    if file.suffix == ".csv":
        table.to_csv(file, index=False)
    elif file.suffix == ".jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file, index=False)


# Encoders.


def encoder(folder: Path) -> None:
    """A CLIP of 8 pixels and 4 values."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "embed_dim": 4,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "patch_size": 8, "head_width": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 1, "heads": 1, "layers": 1},
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(**config)
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    preprocess = {"size": 8, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear"}
    text(folder / "open_clip_config.json", json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))


def load(folder: Path, out: Path) -> None:
    from affectml.encoders import load_encoder

    made = load_encoder(f"local-dir:{folder}", precision="fp32", threads=1)
    made.encode_images([Image.new("RGB", (9, 7))])


READERS["encoder"] = Reader(encoder, load)


# The test.


@functools.cache
def files_of(name: str) -> Files:
    """The input of a reader as it is read."""
    with tempfile.TemporaryDirectory() as top:
        READERS[name].write(Path(top))
        return contents(Path(top))


def contents(folder: Path) -> Files:
    """Every file by its path; folders that stand for a file among them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else FOLDER
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def put(files: Files, folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == FOLDER:
            path.mkdir()
        else:
            path.write_bytes(content)


def check(reader: Reader, files: Files, top: Path) -> str | None:
    """Read the files; what the error says, None where there is none."""
    (top / "in").mkdir()
    put(files, top / "in")
    before = contents(top / "in")
    said = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(top / "in", top / "deep" / "out")
    except (AffectmlError, AnnotationError, OSError) as error:
        said = str(error)
        named = not isinstance(error, OSError) or error.filename is not None  # then the command line says it in a line
    if said is not None:
        assert named, said
        assert "\n" not in said
        # what is wrong inside a database says only what: a command has one
        assert str(top / "in") in said or any(Path(name).name in said for name in files) or "t.db" in files, said
        assert sorted(path.name for path in top.iterdir()) == ["in"], "something is left, or folders above"
    now = {name: content for name, content in contents(top / "in").items() if not name.endswith(".lock")}
    assert not [name for name in now if name.endswith((".tmp", ".part"))]
    assert now == before or reader.works or (reader.changes and said is None)
    return said


# the encoder's library alone takes seconds
QUICK = [pytest.param(name, marks=pytest.mark.slow) if name == "encoder" else name for name in READERS]


@pytest.mark.parametrize("name", QUICK)
def test_without_damage_it_is_read(name, tmp_path):
    assert check(READERS[name], files_of(name), tmp_path) is None


@pytest.mark.parametrize("name", QUICK)
@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=3)
def test_with_any_damage_it_is_read_or_is_an_error_of_ours(name, draw):
    with tempfile.TemporaryDirectory() as top:
        check(READERS[name], damaged(files_of(name), draw), Path(top))


@pytest.mark.slow
@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_run_whose_json_says_something_else_is_reported_or_is_an_error_of_ours(draw):
    files = dict(files_of("run that is reported"))
    name = draw.choice([name for name in sorted(files) if name.startswith("run/") and name.endswith(".json")])
    with tempfile.TemporaryDirectory() as top:
        check(READERS["run that is reported"], files | {name: in_json(files[name], draw)}, Path(top))


if "AFFECTML_FUZZ" in os.environ:  # by hand: many seeds, of which one may find what is not mended yet

    @pytest.mark.parametrize("name", READERS)
    @pytest.mark.parametrize("seed", range(int(os.environ["AFFECTML_FUZZ"])))
    def test_with_much_damage_too(name, seed, tmp_path):
        check(READERS[name], damaged(files_of(name), random.Random(f"{name} {seed}")), tmp_path)
