"""The tables of decisions in `mappings/*.yaml`, read once: where a label goes, why, and what else it could be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from affectml.taxonomies._names import own_yaml


@dataclass(frozen=True)
class Decision:
    """Options for one label, each with its why, and the one taken by default (None: the user must say)."""

    options: Mapping[str, str]
    take: str | None

    @property
    def ambiguous(self) -> bool:
        """Whether sources or reasons allow more than one option."""
        return len(self.options) > 1


@dataclass(frozen=True)
class Table:
    """Decisions between two built-in taxonomies.

    base: "parents" where the other labels go to their parents. via: the taxonomy through which the other labels
    go. refines: it leads to finer labels, so no chain of mappings passes here.
    """

    source: str
    target: str
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    base: str | None = None
    via: str | None = None
    refines: bool = False


@cache
def tables() -> dict[tuple[str, str], Table]:
    """Every built-in table, by (source, target)."""
    found: dict[tuple[str, str], Table] = {}
    folder = files("affectml.taxonomies").joinpath("mappings")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            for content in own_yaml(file.read_text(encoding="utf-8")):
                table = _labels_of(content)
                found[table.source, table.target] = table
    return found


def _labels_of(content: dict[str, Any]) -> Table:
    decisions = {}
    for label, entry in content["labels"].items():
        if "to" in entry:
            decisions[label] = Decision({entry["to"]: entry["why"]}, entry["to"])
        else:
            decisions[label] = Decision(entry["options"], entry.get("take"))
    rest = {key: value for key, value in content.items() if key != "labels"}
    return Table(decisions=decisions, **rest)
