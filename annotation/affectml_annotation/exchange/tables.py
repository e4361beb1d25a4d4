"""Judgements as plain files: Parquet, CSV and JSON lines, one row per annotator and image."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affectml_annotation.errors import BadImport
from affectml_annotation.exchange._files import replacing, write_parquet, write_text
from affectml_annotation.exchange.columns import for_files, from_files, time_text

DELIMITER = "|"


def write_table(judgements: pd.DataFrame, path: str | Path) -> None:
    """Write judgements by the file's ending: .parquet, .csv or .jsonl. All three hold every column.

    CSV: labels and intensities are joined by `|`; a label that holds one is refused, Parquet and JSONL take it. Every
    text is written as it is, also one that a spreadsheet would take for a formula.
    """
    path = Path(path)
    table = for_files(judgements)
    if path.suffix == ".parquet":
        write_parquet(path, table)
    elif path.suffix == ".jsonl":
        if "at" in table:
            table["at"] = time_text(table["at"])
        plain = table.astype(object).where(table.notna(), None)
        rows = ({k: v for k, v in row.items() if v is not None} for row in plain.to_dict("records"))
        write_text(path, "".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows))
    elif path.suffix == ".csv":
        for row, labels in enumerate(table["labels"]):
            if any(DELIMITER in label for label in labels):
                raise BadImport(str(path), [f"row {row}: a label holds {DELIMITER!r}; write .jsonl or .parquet"])
        table["labels"] = [DELIMITER.join(labels) for labels in table["labels"]]
        if "intensities" in table:
            table["intensities"] = [
                None if values is None else DELIMITER.join("" if v is None else repr(float(v)) for v in values)
                for values in table["intensities"]
            ]
        if "at" in table:
            table["at"] = time_text(table["at"])
        with replacing(path) as temporary:
            # RFC 4180's line end: pandas quotes only cells that hold a character of it, and readers end a row at either
            table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\r\n")
    else:
        raise BadImport(str(path), ["expected a file ending in .parquet, .csv or .jsonl"])


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def read_table(
    path: str | Path, *, rename: Mapping[str, str] | None = None, encoding: str = "utf-8-sig"
) -> pd.DataFrame:
    """Read what `write_table` writes, or any such table: image_id, annotator_id and labels are enough.

    rename: the file's column to ours. encoding: of CSV and JSONL. Raises BadImport for a file in another
    encoding or a cell that cannot be, naming the row (from 0, the header not counted).
    """
    path = Path(path)
    if not path.is_file():
        raise BadImport(str(path), ["no such file"])
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".csv":
            table = pd.read_csv(path, dtype="str", encoding=encoding, keep_default_na=False, na_values=[""])
        elif path.suffix == ".jsonl":
            table = _json_lines(path, encoding)
        else:
            raise BadImport(str(path), ["expected a file ending in .parquet, .csv or .jsonl"])
    except UnicodeDecodeError as error:
        raise BadImport(
            str(path),
            [f"not {encoding} text (byte {error.start}: {error.object[error.start]:#04x}); save it as UTF-8, or name "
             "its encoding"],
        ) from None  # fmt: skip
    except LookupError:
        raise BadImport(str(path), [f"no encoding {encoding!r}; there are utf-8, latin-1, cp1252 and others"]) from None
    except (OSError, ValueError) as error:
        if isinstance(error, BadImport):
            raise
        raise BadImport(str(path), [f"not readable ({error})"]) from None
    table = table.rename(columns=dict(rename or {}))
    if path.suffix == ".csv":
        if "labels" in table:
            table["labels"] = pd.Series([_split(cell) for cell in table["labels"]], dtype=object)
        if "intensities" in table:
            table["intensities"] = pd.Series([_floats(cell, path) for cell in table["intensities"]], dtype=object)
    return from_files(table, str(path))


def _split(cell: Any) -> list[str]:
    return [] if pd.isna(cell) else [label.strip() for label in str(cell).split(DELIMITER) if label.strip()]


def _floats(cell: Any, path: Path) -> list[float | None] | None:
    if pd.isna(cell):
        return None
    try:
        return [float(part) if part else None for part in str(cell).split(DELIMITER)]
    except ValueError:
        raise BadImport(str(path), [f"intensities {cell!r} are no numbers joined by {DELIMITER!r}"]) from None


def _json_lines(path: Path, encoding: str) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_text(encoding=encoding).split("\n")):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadImport(str(path), [f"line {number + 1}: not JSON ({error.msg})"]) from None
        if not isinstance(row, dict):
            raise BadImport(str(path), [f"line {number + 1}: expected an object, but received {line[:40]}"])
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
