"""ArtPhoto (Machajdik & Hanbury 2010): photographs by artists, the emotion in the file's name."""

from pathlib import Path

import numpy as np

from affectml.errors import BadInput
from affectml.importers._images import SUFFIXES
from affectml.importers._native import (
    MIKELS_WORDS,
    About,
    Found,
    find,
    finish,
    image_table,
    images_in,
    label_of,
    native_root,
    one_hot,
)
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_ABOUT = About(
    name="artphoto",
    construct="intended",
    question="Nobody was asked: the label is the word under which the artist published the photograph.",
    source="Machajdik & Hanbury 2010, Affective Image Classification using Features inspired by Psychology and Art",
)


def import_artphoto(
    path: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
    partial: bool = False,
) -> ImportSummary:
    """Make a data set of ArtPhoto: `path` is testImages_artphoto with EMOTION_*.jpg, or the folder around it.

    The target is `single` over mikels-8 (`sad` is sadness, `content` contentment). Raises BadInput for an image
    whose name begins with no emotion, and, without `partial`, for an emotion without images.
    """
    root = native_root(path, out, images)
    taxonomy = get_taxonomy("mikels-8")
    folder = find(root, ["testImages_artphoto"], folder=True) or root
    files = [file for file in sorted(folder.iterdir()) if not file.is_dir() and not file.name.startswith(".")]
    chosen = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not chosen:
        raise BadInput(f"{folder}: no images; expected testImages_artphoto with files such as sad_0001.jpg")
    way_out = "rename the file to EMOTION_... or move it away"
    labels = [label_of(file.name.partition("_")[0], MIKELS_WORDS, str(file), way_out) for file in chosen]
    missing = [label for label in taxonomy.labels if label not in labels]
    if missing and not partial:
        raise BadInput(
            f"{folder}: no images for {', '.join(missing)}; complete the set, or take what is there: --partial"
        )
    ids = [file.name for file in chosen]
    found = Found(image_table(ids, ids), list(chosen))
    if missing:
        found.notes.append(f"no images for {', '.join(missing)}: imported as a part of the set (--partial)")
    found.skipped["images in folders inside, where the set has none"] = [
        str(file) for file in images_in(folder) if file.parent != folder
    ]
    found.skipped["files that are not images by their suffix"] = [str(file) for file in files if file not in chosen]
    codes = np.array([taxonomy.index(label) for label in labels], dtype=np.int64)
    made_by = "the beginning of the file's name"
    found.add("single", "single", one_hot(ids, codes, taxonomy), taxonomy, values="indicator", made_by=made_by)
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(folder))
