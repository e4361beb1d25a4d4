"""UnBiasedEmo and Emotion-6 (Panda et al. 2018): one folder per emotion, with folders inside."""

from pathlib import Path

from affectml.importers._class_folders import import_class_folders
from affectml.importers._native import About
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_ABOUT = About(
    name="unbiasedemo",
    construct="query",
    question="In our words: the emotion that was searched for together with a thing or a scene.",
    source="Panda et al. 2018, Contemplating Visual Emotions: Understanding and Overcoming Dataset Bias (UnBiasedEmo)",
    notes=("the label is the folder's name; the files do not say who checked it, or how",),
)


def import_unbiasedemo(
    path: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
    partial: bool = False,
) -> ImportSummary:
    """Make a data set of UnBiasedEmo or of Panda's Emotion-6: `path` holds images/EMOTION/.../FILE.

    The target is `single` over parrott-6; the folders below an emotion's are kept as the column `subfolder`.
    Emotion-6 by these authors is not Cornell's Emotion6, which `import_emotion6` reads. partial as in `import_fi`.
    """
    words = {label: label for label in sorted(get_taxonomy("parrott-6").labels)}
    return import_class_folders(
        path,
        out,
        _ABOUT,
        "parrott-6",
        words,
        name=name,
        images=images,
        strict=strict,
        partial=partial,
        subfolder="subfolder",
    )
