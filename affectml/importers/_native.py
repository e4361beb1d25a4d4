"""What the importers of published sets share: where things are, which names fit which images, and the draft."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import DatasetMeta, TargetMeta, check_new
from affectml.data._schema import Construct
from affectml.errors import BadInput, did_you_mean
from affectml.importers._images import SUFFIXES, check_placement, file_in_dataset, inside_name, is_usual
from affectml.importers._labels import taxonomy_entry
from affectml.importers._summary import ImportSummary
from affectml.importers._write import Draft, target_file, write_draft
from affectml.taxonomies import Taxonomy

NO_FILE = "images: a url and no file; they cannot be embedded until they are downloaded"
# Mikels' eight, with the two words that the sets of Machajdik & Hanbury write otherwise.
MIKELS_WORDS = {
    **{
        label: label
        for label in ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    },
    "content": "contentment",
    "sad": "sadness",
}
_URL = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True)
class About:
    """What a set says of itself: the fields of dataset.json that no file of it holds."""

    name: str
    construct: Construct
    question: str
    source: str
    notes: tuple[str, ...] = ()


@dataclass
class Found:
    """What an importer read, before images are brought in; as `Draft`, with targets beside their entries.

    images: image_id, file and url where there are any, and further columns. sources: a path for each row, or None.
    """

    images: pd.DataFrame
    sources: list[Path | None]
    targets: dict[str, tuple[TargetMeta, pd.DataFrame]] = field(default_factory=dict)
    annotations: pd.DataFrame | None = None
    people_named: bool = True
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    boxes: list[tuple[float, float, float, float] | None] | None = None

    def add(self, name: str, kind: Any, content: pd.DataFrame, taxonomy: Taxonomy, **entry: Any) -> None:
        """Add a target: image_id, n where known, and a column per label."""
        meta = TargetMeta(kind=kind, taxonomy=taxonomy_entry(taxonomy), file=target_file(name), **entry)
        self.targets[name] = (meta, content.reset_index(drop=True))


def native_root(path: str | Path, out: str | Path, images: str) -> Path:
    """The folder to read, checked together with `out` and the way images come in."""
    root = Path(path)
    check_placement(images)
    check_new(Path(out))
    if not root.is_dir():
        raise BadInput(f"{root}: {'is a file, not a folder; name the folder' if root.exists() else 'no such folder'}")
    if Path(out).resolve().is_relative_to(root.resolve()):
        raise BadInput(f"{out} lies inside {root}, which is being read; choose a place outside")
    return root


def find(root: Path, names: Iterable[str], *, folder: bool = False) -> Path | None:
    """The first of `names` directly in `root` or in a folder of it, capitals aside; None where there is none."""
    wanted = [name.casefold() for name in names]
    if folder and root.name.casefold() in wanted:
        return root
    here = sorted(root.iterdir())
    for entries in (here, *(sorted(entry.iterdir()) for entry in here if entry.is_dir() and entry.name[:1] != ".")):
        by_name = {entry.name.casefold(): entry for entry in entries if entry.is_dir() == folder}
        for name in wanted:
            if name in by_name:
                return by_name[name]
    return None


def need(root: Path, name: str, layout: str) -> Path:
    """The file called `name` in `root` or a folder of it; BadInput naming what else would do."""
    found = find(root, [name])
    if found is None:
        near = did_you_mean(name, [entry.name for entry in root.iterdir() if entry.is_file()])
        raise BadInput(f"{root}: no {name}{near}; expected {layout}")
    return found


def read_lines(file: Path) -> list[tuple[int, str]]:
    """(line number, text without spaces around it) of every line that holds something, whatever ends the lines."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: byte {error.start} is not UTF-8; convert the file to UTF-8") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    found = [(number, line) for number, line in found if line]
    if not found:
        raise BadInput(f"{file}: empty file")
    return found


def relative_names(names: Sequence[str], root: Path, where: Sequence[str]) -> list[str]:
    """Names from a file as POSIX paths below `root`: Windows separators, ./ and quotes around them do not matter."""
    clean = [name.strip().strip("'\"").strip() for name in names]
    for name, place in zip(clean, where, strict=True):
        if not name:
            raise BadInput(f"{place}: no image is named; fill it in or take the row out")
    below = f"{root.resolve().as_posix()}/"
    return [
        name if is_usual(name) else inside_name(name if name.startswith(below) else name.lstrip("/\\"), root, place)
        for name, place in zip(clean, where, strict=True)
    ]


