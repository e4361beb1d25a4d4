"""Predictions for many images in a file: made and kept in parts, so that a command that was killed goes on."""

import csv
import glob
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectml import __version__
from affectml._files import KEEP_EVERY, replacing, sha256, try_folder, write_json
from affectml._progress import Progress, Say
from affectml.encoders import Encoder
from affectml.errors import BadInput, option
from affectml.evaluation.alike import Alike
from affectml.pictures import Bad, ImageLike, Picture, pictures
from affectml.predicting import PART, Features, Predicted, Predictor
from affectml.predictions import COLUMNS, score_columns
from affectml.run_features import unreadable
from affectml.runs import RunFolder
from affectml.shards import Shard

if TYPE_CHECKING:
    from affectml.person import Person

ENDINGS = (".csv", ".parquet", ".jsonl")
DELIMITER = "|"  # between the labels of a set in CSV, as in files of judgements
# in a part's metadata: the images that could not be read, what image files were embedded in (`Ran.way`), and, in a
# shard's, what was read of each image (`contents`)
BAD, WAY, CONTENTS = b"affectml.bad", b"affectml.way", b"affectml.contents"
READERS = 8  # threads that read files to know them again
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
    all images got the same answer, or an empty set, and what would help; "" where they did not.
    """

    file: Path
    images: int
    kept: Path | None = None
    bad: Bad = field(default_factory=list)
    shard: Shard | None = None
    alike: str = ""

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
            "unreadable": [{"image": image, "reason": reason} for image, reason in self.bad],
        }


def predict_to_file(
    run: str | Path | RunFolder,
    images: ImageLike | Iterable[ImageLike],
    out: str | Path,
    *,
    labels: Sequence[str] | None = None,
    replace: bool = False,
    shard: Shard | str | None = None,
    threads: int | None = None,
    device: str | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
    person: "Person | None" = None,
    say: Say = print,
) -> PredictionFile:
    """Write what a run says of images: image, a score per label in single precision, set, certainty.

    Memory does not grow with the number of images. Stopped at any moment, the same call goes on: until OUT is whole,
    OUT.parts keeps what was done, but for the batches in hand and, where it was killed, the last ten seconds. An image
    that is named twice has one row.

    Args:
        run: the run or its folder.
        images: see `affectml.pictures.pictures`. Those that cannot be read are listed, and have no row.
        out: a .csv file (labels of a set joined by `|`), .parquet or .jsonl.
        labels: choose among these instead of the run's own, see `Predictor`.
        replace: write over a file that is there; the old one is kept beside it.
        shard: predict only these of the images, `3/16` say, in whole parts of 1,024, and keep what is done in
            OUT.shards/3-of-16 for `merge_predictions`. Images of a data set that have no embedding are then read from
            their files, and no embedding of them is kept.
        threads: torch's; None is one less than the cores, or what the interrupted call had.
        device: see `Predictor`.
        encoder_factory: see `Predictor`.
        person: whose answers they are, see `affectml.person`; None is the population's. A person has no shards.
        say: called with what one should know.

    Raises:
        BadInput: where no image can be read; for an `out` that exists or cannot be written; for `labels` with a head
            that has no texts.
        BadRun: for image files and a run on embeddings made elsewhere.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    shard = None if shard is None else Shard.parse(shard)
    if shard is not None and person is not None:
        raise BadInput(f"{option('shard', str(shard))}: a person is predicted by one process, where their data are")
    parts = Parts(Path(out), shard)
    if shard is None and not parts.finished:
        refuse_existing(parts.file, replace)
        if shards_of(parts.file).is_dir():
            say(f"{shards_of(parts.file)} has what shards made, which {option('merge', True)} joins; this does not")
    try_folder(parts.file.parent)
    bad: Bad = []
    found = pictures(images, bad=bad, once=True, say=say)
    threads = parts.threads if threads is None else threads
    predictor = Predictor(
        opened,
        labels=labels,
        threads=threads,
        device=device,
        encoder_factory=encoder_factory,
        embed=shard is None,
        padded=True,
        person=person,
        say=say,
    )
    check_labels(parts.file, predictor, say)
    if not found:
        raise unreadable(bad)
    mine = range(len(found)) if shard is None else rows_of(shard, found)
    if not mine:
        say(f"shard {shard} has nothing to do: {len(found):,} images are {len(in_parts(found))} parts of {PART:,}")
        return PredictionFile(parts.folder, 0, shard=shard)
    predictor.prepare(found[mine.start : mine.stop])
    if shard is None:
        asked = _asked(predictor, found, labels)
    else:
        asked = shard_asked(predictor, found, labels) | {"stamps": _stamps(predictor, found[mine.start : mine.stop])}
    with parts.held():
        parts.begin(asked, len(mine), say)
        if parts.finished:  # killed after the file was whole
            return parts.finish(bad)
        if shard is None:
            refuse_existing(parts.file, replace)
        predictor.way = parts.way()
        left = [start for start in mine[::PART] if not parts.path(start // PART).exists()]
        with Progress("predicting", sum(len(mine[at - mine.start :][:PART]) for at in left), "images") as bar:
            for start in left:
                some = found[start : start + PART]
                with parts.making(start // PART) as features:
                    predictor.way = predictor.way or features.way
                    made = predictor.predict(some, bar, features)
                read = None if shard is None else contents(predictor, some, set(made.images))
                parts.write(start // PART, made, predictor.way, read)
                features.path.unlink(missing_ok=True)
        if shard is not None:
            return PredictionFile(parts.folder, parts.images, None, bad + parts.bad(), shard)
        kept = parts.join(bad)
        return parts.finish(bad, kept)


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
        self._ended, self._alike = False, ""

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
            if there := min(len(done) * PART, images) + sum(_Making(path).count for path in making):
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
        if made.certainty is not None:
            table["certainty"] = pa.array(made.certainty.astype(np.float32))
        with replacing(self.path(number)) as temporary:
            said = {BAD: json.dumps(made.bad), WAY: way or "", CONTENTS: json.dumps(dict(read or {}))}
            pq.write_table(pa.table(table).replace_schema_metadata(said), temporary)

    def way(self) -> str | None:
        """What image files of the parts that are there were embedded in; None where none was."""
        ways = [pq.read_schema(path).metadata[WAY].decode() for path in self._paths()]
        return next(filter(None, ways), None)

    def join(self, bad: Bad) -> Path | None:
        """Write the file from the parts; returns what the file that was there before is called now."""
        from affectml_annotation.exchange._files import keep, kept_of

        if not self.images:
            self._ended = True
            raise unreadable(bad + self.bad())
        with replacing(self.file) as temporary:
            WRITERS[self.file.suffix](temporary, self._tables())
            write_json(self.folder / "manifest.json", {**self._manifest, "sha256": sha256(temporary)})
            kept = None
            if self.file.exists():  # a command that was killed here has kept it already
                kept = next((old for old in kept_of(self.file) if old.samefile(self.file)), None) or keep(self.file)
        return kept

    def finish(self, bad: Bad, kept: Path | None = None) -> PredictionFile:
        """List what could not be read beside the file, which is whole."""
        made = PredictionFile(self.file, self.images, kept, bad + self.bad(), alike=self._alike)
        place = _unreadable_file(self.file)
        if made.bad:
            with replacing(place) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
                csv.writer(handle).writerows([("image", "reason"), *made.bad])
        else:
            place.unlink(missing_ok=True)
        self._ended = True
        return made

    def _paths(self, ending: str = ".parquet") -> list[Path]:
        return sorted(self.folder.glob(f"part-*{ending}"))

    def _tables(self) -> Iterator[pa.Table]:
        """The parts with rows, one in memory at a time."""
        answers = None
        for path in self._paths():
            table = pq.read_table(path).replace_schema_metadata()
            if len(table):
                scores = table.drop_columns([name for name in COLUMNS if name in table.column_names])
                answers = answers or Alike(scores.column_names)
                sets = table["set"].to_pylist() if "set" in table.column_names else None
                answers.add(np.column_stack([column.to_numpy() for column in scores.columns]), sets)
                yield table
        self._alike = "" if answers is None else answers.words

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
            frame.to_csv(handle, index=False, header=number == 0, lineterminator="\r\n")


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


def in_parts(found: Sequence[Picture]) -> list[Sequence[Picture]]:
    """The images of each part."""
    return [found[start : start + PART] for start in range(0, len(found), PART)]


def rows_of(shard: Shard, found: Sequence[Picture]) -> range:
    """Which of the images a shard predicts: whole parts."""
    return shard.rows(len(found), PART)


def _unreadable_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.unreadable.csv")


def refuse_existing(file: Path, replace: bool) -> None:
    """Raises BadInput for a file that is there, unless it may be written over."""
    if file.exists() and not replace:
        way = option("replace", True)
        raise BadInput(f"{file} exists; name another file, or write over it with {way}: the old one is kept beside it")


def check_labels(file: Path, predictor: Predictor, say: Say) -> None:
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


def _asked(predictor: Predictor, found: Sequence[Picture], labels: Sequence[str] | None) -> dict[str, Any]:
    """What parts of one file have in common, for manifest.json; its keys are those of OTHER."""
    whose = {} if predictor.person is None else {"person": predictor.person._digest}
    return {**shard_asked(predictor, found, labels), "images": _stamps(predictor, found), **whose}


def shard_asked(predictor: Predictor, found: Sequence[Picture], labels: Sequence[str] | None) -> dict[str, Any]:
    """What shards of one file have in common: images by their names, since other machines have copies of them."""
    files = [predictor.run.folder / name for name in ("run.json", "head.json", "head.safetensors")]
    images = hashlib.sha256()
    for picture in found:
        images.update(json.dumps(picture.name).encode())
    return {
        "run": [sha256(file) for file in files],
        "images": images.hexdigest(),
        "labels": None if labels is None else list(labels),
        "threads": predictor.threads,
        "versions": {"affectml": __version__, "torch": version("torch")},
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


def contents(predictor: Predictor, found: Sequence[Picture], names: Container[str]) -> dict[str, str]:
    """By name, what is read of each image whose name is among these: sha256 of its embedding, its file or its pixels.

    An image that is not here is left out.
    """

    def content(picture: Picture) -> str:
        store = predictor.store(picture)
        if store is not None:
            there = not store.missing([picture.image_id])
            return f"embedding {hashlib.sha256(store.rows([picture.image_id]).tobytes()).hexdigest()}" if there else ""
        with suppress(OSError):
            return f"pixels {picture.stamp()}" if picture.pixels is not None else f"file {sha256(Path(picture.file))}"
        return ""

    wanted = [picture for picture in found if picture.name in names]
    with ThreadPoolExecutor(READERS, "contents") as pool:
        read = dict(zip((picture.name for picture in wanted), pool.map(content, wanted), strict=True))
    return {name: what for name, what in read.items() if what}
