"""Writing so that an interrupted command leaves the old file or the new one, never half of one."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml.errors import AffectmlError, BadInput
from affectml_annotation.exchange.files import new_folder as new_folder
from affectml_annotation.exchange.files import no_file as no_file
from affectml_annotation.exchange.files import read_frame as read_frame
from affectml_annotation.exchange.files import replacing as replacing
from affectml_annotation.exchange.files import write_json as write_json
from affectml_annotation.exchange.files import write_parquet as write_parquet
from affectml_annotation.exchange.files import write_text as write_text

if TYPE_CHECKING:
    import pyarrow as pa


def try_folder(path: Path) -> None:
    """Raises BadInput where no folder can be made and written at `path`; leaves nothing behind."""
    made: list[Path] = []
    try:
        absent = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(absent):
            folder.mkdir()
            made.append(folder)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".trying-") as trial:
            trial.write(b"0" * 4096)
            trial.flush()
    except OSError as error:
        raise BadInput(f"{path}: cannot write there ({error.strerror or error}); name another folder") from None
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def try_file(path: Path) -> None:
    """Raises BadInput where a file is already, or none can be written; leaves nothing behind."""
    if path.exists():
        raise BadInput(f"{path} exists; name a file that does not")
    try_folder(path.parent)


def try_page(path: Path) -> None:
    """Raises BadInput where no file can be written or written over; leaves nothing behind."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file in it, e.g. {path / 'report.html'}")
    try_folder(path.parent)


def need_file(path: Path, way_out: str = "") -> None:
    """Raise BadInput, which says what is there, unless there is a file to read; never waits for a pipe."""
    if why := no_file(path):
        raise BadInput(f"{path}: {why}{way_out}")


def read_json(path: Path, kind: type[AffectmlError] = BadInput, way_out: str = "") -> Any:
    """The content of a JSON file.

    Raises `kind`, whose message ends in `way_out`, for a file that cannot be read, is no JSON, or holds half of a
    character, which JSON allows and no file of ours can hold. One that is not there is FileNotFoundError or
    NotADirectoryError, about which each reader has more to say.
    """
    end = f"; {way_out}" if way_out else ""
    if (why := no_file(path)) not in ("", "no such file"):
        raise kind(f"{path}: {why}{end}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise kind(f"{path}: not valid JSON ({error}){end}") from None
    return content


def with_column(table: "pa.Table", name: str, values: "Sequence[str | None] | pa.Array") -> "pa.Table":
    """A table with this column, of texts or as it is; every other as it is, and what pandas noted of it too."""
    import pyarrow as pa

    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    at = table.schema.get_field_index(name)
    table = table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
    noted = dict(table.schema.metadata or {})
    if b"pandas" in noted:
        said = json.loads(noted[b"pandas"])
        said["columns"] = [entry for entry in said["columns"] if entry["name"] != name]
        noted[b"pandas"] = json.dumps(said).encode()
    return table.replace_schema_metadata(noted or None)


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