def locate(names: Sequence[str], folder: Path, where: str, *, required: bool = True) -> list[Path]:
    """Each name's file in `folder`: as it is, with a suffix that it lacks, or with other capitals.

    A file that is not there keeps its expected path, so that it is reported as missing. Raises BadInput where none
    is there at all.
    """
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES}
    folded = {name.casefold(): name for name in sorted(on_disk, reverse=True)}
    bare = {name.rpartition(".")[0].casefold(): name for name in sorted(on_disk, reverse=True)}
    places = []
    hits = 0
    for name in names:
        found = name if name in on_disk else folded.get(name.casefold()) or bare.get(name.casefold())
        hits += found is not None
        places.append(folder / (found or name))
    if required and not hits:
        raise BadInput(
            f"{where}: none of the {len(names):,} images it names is in {folder} (first: {names[0]!r}; there: "
            f"{', '.join(sorted(on_disk)[:3]) or 'no images'}); put them there, or take the labels alone: --images none"
        )
    return places


def unnamed(places: Sequence[Path | None], folder: Path) -> list[str]:
    """Images in `folder` that no row names."""
    named = {place for place in places if place is not None}
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    return [str(path) for path in found if path not in named]


def one_hot(ids: Sequence[str], codes: NDArray[np.int64], taxonomy: Taxonomy) -> pd.DataFrame:
    """image_id and 0/1 columns with a one in column `codes` [N]."""
    matrix = (codes[:, None] == np.arange(len(taxonomy))).astype(np.int8)
    table = pd.DataFrame(matrix, columns=list(taxonomy.labels))
    table.insert(0, "image_id", list(ids))
    return table


def image_table(ids: Sequence[str], files: Sequence[str | None], **columns: Any) -> pd.DataFrame:
    """images.parquet's first columns: image_id, file where any is known, and the columns given."""
    table: dict[str, Any] = {"image_id": list(ids)}
    if any(file is not None for file in files):
        table["file"] = [None if file is None else file_in_dataset(file) for file in files]
    return pd.DataFrame({**table, **columns})


def repeated(ids: Sequence[str], where: Sequence[str], way_out: str) -> None:
    """Raise BadInput for the first image that stands in two rows."""
    again = pd.Index(ids).duplicated()
    if again.any():
        row = int(again.argmax())
        first = list(ids).index(ids[row])
        raise BadInput(f"{where[row]}: image {ids[row]!r} stands in {where[first]} already; {way_out}")


def finish(
    found: Found, about: About, out: str | Path, *, name: str | None, images: str, strict: bool, where: str
) -> ImportSummary:
    """Write the data set. images "none" keeps the labels and no file."""
    table, sources = found.images, found.sources
    skipped = {reason: names for reason, names in found.skipped.items() if names}
    if images == "none":
        table, sources = table.drop(columns="file", errors="ignore"), [None] * len(table)
    elif "url" in table.columns:
        files = table["file"] if "file" in table.columns else pd.Series([None] * len(table))
        only = table["image_id"][files.isna() & table["url"].notna()].tolist()
        if only:
            skipped[NO_FILE] = only
    draft = Draft(
        meta=DatasetMeta(
            name=name or about.name,
            construct=about.construct,
            question=about.question,
            source=about.source,
            targets={key: meta for key, (meta, _) in found.targets.items()},
            notes=list(dict.fromkeys([*about.notes, *found.notes])),
        ),
        images=table.reset_index(drop=True),
        sources=sources,
        targets={key: content for key, (_, content) in found.targets.items()},
        annotations=found.annotations,
        skipped=skipped,
        people_named=found.people_named,
        boxes=found.boxes,
    )
    return write_draft(draft, out, images=images, strict=strict, where=where)


def is_url(text: str) -> bool:
    """Whether a text is an http or https address."""
    return bool(_URL.match(text))


def label_of(word: str, words: Mapping[str, str], where: str, way_out: str) -> str:
    """The label that a word of the set stands for, capitals aside; BadInput naming the nearest one."""
    label = words.get(word.strip().casefold())
    if label is None:
        raise BadInput(f"{where}: {word!r} is none of {', '.join(words)}{did_you_mean(word, words)}; {way_out}")
    return label
