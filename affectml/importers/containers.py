"""The containers that Hugging Face `datasets` reads become a table and images, which mean what `import table` says."""

import hashlib
import re
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd

from affectml._options import Help, check_choice
from affectml._progress import Progress
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._container import MOST_BYTES, Container, Row, open_container, quiet
from affectml.importers.draft import About, Draft, Source
from affectml.importers.find import SUFFIXES, file_in_dataset, is_url, is_usual
from affectml.importers.read import ANNOTATOR, LABEL, SPLIT_OF, Table, TableSpec, first_row, pick, tidy
from affectml.importers.registry import importer
from affectml.importers.table import draft_of_table
from affectml.taxonomies import infer_taxonomy
from affectml_annotation.tables import plain
from affectml_annotation.yaml_files import load_yaml

MOST_LABELS = 256  # longer lists of numbers are embeddings
NO_COLUMN = "columns of a kind that no table keeps"
VECTORS = "columns of lists of numbers or of objects (embeddings come in by `affectml import embeddings`)"
_OF_ONE_CELL = ("image_id", "event_id", "file", "url", "split", "group", "round", "kind", "n")  # never a list
_SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif",
               b"MM\0*": ".tif"}  # fmt: skip


@dataclass(frozen=True)
class ContainerSpec(TableSpec):
    """What a table's columns mean, without what only text files have."""

    encoding: str = "utf-8"
    separator: str | None = None


@importer("datasets", About(construct="evoked"), images=("copy", "hardlink", "none"), folder=False, addresses=True)
def containers(
    source: Annotated[Source, Help("Folder, file, pattern (data/*.parquet), address (s3://...) or ORG/NAME.")],
    spec: ContainerSpec,
    *,
    image_column: Annotated[str | None, Help("Column of images.", default="the only one")] = None,
    config: Annotated[str | None, Help("Which configuration of a data set that has several.")] = None,
    revision: Annotated[str | None, Help("Branch, tag or commit of a repository on the Hub.")] = None,
    splits: Annotated[list[str] | None, Help("Splits to take.", default="all")] = None,
    unlabelled: Annotated[bool, Help("Take images and columns, and no labels.")] = False,
) -> Draft:
    """What Hugging Face `datasets` reads: its folders, Parquet, WebDataset tar files, here, on the Hub, in a bucket.

    A folder of `save_to_disk`, of images with metadata.csv or .jsonl, of Parquet or tar files; one file or a pattern;
    an address that fsspec knows; or a repository on the Hub, the only case that needs a network. Columns mean what they
    mean to `import table`; a ClassLabel is a label, a list of them a set, an object of numbers a column per label, a
    list of numbers one in the order of the taxonomy. Splits are kept. Code of a data set is never run, pickled members
    are never opened. What `affectml export DATASET --hub` wrote comes back as it was.
    """
    from affectml.importers.shared_set import NAME, shared_draft

    container = open_container(source.address, config, revision)
    out = source.out.absolute()
    near = next(folder for folder in (out, *out.parents) if folder.is_dir())
    # not by the name of what a command writes and a killed one leaves, which the next one takes away
    spool = TemporaryDirectory(dir=near, prefix=f".{source.out.name}.images-", suffix=".tmp")
    with ExitStack() as failed:
        place: Path | None = Path(failed.enter_context(spool))
        place = place if source.images != "none" else None
        asked = replace(spec, mapping=spec.mapping or None)  # the command line gives an empty one
        own = container.beside(NAME) if asked == ContainerSpec() and config is None and not unlabelled else None
        if own is not None:
            result = shared_draft(container, source, own, place, revision)
        else:
            for name in splits or ():
                check_choice(f"{container.address}: {option('splits', [name])}", name, list(container.splits))
            named = {plain(c) for features in (container.features or {}).values() for c in features}
            judged = spec.anonymous or spec.annotator_column is not None or not named.isdisjoint(ANNOTATOR)
            taken = splits or list(container.splits)
            gathered = Reading(container, place, judged, root=spec.images_root).gather(taken, image_column)
            result = _draft(container, gathered, spec, source, unlabelled=unlabelled)
            result.about = replace(result.about, licence=source.about.licence or _licence(container))
        failed.pop_all()
    result.spool = spool
    if container.hub is not None:
        result.about = replace(result.about, source=result.about.source or container.hub)
        result.notes.append(f"read from {container.hub}")
    return result


