"""Predictions for many images in a file, made in parts, which any number of processes may share."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from glob import escape
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml import parts
from affectml._files import replacing, sha256, try_folder, write_json
from affectml._progress import Progress, Say
from affectml._version import __version__
from affectml.errors import BadInput, option
from affectml.pictures import Bad, ImageLike, Picture, pictures
from affectml.predicting.checks import Alike, Ground
from affectml.predicting.features import unreadable
from affectml.predicting.predictions import COLUMNS, score_columns
from affectml.predicting.predictor import Predicted, Predictor
from affectml.runs import RunFolder
from affectml_annotation.exchange.files import csv_text, keep, kept_of, table_csv, take_left, write_text

ENDINGS = (".csv", ".parquet", ".jsonl")
DELIMITER = "|"  # between the labels of a set in CSV, as in files of judgements
# in a part's metadata: the images that could not be read, and what image files were embedded in (`Ran.precision`)
BAD, WAY = b"affectml.bad", b"affectml.way"
MANIFEST, WHOLE = "manifest.json", "whole.json"
OTHER = {  # what manifest.json says was asked for, in words
    "run": "another run",
    "images": "other images, or images that have changed since",
    "labels": "other labels",
    "threads": "another number of threads",
    "versions": "another version of affectml or torch",
    "person": "another person",
}


@dataclass(frozen=True)
class PredictionFile:
    """What `predict_to_file` did.

    file: what was written. images: its rows. kept: the file that was there before, where one was. bad: name and reason
    of each image that could not be read; `listed` is the file that has them, None where all could. alike: that nearly
    all images got the same answer, or an empty set, and what would help; "" where they did not. shift: whether the
    promise's ground has shifted, as far as scores show it; "" without a promise, and for a few images. Where another
    process wrote the file from the parts that both made, it says the last three.
    """

    file: Path
    images: int
    kept: Path | None = None
    bad: Bad = field(default_factory=list)
    alike: str = ""
    shift: str = ""

    @property
    def listed(self) -> Path | None:
        """Where `bad` is written."""
        return _list_of_bad(self.file) if self.bad else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "file": str(self.file),
            "images": self.images,
            "kept": None if self.kept is None else str(self.kept),
            "alike": self.alike,
            "shift": self.shift,
            "unreadable": [{"image": image, "reason": reason} for image, reason in self.bad],
        }


def predict_to_file(
    run: str | Path | RunFolder,
    images: ImageLike | Iterable[ImageLike],
    out: str | Path,
    *,
    replace: bool = False,
    threads: int | None = None,
    join: bool = True,
    say: Say = print,
    **options: Any,
) -> PredictionFile:
    """Write what a run says of images: image, a score per label in single precision, set.

    Memory does not grow with the number of images. Until OUT is whole, OUT.parts keeps what is done in parts of 1,024
    images. Any number of processes may make the same file at once, on any machines that share the folder: each makes
    parts that no other has claimed. Whoever is stopped or killed loses the part in hand, and the same call goes on. An
    image that is named twice has one row.

    Args:
        run: the run or its folder.
        images: see `affectml.pictures.pictures`. Those that cannot be read are listed, and have no row.
        out: a .csv file (labels of a set joined by `|`), .parquet or .jsonl.
        replace: write over a file that is there; the old one is kept beside it.
        threads: torch's; None is one less than the cores, or what the interrupted call had.
        join: False makes the parts alone, and a later call writes the file.
        say: called with each line for the user.
        options: further ones of `Predictor`: labels, device, person.

    Raises:
        BadInput: where no image can be read; for an `out` that exists or cannot be written, or that another process
            makes of something else; for `labels` with a head that has no texts.
        BadRun: for image files and a run on embeddings made elsewhere.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    answers = _Answers(Path(out))
    answers.may_be_written(replace)
    try_folder(answers.file.parent)
    bad: Bad = []
    found = pictures(images, bad=bad, once=True, say=say)
    threads = answers.threads if threads is None else threads
    predictor = Predictor(opened, threads=threads, padded=True, say=say, **options)
    _check_labels(answers.file, predictor, say)
    if not found:
        raise unreadable(bad)
    predictor.prepare(found)
    with answers.held(_asked(predictor, found), found, say):
        answers.may_be_written(replace)  # others may have written it since
        if not answers.finished:  # else killed after the file was whole
            predictor.way = answers.way()
            left = sum(len(answers.of[at]) for at, path in enumerate(answers.paths) if not path.exists())
            with Progress("predicting", left, "images") as bar, parts.Claims(answers.paths, say) as claims:
                for number in chain.from_iterable(claims.rounds()):
                    made = predictor.predict(answers.of[number], bar)
                    answers.write(number, made, predictor.way)
        if not join:
            return PredictionFile(answers.folder, answers.images, None, bad + answers.bad())
        return answers.join(bad, Ground(predictor, found), say)


