"""Judgements in and out by format, and vote counts in; one way for every format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from affectml_annotation import tables
from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadCounts, BadExport, BadImport
from affectml_annotation.exchange.dataset_folder import read_dataset_judgements
from affectml_annotation.exchange.files import make_way, new_folder, read_frame, readable, write_parquet, write_text
from affectml_annotation.exchange.label_studio import read_label_studio, write_label_studio
from affectml_annotation.exchange.tables import DELIMITER, for_files, from_files, numbers, read_table, write_table
from affectml_annotation.judgements import Votes

Format = Literal["table", "label-studio", "hugging-face", "dataset"]
FORMATS = ("table", "label-studio", "hugging-face", "dataset")
CARD = """---
pretty_name: {name}
configs:
- config_name: judgements
  default: true
  data_files:
  - split: train
    path: data/judgements-*.parquet
---
# {name}

One row per judgement: what one person said of one image. Question: {question}

{columns}

`train` is the name that the format wants; it holds every judgement.
"""


def guess_format(path: str | Path) -> Format:
    """By the path: .json is Label Studio's; a folder with a dataset.json ours, another one Hugging Face's."""
    path = Path(path)
    if path.suffix in (".parquet", ".csv", ".tsv", ".jsonl", ".xlsx"):
        return "table"
    if path.suffix == ".json":
        return "label-studio"
    if path.is_dir():
        return "dataset" if (path / "dataset.json").exists() else "hugging-face"
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
    encoding: str = "utf-8",
    delimiter: str = DELIMITER,
    empty: str | None = None,
) -> pd.DataFrame:
    """Read judgements as the long table.

    Args:
        path: a file or folder.
        format: `table`, `label-studio`, `hugging-face` or `dataset`; without it, by the path.
        rename: for tables, the file's column to ours.
        encoding: of CSV and JSON lines.
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
        return read_table(path, rename=rename, encoding=encoding, delimiter=delimiter, empty=empty)
    if kind == "label-studio":
        return read_label_studio(path)
    if kind == "hugging-face":
        return read_hugging_face(path, empty)
    return read_dataset_judgements(path, empty)


def write_judgements(
    judgements: pd.DataFrame,
    path: str | Path,
    format: Format | None = None,  # noqa: A002 - what the command line calls it
    *,
    name: str = "judgements",
    question: str = "",
    replace: bool = False,
) -> None:
    """Write judgements to a file or a folder. Data sets hold targets too: `write_dataset_folder` writes them.

    Args:
        judgements: a judgement table.
        path: where to.
        format: `table`, `label-studio` or `hugging-face`; without it, by the path.
        name: what a Hugging Face folder is called.
        question: what people were asked, for a Hugging Face folder.
        replace: write over a file that is there, and keep the old one beside it.

    Raises:
        BadExport: there is no judgement, the format cannot hold one, or a file is there and `replace` is not set.
    """
    kind = format or format_to_write(path)
    if kind not in FORMATS:
        raise BadExport(str(path), [f"no format {kind!r} (there are {', '.join(FORMATS)})"])
    if judgements.empty:
        raise BadExport(str(path), ["there are no judgements yet"])
    if kind in ("table", "label-studio"):
        make_way(Path(path), replace=replace)
    if kind == "table":
        write_table(judgements, path)
    elif kind == "label-studio":
        write_label_studio(judgements, path)
    elif kind == "hugging-face":
        write_hugging_face(judgements, path, name=name, question=question)
    else:
        raise BadExport(str(path), ["a data set holds targets too: write_dataset_folder writes it"])


def write_hugging_face(judgements: pd.DataFrame, folder: str | Path, *, name: str, question: str) -> None:
    """Write a new folder for `datasets.load_dataset(FOLDER)`; it holds every column. Raises BadExport if taken."""
    folder = Path(folder)
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadExport(str(folder), ["exists already"], "name a new folder")
    with new_folder(folder) as fresh:
        table = for_files(judgements)
        write_parquet(fresh / "data" / "judgements-00000-of-00001.parquet", table)
        columns = "\n".join(f"- `{column.name}`: {column.about}" for column in COLUMNS if column.name in table)
        write_text(fresh / "README.md", CARD.format(name=name, question=question, columns=columns))


def read_hugging_face(folder: str | Path, empty: str | None = None) -> pd.DataFrame:
    """Read the Parquet files under such a folder's data/, in the order of their names. empty: see `from_files`."""
    folder = Path(folder)
    files = sorted(folder.glob("data/*.parquet"))
    if not files:
        raise BadImport(str(folder), ["no data/*.parquet in it"])
    tables = []
    for file in files:
        with readable(file):
            tables.append(read_frame(file))
    with readable(folder):
        table = pd.concat(tables, ignore_index=True)
    return from_files(table, str(folder), empty)


def read_counts(
    path: str | Path,
    labels: Sequence[str],
    *,
    image_column: str | None = "image_id",
    n_column: str | None = None,
    not_answers: Sequence[str] = (),
) -> Votes:
    """Read a table with one row per image and one column of votes per label, as FER+ and many others publish them.

    Args:
        path: the file: any that `affectml import` takes for a table, such as CSV or Parquet.
        labels: the labels; each is a column.
        image_column: names the images, each once; None numbers the rows instead (row-0, row-1, ...).
        n_column: how many people answered. Without it people chose one label each, and n is the sum of the votes.
        not_answers: columns that count people who gave no answer ("unknown", "not a face"). They are checked and left
            out of n.

    Returns:
        The votes.

    Raises:
        BadImport: the file cannot be read, or a cell of a count is no number.
        BadCounts: a column is missing, an image is named twice or not at all, or counts that cannot be.
    """
    table = tables.read_table(path, as_written=True)
    frame, asked = table.frame, [*labels, *not_answers, *([n_column] if n_column else [])]
    for name in (*([image_column] if image_column else []), *asked):
        if name not in frame:
            raise BadCounts(f"{path}: no column {name!r} (columns: {', '.join(map(str, frame))})")
    images = frame[image_column] if image_column else pd.Series([f"row-{row}" for row in range(len(frame))])
    for row in np.flatnonzero(images.isna() | images.duplicated())[:1]:
        again = f"image {images[row]!r} stands there again; keep one"
        what = f"no {image_column}; name it" if pd.isna(images[row]) else again
        raise BadCounts(f"{table.where(row)}: {what}, or number the rows instead (image_column=None)")
    counts = np.column_stack([numbers(frame[name], str(path)) for name in asked])
    for row, column in np.argwhere(~((counts >= 0) & (counts == np.floor(counts))))[:1]:
        received = f"expected a count, but received {counts[row, column]}"
        raise BadCounts(f"{table.where(row)}: image {images[row]!r}: {received}")
    votes = counts[:, : len(labels)].astype(np.int64)
    n = counts[:, -1].astype(np.int64) if n_column else votes.sum(axis=1)
    for row in np.flatnonzero((votes > n[:, None]).any(axis=1))[:1]:
        raise BadCounts(f"{table.where(row)}: image {images[row]!r}: more votes for a label than people ({n_column})")
    return Votes(tuple(labels), images.astype(str).to_numpy(dtype=object), votes, n)
