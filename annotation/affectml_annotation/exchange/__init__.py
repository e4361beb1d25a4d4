"""Judgements in and out by format; one way for every format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.dataset_folder import read_dataset_judgements
from affectml_annotation.exchange.files import make_way
from affectml_annotation.exchange.label_studio import read_label_studio, write_label_studio
from affectml_annotation.exchange.tables import DELIMITER, read_table, write_table

Format = Literal["table", "label-studio", "dataset"]
FORMATS = get_args(Format)


def guess_format(path: str | Path) -> Format:
    """By the path: .json is Label Studio's, a folder a data set."""
    path = Path(path)
    if path.suffix in (".parquet", ".csv", ".tsv", ".jsonl", ".xlsx"):
        return "table"
    if path.suffix == ".json":
        return "label-studio"
    if path.is_dir():
        return "dataset"
    if path.suffix.lower() in (".xls", ".ods"):
        raise BadImport(str(path), ["a spreadsheet, not text"], "save the table as CSV (UTF-8) and name that file")
    raise BadImport(str(path), [f"cannot tell the format; name it: {', '.join(FORMATS)}"])


def format_to_write(path: str | Path) -> Format:
    """By the path: a table, Label Studio's JSON, or a data set for what has no ending. Raises BadExport for others."""
    if Path(path).suffix == "":
        return "dataset"
    try:
        return guess_format(path)
    except BadImport:
        way_out = f"end it in .parquet, .csv, .jsonl or .json, or name the format: {', '.join(FORMATS)}"
        raise BadExport(str(path), ["cannot tell the format"], way_out) from None


def read_judgements(
    path: str | Path,
    format: Format | None = None,  # noqa: A002 - what the command line calls it
    *,
    rename: Mapping[str, str] | None = None,
    delimiter: str = DELIMITER,
    empty: str | None = None,
) -> pd.DataFrame:
    """Read judgements as the long table.

    Args:
        path: a file or folder.
        format: `table`, `label-studio` or `dataset`; without it, by the path.
        rename: for tables, the file's column to ours.
        delimiter: what joins the labels in a cell of CSV.
        empty: what a row without labels and without a kind is, `none` (no label applies) or `skip` (no answer). An
            empty list is `none`; of a cell with nothing in it nobody knows, so that it is an error without this.

    Returns:
        A judgement table, with the further columns that the file has and we know.

    Raises:
        BadImport: the file cannot be read; file and line or row are named.
    """
    kind = format or guess_format(path)
    if kind == "table":
        return read_table(path, rename=rename, delimiter=delimiter, empty=empty)
    if kind == "label-studio":
        return read_label_studio(path)
    return read_dataset_judgements(path, empty)


def write_judgements(
    judgements: pd.DataFrame,
    path: str | Path,
    format: Format | None = None,  # noqa: A002 - what the command line calls it
    *,
    replace: bool = False,
) -> None:
    """Write judgements to a file. Data sets hold targets too: `write_dataset_folder` writes them.

    Args:
        judgements: a judgement table.
        path: where to.
        format: `table` or `label-studio`; without it, by the path.
        replace: write over a file that is there, and keep the old one beside it.

    Raises:
        BadExport: there is no judgement, the format cannot hold one, or a file is there and `replace` is not set.
    """
    kind = format or format_to_write(path)
    if kind not in FORMATS:
        raise BadExport(str(path), [f"no format {kind!r} (there are {', '.join(FORMATS)})"])
    if judgements.empty:
        raise BadExport(str(path), ["there are no judgements yet"])
    if kind == "dataset":
        raise BadExport(str(path), ["a data set holds targets too: write_dataset_folder writes it"])
    make_way(Path(path), replace=replace)
    if kind == "table":
        write_table(judgements, path)
    else:
        write_label_studio(judgements, path)
