"""Images with labels in the form that most collections come in: a folder per label."""

from collections import Counter
from pathlib import Path

import pandas as pd

from affectml.errors import BadInput
from affectml.importers.draft import About, Draft, Source, draft, image_table, label_table
from affectml.importers.find import SUFFIXES, files_in, is_hidden
from affectml.importers.labels import plan_labels
from affectml.importers.read import SPLIT_OF, Renaming, SomeTaxonomy
from affectml.importers.registry import importer


@importer("folder", About(construct="query"), images=("copy", "hardlink"))
def folder(
    source: Source,
    *,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
) -> Draft:
    """A folder that has one folder of images per label; the target is `single`.

    Folders below a label's folder belong to it; files without an image's suffix are counted and left. Where the
    folders directly below PATH are all names of splits (train, val, test and their kin), each holds the labels'
    folders and the split is kept. Two folders may become one label. A link out of PATH is an error.

    Args:
        source: Folder that has one folder of images per label.
    """
    root = source.path
    found, splits, skipped = _walk(root)
    if not found:
        raise BadInput(
            f"{root}: no images in folders below it; expected one folder per label, "
            f"holding files that end in {', '.join(sorted(SUFFIXES))}"
        )
    files, spelt, parts = zip(*found, strict=True)
    counts = Counter(spelt)
    places = {label: f"folder {label}" for label in counts}
    plan = plan_labels(places, mapping, taxonomy, where=str(root), name=source.about.name, counts=counts)
    ids = [file.relative_to(root).as_posix() for file in files]
    columns = {"split": parts} if splits else {}
    result = draft(source, image_table(ids, ids, **columns), files)
    if splits:
        result.notes.append(f"splits kept, from the folders {', '.join(splits)}")
    result.notes += plan.notes
    result.warnings += plan.warnings
    result.skipped = skipped
    made_by = "the name of the folder that holds the image"
    target = label_table(ids, plan.indicators(len(ids), pd.Series(spelt)), plan.taxonomy)
    result.add("single", "single", target, plan.taxonomy, values="indicator", made_by=made_by)
    return result


def _walk(root: Path) -> tuple[list[tuple[Path, str, str | None]], list[str], dict[str, list[str]]]:
    """The images below `root`, each with its label's folder and its split; the splits' folders; and what was left out.

    There are no splits, unless all folders of `root` are.
    """
    classes, loose = _visible(root)
    split_of = {folder: SPLIT_OF.get(folder.name.lower()) for folder in classes}
    has_splits = bool(classes) and all(split_of.values())
    found: list[tuple[Path, str, str | None]] = []
    others, empty = loose, []
    for top in classes:
        inner, stray = _visible(top) if has_splits else ([top], [])
        others += stray
        for holder in inner:
            files = files_in(holder, inside=root)
            chosen = [file for file in files if file.suffix.lower() in SUFFIXES]
            others += [file for file in files if file.suffix.lower() not in SUFFIXES]
            if not chosen:
                empty.append(str(holder))
            found += [(file, holder.name.strip(), split_of[top]) for file in chosen]
    no_images = list(map(str, others))
    skipped = {"files that are not images by their suffix or lie in no label's folder": no_images}
    splits = [folder.name for folder in classes] if has_splits else []
    return found, splits, {**skipped, "folders without images": empty}


def _visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files directly in `folder`, by name, without the hidden ones."""
    entries = sorted(p for p in folder.iterdir() if not is_hidden(p.name))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]
