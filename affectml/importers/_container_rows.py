"""From a container's rows to a table and images; what is embedded goes to a folder, one image at a time."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from affectml._progress import Progress
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._container import Container, Row, quiet
from affectml.importers._tar_samples import MOST_BYTES
from affectml.importers.find import SUFFIXES, is_url, is_usual

MOST_LABELS = 256  # longer lists of numbers are embeddings
NO_COLUMN = "columns of a kind that no table keeps"
VECTORS = "columns of lists of numbers or of objects (embeddings come in by `affectml import embeddings`)"
_OF_ONE_CELL = ("image_id", "event_id", "file", "url", "split", "group", "round", "kind", "n")  # never a list
_SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif",
               b"MM\0*": ".tif"}  # fmt: skip


@dataclass(slots=True)
class _Picture:
    """The image of one row: a name that it came with, how it is told from others, and where it is."""

    name: str | None
    identity: str
    place: Path | None
    prefix: str
    url: str | None = None


@dataclass
class Gathered:
    """Rows of a container. frame: their columns, without images. names, urls: of each row's image; where: of each row.

    image: the column of images, None without one. spool: where embedded images go, None for labels alone. judged:
    whether rows are judgements, so that equal pixels without a name are one image. needed: whether a row without an
    image is left out. root: the folder of images that rows name by their path. labels: by column, the names of its
    ClassLabel. places: by name, the image's file. skipped: for each reason, rows and columns that were left out.
    """

    container: Container
    image: str | None
    spool: Path | None
    judged: bool
    needed: bool
    root: Path
    labels: dict[str, tuple[str, ...]]
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    names: list[str | None] = field(default_factory=list)
    urls: list[str | None] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    places: dict[str, Path] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    _columns: dict[str, list[Any]] = field(default_factory=dict)
    _pictures: list[_Picture] = field(default_factory=list)
    _known: dict[str, Path] = field(default_factory=dict)
    _gone: dict[str, dict[str, None]] = field(default_factory=dict)

    def take(self, row: Row, split: str) -> None:
        """Add a row, unless its image cannot be had."""
        cell = row.cells.pop(self.image, None) if self.image is not None else None
        picture = self._picture(cell, row)
        if isinstance(picture, str):
            self.skipped.setdefault(picture, []).append(row.where)
            return
        for column, cell in list(row.cells.items()):
            if why := _too_much(cell):
                del row.cells[column]
                self._gone.setdefault(why, {})[column] = None
            elif column not in self._columns:
                self._columns[column] = [None] * len(self.splits)
        for column, cells in self._columns.items():
            cells.append(row.cells.get(column))
        self._pictures.append(picture)
        self.splits.append(split)
        self.where.append(row.where)

    def _picture(self, cell: Any, row: Row) -> "_Picture | str":
        """The row's image, or why there is none."""
        number = f"{row.prefix}/{len(self._pictures):07d}"
        if self.image is None:
            return _Picture(None, number, None, row.prefix)
        if cell is None or (cell.get("bytes") is None and not cell.get("path")):
            return "rows without an image" if self.needed else _Picture(None, number, None, row.prefix, url="")
        path, content = cell.get("path") or "", cell.get("bytes")
        if content is None:
            if is_url(path) and self.container.contains(path) is None:
                return _Picture(None, path, None, row.prefix, url=path)
            below = self.container.contains(path)
            if below is None:
                return "rows whose image lies outside of the source, which is not followed"
            if "://" not in path:
                return _Picture(below, below, self.root / below, row.prefix)
            if self.spool is None:
                return _Picture(below, below, None, row.prefix)
            try:
                content, path = self.container.read(path), below
            except Exception as error:  # each file system has its own errors
                return f"images: cannot be read ({type(error).__name__})"
        if len(content) > MOST_BYTES:
            return f"images: above {MOST_BYTES // 2**20} MiB"
        digest = hashlib.sha256(content).hexdigest()
        plain = path.replace("\\", "/").replace("\0", "")
        name = plain if plain and is_usual(plain) else PurePosixPath(plain).name or None
        shard = row.prefix if self.container.features is None and not self.judged else ""  # keys are of one tar file
        identity = f"{shard} {name} {digest}" if name else digest if self.judged else number
        if self.spool is not None and digest not in self._known:
            self._known[digest] = self.spool / f"{digest}{_suffix(content)}"
            self._known[digest].write_bytes(content)
        if name is None and self.judged:
            name = digest[:16]
        if name is not None and PurePosixPath(name).suffix.lower() not in SUFFIXES:
            name += _suffix(content)
        return _Picture(name, identity, self._known.get(digest), row.prefix)

    def close(self) -> None:
        """Work out, once all rows are in, the table of their columns and what each image is called."""
        gone = {why: list(columns) for why, columns in self._gone.items()}
        self.skipped = {**self.container.left, **self.skipped, **gone}
        self.frame = _frame(self._columns, len(self.where), self.skipped)
        self.urls = [picture.url for picture in self._pictures]
        self.names = self._named()
        rows = zip(self.names, self._pictures, strict=True)
        self.places = {name: picture.place for name, picture in rows if name and picture.place is not None}

    def _named(self) -> list[str | None]:
        """A name for each image, the same where it is the same image, and for no other."""
        first: dict[str, str] = {}  # by identity
        plain = {p.identity: p.name for p in self._pictures if p.url is None and self.image is not None}
        taken = Counter(name for name in plain.values() if name is not None)
        apart = any(count > 1 for count in taken.values())  # shards that count from zero, each
        seen: set[str] = set()
        for at, picture in enumerate(self._pictures):
            if picture.url is not None or self.image is None or picture.identity in first:
                continue
            suffix = picture.place.suffix if picture.place is not None else ".jpg"
            name = picture.name or f"{picture.prefix}/{at:07d}{suffix}"
            if apart and picture.name is not None:
                name = f"{picture.prefix}/{picture.name}"
            if name in seen:
                name = f"{PurePosixPath(name).with_suffix('')}-{at:07d}{PurePosixPath(name).suffix}"
            seen.add(name)
            first[picture.identity] = name
        return [first.get(picture.identity) if picture.url is None else None for picture in self._pictures]


