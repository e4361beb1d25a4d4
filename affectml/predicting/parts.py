"""A file of predictions while it is not whole: its parts, kept so that a command that was killed goes on."""

import glob
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import KEEP_EVERY, replacing, sha256, write_json
from affectml._progress import Say
from affectml.errors import BadInput
from affectml.pictures import Bad
from affectml.predicting._shift import Ground
from affectml.predicting.alike import Alike
from affectml.predicting.features import unreadable
from affectml.predicting.predictions import COLUMNS, score_columns
from affectml.predicting.predictor import Features, Predicted
from affectml.shards import Shard
from affectml_annotation.exchange.files import csv_text, table_csv, write_text

ENDINGS = (".csv", ".parquet", ".jsonl")
DELIMITER = "|"  # between the labels of a set in CSV, as in files of judgements
# in a part's metadata: the images that could not be read, what image files were embedded in (`Ran.precision`), and, in
# a shard's, what was read of each image (`contents`)
BAD, WAY, CONTENTS = b"affectml.bad", b"affectml.way", b"affectml.contents"
OTHER = {  # what manifest.json says was asked for, in words
    "run": "another run",
    "images": "other images",
    "labels": "other labels",
    "threads": "another number of threads",
    "versions": "another version of affectml or torch",
    "stamps": "images that have changed since",
    "person": "another person",
}


@dataclass(frozen=True)
class PredictionFile:
    """What `predict_to_file` did.

    file: what was written; of a shard the folder of its parts. images: its rows. kept: the file that was there before,
    where one was. bad: name and reason of each image that could not be read; `listed` is the file that has them, None
    where all could, and of a shard. shard: whose part of the images this is; None for all of them. alike: that nearly
    all images got the same answer, or an empty set, and what would help; "" where they did not. shift: whether the
    promise's ground has shifted, as far as scores show it; "" without a promise, and for a few images.
    """

    file: Path
    images: int
    kept: Path | None = None
    bad: Bad = field(default_factory=list)
    shard: Shard | None = None
    alike: str = ""
    shift: str = ""

    @property
    def listed(self) -> Path | None:
        """Where `bad` is written."""
        return _unreadable_file(self.file) if self.bad and self.shard is None else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "file": str(self.file),
            "shard": None if self.shard is None else str(self.shard),
            "images": self.images,
            "kept": None if self.kept is None else str(self.kept),
            "alike": self.alike,
            "shift": self.shift,
            "unreadable": [{"image": image, "reason": reason} for image, reason in self.bad],
        }


