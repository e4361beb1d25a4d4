"""WebDataset: tar files in which the members of one key are one sample, read as streams and by their bytes alone.

Nothing in them is decoded but text: members that could hold pickled Python (`.pyd`, `.pickle`, `.pth`) are named and
left, as is every other kind that is not known.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from affectml.errors import BadInput
from affectml.importers.find import SUFFIXES, is_usual

MOST_BYTES = 256 * 2**20  # of an image
MOST_TEXT = 16 * 2**20  # of a sample's JSON or text
MOST_HEADER = 2**20
_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_TEXTS = ("json", "jsn", "txt", "text", "cls", "transcript")
PICKLED = ("pyd", "pickle", "pkl", "pth", "pt")


class _Member(tarfile.TarInfo):
    """A member whose long name or further header is read whole by `tarfile`: a small archive could fill the memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _HEADERS and self.size > MOST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


@dataclass
class Sample:
    """The members of one key. name, content: its image, None without one; columns: what its texts say."""

    key: str
    name: str | None = None
    content: bytes | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def samples(stream: Any, where: str, left: dict[str, list[str]]) -> Iterator[Sample]:
    """The samples of a tar file, in its order.

    Args:
        stream: the file, open for reading bytes; it is read once, from its beginning to its end.
        where: what error messages call it.
        left: gets, for each reason, the members that were left out.

    Raises:
        BadInput: for a damaged archive, a name that leads out of it, and text that cannot be read; names the member.
    """
    now: Sample | None = None
    try:
        with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else tarfile remembers every member
                name = member.name.removeprefix("./")
                if not is_usual(name):
                    raise BadInput(
                        f"{where}: member {member.name!r} leads out of the archive; nothing was written: pack it again"
                    )
                key, extension = _split(name)
                if not member.isfile() or not extension:
                    if not member.isdir():
                        left.setdefault("members of an archive that are no plain file with a suffix", []).append(name)
                    continue
                if now is None or now.key != key:
                    if now is not None:
                        yield now
                    now = Sample(key)
                if reason := _not_taken(member, now, extension):
                    left.setdefault(reason, []).append(name)
                    continue
                handle = archive.extractfile(member)
                assert handle is not None
                content = handle.read()
                if extension in _TEXTS:
                    now.columns.update(_columns(content, extension, f"{where}: member {name!r}"))
                else:
                    now.name, now.content = name, content
    except (tarfile.TarError, EOFError, OSError, RecursionError) as error:
        raise BadInput(f"{where}: not a whole tar file ({error}); copy or download it again") from None
    if now is not None:
        yield now


def _split(name: str) -> tuple[str, str]:
    """Key and extension: all before and after the first dot of the file's name, as WebDataset has it."""
    path = PurePosixPath(name)
    stem, _, extension = path.name.partition(".")
    return (path.parent / stem).as_posix(), extension.lower() if stem else ""


def _not_taken(member: tarfile.TarInfo, sample: Sample, extension: str) -> str:
    """Why a member is no part of its sample; nothing where it is."""
    last = extension.rpartition(".")[2]
    image = f".{last}" in SUFFIXES
    most = MOST_BYTES if image else MOST_TEXT
    if last in PICKLED:
        return "members that may hold pickled Python, never opened"
    if not image and extension not in _TEXTS:
        return "members of a kind that is not read"
    if member.size > most:
        return f"members above {most // 2**20} MiB"
    return "members: a second image of one key" if image and sample.name is not None else ""


def _columns(content: bytes, extension: str, where: str) -> dict[str, Any]:
    """What a text member says: an object's keys, or one column called by the extension."""
    try:
        text = content.decode("utf-8-sig")
        if extension not in ("json", "jsn"):
            return {extension: text.strip()}
        said = json.loads(text)
        if "\\ud" in text.lower():  # half of a character: JSON allows it, UTF-8 and Parquet do not
            json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not {'JSON' if extension[0] == 'j' else 'text'} in UTF-8 ({error})") from None
    return dict(said) if isinstance(said, dict) else {extension: said}