def _licence(container: Container) -> str:
    """The licence that the README.md beside the data states in its header; empty where it states none."""
    card = (container.beside("README.md") or b"").decode("utf-8", errors="replace")
    header = re.match(r"---\r?\n(.*?)\n---", card, re.DOTALL)
    said = None
    with suppress(ValueError):
        said = load_yaml(header[1]) if header else None
    found = [said.get(f"license{part}") for part in ("", "_name", "_link")] if isinstance(said, dict) else []
    return ", ".join(str(part) for part in found if part and part != "unknown")


@dataclass(slots=True)
class Taken:
    """A row that was taken, and its image.

    name: of the image; until all rows are in, the one that it came with. identity: how it is told from others. place:
    its file. url: None where the image itself is there.
    """

    row: Row
    split: str
    name: str | None
    identity: str
    place: Path | None
    url: str | None = None


@dataclass
class Gathered:
    """Rows of a container. frame: their columns, without images.

    image: the column of images, None without one. labels: by column, the names of its ClassLabel. skipped: for each
    reason, rows and columns that were left out.
    """

    image: str | None
    labels: dict[str, tuple[str, ...]]
    rows: list[Taken]
    frame: pd.DataFrame
    skipped: dict[str, list[str]]


@dataclass
class Reading:
    """How the rows of a container are read.

    spool: the folder that each embedded image is written to at once, so that memory holds one; None for labels alone.
    judged: whether each row is a judgement, so that images with the same bytes and no name are one image. need_images:
    whether rows without one are left out and named. root: the folder of images that rows name, where it is not the
    container's. known: files in `spool` by their content's digest.
    """

    container: Container
    spool: Path | None
    judged: bool = False
    need_images: bool = True
    root: str | Path | None = None
    known: dict[str, Path] = field(default_factory=dict)

    def gather(self, splits: list[str], asked: str | None = None) -> Gathered:
        """The rows of these splits. asked: the column of images; the only one is found."""
        image = _image_column(self.container, splits, asked)
        labels: dict[str, tuple[str, ...]] = {}
        rows: list[Taken] = []
        left: dict[str, dict[str, None]] = defaultdict(dict)
        with quiet(), Progress("reading", self.container.total, "rows") as bar:
            for split in splits:
                coded = _class_labels((self.container.features or {}).get(split, {}))
                labels |= {c: tuple(dict.fromkeys([*labels.get(c, ()), *names])) for c, names in coded.items()}
                for row in self.container.rows(split):
                    bar.advance()
                    blank = Taken(row, split, None, f"{row.prefix}/{len(rows):07d}", None, url="")
                    taken = blank if image is None else self._with_image(blank, row.cells.pop(image, None))
                    if isinstance(taken, str):
                        left[taken][row.where] = None
                        continue
                    for column, cell in list(row.cells.items()):
                        if why := _too_much(cell):
                            del row.cells[column]
                            left[why][column] = None
                        elif column in coded:
                            row.cells[column] = _words(cell, coded[column])
                    rows.append(taken)
        skipped = {**self.container.left, **{reason: list(what) for reason, what in left.items()}}
        if not rows:
            why = "; ".join(f"{len(what):,} {reason} (first: {what[0]})" for reason, what in skipped.items())
            raise BadInput(f"{self.container.address}: no row that can be used: {why or 'it is empty'}")
        _name(rows)
        return Gathered(image, labels, rows, _frame([taken.row.cells for taken in rows], skipped), skipped)

    def _with_image(self, blank: Taken, cell: Any) -> Taken | str:
        """The row with its image, or why it is left out."""
        if cell is None or (cell.get("bytes") is None and not cell.get("path")):
            return "rows without an image" if self.need_images else blank
        path, content = cell.get("path") or "", cell.get("bytes")
        if content is None:
            below = self.container.contains(path)
            if below is None and is_url(path):
                return replace(blank, identity=path, url=path)
            if below is None:
                return "rows whose image lies outside of the source, which is not followed"
            if "://" not in path or self.spool is None:
                place = Path(self.root or self.container.root) / below if "://" not in path else None
                return replace(blank, name=below, identity=below, place=place, url=None)
            try:
                content, path = self.container.read(path), below
            except Exception as error:  # each file system has its own errors
                return f"images: cannot be read ({type(error).__name__})"
        if len(content) > MOST_BYTES:
            return f"images: above {MOST_BYTES // 2**20} MiB"
        digest, suffix = hashlib.sha256(content).hexdigest(), _suffix(content)
        path = path.replace("\\", "/").replace("\0", "")
        name = path if path and is_usual(path) else PurePosixPath(path).name or None
        shard = blank.row.prefix if self.container.features is None and not self.judged else ""  # keys are of one tar
        identity = f"{shard} {name} {digest}" if name else digest if self.judged else blank.identity
        if self.spool is not None and digest not in self.known:
            self.known[digest] = self.spool / f"{digest}{suffix}"
            self.known[digest].write_bytes(content)
        if name is None and self.judged:
            name = digest[:16]
        if name is not None and PurePosixPath(name).suffix.lower() not in SUFFIXES:
            name += suffix
        return replace(blank, name=name, identity=identity, place=self.known.get(digest), url=None)


