"""Tables as people have them: CSV with any separator, TSV, JSON, JSON lines, Parquet, Excel and data frames.

One reader for images, votes, judgements, answers and captions: rows of named columns, the place of each row in its
file, and errors that name file, row and column.
"""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affectml_annotation.errors import BadImport, MissingExtra
from affectml_annotation.exchange.files import no_file, plain_text, read_frame, readable

MOST_COLUMNS = 10_000
MOST_PACKED, MOST_UNPACKED = 50, 500_000_000  # of an archive: times its size, and bytes that are never too many
SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon"}
# Numbers about an image or a rating that nobody means as a label.
NOT_LABELS = frozenset({"n", "id", "index", "age", "valence", "arousal", "dominance", "width", "height",
                        "seconds", "round", "repetition"})  # fmt: skip
SHAPES = 'expected [{"image": "1.jpg", "joy": 3, "n": 20}, ...] or {"1.jpg": {"joy": 3}, ...}'
IMAGE_NAME = re.compile(r"^https?://|\.(jpe?g|png|gif|bmp|webp|tiff?)$", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_PLAIN = re.compile(r"[+-]?\d+")
Spell = Callable[..., str]


def plain(name: str) -> str:
    """A column's name without capitals, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


@dataclass(frozen=True)
class Table:
    """Rows of named columns; place [N] is where each row stands in `path`.

    A row's place is the line on which it begins (CSV, TSV, JSON lines; the header is line 1), the row of a sheet, or
    its number from 1. spell: how messages name an option of the reader's, such as `separator`; None where whoever
    reads has no such options. labels: the columns that are labels, where the file says so, as JSON may.
    """

    path: Path
    frame: pd.DataFrame
    place: NDArray[np.int64]
    unit: str = "row"
    notes: tuple[str, ...] = ()
    spell: Spell | None = None
    labels: tuple[str, ...] = ()

    @property
    def options(self) -> bool:
        """Whether messages may name options."""
        return self.spell is not None

    def way_out(self, asked: str, otherwise: str) -> str:
        """The end of an error message: an option, or what to do with the file."""
        return asked if self.options else otherwise

    def where(self, row: int) -> str:
        """File and place of a row, for error messages."""
        return f"{self.path}, {self.unit} {self.place[row]}"

    def places(self) -> list[str]:
        """`where` of every row."""
        return [self.where(row) for row in range(len(self.frame))]

    def take(self, rows: NDArray[np.int64]) -> Self:
        """These rows, in this order, with their places."""
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), place=self.place[rows])


def read_table(
    source: str | Path | pd.DataFrame,
    *,
    encoding: str = "utf-8",
    separator: str | None = None,
    first: str | None = None,
    as_written: bool = False,
    spell: Spell | None = None,
) -> Table:
    """Read a table; the content of a file decides what it is, not its ending.

    Headers lose spaces, brackets and quotes around them; a column without a name (a written index) is left out.

    Args:
        source: a CSV, TSV, JSON, JSON lines, Parquet or Excel file (one sheet), or a data frame.
        encoding: of a text file; a UTF-8 byte-order mark is taken off.
        separator: one character; without it, found from the header. Decimal commas are read where it is no comma.
        first: the name of the first column, where it has none.
        as_written: whether cells stay as the file has them, JSON's values and spaces around texts, nothing as None;
            else text files hold stripped texts, nothing as "".
        spell: see `Table`.

    Returns:
        The table, of one row or more.

    Raises:
        BadImport: naming the place: another encoding, a row with more or fewer cells than the header, a header given
            twice or absent, a damaged file, no rows.
        MissingExtra: for an Excel file, without openpyxl.
    """
    nothing = None if as_written else ""
    if isinstance(source, pd.DataFrame):
        table = _numbered(Path("the data frame"), source.rename(columns=str).reset_index(drop=True))
    else:
        file = Path(source)
        if why := no_file(file):
            raise BadImport(str(file), [why])
        with file.open("rb") as handle:
            begins = handle.read(4)
        if begins == b"PAR1":
            table = _parquet(file)
        elif begins == b"PK\x03\x04":
            table = _excel(file, nothing)
        elif begins == b"\xd0\xcf\x11\xe0":
            raise BadImport(str(file), ["an Excel file of before 2007; save the table as .xlsx or CSV (UTF-8)"])
        else:
            table = _text(file, encoding, separator, first, nothing, spell)
    if table.frame.empty:
        raise BadImport(str(table.path), ["a header and no rows" if table.unit == "line" else "no rows"])
    return replace(table, spell=spell)


def _numbered(path: Path, frame: pd.DataFrame) -> Table:
    return Table(path, frame, np.arange(1, len(frame) + 1, dtype=np.int64))


def _parquet(file: Path) -> Table:
    with readable(file, "a readable Parquet file"):
        _check_width(len(pq.read_schema(file)), file)
        frame = read_frame(file)
        names = _headers(map(str, frame.columns), file)
        frame = frame.set_axis(names, axis=1).loc[:, list(map(bool, names))].reset_index(drop=True)
        return _numbered(file, frame.astype(dict.fromkeys(frame.select_dtypes("string"), object)))


def _excel(file: Path, nothing: str | None) -> Table:
    """The one sheet of an Excel file that holds anything."""
    with readable(file, "a readable Excel file"):
        with zipfile.ZipFile(file) as packed:
            unpacked, names = sum(part.file_size for part in packed.infolist()), packed.namelist()
        if unpacked > max(MOST_UNPACKED, MOST_PACKED * file.stat().st_size):
            raise BadImport(str(file), [f"unpacks to {unpacked / 1e9:,.1f} GB, as no table does"])
        if "xl/workbook.xml" not in names:
            raise BadImport(str(file), ["a zip archive, not a table; save the table as CSV (UTF-8) and name that file"])
        try:
            from openpyxl import load_workbook
        except ImportError:
            way_out = "pip install 'affectml-annotation[excel]', or save the table as CSV (UTF-8)"
            raise MissingExtra(f"{file}: an Excel file, which needs openpyxl: {way_out}") from None
        with closing(load_workbook(file, read_only=True, data_only=True)) as book:
            sheets = {
                sheet.title: [list(map(_cell, row)) for row in sheet.iter_rows(values_only=True)]
                for sheet in book.worksheets
            }
    filled = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    if len(filled) > 1:
        raise BadImport(str(file), [f"{len(filled)} sheets ({', '.join(filled)}); leave the one that holds the table"])
    rows = enumerate(next(iter(filled.values()), []), start=1)
    return _of_rows(file, [(number, cells) for number, cells in rows if any(cells)], "row", nothing)


def _decode(file: Path, encoding: str, spell: Spell | None) -> str:
    raw = file.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) and "16" not in encoding:
        way_out = f"say so: {spell('encoding', 'utf-16')}" if spell else "convert the file to UTF-8"
        raise BadImport(str(file), [f"byte 0xff/0xfe at the start: this is UTF-16; {way_out}"])
    try:
        return raw.decode("utf-8-sig" if plain(encoding) in ("utf8", "utf8sig") else encoding)
    except LookupError:
        raise BadImport(str(file), [f"no encoding {encoding!r}; try utf-8, cp1252 or latin-1"]) from None
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", raw[: error.start])) + 1
        named = f"name the file's encoding ({spell('encoding', 'cp1252')}, say) or " if spell else ""
        what = f"byte 0x{raw[error.start]:02x} is not {encoding}; {named}convert it to UTF-8"
        raise BadImport(f"{file}, line {line}", [what]) from None


def _text(
    file: Path, encoding: str, separator: str | None, first: str | None, nothing: str | None, spell: Spell | None
) -> Table:
    text = _decode(file, encoding, spell)
    if text.lstrip()[:1] in ("[", "{") and (table := _json(file, text, nothing)) is not None:
        return table
    header = next((line for line in io.StringIO(text) if line.strip()), "").rstrip("\r\n")
    if not header:
        raise BadImport(str(file), ["empty file"])
    if "\0" in text and nothing is not None:
        raise BadImport(str(file), ["contains zero bytes; expected a CSV, TSV or Parquet file"])
    notes: list[str] = []
    if separator is not None and (len(separator) != 1 or separator in '\r\n"'):
        said = spell("separator", separator) if spell else f"separator {separator!r}"
        raise BadImport(str(file), [f"{said}: expected one character, such as ; or a tab"])
    if separator is None:
        separator = _find_separator(header, file, spell)
        if separator != ("\t" if file.suffix.lower() in (".tsv", ".tab") else ","):
            notes.append(f"cells are separated by {SEPARATORS.get(separator, 'spaces')}")
    rows = _rows(text, file, separator, "'" if header.lstrip().startswith("'") else '"', strip=nothing is not None)
    table = _of_rows(file, rows, "line", nothing, first)
    if separator != ",":
        commas = [str(name) for name in table.frame if _has_decimal_commas(table.frame[name])]
        for name in commas:
            table.frame[name] = table.frame[name].str.replace(",", ".", regex=False)
        notes += [f"numbers with decimal commas in {', '.join(commas)}"] if commas else []
    return replace(table, notes=tuple(notes))


def _rows(text: str, file: Path, separator: str, quote: str, *, strip: bool) -> list[tuple[int, list[str]]]:
    """The line that each row but the blank ones begins on, and its cells; equal cells are kept once."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=separator == " ", strict=True)
    rows: list[tuple[int, list[str]]] = []
    once: dict[str, str] = {}
    before = 0
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                kept = [plain_text(cell.strip() if strip else cell) for cell in cells]
                rows.append((before + 1, [once.setdefault(cell, cell) if len(cell) < 12 else cell for cell in kept]))
            before = reader.line_num
    except csv.Error as error:
        raise BadImport(f"{file}, line {before + 1}", [f"{error}; check the quotes there"]) from None
    return rows


def _of_rows(
    file: Path, rows: list[tuple[int, list[str]]], unit: str, nothing: str | None, first: str | None = None
) -> Table:
    """A table of rows of texts; the first row names the columns."""
    if not rows:
        raise BadImport(str(file), ["no header and no rows"])
    _check_width(width := len(rows[0][1]), file)
    for place, cells in rows:
        if len(cells) != width:
            what = f"{len(cells)} cells, but the header has {width}"
            way_out = "a cell that holds the separator needs quotes around it"
            raise BadImport(f"{file}, {unit} {place}", [what], way_out)
    names = _headers(rows[0][1], file)
    names[0] = names[0] or first or ""
    columns = {
        name: pd.Series([cells[at] or nothing for _, cells in rows[1:]], dtype=object)
        for at, name in enumerate(names)
        if name
    }
    return Table(file, pd.DataFrame(columns), np.array([place for place, _ in rows[1:]], dtype=np.int64), unit)


def _has_decimal_commas(cells: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers alone, some of them with a comma where others write a point."""
    filled = [cell for cell in cells.unique() if cell]
    commas = sum(bool(_COMMA.fullmatch(cell)) for cell in filled)
    return commas > 0 and commas + sum(bool(_PLAIN.fullmatch(cell)) for cell in filled) == len(filled)


def _find_separator(header: str, file: Path, spell: Spell | None) -> str:
    if file.suffix.lower() in (".tsv", ".tab") and "\t" in header:
        return "\t"
    present = [mark for mark in SEPARATORS if mark in header]
    if len(present) > 1:
        most = sorted(present, key=header.count, reverse=True)
        if file.suffix.lower() != ".csv" or "," not in present:
            way_out = f"name what separates cells ({spell('separator')})" if spell else "leave one of them"
            what = f"the header holds {' and '.join(SEPARATORS[mark] for mark in most)}; {way_out}"
            raise BadImport(str(file), [what])
        return ","
    if present:
        return present[0]
    return " " if " " in header.strip() and file.suffix.lower() != ".csv" else ","


def _check_width(columns: int, file: Path) -> None:
    """Raise BadImport for a table that is wider than any of labels, people's answers or an image's features."""
    if columns > MOST_COLUMNS:
        what = f"{columns:,} columns, and at most {MOST_COLUMNS:,} are read; are they its rows?"
        raise BadImport(str(file), [what])


def _headers(names: Iterable[str], file: Path) -> list[str]:
    stripped = [name.strip().strip("[]'\"").strip() for name in names]
    clean = ["" if name.startswith("Unnamed: ") else name for name in stripped]
    for name in clean:
        if IMAGE_NAME.search(name):
            raise BadImport(str(file), [f"the first line holds {name!r}, not names of columns; add a header line"])
    twice = [name for name, count in Counter(filter(None, clean)).items() if count > 1]
    if twice:
        raise BadImport(str(file), [f"two columns are called {twice[0]!r}; rename one"])
    return clean


def _json(file: Path, text: str, nothing: str | None) -> Table | None:
    """The rows of a JSON file or of JSON lines; None if the text is not JSON.

    A list of objects, or objects by image. An object in a row (`"votes": {"joy": 3}`) becomes columns, its labels.
    """
    try:
        unit, entries = _entries(file, text)
    except BadImport:
        raise
    except (ValueError, RecursionError) as error:
        if file.suffix.lower() in (".json", ".jsonl"):
            raise BadImport(str(file), [f"broken JSON ({error})"]) from None
        return None
    labels: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    for place, entry in entries:
        where = f"{file}, {unit} {place}"
        if not isinstance(entry, dict):
            raise BadImport(where, [f"expected an object, but received {str(entry)[:40]!r}; {SHAPES}"])
        inner = [key for key, value in entry.items() if isinstance(value, dict)]
        if len(inner) > 1:
            named = " and ".join(map(repr, inner))
            raise BadImport(where, [f"{named} are objects; leave the one that holds the votes"])
        votes = entry[inner[0]] if inner else {}
        row: dict[str, Any] = {}
        for key, value in [*((key, value) for key, value in entry.items() if key not in inner), *votes.items()]:
            name = key.strip()
            if not name or name in row:
                raise BadImport(where, [f"{key!r} stands twice, or is no name; leave it out or rename it"])
            row[name] = value if nothing is None else _cell(value)
        labels |= dict.fromkeys(name for name in map(str.strip, votes) if plain(name) not in NOT_LABELS)
        rows.append(row)
    columns = dict.fromkeys(key for row in rows for key in row)
    _check_width(len(columns), file)
    frame = pd.DataFrame({key: pd.Series([row.get(key, nothing) for row in rows], dtype=object) for key in columns})
    places = np.array([place for place, _ in entries], dtype=np.int64)
    return Table(file, frame, places, unit, labels=tuple(labels))


def _cell(value: Any) -> str:
    """As a CSV file has it: text, empty where there is nothing; lists spelt as in JSON."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _entries(file: Path, text: str) -> tuple[str, list[tuple[int, Any]]]:
    """What a place is, and every row with its place; raises ValueError if the text is not JSON."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
            raise BadImport(str(file), [f"{twice!r} stands twice in one object; leave one of them out"])
        return found

    def parsed(piece: str) -> Any:
        content = json.loads(piece, object_pairs_hook=once)
        if "\\ud" in piece.lower():  # half of a character: JSON allows it, UTF-8 and Parquet do not
            json.dumps(content, ensure_ascii=False).encode()
        return content

    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if file.suffix.lower() != ".jsonl":
        try:
            return "row", list(enumerate(_rows_of(file, parsed(text)), start=1))
        except ValueError as error:
            if isinstance(error, BadImport) or len(lines) < 2 or not lines[1][1].lstrip().startswith("{"):
                raise
    entries: list[tuple[int, Any]] = []
    for number, line in lines:
        try:
            entries.append((number, parsed(line)))
        except BadImport:
            raise
        except (ValueError, RecursionError) as error:
            raise BadImport(f"{file}, line {number}", [f"not JSON ({error})"]) from None
    return "line", entries


def _rows_of(file: Path, content: Any) -> list[Any]:
    """The rows of one JSON value."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise BadImport(str(file), [f"{SHAPES}, but received {json.dumps(content)[:40]}"])
    votes = {name: all(isinstance(cell, int | float) for cell in value.values()) for name, value in content.items()}
    return [{"image": name, **({"votes": value} if votes[name] else value)} for name, value in content.items()]