class Parts:
    """What was done of a file that is not whole yet, and manifest.json, which says what was asked for.

    It lies in OUT.parts, and what a shard did in OUT.shards/3-of-16.
    """

    def __init__(self, file: Path, shard: Shard | None = None) -> None:
        if file.suffix not in ENDINGS:
            raise BadInput(f"{file}: expected a file ending in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
        if file.is_dir():
            raise BadInput(f"{file} is a folder; name a file")
        self.file = file
        self.folder = file.with_name(f"{file.name}.parts") if shard is None else shards_of(file) / shard.folder
        self._ended, self._alike, self._shift = False, "", ""

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked for; nothing where manifest.json does not say it."""
        asked: dict[str, Any] = self._manifest.get("asked", {})
        return asked

    @property
    def _manifest(self) -> dict[str, Any]:
        """manifest.json; nothing where it is not there or not readable."""
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
            if isinstance(content, dict) and isinstance(content.get("asked"), dict):
                return content
        return {}

    @property
    def threads(self) -> int | None:
        """What torch had when the file was begun: the last bits of a score depend on it."""
        threads = self.asked.get("threads")
        return threads if isinstance(threads, int) and not isinstance(threads, bool) and threads > 0 else None

    @property
    def finished(self) -> bool:
        """Whether the file is whole, and only these parts are left to remove."""
        digest = self._manifest.get("sha256")
        return isinstance(digest, str) and self.file.is_file() and sha256(self.file) == digest

    def path(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{number:05d}.parquet"

    @property
    def images(self) -> int:
        """Rows of the parts that are there."""
        return sum(pq.read_metadata(path).num_rows for path in self._paths())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Alone here; the folder goes when the file is whole, or where nothing was done."""
        from filelock import FileLock, Timeout

        absent = [folder for folder in self.folder.parents if not folder.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                try:
                    yield
                except BaseException as error:
                    self._ended = self._ended or not any(self.folder.glob("part-*"))
                    with suppress(OSError, pa.ArrowException):  # a damaged part is made again
                        if done := self.images + sum(_Making(path).count for path in self._paths(".npz")):
                            error.add_note(f"{done:,} images are done and kept in {self.folder}")
                    raise
                finally:
                    if self._ended:  # while it is held: another process may begin here as soon as it is not
                        shutil.rmtree(self.folder, ignore_errors=True)
        except Timeout:
            raise BadInput(f"{self.file}: another process is writing it; wait for it to end") from None
        finally:
            for folder in absent:
                with suppress(OSError):  # one that is not empty stays
                    folder.rmdir()

    def begin(self, asked: dict[str, Any], images: int, say: Say) -> None:
        """Keep what was done for the same question; else take it away and say why."""
        before = self._manifest.get("asked")
        for litter in self.folder.glob(".*.tmp"):
            litter.unlink()
        for file in (self.file, _unreadable_file(self.file)):  # half written by a call that was killed
            for litter in file.parent.glob(f".{glob.escape(file.name)}.????????.tmp"):
                litter.unlink()
        done = [path for path in self._paths() if is_whole(path)]
        for path in done:  # killed between the two
            path.with_suffix(".npz").unlink(missing_ok=True)
        making = self._paths(".npz")
        if before == asked:
            if there := self.images + len(self.bad()) + sum(_Making(path).count for path in making):
                say(f"going on after {there:,} of {images:,} images, as {self.folder} has them")
            return
        if done := done + making:
            other = [words for key, words in OTHER.items() if (before or {}).get(key) != asked.get(key)]
            what = "does not say what it is of" if before is None else f"was begun with {', '.join(other)}"
            say(f"{self.folder} {what}: starting afresh")
        for path in done:
            path.unlink()
        write_json(self.folder / "manifest.json", {"asked": asked})

    @contextmanager
    def making(self, number: int) -> "Iterator[_Making]":
        """Features for a part, with those that a stopped call has left; they are kept however the block ends."""
        features = _Making(self.path(number).with_suffix(".npz"))
        try:
            yield features
        except BaseException:
            features.write()
            raise

    def write(self, number: int, made: Predicted, way: str | None, read: Mapping[str, str] | None = None) -> None:
        """Keep a part: its table, with what its metadata say; `read` is of `contents`."""
        columns = score_columns(made.labels)
        table: dict[str, pa.Array] = {"image": pa.array(made.images, pa.string())}
        for at, label in enumerate(made.labels):
            table[columns[label]] = pa.array(made.scores[:, at].astype(np.float32))
        if made.sets is not None:
            table["set"] = pa.array(map(made.chosen, range(len(made.images))), pa.list_(pa.string()))
        with replacing(self.path(number)) as temporary:
            said = {BAD: json.dumps(made.bad), WAY: way or "", CONTENTS: json.dumps(dict(read or {}))}
            pq.write_table(pa.table(table).replace_schema_metadata(said), temporary)

    def way(self) -> str | None:
        """What image files of the parts that are there were embedded in; None where none was."""
        ways = [pq.read_schema(path).metadata[WAY].decode() for path in self._paths()]
        return next(filter(None, ways), None)

    def join(self, bad: Bad, ground: Ground) -> Path | None:
        """Write the file from the parts, whose scores `ground` sees; returns what the file before it is called now."""
        from affectml_annotation.exchange.files import keep, kept_of

        if not self.images:
            self._ended = True
            raise unreadable(bad + self.bad())
        with replacing(self.file) as temporary:
            WRITERS[self.file.suffix](temporary, self._tables(ground))
            write_json(self.folder / "manifest.json", {**self._manifest, "sha256": sha256(temporary)})
            kept = None
            if self.file.exists():  # a command that was killed here has kept it already
                kept = next((old for old in kept_of(self.file) if old.samefile(self.file)), None) or keep(self.file)
        return kept

    def finish(self, bad: Bad, kept: Path | None = None) -> PredictionFile:
        """List what could not be read beside the file, which is whole."""
        made = PredictionFile(self.file, self.images, kept, bad + self.bad(), alike=self._alike, shift=self._shift)
        place = _unreadable_file(self.file)
        if made.bad:
            write_text(place, csv_text([("image", "reason"), *made.bad]))
        else:
            place.unlink(missing_ok=True)
        self._ended = True
        return made

    def _paths(self, ending: str = ".parquet") -> list[Path]:
        return sorted(self.folder.glob(f"part-*{ending}"))

    def _tables(self, ground: Ground) -> Iterator[pa.Table]:
        """The parts with rows, one in memory at a time."""
        answers = None
        for path in self._paths():
            table = pq.read_table(path).replace_schema_metadata()
            if len(table):
                scores = table.drop_columns([name for name in COLUMNS if name in table.column_names])
                answers = answers or Alike(scores.column_names)
                sets = table["set"].to_pylist() if "set" in table.column_names else None
                rows = np.column_stack([column.to_numpy() for column in scores.columns])
                answers.add(rows, sets)
                ground.add(table["image"].to_pylist(), rows)
                yield table
        self._alike = "" if answers is None else answers.words
        self._shift = ground.words

    def bad(self) -> Bad:
        """Name and reason of each image that could not be read."""
        found: Bad = []
        for path in self._paths():
            found += [(image, reason) for image, reason in json.loads(pq.read_schema(path).metadata[BAD])]
        return found


class _Making(Features):
    """Those of a part that is not whole yet: the disk has them every ten seconds. way: what they are embedded in."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self._written = path, time.monotonic()
        self.way: str | None = None
        try:
            with np.load(path, allow_pickle=False) as there:
                said, rows = json.loads(there["said"].item()), there["rows"]
            self.rows, self.bad = dict(zip(said["names"], rows, strict=True)), dict(said["bad"])
            self.way = said["way"]
        except Exception:  # numpy raises many kinds for a damaged file; its images are embedded again
            path.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """Images."""
        return len(self.rows) + len(self.bad)

    def keep(self, way: str | None) -> None:
        """Write where it is time to."""
        self.way = way
        if time.monotonic() - self._written >= KEEP_EVERY:
            self.write()

    def write(self) -> None:
        """Write what there is."""
        if self.count:
            said = json.dumps({"names": list(self.rows), "bad": self.bad, "way": self.way})
            with replacing(self.path) as temporary, temporary.open("wb") as handle:
                np.savez(handle, said=said, rows=np.array(list(self.rows.values())))
        self._written = time.monotonic()


def is_whole(path: Path) -> bool:
    """Whether a part can be read; one that cannot is removed, to be made again."""
    try:
        said = pq.read_table(path).schema.metadata or {}
        said[WAY].decode()
        return all(len(each) == 2 for each in json.loads(said[BAD]))
    except Exception:  # pyarrow raises many kinds for a damaged file
        path.unlink()
        return False


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


def shards_of(file: Path) -> Path:
    """The folder that keeps what shards made of a file."""
    return file.with_name(f"{file.name}.shards")


def _unreadable_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.unreadable.csv")
