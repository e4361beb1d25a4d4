"""Readers, the small inputs that they read, and what holds of each when its input is damaged."""

import functools
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectml.data import Dataset
from affectml.errors import AffectmlError
from affectml.importers import get_importer
from affectml_annotation import AnnotationError

from .damage import FOLDER, Files
from .sources import picture, text


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


def written(*rows: tuple[str, ...], pictures: Iterable[str] = ()) -> Callable[[Path], None]:
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


def imports(name: str, file: str = "", csv: str = "", **options: Any) -> Callable[[Path, Path], None]:
    def read(folder: Path, out: Path) -> None:
        get_importer(name)(folder / file, out, **options, **({"csv": folder / csv} if csv else {}))
        whole(Dataset.open(out))

    return read


def parquet(name: str, /, **columns: Any) -> Callable[[Path], None]:
    return lambda folder: pq.write_table(pa.table(columns), folder / name)


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
        features = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
        np.savez(folder / "e.npz", image=np.array([f"{image}.jpg" for image in range(24)]), embedding=features)
        get_importer("embeddings")(folder / "e.npz", folder / "data")
        for name in ("t.csv", "e.npz"):
            (folder / name).unlink()
        affectml.train(folder / "data", multilabel=True, head="sigmoid", out=folder / "run", threads=1, say=quiet)
        told = json.loads((folder / "run" / "run.json").read_text())
        # the same each time, since a fault may copy one of them elsewhere
        told |= {"command": "affectml train data", "at": "2026-01-01T00:00:00+00:00"}
        told["config"]["dataset"] = "data"
        for measured in ("seconds", "energy"):
            told[measured] = json.loads(json.dumps(told[measured]), parse_float=lambda _: 0.5)
        text(folder / "run" / "run.json", json.dumps(told))
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


@functools.cache
def files_of(reader: Reader) -> Files:
    """The input of a reader as it is read."""
    with tempfile.TemporaryDirectory() as top:
        reader.write(Path(top))
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