def _name(rows: list[Taken]) -> None:
    """Give each image that is there a name, the same where it is the same image, and to no other."""
    first: dict[str, tuple[int, Taken]] = {}
    for at, taken in enumerate(rows):
        if taken.url is None:
            first.setdefault(taken.identity, (at, taken))
    own = [taken.name for _, taken in first.values() if taken.name is not None]
    apart = len(set(own)) < len(own)  # shards that count from zero, each
    found: dict[str, str] = {}  # identities by name
    for identity, (at, taken) in first.items():
        name = taken.name or f"{at:07d}{'.jpg' if taken.place is None else taken.place.suffix}"
        if apart or taken.name is None:
            name = f"{taken.row.prefix}/{name}"
        if name in found:
            name = f"{PurePosixPath(name).with_suffix('')}-{at:07d}{PurePosixPath(name).suffix}"
        found[name] = identity
    names = {identity: name for name, identity in found.items()}
    for taken in rows:
        taken.name = names.get(taken.identity) if taken.url is None else None


def _suffix(content: bytes) -> str:
    """The suffix of an image of this content; of any other `.bin`, which no importer takes for an image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if content.startswith(start)), ".bin")


def _image_column(container: Container, splits: list[str], asked: str | None) -> str | None:
    """The column of images: the one asked for, else the only one, else None."""
    if container.features is None:
        return "image"
    import datasets

    features = {c: f for split in splits for c, f in container.features[split].items()}
    found = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    if asked is not None and asked not in found:
        raise BadInput(
            f"{container.address}: {option('image_column', asked)}: no column of images of that name"
            f"{did_you_mean(asked, found)} (images: {', '.join(found) or 'none'}; columns: {', '.join(features)})"
        )
    if asked is None and len(found) > 1:
        way_out = f"name the one that is meant: {option('image_column', found[0])}"
        raise BadInput(f"{container.address}: {' and '.join(found)} hold images; {way_out}")
    return asked or next(iter(found), None)


def _class_labels(features: dict[str, Any]) -> dict[str, list[str]]:
    """By column, the names of its ClassLabel, or of the ClassLabel in its list."""
    inner = {column: getattr(feature, "feature", feature) for column, feature in features.items()}
    return {column: one.names for column, one in inner.items() if type(one).__name__ == "ClassLabel"}


def _words(code: Any, names: list[str]) -> Any:
    """The name of a ClassLabel, or a list of them; None for -1, which is no label."""
    if isinstance(code, list):
        return [_words(one, names) for one in code]
    return names[code] if code is not None and 0 <= code < len(names) else None


def _too_much(cell: Any) -> str:
    """Why a cell is not kept in memory: bytes, and lists of numbers that are longer than any list of labels."""
    if isinstance(cell, bytes) or (isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes)):
        return NO_COLUMN
    return VECTORS if isinstance(cell, list) and len(cell) > MOST_LABELS and _numbers(cell[:1]) else ""


def _frame(rows: list[dict[str, Any]], skipped: dict[str, list[str]]) -> pd.DataFrame:
    """The columns as a table, each of one kind; what no table keeps is named and left."""
    out: dict[str, pd.Series] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        made = _uniform([row.get(column) for row in rows])
        if made is None or (column in _OF_ONE_CELL and any(isinstance(cell, list | dict) for cell in made)):
            skipped.setdefault(NO_COLUMN, []).append(column)
        else:
            out[column] = made
    return pd.DataFrame(out, index=pd.RangeIndex(len(rows)))


def _uniform(cells: list[Any]) -> pd.Series | None:
    """Cells of one kind: numbers, texts (also of scalars that differ), lists of texts or numbers, objects; or None."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if any(kind.__module__ not in ("builtins", "datetime") for kind in kinds):
        return None
    if kinds <= {int, float} and _fit(cells):
        return pd.Series(cells, dtype=None if kinds else object)
    if len(kinds) == 1 and not kinds & {list, int}:
        return pd.Series(cells, dtype=object)
    if not kinds & {list, dict}:
        return pd.Series([None if cell is None else str(cell) for cell in cells], dtype=object)
    if not kinds <= {list, str}:
        return None
    lists = [[cell] if isinstance(cell, str) else cell for cell in cells]
    parts = [part for cell in lists for part in cell or ()]
    inner = set(map(type, parts))
    if inner & {list, dict, bytes}:
        return None
    if not (inner <= {str} or (inner <= {int, float} and _fit(parts))):
        lists = [None if cell is None else [str(part) for part in cell if part is not None] for cell in lists]
    return pd.Series(lists, dtype=object)


