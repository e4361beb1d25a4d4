"""Judgements in and out: the path says in which form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from affectml_annotation.errors import BadExport
from affectml_annotation.exchange.dataset_folder import read_dataset_judgements
from affectml_annotation.exchange.files import make_way
from affectml_annotation.exchange.label_studio import read_label_studio, write_label_studio
from affectml_annotation.exchange.tables import DELIMITER, read_table, write_table

FILES = (".parquet", ".csv", ".jsonl", ".json")  # that judgements are written to


def format_of(path: str | Path) -> Literal["dataset", "label-studio", "table"]:
    """By the path: a folder or a new name without an ending is a data set, .json is Label Studio's, the rest tables."""
    path = Path(path)
    if path.is_dir() or not (path.suffix or path.is_file()):
        return "dataset"
    return "label-studio" if path.suffix == ".json" else "table"


def read_judgements(
    path: str | Path, *, rename: Mapping[str, str] | None = None, delimiter: str = DELIMITER, empty: str | None = None
) -> pd.DataFrame:
    """Read judgements as the long table.

    Args:
        path: a data set's folder, Label Studio's export (.json), or a table.
        rename: for tables, the file's column to ours.
        delimiter: what joins the labels in a cell of CSV.
        empty: what a row without labels and without a kind is, `none` (no label applies) or `skip` (no answer). An
            empty list is `none`; of a cell with nothing in it nobody knows, so that it is an error without this.

    Returns:
        A judgement table, with the further columns that the file has and we know.

    Raises:
        BadImport: the file cannot be read; file and line or row are named.
    """
    match format_of(path):
        case "dataset":
            return read_dataset_judgements(path, empty)
        case "label-studio":
            return read_label_studio(path)
        case "table":
            return read_table(path, rename=rename, delimiter=delimiter, empty=empty)


def write_judgements(judgements: pd.DataFrame, path: str | Path, *, replace: bool = False) -> None:
    """Write judgements to a file: .parquet, .csv, .jsonl, or .json for Label Studio.

    Data sets hold targets too: `write_dataset_folder` writes them.

    Args:
        judgements: a judgement table.
        path: where to.
        replace: write over a file that is there, and keep the old one beside it.

    Raises:
        BadExport: there is no judgement, the format cannot hold one, or a file is there and `replace` is not set.
    """
    path = Path(path)
    if path.suffix not in FILES:
        raise BadExport(str(path), ["cannot tell the format"], f"end it in {', '.join(FILES)}")
    if judgements.empty:
        raise BadExport(str(path), ["there are no judgements yet"])
    make_way(path, replace=replace)
    write = write_label_studio if format_of(path) == "label-studio" else write_table
    write(judgements, path)
