"""FI (You et al. 2016): photographs from Flickr and Instagram, one folder per emotion of Mikels' eight."""

from affectml.importers._class_folders import read_class_folders
from affectml.importers._spec import Partial
from affectml.importers.draft import About, Draft, Source
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy

ABOUT = About(
    name="fi",
    construct="evoked",
    question="In our words: does this image evoke EMOTION? Asked of five people, about the word that found it only.",
    source="You, Luo, Jin & Yang 2016, Building a Large Scale Dataset for Image Emotion Recognition",
    licence="on request, research only; the photographs remain their authors'",
    notes=(
        "the label is the word that found the image, kept where at least three of five people agreed with it; the "
        "other seven emotions were not asked about",
    ),
)


@importer("fi", ABOUT)
def fi(source: Source, *, partial: Partial = False) -> Draft:
    """FI (You et al. 2016): PATH is emotion_dataset, with a folder per emotion, or the folder around it.

    The target is `single` over mikels-8. Without `partial`, an emotion's folder that is missing is an error that names
    it, as is a folder of another name.
    """
    return read_class_folders(source, "mikels-8", {x: x for x in get_taxonomy("mikels-8").labels}, partial=partial)