def _fit(cells: list[Any]) -> bool:
    """Whether the whole numbers among some cells fit 64 bits."""
    return all(abs(cell) < 2**63 for cell in cells if isinstance(cell, int))


def _is_vector(cells: pd.Series) -> bool:
    """Whether a column holds lists of numbers."""
    filled = [cell for cell in cells if cell is not None]
    lists = [cell for cell in filled if isinstance(cell, list)]
    return bool(lists) and len(lists) == len(filled) and all(map(_numbers, lists)) and any(lists)


def _numbers(cell: Any) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in cell)


def _draft(container: Container, gathered: Gathered, spec: ContainerSpec, source: Source, *, unlabelled: bool) -> Draft:
    """The data set of gathered rows: their labels by `import table`'s rules, their images from where they are."""
    frame, notes = gathered.frame, []
    numbers = any(plain(c) in LABEL or pd.api.types.is_numeric_dtype(frame[c]) for c in frame.columns)
    named = spec.label_column or spec.label_columns or spec.taxonomy is not None or gathered.labels
    if spec.split_column is None and "split" not in frame.columns:
        frame, said = _with_splits(frame, [taken.split for taken in gathered.rows])
        notes.append(said)
    root = Path(container.root if spec.images_root is None else spec.images_root)
    if gathered.image is not None:
        names, urls = ([getattr(taken, of) for taken in gathered.rows] for of in ("name", "url"))
        frame, spec = _with(frame, gathered.image, names), replace(spec, file_column=gathered.image)
        if any(urls):
            frame, spec = _with(frame, "url", urls), replace(spec, url_column="url")
        notes.append(f"images taken from column {gathered.image}")
        root = Path("/images")  # names alone: the places are known
    table = Table(Path(container.address), frame, np.arange(1, len(frame) + 1), spell=option)
    if unlabelled or not (named or numbers):
        result = _without_labels(table, gathered, source)
        notes.append("no labels taken" if unlabelled else "no labels found in it, so it has no target")
    else:
        table, spec, said_of_labels = _spread(table, gathered, spec, source)
        result = draft_of_table(_without_vectors(table, spec.label_column, gathered.skipped), spec, source, root)
        notes += said_of_labels
    result.where = container.address
    if gathered.image is not None and "file" in result.images:
        places = {file_in_dataset(taken.name): taken.place for taken in gathered.rows if taken.name is not None}
        result.sources = [places.get(name) for name in result.images["file"]]
    result.notes = [*notes, *result.notes]
    result.skipped.update({reason: rows for reason, rows in gathered.skipped.items() if rows})
    return result


def _with(frame: pd.DataFrame, column: str, cells: list[Any]) -> pd.DataFrame:
    return frame.assign(**{column: pd.Series(cells, dtype=object)})


def _with_splits(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, str]:
    """A column split of the container's own, where it has several; other names than a split's are a column `part`."""
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return frame, f"only one split ({different[0]}), and it is not kept: training makes its own"
    known = [SPLIT_OF.get(name.casefold()) for name in names]
    if any(known):
        frame = _with(frame, "split", known)
    others = [name for name in different if name.casefold() not in SPLIT_OF]
    if not others:
        return frame, f"splits kept: {', '.join(different)}"
    said = f"splits that are none of train, val and test are in the column part: {', '.join(others)}"
    return frame.assign(part=names), said


def _without_labels(table: Table, gathered: Gathered, source: Source) -> Draft:
    """Images and columns alone, an image once; raises BadInput for an image_id that two images have."""
    if gathered.image is None:
        raise BadInput(f"{table.path}: neither images nor labels in it (columns: {', '.join(table.frame.columns)})")
    frame, rows = _without_vectors(table, None, gathered.skipped).frame, gathered.rows
    ids = shown = pd.Series([taken.name or taken.url for taken in rows], dtype=object)
    if "image_id" in frame.columns and frame["image_id"].notna().all():
        ids = frame["image_id"].astype(str)
    if (row := first_row(shown.groupby(ids.to_numpy()).transform("first") != shown)) is not None:
        other = f"image_id {ids[row]!r} is that of another image ({rows[ids.tolist().index(ids[row])].row.where})"
        raise BadInput(f"{rows[row].row.where}: {other}; rename one")
    images = pd.DataFrame({"image_id": ids})
    if source.images != "none" and any(taken.name for taken in rows):
        images["file"] = [None if taken.name is None else file_in_dataset(taken.name) for taken in rows]
    if any(taken.url for taken in rows):
        images["url"] = [taken.url for taken in rows]
    for column in frame.columns.difference([gathered.image, "image_id", "file", "url"], sort=False):
        images[column] = tidy(frame[column]).to_numpy()
    images = images[~images["image_id"].duplicated()].reset_index(drop=True)
    return Draft(about=source.about, images=images, sources=[None] * len(images), where=str(table.path))


