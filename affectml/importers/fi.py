"""FI (You et al. 2016): photographs from Flickr and Instagram, one folder per emotion of Mikels' eight."""

from pathlib import Path

from affectml.importers._class_folders import import_class_folders
from affectml.importers._native import About
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_ABOUT = About(
    name="fi",
    construct="evoked",
    question="In our words: does this image evoke EMOTION? Asked of five people, about the word that found it only.",
    source="You, Luo, Jin & Yang 2016, Building a Large Scale Dataset for Image Emotion Recognition",
    notes=(
        "the label is the word that found the image, kept where at least three of five people agreed with it; the "
        "other seven emotions were not asked about",
    ),
)


def import_fi(
    path: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
    partial: bool = False,
) -> ImportSummary:
    """Make a data set of FI: `path` is emotion_dataset, with a folder per emotion, or the folder around it.

    The target is `single` over mikels-8. partial: take what there is where an emotion's folder is missing; else
    BadInput names it, as it does a folder of another name.
    """
    words = {label: label for label in get_taxonomy("mikels-8").labels}
    return import_class_folders(
        path, out, _ABOUT, "mikels-8", words, name=name, images=images, strict=strict, partial=partial
    )
