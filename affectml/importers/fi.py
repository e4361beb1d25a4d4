"""FI (You et al. 2016): photographs from Flickr and Instagram, one folder per emotion of Mikels' eight."""

from affectml.importers._class_folders import read_class_folders
from affectml.importers._spec import Partial
from affectml.importers.draft import Draft, Source, published
from affectml.importers.registry import importer


@importer("fi", published("fi"))
def fi(source: Source, *, partial: Partial = False) -> Draft:
    """FI (You et al. 2016): PATH is emotion_dataset, with a folder per emotion, or the folder around it.

    The target is `single` over mikels-8. Without `partial`, an emotion's folder that is missing is an error that names
    it, as is a folder of another name.
    """
    return read_class_folders(source, "mikels-8", partial=partial)
