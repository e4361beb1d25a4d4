"""Reading a user's table: CSV or TSV as text with the line of every row, JSON, or Parquet."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.errors import BadInput, option
from affectml_annotation.exchange.files import plain_text

MOST_COLUMNS = 10_000
_SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon"}
_SHEETS = {b"PK\x03\x04": "an Excel or OpenDocument file, or another zip archive", b"\xd0\xcf\x11\xe0": "an Excel file"}
_LOOKS_LIKE_DATA = re.compile(r"^https?://|\.(jpe?g|png|gif|bmp|webp|tiff?)$", re.IGNORECASE)


def first_row(rows: Any) -> int | None:
    """The first row [N] of which this is true, None where it is of none."""
    at = np.flatnonzero(rows)
    return int(at[0]) if len(at) else None


@dataclass(frozen=True)
class Table:
    """A file's rows: cells are stripped text (CSV, TSV) or what Parquet holds; place [N] numbers the rows.

    A row's place is the line of the file it begins on (CSV, TSV; the header is line 1), or its number from 1.
    options: whether it was read by `import table`, whose options errors may name. labels: the columns that are labels,
    where the file says so, as JSON may.
    """

    path: Path
    frame: pd.DataFrame
    place: NDArray[np.int64]
    unit: str
    notes: tuple[str, ...] = ()
    options: bool = False
    labels: tuple[str, ...] = ()

    def way_out(self, asked: str, otherwise: str) -> str:
        """The end of an error message: an option of `import table`, or what to do with the file."""
        return asked if self.options else otherwise

    def need(self, columns: Sequence[str], expected: str) -> None:
        """Raise BadInput for the first of these columns that is not there."""
        for column in columns:
            if column not in self.frame.columns:
                have = ", ".join(map(str, self.frame.columns))
                raise BadInput(f"{self.path}: no column {column!r}; expected {expected} (it has: {have})")

    def where(self, row: int) -> str:
        """File and line of a row, for error messages."""
        return f"{self.path}, {self.unit} {self.place[row]}"

    def places(self) -> list[str]:
        """`where` of every row."""
        return [self.where(row) for row in range(len(self.frame))]

    def refuse(self, bad: NDArray[np.bool_], columns: Sequence[str], cells: NDArray[np.float64], what: str) -> None:
        """Raise BadInput for the first of the cells [N, columns] that is bad, by row and column."""
        if bad.any():
            row, column = (int(at) for at in np.argwhere(bad)[0])
            received = f"but received {cells[row, column]:g}"
            raise BadInput(f"{self.where(row)}: column {columns[column]!r}: {what}, {received}")

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """These rows, in this order, with their places."""
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), place=self.place[rows])


def read_table(
    path: str | Path,
    *,
    encoding: str = "utf-8",
    separator: str | None = None,
    first: str | None = None,
    headless: Sequence[str] | None = None,
    options: bool = False,
) -> Table:
    """Read a CSV, TSV, JSON or Parquet file; the content decides which, not the suffix.

    encoding: of a text file; a UTF-8 byte-order mark is taken off. separator: one character; found from the
    header unless given. Headers lose spaces, brackets and quotes around them; a column without a name (a written index)
    is left out, unless `first` names the first one. headless: the columns of a file whose first line is a row already,
    known by numbers in all cells but the first. options: see `Table`. Raises BadInput naming the line: another
    encoding, a row with more or fewer cells than the header, a header given twice or absent.
    """
    file = Path(path)
    if file.is_dir():
        raise BadInput(f"{file} is a folder, not a table; `affectml import folder` takes a folder per label")
    need_file(file)
    with file.open("rb") as handle:
        begins = handle.read(4)
    if begins in _SHEETS:
        raise BadInput(f"{file}: {_SHEETS[begins]}, not text; save the table as CSV (UTF-8) and name that file")
    if begins == b"PAR1":
        return replace(_read_parquet(file), options=options)
    return replace(_read_text(file, encoding, separator, first, headless, options), options=options)


def _read_parquet(file: Path) -> Table:
    try:
        check_width(len(pq.read_schema(file)), file)
        frame = pd.read_parquet(file)
        frame.columns = _headers([str(column) for column in frame.columns], file)
        frame = frame.loc[:, [bool(column) for column in frame.columns]].reset_index(drop=True)
        frame = frame.astype(dict.fromkeys(frame.select_dtypes("string"), object))  # decodes the texts, or raises
    except BadInput:
        raise
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadInput(f"{file}: not a readable Parquet file ({error})") from None
    if frame.empty:
        raise BadInput(f"{file}: no rows")
    return Table(file, frame, np.arange(1, len(frame) + 1, dtype=np.int64), "row")


def _decode(file: Path, encoding: str, options: bool) -> str:
    raw = file.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) and "16" not in encoding:
        way_out = f"say so: {option('encoding', 'utf-16')}" if options else "convert the file to UTF-8"
        raise BadInput(f"{file}: byte 0xff/0xfe at the start: this is UTF-16; {way_out}")
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise BadInput(f"{file}: no encoding {encoding!r}; try utf-8, cp1252 or latin-1") from None
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", raw[: error.start])) + 1
        named = f"name the file's encoding ({option('encoding', 'cp1252')}, say) or " if options else ""
        raise BadInput(
            f"{file}, line {line}: byte 0x{raw[error.start]:02x} is not {encoding}; {named}convert it to UTF-8"
        ) from None


def _read_text(
    file: Path, encoding: str, separator: str | None, first: str | None, headless: Sequence[str] | None, options: bool
) -> Table:
    from affectml.importers._json import json_rows

    text = _decode(file, encoding, options).replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip()[:1] in ("[", "{") and (found := json_rows(file, text)) is not None:
        frame, labels, said = found
        check_width(frame.shape[1], file)
        return Table(file, frame, np.arange(1, len(frame) + 1, dtype=np.int64), "row", said, labels=labels)
    header = next((line for line in text.split("\n") if line.strip()), "")
    if not header:
        raise BadInput(f"{file}: empty file")
    if "\0" in text:
        raise BadInput(f"{file}: contains zero bytes; expected a CSV, TSV or Parquet file")
    notes: list[str] = []
    if separator is not None and (len(separator) != 1 or separator in '\r\n"'):
        raise BadInput(f"{file}: {option('separator', separator)}: expected one character, such as ; or a tab")
    if separator is None:
        separator = _find_separator(header, file, options)
        if separator != ("\t" if file.suffix.lower() in (".tsv", ".tab") else ","):
            notes.append(f"cells are separated by {_SEPARATORS.get(separator, 'spaces')}")
    rows, place = _cells(text, file, separator, "'" if header.lstrip().startswith("'") else '"')
    if not rows:
        raise BadInput(f"{file}: no header and no rows")
    if headless is not None and len(rows[0]) == len(headless) and all(map(_is_number, rows[0][1:])):
        rows.insert(0, list(headless))
        place.insert(0, 0)
    check_width(width := len(rows[0]), file)
    for cells, line in zip(rows, place, strict=True):
        if len(cells) != width:
            raise BadInput(
                f"{file}, line {line}: {len(cells)} cells, but the header has {width}; "
                "a cell that holds the separator needs quotes around it"
            )
    if len(rows) == 1:
        raise BadInput(f"{file}: a header and no rows")
    columns = [[plain_text(cell.strip()) for cell in column] for column in zip(*rows, strict=True)]
    names = _headers([column[0] for column in columns], file)
    names[0] = names[0] or first or ""
    frame = pd.DataFrame(
        {name: pd.Series(column[1:], dtype=object) for name, column in zip(names, columns, strict=True) if name}
    )
    return Table(file, frame, np.array(place[1:], dtype=np.int64), "line", tuple(notes))


def _cells(text: str, file: Path, separator: str, quote: str) -> tuple[list[list[str]], list[int]]:
    """The cells of every row that has some, and the line it begins on."""
    spaces = separator == " "
    reader = csv.reader(io.StringIO(text), delimiter=separator, quotechar=quote, skipinitialspace=spaces, strict=True)
    rows: list[list[str]] = []
    place: list[int] = []
    before = 0
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                rows.append(cells)
                place.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise BadInput(f"{file}, line {before + 1}: {error}; check the quotes there") from None
    return rows, place


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _find_separator(header: str, file: Path, options: bool) -> str:
    if file.suffix.lower() in (".tsv", ".tab") and "\t" in header:
        return "\t"
    present = [mark for mark in _SEPARATORS if mark in header]
    if len(present) > 1:
        most = sorted(present, key=header.count, reverse=True)
        if file.suffix.lower() != ".csv" or "," not in present:
            way_out = f"name what separates cells ({option('separator')})" if options else "leave one of them"
            raise BadInput(f"{file}: the header holds {' and '.join(_SEPARATORS[mark] for mark in most)}; {way_out}")
        return ","
    if present:
        return present[0]
    return " " if " " in header.strip() and file.suffix.lower() != ".csv" else ","


def check_width(columns: int, file: Path) -> None:
    """Raise BadInput for a table that is wider than any of labels, people's answers or an image's features."""
    if columns > MOST_COLUMNS:
        raise BadInput(f"{file}: {columns:,} columns, and at most {MOST_COLUMNS:,} are read; are they its rows?")


def _headers(names: list[str], file: Path) -> list[str]:
    stripped = [name.strip().strip("[]'\"").strip() for name in names]
    clean = ["" if name.startswith("Unnamed: ") else name for name in stripped]
    for name in clean:
        if _LOOKS_LIKE_DATA.search(name):
            raise BadInput(f"{file}: the first line holds {name!r}, not names of columns; add a header line")
    twice = [name for name, count in Counter(filter(None, clean)).items() if count > 1]
    if twice:
        raise BadInput(f"{file}: two columns are called {twice[0]!r}; rename one")
    return clean
