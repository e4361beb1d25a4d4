"""Vote counts without the people behind them, as FER+ and many others publish them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affectml_annotation.errors import BadCounts
from affectml_annotation.exchange.files import from_spreadsheet, read_frame, readable
from affectml_annotation.judgements import Votes


def read_counts(
    path: str | Path,
    labels: Sequence[str],
    *,
    image_column: str | None = "image_id",
    n_column: str | None = None,
    not_answers: Sequence[str] = (),
    skip_unnamed: bool = False,
) -> Votes:
    """Read a table with one row per image and one column of votes per label (CSV or Parquet).

    Args:
        path: the file.
        labels: the labels; each is a column.
        image_column: names the images, each once; None numbers the rows instead (row-0, row-1, ...).
        n_column: how many people answered. Without it people chose one label each, and n is the sum of the votes.
        not_answers: columns that count people who gave no answer ("unknown", "not a face"). They are checked and left
            out of n.
        skip_unnamed: drop rows without an image name, which are refused otherwise.

    Returns:
        The votes.

    Raises:
        BadImport: the file cannot be read, or a cell of a count is no number.
        BadCounts: a column is missing, an image is named twice or not at all, or counts that cannot be.
    """
    path = Path(path)
    with readable(path):
        table = read_frame(path) if path.suffix == ".parquet" else from_spreadsheet(pd.read_csv(path))
    if image_column is None:
        image_column = "(row)"
        table[image_column] = [f"row-{number}" for number in range(len(table))]
    wanted = [image_column, *labels, *not_answers, *([n_column] if n_column else [])]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise BadCounts(f"{path}: no column {missing[0]!r} (columns: {', '.join(map(str, table.columns))})")
    unnamed = table[image_column].isna().to_numpy()
    if unnamed.any() and not skip_unnamed:
        row = int(np.flatnonzero(unnamed)[0])
        raise BadCounts(f"{path}: row {row} has no {image_column}; name it, or skip such rows (skip_unnamed=True)")
    table = table[~unnamed]
    twice = table[image_column].duplicated()
    if twice.any():
        raise BadCounts(
            f"{path}: image {table[image_column][twice].iloc[0]!r} stands in two rows; keep one, or number the "
            "rows instead (image_column=None)"
        )
    with readable(path):
        numbers = table[[*labels, *not_answers, *([n_column] if n_column else [])]].to_numpy(dtype=np.float64)
    bad = ~((numbers >= 0) & (numbers == np.floor(numbers)))
    if bad.any():
        row, column = (int(at) for at in np.argwhere(bad)[0])
        raise BadCounts(
            f"{path}: image {table[image_column].iloc[row]!r}: expected a count, but received {numbers[row, column]}"
        )
    votes = numbers[:, : len(labels)].astype(np.int64)
    n = numbers[:, -1].astype(np.int64) if n_column else votes.sum(axis=1)
    over = (votes > n[:, None]).any(axis=1)
    if over.any():
        image = table[image_column].iloc[int(np.flatnonzero(over)[0])]
        raise BadCounts(f"{path}: image {image!r}: more votes for a label than people ({n_column})")
    return Votes(tuple(labels), table[image_column].astype(str).to_numpy(dtype=object), votes, n)