class _Answers:
    """What was done of a file that is not whole yet, in OUT.parts.

    manifest.json says what was asked for, and whole.json what the file will be. of: the images of each part. paths:
    their files, named by what was asked, too, so that parts of two questions never meet in one file.
    """

    def __init__(self, file: Path) -> None:
        if file.suffix not in ENDINGS:
            raise BadInput(f"{file}: expected a file ending in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
        if file.is_dir():
            raise BadInput(f"{file} is a folder; name a file")
        self.file, self.folder = file, file.with_name(f"{file.name}.parts")
        self.of: list[Sequence[Picture]] = []
        self.paths: list[Path] = []
        self._ended = False

    def _said(self, name: str) -> dict[str, Any]:
        """The content of a file of the folder; nothing where it is not there or not readable."""
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((self.folder / name).read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else {}
        return {}

    @property
    def threads(self) -> int | None:
        """What torch had when the file was begun: the last bits of a score depend on it."""
        threads = self._said(MANIFEST).get("threads")
        return threads if isinstance(threads, int) and not isinstance(threads, bool) and threads > 0 else None

    @property
    def finished(self) -> bool:
        """Whether the file is whole, and only these parts are left to remove."""
        digest = self._said(WHOLE).get("sha256")
        return isinstance(digest, str) and self.file.is_file() and sha256(self.file) == digest

    def may_be_written(self, replace: bool) -> None:
        """Raises BadInput where a file is there that may not be written over."""
        if self.file.exists() and not (replace or self.finished):
            way = f"write over it with {option('replace', True)}: the old one is kept beside it"
            raise BadInput(f"{self.file} exists; name another file, or {way}")

    @contextmanager
    def held(self, asked: dict[str, Any], found: Sequence[Picture], say: Say) -> Iterator[None]:
        """Begin, or go on where the same was asked; the folder goes when the file is whole, or where nothing was done.

        Raises BadInput where another process makes the file of something else.
        """
        absent = [folder for folder in self.folder.parents if not folder.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.of = [found[start : start + parts.SIZE] for start in range(0, len(found), parts.SIZE)]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]
        self.paths = [self.folder / f"part-{key}-{number:05d}.parquet" for number in range(len(self.of))]
        try:
            self._begin(asked, len(found), say)
            yield
        except BaseException as error:
            with suppress(OSError, pa.ArrowException):
                if done := self.images + len(self.bad()):
                    error.add_note(f"{done:,} images are done and kept in {self.folder}")
                self._ended = self._ended or not (done or parts.claimed(self.folder))
            raise
        finally:
            if self._ended:
                for path in self.folder.glob("*"):
                    if path.name != WHOLE:  # which says until the end that nothing is left to do
                        path.unlink(missing_ok=True)
                shutil.rmtree(self.folder, ignore_errors=True)
            for folder in absent:
                with suppress(OSError):  # one that is not empty stays
                    folder.rmdir()

    def _begin(self, asked: dict[str, Any], images: int, say: Say) -> None:
        """Keep what was done for the same question; else take it away and say why."""
        if self.finished:
            return
        if not (self.folder / MANIFEST).exists():  # the first of several that begin at once says what is asked
            write_json(self.folder / MANIFEST, asked, first_stays=True)
        before = self._said(MANIFEST)
        other = ", ".join(words for key, words in OTHER.items() if before.get(key) != asked.get(key))
        if before == asked:
            for path in self._made:
                _check_whole(path)
            if there := self.images + len(self.bad()):
                say(f"going on after {there:,} of {images:,} images, as {self.folder} has them")
            return
        if before and parts.claimed(self.folder):
            raise BadInput(f"{self.file}: another process is making it with {other}; wait for it, or name another file")
        if left := list(self.folder.glob("part-*")):
            what = f"was begun with {other}" if before else "does not say what it is of"
            say(f"{self.folder} {what}: starting afresh")
        for path in left:
            path.unlink(missing_ok=True)
        write_json(self.folder / MANIFEST, asked)

    @property
    def _made(self) -> list[Path]:
        return [path for path in self.paths if path.exists()]

    @property
    def images(self) -> int:
        """Rows of the parts that are there."""
        return sum(pq.read_metadata(path).num_rows for path in self._made)

    def bad(self) -> Bad:
        """Name and reason of each image that could not be read."""
        return [(image, why) for path in self._made for image, why in json.loads(pq.read_schema(path).metadata[BAD])]

    def way(self) -> str | None:
        """What image files of the parts that are there were embedded in; None where none was."""
        return next(filter(None, (pq.read_schema(path).metadata[WAY].decode() for path in self._made)), None)

    def write(self, number: int, made: Predicted, way: str | None) -> None:
        """Keep a part: its table, with what its metadata say."""
        columns = score_columns(made.labels)
        table: dict[str, pa.Array] = {"image": pa.array(made.images, pa.string())}
        for at, label in enumerate(made.labels):
            table[columns[label]] = pa.array(made.scores[:, at].astype(np.float32))
        if made.sets is not None:
            table["set"] = pa.array(map(made.chosen, range(len(made.images))), pa.list_(pa.string()))
        if self.folder.exists():  # else another process took this one for dead, and has ended
            with replacing(self.paths[number], first_stays=True) as temporary:
                said = {BAD: json.dumps(made.bad), WAY: way or ""}
                pq.write_table(pa.table(table).replace_schema_metadata(said), temporary)

    def join(self, bad: Bad, ground: Ground, say: Say) -> PredictionFile:
        """Write the file from the parts, whose scores `ground` sees, and list beside it what could not be read."""
        joined, kept, said = self.folder / "joined", None, dict[str, Any]()
        with parts.Claims([joined], say) as claims:
            for _ in chain.from_iterable(claims.rounds()):
                if not self.finished:
                    kept = self._write_file(bad, ground)
                said = self._said(WHOLE)
                if said["bad"]:
                    write_text(_list_of_bad(self.file), csv_text([("image", "reason"), *said["bad"]]))
                else:
                    _list_of_bad(self.file).unlink(missing_ok=True)
                for name in (self.file.name, _list_of_bad(self.file).name):  # half written by a call that was killed
                    take_left(self.file.parent, escape(name))
                joined.touch()
        self._ended = True
        if not said:
            say(f"{self.file} was written by another process from the parts that both made")
            listed = _list_of_bad(self.file)
            rows = pd.read_csv(listed, dtype=str, keep_default_na=False).to_numpy().tolist() if listed.exists() else []
            said = {"images": sum(map(len, self.of)) + len(bad) - len(rows), "bad": rows, "alike": "", "shift": ""}
        unread = [(image, reason) for image, reason in said["bad"]]
        return PredictionFile(self.file, said["images"], kept, unread, said["alike"], said["shift"])

    def _write_file(self, bad: Bad, ground: Ground) -> Path | None:
        """Write the file; returns what the one before it is called now."""
        if not self.images:
            self._ended = True
            raise unreadable(bad + self.bad())
        with replacing(self.file) as temporary:
            alike = Alike([name for name in pq.read_schema(self.paths[0]).names if name not in COLUMNS])
            WRITERS[self.file.suffix](temporary, self._tables(alike, ground))
            said = {"images": self.images, "bad": bad + self.bad(), "alike": alike.words, "shift": ground.words}
            write_json(self.folder / WHOLE, {"sha256": sha256(temporary), **said})
            if not self.file.exists():
                return None
            # a command that was killed here has kept it already
            return next((old for old in kept_of(self.file) if old.samefile(self.file)), None) or keep(self.file)

    def _tables(self, alike: Alike, ground: Ground) -> Iterator[pa.Table]:
        """The parts with rows, one in memory at a time."""
        for path in self.paths:
            table = pq.read_table(path).replace_schema_metadata()
            if len(table):
                scores = table.drop_columns([name for name in COLUMNS if name in table.column_names])
                rows = np.column_stack([column.to_numpy() for column in scores.columns])
                alike.add(rows, table["set"].to_pylist() if "set" in table.column_names else None)
                ground.add(table["image"].to_pylist(), rows)
                yield table


def _check_labels(file: Path, predictor: Predictor, say: Say) -> None:
    """Before any work: say which labels have columns of other names; raise BadInput for those that CSV cannot hold."""
    for label, column in score_columns(predictor.labels).items():
        if column != label:
            say(f"the scores of label {label!r} are in column {column!r}: there is another column of its name")
    if file.suffix == ".csv" and predictor.predicts_sets:
        for label in predictor.labels:
            if DELIMITER in label or label != label.strip() or label.startswith("["):
                raise BadInput(
                    f"{file}: CSV cannot hold label {label!r} in sets, whose labels are joined by {DELIMITER!r}: "
                    "name a .parquet or .jsonl file"
                )


def _asked(predictor: Predictor, found: Sequence[Picture]) -> dict[str, Any]:
    """What parts of one file have in common, for manifest.json; its keys are those of OTHER."""
    files = [predictor.run.folder / name for name in ("run.json", "head.json", "head.safetensors")]
    return {
        "run": [sha256(file) for file in files],
        "images": _stamps(predictor, found),
        "labels": None if predictor.asked is None else list(predictor.labels),
        "threads": predictor.threads,
        "versions": {"affectml": __version__, "torch": version("torch")},
        "person": None if predictor.person is None else predictor.person._digest,
    }


def _stamps(predictor: Predictor, found: Sequence[Picture]) -> str:
    """Changes when an image here does: by name, place, size and time."""
    images = hashlib.sha256()
    stores: dict[Path, str] = {}
    for picture in found:
        store = predictor.store(picture)
        if store is not None and store.folder not in stores:
            stores[store.folder] = store.stamp()
        stamp = picture.stamp() if store is None else stores[store.folder]
        images.update(json.dumps([picture.name, picture.key, stamp]).encode())
    return images.hexdigest()


def _check_whole(path: Path) -> None:
    """Remove a part that cannot be read, so that it is made again."""
    try:
        said = pq.read_table(path).schema.metadata or {}
        said[WAY].decode()
        if not all(len(each) == 2 for each in json.loads(said[BAD])):
            raise ValueError
    except Exception:  # pyarrow raises many kinds for a damaged file
        path.unlink()


def _write_csv(path: Path, tables: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        for number, table in enumerate(tables):
            frame = table.to_pandas()
            if "set" in frame:
                frame["set"] = frame["set"].map(DELIMITER.join)
            handle.write(table_csv(frame, header=number == 0))


def _write_jsonl(path: Path, tables: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for table in tables:
            columns = [_plain(table[name]) for name in table.column_names]
            for row in zip(*columns, strict=True):
                content = dict(zip(table.column_names, row, strict=True))
                handle.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Plain values; numbers with as many digits as single precision has."""
    return [float(str(value)) for value in column.to_numpy()] if column.type == pa.float32() else column.to_pylist()


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".jsonl": _write_jsonl}


def _list_of_bad(file: Path) -> Path:
    return file.with_name(f"{file.name}.unreadable.csv")
