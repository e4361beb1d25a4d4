"""Thumbnails of a data set's images, inside the page."""

from typing import TYPE_CHECKING

import pandas as pd

from affectml._html import thumbnail as made

if TYPE_CHECKING:
    from affectml.data import Dataset


def thumbnail(dataset: "Dataset", named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only).

    named: the data set's images by image_id.
    """
    file = named["file"].get(image_id) if "file" in named.columns else None
    if file is None or pd.isna(file):
        return None
    return made(dataset.image_path(str(file)))