def gather(
    container: Container,
    splits: list[str],
    image: str | None,
    spool: Path | None,
    *,
    judged: bool,
    need_images: bool = True,
    root: str | Path | None = None,
) -> Gathered:
    """Read these splits of a container; each embedded image is written to `spool` at once, so that memory holds one.

    image: the column of images; the only one is found. judged: whether each row is a judgement, so that images with
    the same bytes and no name are one image. need_images: whether rows without one are left out and named.
    root: the folder of images that rows name, where it is not the container's.
    """
    image, labels = _image_column(container, splits, image), _class_labels(container, splits)
    found = Gathered(container, image, spool, judged, need_images, Path(root or container.root), labels)
    with quiet(), Progress("reading", container.total, "rows") as bar:
        for split in splits:
            features = None if container.features is None else container.features[split]
            for row in container.rows(split):
                if features is not None:
                    row.cells.update({c: _plain(row.cells[c], f) for c, f in features.items() if c != image})
                found.take(row, split)
                bar.advance()
    if not found.where:
        why = "; ".join(f"{len(rows):,} {reason} (first: {rows[0]})" for reason, rows in found.skipped.items())
        raise BadInput(f"{container.address}: no row that can be used: {why or 'it is empty'}")
    found.close()
    return found


def _too_much(cell: Any) -> str:
    """Why a cell is not kept in memory: bytes, and lists of numbers that are longer than any list of labels."""
    if isinstance(cell, bytes) or (isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes)):
        return NO_COLUMN
    return VECTORS if isinstance(cell, list) and len(cell) > MOST_LABELS and _numbers(cell[:1]) else ""


