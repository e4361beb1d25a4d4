"""Sets that come as one folder of images per label, with labels and layout known beforehand."""

from collections.abc import Collection
from pathlib import Path

from affectml.errors import BadInput, option
from affectml.importers._images import SUFFIXES
from affectml.importers.draft import Draft, Source, draft, image_table, one_hot
from affectml.importers.find import files_in, is_hidden
from affectml.importers.labels import label_of
from affectml.taxonomies import Taxonomy, get_taxonomy


def read_class_folders(source: Source, taxonomy_name: str, *, partial: bool, subfolder: str | None = None) -> Draft:
    """Read folders called like the labels, capitals aside; the target is `single`.

    The folders lie in the source or in the one folder of it that has them. subfolder: the column that keeps the folder
    between the label's and the image. partial: whether labels may be missing. Raises BadInput for a folder that is
    no label's, for a label without images, and for a link out of the source.
    """
    taxonomy = get_taxonomy(taxonomy_name)
    words = {label: label for label in taxonomy.labels}
    top = _top(source.path, words)
    ids, labels, subs, others = [], [], [], []
    for folder in sorted(entry for entry in top.iterdir() if not is_hidden(entry.name)):
        if not folder.is_dir():
            others.append(str(folder))
            continue
        way_out = "rename it or move it away; `affectml import folder` takes any names"
        label = label_of(folder.name, words, f"folder {folder}", way_out)
        for file in files_in(folder, inside=source.path):
            if file.suffix.lower() not in SUFFIXES:
                others.append(str(file))
                continue
            ids.append(file.relative_to(top).as_posix())
            labels.append(label)
            subs.append("/".join(file.relative_to(folder).parts[:-1]) or None)
    notes = check_whole(top, taxonomy, labels, partial=partial)
    columns = {subfolder: subs} if subfolder and any(subs) else {}
    result = draft(source, image_table(ids, ids, **columns), [top / place for place in ids], top)
    result.notes += notes
    result.skipped["files that are not images by their suffix or lie in no label's folder"] = others
    target = one_hot(ids, [taxonomy.index(label) for label in labels], taxonomy)
    made_by = "the name of the folder that holds the image"
    result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
    return result


def check_whole(folder: Path, taxonomy: Taxonomy, found: Collection[str], *, partial: bool) -> list[str]:
    """Raise BadInput for labels without images, or note them where a part of the set is to be taken."""
    missing = ", ".join(label for label in taxonomy.labels if label not in found)
    if missing and not partial:
        raise BadInput(
            f"{folder}: no images for {missing}, so half of the set is not there; complete it, or take what there is: "
            f"{option('partial', True)}"
        )
    return [f"no images for {missing}: imported as a part of the set"] if missing else []


def _top(root: Path, words: Collection[str]) -> Path:
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
