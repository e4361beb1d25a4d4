"""The build backend of the wheel `affectml`: hatchling, which is told where affectml-metrics and -annotation come from.

A wheel built from a clone names the clone's own folders, so that `pip install .` needs nothing published. An sdist, and
the wheel built from it, leave the clone and name the same version. `pip install -e .` puts all folders on the path
itself, so that edits count in each; it takes what the two need in their place.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

import hatchling.build as ours
from hatchling.build import *  # noqa: F403
from hatchling.metadata.plugin.interface import MetadataHookInterface

PARTS = ("metrics", "annotation")
TOLD = "AFFECTML_BUILDS"  # hatchling loads the hook below as a module of its own


def build_sdist(*given: Any) -> str:
    """PEP 517."""
    os.environ[TOLD] = "sdist"
    return ours.build_sdist(*given)


def build_editable(*given: Any) -> str:
    """PEP 660."""
    os.environ[TOLD] = "editable"
    return ours.build_editable(*given)


if hasattr(ours, "prepare_metadata_for_build_editable"):  # pip goes without

    def prepare_metadata_for_build_editable(*given: Any) -> str:
        """PEP 660."""
        os.environ[TOLD] = "editable"
        return ours.prepare_metadata_for_build_editable(*given)


class Dependencies(MetadataHookInterface):
    """`dependencies`: those that pyproject.toml lists for this hook, and the two packages."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling."""
        building, found = os.environ.get(TOLD, "wheel"), list(self.config["dependencies"])
        for part in PARTS:
            folder = Path(self.root, part)
            if building == "editable":
                project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
                found += [each for each in project["dependencies"] if each not in found]
            else:
                at = f"=={metadata['version']}" if building == "sdist" else f" @ {folder.as_uri()}"
                found.append(f"affectml-{part}{at}")
        metadata["dependencies"] = found
