"""UnBiasedEmo and Emotion-6 (Panda et al. 2018): one folder per emotion, with folders inside."""

from affectml.importers._class_folders import read_class_folders
from affectml.importers._spec import Partial
from affectml.importers.draft import Draft, Source, published
from affectml.importers.registry import importer


@importer("unbiasedemo", published("unbiasedemo"))
def unbiasedemo(source: Source, *, partial: Partial = False) -> Draft:
    """UnBiasedEmo or Panda's Emotion-6 (Panda et al. 2018): PATH holds images/EMOTION/.../FILE.

    The target is `single` over parrott-6; the folders below an emotion's are kept as the column `subfolder`.
    Emotion-6 by these authors is not Cornell's Emotion6, which `emotion6` reads.
    """
    return read_class_folders(source, "parrott-6", partial=partial, subfolder="subfolder")
