"""A class folder per label, as most image collections come."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from affectml.data import DatasetMeta, TargetMeta, check_new
from affectml.data._schema import Construct
from affectml.errors import BadInput, did_you_mean
from affectml.importers._images import SUFFIXES, check_placement, file_in_dataset
from affectml.importers._labels import plan_labels, taxonomy_entry
from affectml.importers._summary import ImportSummary
from affectml.importers._write import Draft, target_file, write_draft
from affectml.taxonomies import Taxonomy

SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_IGNORED = {"__MACOSX", "Thumbs.db", "desktop.ini"}


def import_folder(
    path: str | Path,
    out: str | Path,
    *,
    taxonomy: str | Taxonomy | None = None,
    name: str | None = None,
    construct: Construct = "query",
    mapping: Mapping[str, str] | None = None,
    images: str = "copy",
    question: str = "",
    source: str = "",
    licence: str = "",
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of a folder that has one folder of images per label; the target is `single`.

    Folders below a label's folder belong to it; files without an image's suffix are counted and left. Where
    the folders directly below `path` are all names of splits (train, val, test and their kin), each holds the
    labels' folders and the split is kept. mapping: folder name -> label; two folders may become one label.
    images: "copy" or "hardlink" into OUT/images. strict: an image that cannot be used is an error instead of
    a line in the summary. Raises BadInput, UnknownLabel, UnknownTaxonomy; nothing is written then.
    """
    root = Path(path)
    check_construct(construct)
    check_placement(images, ("copy", "hardlink"))
    check_new(Path(out))
    if not root.is_dir():
        raise BadInput(f"{root}: {'is a file, not a folder' if root.exists() else 'no such folder'}")
    if Path(out).resolve().is_relative_to(root.resolve()):
        raise BadInput(f"{out} lies inside {root}, which is being read; choose a place outside")
    name = name or root.resolve().name
    classes, loose = _visible(root)
    notes: list[str] = []
    splits = {folder: SPLIT_OF.get(folder.name.lower()) for folder in classes}
    has_splits = bool(classes) and all(splits.values())
    if has_splits:
        notes.append(f"splits kept, from the folders {', '.join(folder.name for folder in classes)}")
    files, spelt, split_of, others = [], [], [], [str(file) for file in loose]
    empty: list[str] = []
    for top in classes:
        inner, stray = _visible(top) if has_splits else ([top], [])
        others += [str(file) for file in stray]
        for folder in inner:
            found = sorted(p for p in folder.rglob("*") if _is_visible_file(p, folder))
            chosen = [p for p in found if p.suffix.lower() in SUFFIXES]
            others += [str(p) for p in found if p.suffix.lower() not in SUFFIXES]
            if not chosen:
                empty.append(str(folder))
            files += chosen
            spelt += [folder.name.strip()] * len(chosen)
            split_of += [splits[top]] * len(chosen)
    if not files:
        raise BadInput(
            f"{root}: no images in folders below it; expected one folder per label, "
            f"holding files that end in {', '.join(sorted(SUFFIXES))}"
        )
    first_seen = {spelling: f"folder {spelling}" for spelling in dict.fromkeys(spelt)}
    plan = plan_labels(first_seen, mapping, taxonomy, where=str(root), name=name)
    ids = [p.relative_to(root).as_posix() for p in files]
    table = pd.DataFrame({"image_id": ids, "file": [file_in_dataset(file) for file in ids]})
    if has_splits:
        table["split"] = split_of
    columns = plan.columns()
    chosen_column = np.array([columns[spelling] for spelling in spelt])
    one_hot = (chosen_column[:, None] == np.arange(len(plan.taxonomy))).astype(np.int8)
    target = pd.DataFrame(one_hot, columns=list(plan.taxonomy.labels))
    target.insert(0, "image_id", ids)
    meta = DatasetMeta(
        name=name,
        source=source,
        licence=licence,
        targets={
            "single": TargetMeta(
                kind="single",
                construct=construct,
                question=question,
                taxonomy=taxonomy_entry(plan.taxonomy),
                values="indicator",
                file=target_file("single"),
                made_by="the name of the folder that holds the image",
            )
        },
        notes=[*notes, *plan.notes],
    )
    skipped = {"files that are not images by their suffix or lie in no label's folder": others}
    skipped["folders without images"] = empty
    draft = Draft(
        meta=meta,
        images=table,
        sources=list(files),
        targets={"single": target},
        skipped={reason: names for reason, names in skipped.items() if names},
    )
    return write_draft(draft, out, images=images, strict=strict, where=str(root))


def check_construct(construct: str) -> None:
    """Raise BadInput unless `construct` is one of the four."""
    if construct not in get_args(Construct):
        raise BadInput(
            f"construct: no {construct!r}{did_you_mean(construct, get_args(Construct))} "
            f"(expected one of {', '.join(get_args(Construct))})"
        )


def _visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files directly in `folder`, by name, without the hidden ones."""
    entries = sorted(p for p in folder.iterdir() if not _is_hidden(p.name))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED


def _is_visible_file(path: Path, below: Path) -> bool:
    return not any(_is_hidden(part) for part in path.relative_to(below).parts) and not path.is_dir()
