"""Writing so that an interrupted export leaves the old file or the new one, and what is replaced stays beside it."""

import csv
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from glob import escape
from itertools import chain, count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_numeric_dtype

from affectml_annotation.errors import AnnotationError, BadExport, BadImport

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".export.lock"
WAY_OUT = "--replace (replace=True) writes the new and keeps the old beside it"
_FORMULA = re.compile("[=+@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}-]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@contextmanager
def readable(path: str | Path, what: str = "readable") -> Iterator[None]:
    """Around the reading of a file in somebody else's form: what pandas, pyarrow and json say of it is a BadImport.

    They raise many kinds for a damaged file. So is what `no_file` says of it. what: it is not, when they raise.
    """
    try:
        if why := no_file(Path(path)):
            raise BadImport(str(path), [why])
        yield
    except AnnotationError:
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BadImport(str(path), [f"not {what} ({str(reason) or type(error).__name__})"]) from None


@contextmanager
def replacing(path: Path, mode: int = 0o666, *, first_stays: bool = False) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it takes `path`'s place when the block ends well.

    mode: who may read and write it, as far as the user's own umask allows. first_stays: where another process has made
    `path` meanwhile, that stays, and this is dropped.
    """

    def make(temporary: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(mode)

    with _beside(path, make) as temporary:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        if first_stays:
            with suppress(FileExistsError):
                _link(temporary, path)
            temporary.unlink()
        else:
            temporary.replace(path)


def _link(path: Path, name: Path) -> None:
    """Give a file a second name, or where a disk has no links, a copy; FileExistsError if there is such a file."""
    try:
        os.link(path, name)
    except OSError:
        if name.exists():
            raise FileExistsError(name) from None
        with replacing(name) as copy:
            shutil.copy2(path, copy)


@contextmanager
def new_folder(path: Path, taken: Callable[[], Path] | None = None) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes `path` when the block ends well.

    `path` must not exist, or be an empty folder; whoever calls says so to the user before long work starts. taken:
    gives another name in the same folder where something has come to be at `path` meanwhile.
    """
    with _beside(path, partial(Path.mkdir, parents=True)) as temporary:
        yield temporary
        while True:
            try:
                temporary.replace(path)
                break
            except OSError:
                if taken is None or not path.exists():
                    raise
                path = taken()


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, for what becomes `path`; only its owner sees into it, and it goes in the end.

    So goes one that a killed command left of the same `path`.
    """
    with _beside(path, partial(Path.mkdir, mode=0o700, parents=True)) as temporary:
        yield temporary
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _beside(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """Make what becomes `path` under a name beside it, and hold its lock; what killed commands left of `path` goes.

    What fails is said of `path`, which the user knows; nothing is left of it then, nor of folders made for it.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    absent = [folder for folder in path.parents if not folder.exists()]
    try:
        with ExitStack() as held:
            make(temporary)
            for _ in range(100):
                try:
                    descriptor = held.enter_context(_locked(temporary))
                    if os.fstat(descriptor).st_nlink:
                        take_left(path.parent, escape(path.name))
                        break
                except (FileNotFoundError, BlockingIOError):
                    pass
                except OSError:  # a disk that has no locks
                    break
                if not temporary.exists():  # another process took it for left behind before it was locked
                    make(temporary)
            yield temporary
    except BaseException as error:
        here = str(temporary)
        if isinstance(error, OSError) and error.errno is not None and str(error.filename or here).startswith(here):
            error.filename = str(path)
        with suppress(OSError):
            shutil.rmtree(temporary, ignore_errors=True) if temporary.is_dir() else temporary.unlink()
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()
        raise


def take_left(folder: Path, of: str = "*") -> None:
    """Take away what killed commands left half written in a folder, of names like `of`: nobody holds that."""
    for left in folder.glob(f".{of}.????????.tmp"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def _locked(place: Path) -> Iterator[int]:
    """A file's or folder's lock, which goes with the process; an OSError for one that is held already."""
    if fcntl is None:
        raise OSError("this system locks no file by its name")
    descriptor = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def writing_in_turn(folder: Path) -> Iterator[None]:
    """One export into a folder after the other: each reads what the one before has written.

    What an export that was killed left half written is taken away first.
    """
    with turn(folder / LOCK):
        take_left(folder)
        yield


@contextmanager
def all_or_none(folder: Path) -> Iterator[None]:
    """Within, what a data set says of people's answers is changed: annotations, annotators, targets and dataset.json.

    Where that fails, these, and what is kept of them, are as they were, and none is new. They are copied first: a disk
    without room for that has none for the change. Killed, it leaves what it had written, which the same command goes on
    from.
    """
    with workplace(folder / "before") as old:
        before = {path: Path(shutil.copy2(path, old)) for path in _parts(folder)}
        try:
            yield
        except BaseException:
            for new in _parts(folder) - before.keys():
                new.unlink()
            for path, copy in before.items():
                shutil.move(copy, path)
            raise


def _parts(folder: Path) -> set[Path]:
    kinds = ("annotations.*parquet", "annotators.*parquet", "targets-*.parquet", "dataset.*json")
    return {path.resolve() for kind in kinds for path in folder.glob(kind) if path.is_file()}


@contextmanager
def turn(file: Path) -> Iterator[None]:
    """Wait for a lock, whose file goes with it."""
    if fcntl is None:
        from filelock import FileLock

        with FileLock(file):
            yield
        return
    while True:
        with file.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if os.fstat(held.fileno()).st_nlink:  # else whoever had it before took the file away: not the lock any more
                try:
                    yield
                finally:
                    file.unlink(missing_ok=True)
                return


def keep(path: Path) -> Path:
    """A second name for a file that is about to be replaced; it says when, and no other file has it."""
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for again in chain([""], (f"-{number}" for number in count(2))):
        kept = path.with_name(f"{path.stem}.replaced-{when}{again}{path.suffix}")
        with suppress(FileExistsError):
            _link(path, kept)
            break
    return kept


def read_frame(path: Path) -> pd.DataFrame:
    """A Parquet file as pandas reads it; text that is not in UTF-8 raises here, not where it is first looked at."""
    table = pd.read_parquet(path)
    for text in map(table.get, table.select_dtypes("string").columns):
        pa.array(text).validate(full=True)
    return table


def read_parquet(path: Path) -> pa.Table | None:
    """A table of a data set, None where there is none; BadExport where it is damaged."""
    if not path.is_file():
        return None
    try:
        return pq.read_table(path)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadExport(str(path), [f"not a readable Parquet file ({error})"]) from None


def kept_of(path: Path) -> list[Path]:
    """Earlier contents of a file, as `keep` named them, oldest first."""
    return sorted(path.parent.glob(f"{escape(path.stem)}.replaced-*{escape(path.suffix)}"))


def make_way(path: Path, *, replace: bool) -> None:
    """Before a whole file is written: raise BadExport where one is there, or, with `replace`, keep it beside."""
    if not path.exists():
        return
    if not replace or path.is_dir():
        raise BadExport(str(path), ["exists already"], "name a new folder" if path.is_dir() else WAY_OUT)
    keep(path)


def write_text(path: Path, text: str, *, first_stays: bool = False) -> None:
    """Write UTF-8 text, atomically; first_stays: see `replacing`."""
    with replacing(path, first_stays=first_stays) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any, *, first_stays: bool = False) -> None:
    """Write indented JSON, atomically; key order is kept, floats are shortest round-trip.

    first_stays: see `replacing`.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", first_stays=first_stays)


def write_parquet(path: Path, table: pd.DataFrame | pa.Table, *, first_stays: bool = False) -> None:
    """Write a table without its index, atomically; first_stays: see `replacing`."""
    with replacing(path, first_stays=first_stays) as temporary:
        if isinstance(table, pa.Table):
            pq.write_table(table, temporary)
        else:
            table.to_parquet(temporary, index=False)


_KINDS = {"d": "a folder", "p": "a pipe (FIFO)", "s": "a socket", "c": "a device", "b": "a device"}  # `filemode`'s


def no_file(path: Path) -> str:
    """Why nothing can be read at a path that somebody names, such as a pipe, which is not waited for; "" if it can."""
    try:
        kind = stat.filemode(path.stat().st_mode)[0]
        if kind in _KINDS:
            return f"{_KINDS[kind]}, not a file"
        with path.open("rb") as file:
            return "" if file.read(1) else "empty file"
    except (FileNotFoundError, NotADirectoryError):
        return "no such file"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def spreadsheet_cell(text: str) -> str:
    """A text for CSV that people open in a spreadsheet, which runs formulas whoever typed them (CWE-1236, OWASP).

    One that begins with = + - @, a tab or a line end gets a ' before it; numbers stay numbers. `plain_text` undoes it.

    >>> spreadsheet_cell("=1+2"), spreadsheet_cell("-1.5"), spreadsheet_cell("a=b")
    ("'=1+2", '-1.5', 'a=b')
    """
    return f"'{text}" if _is_formula(text) else text


def plain_text(cell: str) -> str:
    """The text that `spreadsheet_cell` made into a cell.

    >>> plain_text("'=1+2"), plain_text("'tis"), plain_text(spreadsheet_cell("'=1+2"))
    ('=1+2', "'tis", "'=1+2")
    """
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a text, or would but for the ' before it: no two texts have one cell."""
    bare = text.lstrip("'")
    return bool(_FORMULA.match(bare)) and not _NUMBER.fullmatch(bare)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, texts as `spreadsheet_cell` has them; lines end as in RFC 4180, or a lone CR would end one."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([spreadsheet_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()


def csv_rows(text: str) -> list[list[str]]:
    """The rows, as texts, that `csv_text` made into one text."""
    return [list(map(plain_text, row)) for row in csv.reader(io.StringIO(text, newline=""))]


def table_csv(table: pd.DataFrame, *, header: bool = True) -> str:
    """A table without its index as `csv_text` has it, the names of its columns too."""

    def safe(cell: Any) -> Any:
        return spreadsheet_cell(cell) if isinstance(cell, str) else cell

    texts = {str(name): column.map(safe) for name, column in table.items() if not is_numeric_dtype(column)}
    return table.assign(**texts).rename(columns=safe).to_csv(index=False, header=header, lineterminator="\r\n")
