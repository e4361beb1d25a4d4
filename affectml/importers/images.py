"""A folder of photographs that nobody has labelled yet; and those that came since, added to its data set."""

import json
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import write_parquet
from affectml._options import check_choice
from affectml.data import Dataset
from affectml.errors import BadInput, option
from affectml.importers.draft import About, Draft, Source, draft
from affectml.importers.find import SUFFIXES, files_in, leaves, need_folder, place_images
from affectml.importers.registry import importer
from affectml.taxonomies import Taxonomy, get_taxonomy

_WHOLE = [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
_WITH_GAPS = {"bool": "boolean", **{name.lower(): name for name in _WHOLE}}  # pandas' own types


Files = dict[str, Path]  # images by their path below the folder
Skipped = dict[str, list[str]]


def _table(ids: Sequence[str], images: Files) -> pd.DataFrame:
    return pd.DataFrame({"image_id": list(ids), "file": [f"images/{name}" for name in images]}, dtype=object)


@importer("images", About(construct="evoked"), images=("copy", "hardlink"))
def images(
    source: Source,
    *,
    taxonomy: str | Taxonomy | None = None,
    group_by: str | None = None,
) -> Draft:
    """A folder of photographs that nobody has labelled yet: a data set without a target.

    An image's id is its path below PATH without the suffix, and with it where two images would have the same.
    The taxonomy is kept for `affectml label` and `affectml label init`.

    Args:
        source: Folder of images, at any depth.
        taxonomy: A built-in taxonomy or a YAML file. Default: none yet.
        group_by: folder: a split must not part one folder, such as frames of a film.
    """
    root = source.path
    if group_by is not None:
        check_choice(option("group_by"), group_by, ["folder"])
    found, skipped = find_images(root)
    result = draft(source, _table(name_images(list(found)), found), list(found.values()))
    if group_by is not None:
        folders = [PurePosixPath(name).parent.as_posix() for name in found]
        result.images["group"] = pd.Series([None if name == "." else name for name in folders], dtype=object)
    result.taxonomy = get_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    result.skipped = skipped
    result.way_out = "name a folder of photographs"
    return result


def find_images(root: Path) -> tuple[Files, Skipped]:
    """The images below `root`, and for each reason what was left out; raises BadInput where there is no image.

    Links are not followed out of the folder, and linked folders not at all.
    """
    found, skipped = Files(), defaultdict[str, list[str]](list)
    links: list[Path] = []
    for path in files_in(root, any_name=True, links=links):
        name = path.relative_to(root).as_posix()
        suffix = path.suffix.lower()
        if name.encode(errors="ignore").decode() != name:
            skipped["files: the name is not UTF-8"].append(os.fsencode(name).decode("utf-8", "replace"))
        elif suffix not in SUFFIXES:
            skipped["files that are not images by their suffix"].append(str(path))
        elif path.is_symlink() and leaves(path, root):
            skipped["links that leave the folder"].append(str(path))
        else:
            found[name] = path
    if linked := [os.fsencode(path).decode("utf-8", "replace") for path in links if path.is_dir()]:
        skipped["links to folders, which are not followed"] = linked
    if not found:
        others = sum(map(len, skipped.values()))
        expected = f"expected files that end in {', '.join(sorted(SUFFIXES))}"
        raise BadInput(f"{root}: no images in it or below it, {others:,} other files; {expected}")
    return found, skipped


def name_images(files: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """An id for each file: its path without the suffix, and with it where that is another's or among `taken`.

    >>> name_images(["a/1.jpg", "a/1.png", "b/1.jpg"])
    ['a/1.jpg', 'a/1.png', 'b/1']
    """
    whole: set[str] = set()
    while True:
        ids = [file if file in whole else PurePosixPath(file).with_suffix("").as_posix() for file in files]
        often = Counter(ids)
        again = {file for file, name in zip(files, ids, strict=True) if often[name] > 1 or name in taken} - whole
        if not again:
            return ids
        whole |= again


def import_images(path: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Run the importer `images` and open the data set.

    Args:
        path: the folder of images.
        out: the data set folder to write; it must not exist yet.
        options: those of the importer.

    Raises:
        BadInput: for a folder without images. Nothing is written then.
    """
    return Dataset.open(images(path, out, **options).out)


@dataclass(frozen=True)
class Added:
    """What a folder of images brought to its data set.

    ids: of the new images. skipped: for each reason, the files left out. changed: the images whose file in the folder
    is another one by now; the data set keeps the one it has.
    """

    ids: tuple[str, ...]
    skipped: dict[str, list[str]]
    changed: tuple[str, ...]


def add_images(folder: str | Path, dataset: Dataset, *, how: str = "copy") -> Added:
    """Add the images of a folder that its data set does not have; what is there stays as it is.

    Args:
        folder: the folder that the data set was made of.
        dataset: the data set; it is as it was before, so open it again.
        how: "copy" or "hardlink".

    Returns:
        What was added, and what was not.

    Raises:
        BadInput: where the folder holds none of the data set's images, so that it is another's.
    """
    from affectml_annotation.exchange.files import writing_in_turn

    root = Path(folder)
    need_folder(root)
    try:
        with writing_in_turn(dataset.root):
            return _add(root, Dataset.open(dataset.root), how)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise BadInput(f"{error.filename or dataset.root}: {why}; nothing was added") from error


def _add(root: Path, dataset: Dataset, how: str) -> Added:
    (found, skipped), table = find_images(root), dataset.images
    known = dict(table.reindex(columns=["file", "image_id"]).dropna().astype(str).to_numpy().tolist())
    both = [name for name in found if f"images/{name}" in known]
    changed = [name for name in both if _size(found[name]) != _size(dataset.root / f"images/{name}")]
    if len(changed) == len(both):
        another = "so it is another folder's data set; name another one for this folder"
        raise BadInput(f"{dataset.root} holds none of the images in {root}, {another}")
    found = {name: path for name, path in found.items() if f"images/{name}" not in known}
    new = _table(name_images(list(found), set(table["image_id"])), found)
    for left in dataset.root.glob(".new-*"):  # by a start that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=dataset.root, prefix=".new-") as temporary:
        problems = place_images(list(found.values()), list(new["file"]), Path(temporary), how)
        for path, problem in zip(found.values(), problems, strict=True):
            if problem is not None:
                skipped[f"images: {problem}"].append(str(path))
        new = new[np.array([problem is None for problem in problems], dtype=bool)]
        if again := set(new["image_id"]) & set(table["image_id"]):
            raise BadInput(f"{root}: two images would be called {min(again)!r}; rename one of them")
        for file in new["file"]:
            (dataset.root / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / file).replace(dataset.root / file)
    if len(new):
        _append(dataset.root / "images.parquet", new)
    return Added(tuple(new["image_id"]), dict(skipped), tuple(known[f"images/{name}"] for name in changed))


def _append(path: Path, new: pd.DataFrame) -> None:
    """Put rows at a table's end; those there keep every value.

    pandas would make fractions of whole numbers with gaps, and is told not to when it reads them.
    """
    there, added = pq.read_table(path), pa.Table.from_pandas(new, preserve_index=False)
    had = {kind.name: kind for kind in there.schema if not pa.types.is_null(kind.type)}
    added = added.cast(pa.schema([had.get(kind.name, kind) for kind in added.schema]))
    joined = pa.concat_tables([there, added], promote_options="permissive")
    noted = dict(there.schema.metadata or {})
    if b"pandas" in noted:
        said = json.loads(noted[b"pandas"])
        for entry in said["columns"]:
            entry["numpy_type"] = _WITH_GAPS.get(entry["numpy_type"], entry["numpy_type"])
        noted[b"pandas"] = json.dumps(said).encode()
    write_parquet(path, joined.replace_schema_metadata(noted or None))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
