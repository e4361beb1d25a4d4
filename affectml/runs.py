"""The run folder: one training with all that is needed to repeat it and to judge it.

run.json              command, config, data and encoder fingerprints, split, seed, threads, versions, seconds
head.safetensors, head.json
predictions.parquet   image_id, split, the model's score of every label, its set where it has sets
metrics.json          what the systems score on test: no times and no paths, so that equal runs are equal bytes
report.html
"""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affectml import __version__
from affectml.errors import BadRun
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from affectml.heads import Head

SCHEMA = 1
PACKAGES = ("numpy", "open_clip_torch", "pandas", "scikit-learn", "torch", "torchmetrics")


@dataclass(frozen=True)
class Run:
    """A run folder, opened. `info` is run.json."""

    folder: Path
    info: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run folder; raises BadRun if it is not one, or of another version."""
        folder = Path(path)
        file = folder / "run.json"
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise BadRun(f"{folder}: no run.json there, so it is not a run; `affectml train` writes one") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BadRun(f"{file}: not valid JSON ({error})") from None
        schema = info.get("schema") if isinstance(info, dict) else None
        if schema != SCHEMA:
            raise BadRun(
                f"{file}: schema {schema!r}, but this affectml reads schema {SCHEMA}: "
                f"use the version that wrote it ({_versions_of(info)}), or train again"
            )
        absent = [key for key in ("config", "data", "taxonomy", "encoder", "head") if key not in info]
        if absent:
            raise BadRun(f"{file}: no {absent[0]!r} in it: the run is damaged, train again")
        return cls(folder, info)

    @cached_property
    def head(self) -> "Head":
        """The trained head; needs neither data nor encoder weights."""
        from affectml.heads import load_head

        return load_head(self.folder)

    @property
    def taxonomy(self) -> Taxonomy:
        """The labels that the run predicts."""
        return Taxonomy.from_dict(self.info["taxonomy"], where=str(self.folder / "run.json"))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        try:
            content: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadRun(f"{self.folder / 'metrics.json'}: cannot be read ({error})") from None
        return content

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """predictions.parquet."""
        try:
            return pd.read_parquet(self.folder / "predictions.parquet")
        except Exception as error:  # pyarrow raises many kinds for a damaged file
            raise BadRun(f"{self.folder / 'predictions.parquet'}: cannot be read ({error})") from None


def _versions_of(info: object) -> str:
    written = info.get("versions", {}).get("affectml") if isinstance(info, dict) else None
    return f"affectml {written}" if written else "unknown"


def next_run_folder(name: str, parent: Path = Path("runs")) -> Path:
    """runs/NAME-NNN with the lowest number above all there are."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    taken = [
        int(match.group(1))
        for entry in (parent.iterdir() if parent.is_dir() else ())
        if (match := re.fullmatch(rf"{re.escape(slug)}-(\d+)", entry.name))
    ]
    return parent / f"{slug}-{max(taken, default=0) + 1:03d}"


def reserve_run_folder(name: str, parent: Path = Path("runs")) -> Path:
    """The next free runs/NAME-NNN as an empty folder, so that no other training takes the number meanwhile."""
    while True:
        folder = next_run_folder(name, parent)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def surroundings() -> dict[str, Any]:
    """Versions and hardware, for run.json."""
    import os

    return {
        "versions": {
            "python": platform.python_version(),
            "affectml": __version__,  # of this code; the installed metadata may be of another
            **{name: version(name) for name in PACKAGES},
        },
        "hardware": {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()},
    }


def _processor() -> str:
    """The processor's name; Linux has it only in /proc/cpuinfo."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
