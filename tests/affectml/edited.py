"""A JSON file of a data set or of a run, changed as a test wants it."""

import json
import shutil
from pathlib import Path
from typing import Any


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file, and those of the objects in it, as far down as `changes` goes."""
    content = merged(json.loads(path.read_text(encoding="utf-8")), changes)
    path.write_text(json.dumps(content), encoding="utf-8")


def edited_copy(folder: Path, out: Path, file: str, **changes: Any) -> Path:
    """A copy of a folder in which a JSON file says otherwise."""
    edit(shutil.copytree(folder, out) / file, **changes)
    return out


def merged(old: Any, new: Any) -> Any:
    """`new` in the place of `old`; two objects key by key."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new
