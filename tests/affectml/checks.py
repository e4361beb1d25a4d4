"""What many tests check in one way."""

from pathlib import Path

import pytest


def refused(error, says, deed, *given, **more):
    """This deed is refused, with an error in whose text the pattern is found."""
    with pytest.raises(error, match=says):
        deed(*given, **more)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
