"""What Hugging Face `datasets` reads becomes a table and images, which mean what `import table` says.

Code of a data set is never run: `datasets` runs none since version 4, and only kinds of files that hold data alone are
let through.
"""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import compress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._options import check_choice
from affectml._progress import Progress
from affectml.errors import BadInput, MissingExtra, option
from affectml.importers.draft import About, Draft, Source
from affectml.importers.find import SUFFIXES, file_in_dataset, is_usual
from affectml.importers.read import ANNOTATOR, LABEL, SPLIT_OF, Table, TableSpec, pick
from affectml.importers.registry import importer
from affectml.importers.table import draft_of_table
from affectml.taxonomies import infer_taxonomy
from affectml_annotation.tables import plain
from affectml_annotation.yaml_files import load_yaml

BATCH = 64  # rows that are Python's objects at once
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".zst")
MOST_BYTES = 256 * 2**20  # of an image
NO_COLUMN = "columns of a kind that no table keeps"
VECTORS = "columns of lists of numbers or of objects (embeddings come in by `affectml import embeddings`)"
_KINDS = ("parquet", "arrow", "imagefolder", "json", "csv")  # of files, as `datasets` calls them
_EXPECTED = (
    "expected a Parquet file, or a folder of `save_to_disk`, of images with metadata or of Parquet files; unpack "
    "archives, and `affectml import images` or `import table` what is in them"
)
_SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif",
               b"MM\0*": ".tif"}  # fmt: skip


@importer("datasets", About(construct="evoked"), images=("copy", "hardlink", "none"), folder=False)
def containers(
    source: Source,
    spec: TableSpec,
    *,
    image_column: str | None = None,
    config: str | None = None,
) -> Draft:
    """What Hugging Face `datasets` reads: its folders and Parquet files.

    A folder of `save_to_disk`, of images with metadata.csv or .jsonl, or of Parquet files, as `hf download` brings them
    from the Hub; or one Parquet file. Columns mean what they mean to `import table`; a ClassLabel is a label, a list of
    them a set, an object of numbers a column per label. Splits are kept. Code of a data set is never run.

    Args:
        source: Folder or Parquet file.
        image_column: Column of images. Default: the only one.
        config: Which configuration of a data set that has several.
    """
    out = source.out.absolute()
    near = next(folder for folder in (out, *out.parents) if folder.is_dir())
    with quiet(), ExitStack() as failed:
        container = open_container(source.path, config)
        # not by the name of what a command writes and a killed one leaves, which the next one takes away
        spool = TemporaryDirectory(dir=near, prefix=f".{source.out.name}.images-", suffix=".tmp")
        place = Path(failed.enter_context(spool)) if source.images != "none" else None
        named = {plain(column) for features in container.features.values() for column in features}
        judged = spec.anonymous or spec.annotator_column is not None or not named.isdisjoint(ANNOTATOR)
        gathered = Gathered(container, place, judged, spec.label_column, spec.images_root).read(image_column)
        result = _draft(gathered, spec, source)
        result.about = replace(result.about, licence=source.about.licence or _licence(Path(container.root)))
        failed.pop_all()
    result.spool = spool
    return result


