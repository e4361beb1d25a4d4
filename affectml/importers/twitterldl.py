"""TwitterLDL (Yang, Sun & Sun 2017): images from Twitter with the votes of several people each."""

from collections.abc import Sequence
from pathlib import Path

from affectml.importers._ldl import about_ldl, import_ldl
from affectml.importers._summary import ImportSummary


def import_twitterldl(
    path: str | Path,
    out: str | Path,
    *,
    columns: Sequence[str] | None = None,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of TwitterLDL: `path` holds {train,test}_ground_truth.txt and a folder images.

    The target is `distribution` over mikels-8, votes as counts. The order of the columns is the header's, or
    `columns`, since published readers disagree on it. Either of the two files is enough; with both, they are the
    split. Raises BadInput naming file and line.
    """
    about = about_ldl("twitterldl")
    return import_ldl(path, out, about, columns=columns, name=name, images=images, strict=strict)
