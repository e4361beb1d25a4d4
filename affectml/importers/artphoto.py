"""ArtPhoto (Machajdik & Hanbury 2010): photographs by artists, the emotion in the file's name."""

from affectml.errors import BadInput
from affectml.importers._class_folders import check_whole
from affectml.importers._images import SUFFIXES
from affectml.importers._spec import Partial
from affectml.importers.draft import Draft, Source, draft, image_table, one_hot, published
from affectml.importers.find import find, images_in
from affectml.importers.labels import MIKELS_WORDS, label_of
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy


@importer("artphoto", published("artphoto"))
def artphoto(source: Source, *, partial: Partial = False) -> Draft:
    """ArtPhoto (Machajdik & Hanbury 2010): PATH is testImages_artphoto with EMOTION_*.jpg, or the folder around it.

    The target is `single` over mikels-8 (`sad` is sadness, `content` contentment). An image whose name begins with no
    emotion is an error, as is, without `partial`, an emotion without images.
    """
    taxonomy = get_taxonomy("mikels-8")
    folder = find(source.path, ["testImages_artphoto"], folder=True) or source.path
    files = [file for file in sorted(folder.iterdir()) if not file.is_dir() and not file.name.startswith(".")]
    chosen = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not chosen:
        raise BadInput(f"{folder}: no images; expected testImages_artphoto with files such as sad_0001.jpg")
    way_out = "rename the file to EMOTION_... or move it away"
    labels = [label_of(file.name.partition("_")[0], MIKELS_WORDS, str(file), way_out) for file in chosen]
    notes = check_whole(folder, taxonomy, labels, partial=partial)
    ids = [file.name for file in chosen]
    result = draft(source, image_table(ids, ids), chosen, folder)
    result.notes += notes
    result.skipped["images in folders inside, where the set has none"] = [
        str(file) for file in images_in(folder) if file.parent != folder
    ]
    result.skipped["files that are not images by their suffix"] = [str(file) for file in files if file not in chosen]
    target = one_hot(ids, [taxonomy.index(label) for label in labels], taxonomy)
    made_by = "the beginning of the file's name"
    result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
    return result
