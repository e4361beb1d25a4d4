"""UnBiasedEmo and Emotion-6 (Panda et al. 2018): one folder per emotion, with folders inside."""

from affectml.importers._class_folders import read_class_folders
from affectml.importers._spec import Partial
from affectml.importers.draft import NOT_STATED, About, Draft, Source
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy

ABOUT = About(
    name="unbiasedemo",
    construct="query",
    question="In our words: the emotion that was searched for together with a thing or a scene.",
    source="Panda et al. 2018, Contemplating Visual Emotions: Understanding and Overcoming Dataset Bias (UnBiasedEmo)",
    licence=NOT_STATED,
    notes=("the label is the folder's name; the files do not say who checked it, or how",),
)


@importer("unbiasedemo", ABOUT)
def unbiasedemo(source: Source, *, partial: Partial = False) -> Draft:
    """UnBiasedEmo or Panda's Emotion-6 (Panda et al. 2018): PATH holds images/EMOTION/.../FILE.

    The target is `single` over parrott-6; the folders below an emotion's are kept as the column `subfolder`.
    Emotion-6 by these authors is not Cornell's Emotion6, which `emotion6` reads.
    """
    words = {label: label for label in sorted(get_taxonomy("parrott-6").labels)}
    return read_class_folders(source, "parrott-6", words, partial=partial, subfolder="subfolder")
