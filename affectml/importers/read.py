"""The user's tables as importers read them: what is wrong with one is a BadInput, and options are named as given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, MissingExtra, option
from affectml_annotation import tables
from affectml_annotation.errors import BadImport
from affectml_annotation.errors import MissingExtra as NeedsExtra


def first_row(rows: Any) -> int | None:
    """The first row [N] of which this is true, None where it is of none."""
    at = np.flatnonzero(rows)
    return int(at[0]) if len(at) else None


class Table(tables.Table):
    """A table whose columns and cells an importer has something to say of."""

    def need(self, columns: Sequence[str], expected: str) -> None:
        """Raise BadInput for the first of these columns that is not there."""
        for column in columns:
            if column not in self.frame.columns:
                have = ", ".join(map(str, self.frame.columns))
                raise BadInput(f"{self.path}: no column {column!r}; expected {expected} (it has: {have})")

    def refuse(self, bad: NDArray[np.bool_], columns: Sequence[str], cells: NDArray[np.float64], what: str) -> None:
        """Raise BadInput for the first of the cells [N, columns] that is bad, by row and column."""
        if bad.any():
            row, column = (int(at) for at in np.argwhere(bad)[0])
            received = f"but received {cells[row, column]:g}"
            raise BadInput(f"{self.where(row)}: column {columns[column]!r}: {what}, {received}")


def read_table(source: str | Path | pd.DataFrame, *, options: bool = False, **how: Any) -> Table:
    """As `affectml_annotation.tables.read_table`; options: whether messages may name the options of `import table`.

    Raises:
        BadInput: naming file and place.
        MissingExtra: for an Excel file, without openpyxl.
    """
    try:
        return Table(**vars(tables.read_table(source, spell=option if options else None, **how)))
    except BadImport as error:
        raise BadInput(str(error)) from None
    except NeedsExtra:
        raise MissingExtra("openpyxl", "excel", f"reading {source}, an Excel file,") from None