def _image_column(container: Container, splits: list[str], asked: str | None) -> str | None:
    """The column of images: the one asked for, else the only one, else None."""
    if container.features is None:
        return "image"
    import datasets

    features = {c: f for split in splits for c, f in container.features[split].items()}
    found = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    if asked is not None:
        if asked in found:
            return asked
        raise BadInput(
            f"{container.address}: {option('image_column', asked)}: no column of images of that name"
            f"{did_you_mean(asked, found)} (images: {', '.join(found) or 'none'}; columns: {', '.join(features)})"
        )
    if len(found) > 1:
        way_out = f"name the one that is meant: {option('image_column', found[0])}"
        raise BadInput(f"{container.address}: {' and '.join(found)} hold images; {way_out}")
    return found[0] if found else None


def _class_labels(container: Container, splits: list[str]) -> dict[str, tuple[str, ...]]:
    """By column, the names of its ClassLabel, or of the ClassLabel in its list."""
    import datasets

    found: dict[str, tuple[str, ...]] = {}
    for split in splits:
        for column, feature in (container.features or {}).get(split, {}).items():
            inner = getattr(feature, "feature", feature)
            if isinstance(inner, datasets.ClassLabel):
                found[column] = tuple(dict.fromkeys([*found.get(column, ()), *inner.names]))
    return found


def _plain(cell: Any, feature: Any) -> Any:
    """A cell with the names of ClassLabels in place of their numbers; -1, for no label, becomes None."""
    import datasets

    inner = getattr(feature, "feature", None)
    if isinstance(feature, datasets.ClassLabel) and cell is not None:
        return feature.names[cell] if 0 <= cell < len(feature.names) else None
    if isinstance(inner, datasets.ClassLabel) and isinstance(cell, list):
        return [inner.names[one] for one in cell]
    return cell


def _frame(columns: Mapping[str, list[Any]], rows: int, skipped: dict[str, list[str]]) -> pd.DataFrame:
    """The columns as a table, each of one kind; what no table keeps is named and left."""
    out: dict[str, pd.Series] = {}
    for column, cells in columns.items():
        made = _uniform(cells)
        if made is None or (column in _OF_ONE_CELL and any(isinstance(cell, list | dict) for cell in made)):
            skipped.setdefault(NO_COLUMN, []).append(column)
        else:
            out[column] = made
    return pd.DataFrame(out, index=pd.RangeIndex(rows))


def _uniform(cells: list[Any]) -> pd.Series | None:
    """Cells of one kind: numbers, texts (also of scalars that differ), lists of texts or numbers, objects; or None."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if any(kind.__module__ not in ("builtins", "datetime") or kind in (bytes, bytearray) for kind in kinds):
        return None
    if kinds <= {int, float} and all(abs(cell) < 2**63 for cell in cells if isinstance(cell, int)):
        return pd.Series(cells, dtype=None if kinds else object)
    if kinds == {dict} or (len(kinds) == 1 and not kinds & {list, int}):
        return pd.Series(cells, dtype=object)
    if not kinds & {list, dict}:
        return pd.Series([None if cell is None else str(cell) for cell in cells], dtype=object)
    if not kinds <= {list, str}:
        return None
    lists = [[cell] if isinstance(cell, str) else cell for cell in cells]
    inner = {type(one) for cell in lists if cell is not None for one in cell}
    small = all(abs(one) < 2**63 for cell in lists for one in cell or () if isinstance(one, int))
    if inner <= {str} or (inner <= {int, float} and small):
        return pd.Series(lists, dtype=object)
    if inner & {list, dict, bytes, bytearray}:
        return None
    return pd.Series([None if cell is None else [str(one) for one in cell if one is not None] for cell in lists])


def is_vector(cells: pd.Series) -> bool:
    """Whether a column holds lists of numbers."""
    filled = [cell for cell in cells if cell is not None]
    lists = [cell for cell in filled if isinstance(cell, list | np.ndarray)]
    return bool(lists) and len(lists) == len(filled) and all(_numbers(cell) for cell in lists) and any(map(len, lists))


def _numbers(cell: Any) -> bool:
    return all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in cell)


def _suffix(content: bytes) -> str:
    """The suffix of an image of this content; of any other `.bin`, which no importer takes for an image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if content.startswith(start)), ".bin")