@dataclass
class Container:
    """An opened source, to be read once.

    root: what its files' addresses begin with. splits: by the container's name of each, its rows. features: of each
    split's columns. total: its rows, where known.
    """

    address: str
    root: str
    splits: dict[str, Iterable[Any]]
    features: dict[str, dict[str, Any]]
    total: int | None = None

    def rows(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Place and cells of each row of a split; an image is {"bytes", "path"}. BadInput for what cannot be read."""
        number = 0
        try:
            for number, cells in enumerate(self.splits[split], start=1):
                yield f"{self.address}, {split}, row {number}", dict(cells)
        except Exception as error:  # datasets, pyarrow and fsspec raise many kinds
            raise BadInput(f"{self.address}, {split}, after row {number}: {_line(error)}") from None

    def contains(self, path: str) -> str | None:
        """A path of the container as one below its root; None where it leads out of it."""
        plain = path.replace("\\", "/") if os.sep == "\\" else path
        below: str | None = plain
        if "://" in plain or Path(plain).is_absolute():
            start = self.root.rstrip("/") + "/"
            below = plain.removeprefix(start).lstrip("/") if plain.startswith(start) else None
        return None if below is None or ".." in below.split("/") or "\0" in below else below.removeprefix("./")


def open_container(path: Path, config: str | None = None) -> Container:
    """Open a source that Hugging Face `datasets` reads, a row at a time.

    Args:
        path: a folder or a Parquet file.
        config: which of a folder's configurations.

    Raises:
        BadInput: if something is missing, or of a kind that is not read.
    """
    import datasets

    address, here = str(path), path.expanduser().absolute()
    try:
        if here.is_dir():
            root, has = str(here.resolve()), {entry.name for entry in here.iterdir() if entry.is_file()}
            if has & {"dataset_dict.json", "state.json"}:
                return _loaded(address, root, datasets.load_from_disk(root))
            if has >= {"dataset.json", "images.parquet"}:
                raise BadInput(f"{address}: an affectml data set already; every command reads it as it is")
            return _built(address, root, path=root, name=config)
        if not here.is_file():
            download = "`hf download --repo-type dataset ORG/NAME --local-dir FOLDER` brings one of the Hub's"
            raise BadInput(f"{address}: no such file or folder; {_EXPECTED}; {download}")
        if here.suffix.lower() != ".parquet":
            raise BadInput(f"{address}: a kind of file that is not read; {_EXPECTED}")
        return _built(address, str(here.parent), path="parquet", data_files=[str(here)])
    except BadInput:
        raise
    except Exception as error:  # datasets and each file system have errors of their own
        ask = f"name one: {option('config')}" if "onfig name is missing" in str(error) else _EXPECTED
        raise BadInput(f"{address}: {_line(error)}; {ask}") from None


@contextmanager
def quiet() -> Iterator[None]:
    """`datasets` without its own bars and log lines; MissingExtra without the package."""
    if find_spec("datasets") is None:
        raise MissingExtra("datasets", "datasets", "reading data sets in Hugging Face's forms")
    import datasets

    with ExitStack() as after:
        after.callback(datasets.logging.set_verbosity, datasets.logging.get_verbosity())
        if datasets.is_progress_bar_enabled():
            after.callback(datasets.enable_progress_bars)
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        datasets.disable_progress_bars()
        yield


def _built(address: str, root: str, **source: Any) -> Container:
    """What `datasets` makes of files, a folder or a repository; Parquet is read here."""
    import datasets

    builder = datasets.load_dataset_builder(**source)
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in _KINDS:
        raise BadInput(f"{address}: holds files that are read as {kind!r}, which is not done here; {_EXPECTED}")
    found = {str(split): list(map(str, of)) for split, of in (builder.config.data_files or {}).items()}
    container = Container(address, root, {}, {})
    for file in [file for files in found.values() for file in files]:
        if container.contains(file) is None:
            raise BadInput(f"{address}: its README.md names {file}, which lies outside; nothing was read")
        if file.lower().endswith(ARCHIVES):
            raise BadInput(f"{address}: {file} is an archive; unpack it, and import the folder")
        if file.lower().endswith(".jsonl"):
            _check_lines(file)
    if kind != "parquet":
        return _loaded(address, root, builder.as_streaming_dataset())
    container.total = 0
    for split, files in found.items():
        features = builder.info.features
        for file in files:
            head = pq.ParquetFile(file)
            features = features or datasets.Features.from_arrow_schema(head.schema_arrow)
            container.total += head.metadata.num_rows
        container.splits[split], container.features[split] = _parquet_rows(files, features), dict(features)
    return container


def _check_lines(file: str) -> None:
    """Raises BadInput if a line is not a JSON object: pyarrow, which reads them next, ends the process at `null`."""
    with Path(file).open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            said: Any = None
            with suppress(ValueError, RecursionError):
                said = json.loads(line.strip() or "{}")
            if not isinstance(said, dict):
                raise BadInput(f'{file}, line {number}: expected a JSON object, such as {{"file_name": "a.jpg"}}')


def _parquet_rows(files: list[str], features: Any) -> Iterator[dict[str, Any]]:
    """A row group in memory at a time: `datasets` itself reads a good part of a file ahead."""
    from datasets.table import table_cast

    for file in files:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            rows = table_cast(parquet.read_row_group(group, use_threads=False), features.arrow_schema)
            for batch in rows.to_batches(BATCH):
                yield from batch.to_pylist()


def _loaded(address: str, root: str, found: Any) -> Container:
    """Splits with undecoded images, and without sound and video."""
    import datasets

    splits = dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}
    known = [len(rows) for rows in splits.values() if isinstance(rows, datasets.Dataset)]
    features: dict[str, dict[str, Any]] = {}
    for name, rows in splits.items():
        rows = rows if rows.features is not None else rows._resolve_features()
        for column, feature in dict(rows.features or {}).items():
            if isinstance(feature, datasets.Image):
                rows = rows.cast_column(column, datasets.Image(decode=False))
            elif isinstance(feature, datasets.Audio | datasets.Video):
                rows = rows.remove_columns([column])
        splits[name], features[name] = rows, dict(rows.features or {})
    return Container(address, root, splits, features, sum(known) if known else None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def _licence(root: Path) -> str:
    """The licence that the README.md beside the data states in its header; empty where it states none."""
    with suppress(OSError, ValueError, AttributeError, TypeError):  # no file, no YAML, or no header of names
        header: Any = re.match(r"---\r?\n(.*?)\n---", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        said = load_yaml(header[1])
        parts = [said.get(f"license{part}") for part in ("", "_name", "_link")]
        return ", ".join(str(part) for part in parts if part and part != "unknown")
    return ""


def _image_column(container: Container, asked: str | None) -> str | None:
    """The column of images: the one asked for, else the only one, else None."""
    import datasets

    columns = [column for features in container.features.values() for column in features.items()]
    found = list(dict.fromkeys(column for column, feature in columns if isinstance(feature, datasets.Image)))
    if asked is not None:
        check_choice(f"{container.address}: {option('image_column')}", asked, found or ["no column of images"])
    elif len(found) > 1:
        way_out = f"name the one that is meant: {option('image_column', found[0])}"
        raise BadInput(f"{container.address}: {' and '.join(found)} hold images; {way_out}")
    return asked or next(iter(found), None)


@dataclass(slots=True)
class Taken:
    """A row that was taken, and the name and file of its image."""

    where: str
    split: str
    cells: dict[str, Any]
    name: str | None = None
    place: Path | None = None


@dataclass
class Gathered:
    """Rows of a container; memory holds the columns that are kept, and one image.

    spool: the folder that each embedded image is written to at once; None for labels alone. judged: whether each row
    is a judgement, so that images with the same bytes and no name are one image. label: the column of labels that the
    user names. root: the folder of images that rows name, where it is not the container's.

    What `read` finds: image, the column of images; labels, by column, the names of its ClassLabel; rows; names, by name
    of an image what tells it from others; frame, the rows' columns without images; skipped, for each reason, rows and
    columns that were left out.
    """

    container: Container
    spool: Path | None
    judged: bool = False
    label: str | None = None
    root: str | Path | None = None
    image: str | None = None
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: list[Taken] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def read(self, asked: str | None = None) -> "Gathered":
        """All rows. asked: the column of images; the only one is found."""
        self.image = _image_column(self.container, asked)
        left: dict[str, dict[str, None]] = defaultdict(dict)
        with Progress("reading", self.container.total, "rows") as bar:
            for split in self.container.splits:
                features = self.container.features[split]
                coded = _class_labels(features)
                self.labels |= {c: tuple(dict.fromkeys([*self.labels.get(c, ()), *of])) for c, of in coded.items()}
                others = {c: f for c, f in features.items() if c != self.image and c not in coded}
                reasons = {column: self._left_out(column, feature) for column, feature in others.items()}
                for column, reason in reasons.items():
                    if reason:
                        left[reason][column] = None
                for where, cells in self.container.rows(split):
                    bar.advance()
                    image = cells.pop(self.image, None) if self.image else None
                    taken = Taken(where, split, {c: cell for c, cell in cells.items() if not reasons.get(c)})
                    if self.image and (why := self._take_image(taken, image)):
                        left[why][where] = None
                        continue
                    taken.cells.update({column: _words(cells.get(column), coded[column]) for column in coded})
                    self.rows.append(taken)
        self.skipped = {reason: list(what) for reason, what in left.items()}
        if not self.rows:
            why = "; ".join(f"{len(what):,} {reason} (first: {what[0]})" for reason, what in self.skipped.items())
            raise BadInput(f"{self.container.address}: no row that can be used: {why or 'it is empty'}")
        columns = dict.fromkeys(column for taken in self.rows for column in taken.cells)
        self.frame = pd.DataFrame({c: _column([taken.cells.get(c) for taken in self.rows]) for c in columns})
        self.frame.index = pd.RangeIndex(len(self.rows))
        return self

    def _left_out(self, column: str, feature: Any) -> str:
        """Why a column is not kept; labels may be objects of numbers, and lists of any kind."""
        from datasets import Features

        kind = Features({column: feature}).arrow_schema.types[0]
        inner = getattr(kind, "value_type", None)
        if re.search(r"(^|: )(large_|fixed_size_)?binary", str(kind)):
            return NO_COLUMN
        vectors = pa.types.is_struct(kind) or not (inner is None or "string" in str(inner))
        return VECTORS if vectors and column != self.label and plain(column) not in LABEL else ""

    def _take_image(self, taken: Taken, cell: Any) -> str:
        """Say of the row what its image is, written to `spool` where it has no file; or why the row is left out."""
        path, content = (cell.get("path") or "", cell.get("bytes")) if cell else ("", None)
        if content is None:
            if not path:
                return "rows without an image"
            below = self.container.contains(path)
            if below is None:
                return "rows whose image lies outside of the source, which is not followed"
            taken.name = self._named(below, below, taken.split)
            taken.place = Path(self.root or self.container.root) / below
            return ""
        if len(content) > MOST_BYTES:
            return f"images: above {MOST_BYTES // 2**20} MiB"
        identity, suffix = hashlib.sha256(content).hexdigest(), _suffix(content)
        path = path.replace("\\", "/").replace("\0", "")
        if self.spool is not None:
            taken.place = self.spool / f"{identity}{suffix}"
            if not taken.place.exists():
                taken.place.write_bytes(content)
        name = path if path and is_usual(path) else PurePosixPath(path).name
        if not name:  # of judgements, those about the same bytes are about one image
            row = f"{taken.split}/{len(self.rows):07d}"
            name, identity = (identity[:16], identity) if self.judged else (row, row)
        known = PurePosixPath(name).suffix.lower() in SUFFIXES
        taken.name = self._named(name if known else name + suffix, identity, taken.split)
        return ""

    def _named(self, name: str, identity: str, split: str) -> str:
        """A name for an image, the same where it is the same image, and no other's: splits may each count from zero."""
        last = f"{split}/{len(self.rows):07d}-{PurePosixPath(name).name}"
        free = (each for each in (name, f"{split}/{name}", last) if self.names.get(each, identity) == identity)
        found = next(free)
        self.names[found] = identity
        return found


def _suffix(content: bytes) -> str:
    """The suffix of an image of this content; of any other `.bin`, which no importer takes for an image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if content.startswith(start)), ".bin")


def _class_labels(features: dict[str, Any]) -> dict[str, list[str]]:
    """By column, the names of its ClassLabel, or of the ClassLabel in its list."""
    inner = {column: getattr(feature, "feature", feature) for column, feature in features.items()}
    return {column: one.names for column, one in inner.items() if type(one).__name__ == "ClassLabel"}


def _words(code: Any, names: list[str]) -> Any:
    """The name of a ClassLabel, or a list of them; None for -1, which is no label."""
    if isinstance(code, list):
        return [_words(one, names) for one in code]
    return names[code] if code is not None and 0 <= code < len(names) else None


def _column(cells: list[Any]) -> pd.Series:
    """Cells of one kind: numbers, texts, lists, objects; of several kinds as texts."""
    try:
        kind = pa.array(cells).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        cells, kind = [None if cell is None else str(cell) for cell in cells], pa.string()
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return pd.Series(cells, dtype=None if numbers else object)


def _draft(gathered: Gathered, spec: TableSpec, source: Source) -> Draft:
    """The data set of gathered rows: their labels by `import table`'s rules, their images from where they are."""
    container, frame, rows, notes = gathered.container, gathered.frame, gathered.rows, []
    numbers = any(plain(c) in LABEL or pd.api.types.is_numeric_dtype(frame[c]) for c in frame.columns)
    named = spec.label_column or spec.label_columns or spec.taxonomy is not None or gathered.labels
    if spec.split_column is None and "split" not in frame.columns:
        notes.append(_take_splits(frame, [taken.split for taken in rows]))
    root = Path(container.root if spec.images_root is None else spec.images_root)
    if gathered.image is not None:
        frame[gathered.image] = pd.Series([taken.name for taken in rows], dtype=object)
        spec, root = replace(spec, file_column=gathered.image), Path("/images")  # names alone: the places are known
        notes.append(f"images taken from column {gathered.image}")
    table = Table(Path(container.address), frame, np.arange(1, len(frame) + 1), spell=option)
    if spec.unlabelled or not (named or numbers):
        notes.append("no labels taken" if spec.unlabelled else "no labels found in it, so it has no target")
        spec = replace(spec, unlabelled=True)
    else:
        table, spec, said = _spread(table, gathered, spec, source)
        notes += said
    result = draft_of_table(table, spec, source, root)
    result.where = container.address
    if gathered.image is not None and "file" in result.images:
        places = {file_in_dataset(taken.name): taken.place for taken in rows if taken.name is not None}
        result.sources = [places.get(name) for name in result.images["file"]]
    result.notes = [*notes, *result.notes]
    result.skipped.update({reason: of for reason, of in gathered.skipped.items() if of})
    return result


def _take_splits(frame: pd.DataFrame, names: list[str]) -> str:
    """A column split of the container's own, where it has several; other names than a split's are a column `part`."""
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return f"only one split ({different[0]}), and it is not kept: training makes its own"
    known = pd.Series([SPLIT_OF.get(name.casefold()) for name in names], dtype=object)
    if known.notna().any():
        frame["split"] = known
    if known.notna().all():
        return f"splits kept: {', '.join(different)}"
    frame["part"] = pd.Series(names, dtype=object)
    return "splits other than train, val and test are in the column part"


def _spread(table: Table, gathered: Gathered, spec: TableSpec, source: Source) -> tuple[Table, TableSpec, list[str]]:
    """The label column, if there is one, in a form that tables have: objects as columns."""
    only = next(iter(gathered.labels)) if len(gathered.labels) == 1 else None
    name = None if spec.label_columns is not None else pick(table, spec.label_column, LABEL, "label_column") or only
    if name is None:
        return table, spec, []
    cells, names = table.frame[name], gathered.labels.get(name, ())
    if names or not any(isinstance(cell, dict) for cell in cells):
        if len(names) > 1 and spec.taxonomy is None and not spec.renamed:
            spec = replace(spec, taxonomy=infer_taxonomy(names, name=f"{source.about.name}-labels"))
        return table, replace(spec, label_column=name), [f"labels taken from column {name}"]
    gathered.skipped["rows without a label"] = [taken.where for taken in compress(gathered.rows, cells.isna())]
    told = table.take(np.flatnonzero(cells.notna()))
    spread = pd.DataFrame(told.frame.pop(name).tolist())
    told.refuse_row(spread.isna().any(axis=1), f"column {name!r}: no number for a label; every row names every label")
    if twice := [label for label in spread.columns if label in told.frame.columns]:
        raise BadInput(f"{table.path}: column {name!r} has {twice[0]!r} in it, which is a column too; rename one")
    spec = replace(spec, label_column=None, label_columns=list(spread.columns))
    told = replace(told, frame=pd.concat([told.frame, spread], axis=1))
    return told, spec, [f"labels taken from the keys of column {name}"]
