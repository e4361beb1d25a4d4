"""Columns of images.parquet as levels: words, whatever a column is kept as."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]


def levels_of(images: pd.DataFrame, column: str | None, image_ids: Array) -> Array | None:
    """The level of each image in a column of images.parquet as text, None where it has none; None without the column.

    Args:
        images: the data set's images.
        column: its name, or None.
        image_ids: [N].
    """
    if column is None or column not in images.columns:
        return None
    found = as_text(images.set_index("image_id")[column]).reindex(pd.Index(image_ids))
    return np.array([None if pd.isna(value) else value for value in found], dtype=object)


def levels_in(images: pd.DataFrame, column: str | None, image_ids: Array) -> list[str]:
    """The levels that these images have in a column, sorted."""
    levels = levels_of(images, column, image_ids)
    return [] if levels is None else sorted({level for level in levels if level is not None})


def as_text(values: pd.Series) -> pd.Series:
    """Values as words, missing where they are; a whole number without a fraction, whatever it is kept as.

    A column of whole numbers is kept as floats as soon as one is missing: 1 and 1.0 are one level.
    """
    return values.astype(object).map(_word, na_action="ignore")


def _word(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
