"""Sets that come as one folder of images per label, with labels and layout known beforehand."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from affectml.errors import BadInput
from affectml.importers._images import SUFFIXES
from affectml.importers._native import About, Found, finish, image_table, label_of, native_root, one_hot
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_IGNORED = frozenset({"__macosx"})


def import_class_folders(
    path: str | Path,
    out: str | Path,
    about: About,
    taxonomy_name: str,
    words: Mapping[str, str],
    *,
    name: str | None,
    images: str,
    strict: bool,
    partial: bool,
    subfolder: str | None = None,
) -> ImportSummary:
    """Read folders called like the keys of `words` (lower case), each standing for a label; the target is `single`.

    The folders lie in `path` or in the one folder of it that has them. subfolder: the column that keeps the folder
    between the label's and the image. partial: whether labels may be missing. Raises BadInput for a folder that is
    no label's and for a label without images.
    """
    root = native_root(path, out, images)
    taxonomy = get_taxonomy(taxonomy_name)
    top = _top(root, words)
    ids, codes, subs, others = [], [], [], []
    seen: set[str] = set()
    for folder in sorted(top.iterdir()):
        if folder.name.startswith(".") or folder.name.casefold() in _IGNORED:
            continue
        if not folder.is_dir():
            others.append(str(folder))
            continue
        label = label_of(
            folder.name,
            words,
            f"folder {folder}",
            "rename it or move it away; `affectml import folder` takes any names",
        )
        for file in sorted(entry for entry in folder.rglob("*") if not entry.is_dir()):
            if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
                others.append(str(file))
                continue
            seen.add(label)
            ids.append(file.relative_to(top).as_posix())
            codes.append(taxonomy.index(label))
            subs.append("/".join(file.relative_to(folder).parts[:-1]) or None)
    missing = [label for label in dict.fromkeys(words.values()) if label not in seen]
    if missing and not partial:
        raise BadInput(
            f"{top}: no images for {', '.join(missing)}, so half of the set is not there; complete it, or take what "
            "there is: --partial"
        )
    columns = {subfolder: subs} if subfolder and any(subs) else {}
    found = Found(image_table(ids, ids, **columns), [top / place for place in ids])
    if missing:
        found.notes.append(f"no images for {', '.join(missing)}: imported as a part of the set (--partial)")
    found.skipped["files that are not images by their suffix or lie in no label's folder"] = others
    target = one_hot(ids, np.array(codes, dtype=np.int64), taxonomy)
    made_by = "the name of the folder that holds the image"
    found.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
    return finish(found, about, out, name=name, images=images, strict=strict, where=str(top))


def _top(root: Path, words: Mapping[str, str]) -> Path:
    """The folder that holds the labels' folders: root, or the only folder of it that has some."""
    holders = [
        folder
        for folder in (root, *sorted(entry for entry in root.iterdir() if entry.is_dir()))
        if any(entry.is_dir() and entry.name.strip().casefold() in words for entry in folder.iterdir())
    ]
    if not holders:
        raise BadInput(f"{root}: no folder called {', '.join(words)} in it or in a folder of it; name the set's folder")
    if root not in holders and len(holders) > 1:
        raise BadInput(f"{root}: both {holders[0].name} and {holders[1].name} hold labels' folders; name one of them")
    return holders[0]