def _spread(
    table: Table, gathered: Gathered, spec: ContainerSpec, source: Source
) -> tuple[Table, ContainerSpec, list[str]]:
    """The label column, if there is one, in a form that tables have: objects and lists of numbers as columns."""
    name = None
    if spec.label_columns is None:
        only = next(iter(gathered.labels)) if len(gathered.labels) == 1 else None
        name = pick(table, spec.label_column, LABEL, "label_column") or only
    if name is None:
        return table, spec, []
    said, there = f"labels taken from column {name}", table.frame[name].notna()
    told = table.take(np.flatnonzero(there))
    cells = told.frame[name]
    names = gathered.labels.get(name, ())
    objects = len(cells) > 0 and all(isinstance(cell, dict) for cell in cells)
    vectors = _is_vector(cells) and (isinstance(cells.iloc[0][0], float) or spec.taxonomy is not None)
    if names or not (objects or vectors):
        if len(names) > 1 and spec.taxonomy is None and not spec.renamed:
            spec = replace(spec, taxonomy=infer_taxonomy(names, name=f"{source.about.name}-labels"))
        return table, replace(spec, label_column=name), [said]
    spread = _of_objects(told, name) if objects else _of_vectors(told, name, spec)
    said = f"labels taken from the keys of column {name}" if objects else f"{said}, in the taxonomy's order"
    if twice := [label for label in spread.columns if label in told.frame.columns]:
        raise BadInput(f"{table.path}: column {name!r} has {twice[0]!r} in it, which is a column too; rename one")
    gathered.skipped["rows without a label"] = [taken.row.where for taken in compress(gathered.rows, ~there)]
    frame = pd.concat([told.frame.drop(columns=name), spread], axis=1)
    return replace(told, frame=frame), replace(spec, label_column=None, label_columns=list(spread.columns)), [said]


def _of_objects(table: Table, name: str) -> pd.DataFrame:
    """A column for each key of a column of objects, all of which have it."""
    spread = pd.DataFrame(table.frame[name].tolist())
    if not len(spread.columns):
        raise BadInput(f"{table.path}: column {name!r} holds objects without a key; expected a number by label")
    for row, column in np.argwhere(spread.isna().to_numpy())[:1]:
        raise BadInput(f"{table.where(row)}: no number for {spread.columns[column]!r}; every row names every label")
    return spread


def _of_vectors(table: Table, name: str, spec: ContainerSpec) -> pd.DataFrame:
    """A column for each label of the taxonomy, in whose order the numbers are."""
    taxonomy, cells = spec.given, table.frame[name]
    if taxonomy is None:
        way_out = f"name the taxonomy in whose order they are: {option('taxonomy')}"
        raise BadInput(f"{table.path}: column {name!r} holds a list of {len(cells[0])} numbers in each row; {way_out}")
    for row, cell in enumerate(cells):
        if len(cell) != len(taxonomy):
            has = f"{len(cell)} numbers, and {taxonomy.name} has {len(taxonomy)} labels"
            raise BadInput(f"{table.where(row)}: column {name!r}: {has}")
    return pd.DataFrame(cells.tolist(), columns=list(taxonomy.labels))


def _without_vectors(table: Table, label: str | None, skipped: dict[str, list[str]]) -> Table:
    """Without columns of lists of numbers, such as embeddings, and of nested objects, unless they are labels."""

    def nested(cell: Any) -> bool:
        return isinstance(cell, dict) or (isinstance(cell, list) and any(isinstance(one, dict | list) for one in cell))

    gone = []
    for column, cells in table.frame.select_dtypes(object).items():
        if column != label and (_is_vector(cells) or any(map(nested, cells))):
            gone.append(str(column))
    if gone:
        skipped.setdefault(VECTORS, []).extend(gone)
    return replace(table, frame=table.frame.drop(columns=gone))
