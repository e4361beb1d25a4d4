"""What an importer says at the end: what came in, what did not and why."""

import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml.errors import few

if TYPE_CHECKING:
    import pandas as pd

    from affectml.data import Dataset

SHOWN = 3  # names shown per reason; --json has them all


@dataclass(frozen=True)
class ImportSummary:
    """The result of an import; `rows` is the table a person reads, `to_json` has everything.

    construct: what the targets' labels are about, or what people are to be asked; empty where nothing says so. images,
    files: how many there are, and how many of them have a file here. targets: kind by target name.
    taxonomy, labels: those of the first target, else the data set's own, empty without either. people, judgements: None
    where single judgements are not known. skipped: for each reason, the files or rows left out. notes: what was
    inferred. warnings: what is probably a mistake in the source, and what to do about it. added: what was joined to a
    data set that was there; empty for a new one.
    """

    name: str
    out: Path
    construct: str
    images: int
    taxonomy: str
    labels: tuple[str, ...]
    targets: dict[str, str]
    people: int | None = None
    judgements: int | None = None
    splits: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    files: int = 0

    @classmethod
    def of(
        cls,
        dataset: "Dataset",
        out: Path | None = None,
        skipped: dict[str, list[str]] | None = None,
        people: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> "ImportSummary":
        """What a written data set holds.

        Args:
            dataset: the data set.
            out: where it will lie, if that is not where it lies now.
            skipped: for each reason, what was left out.
            people: how many people judged, where they can be told apart.
            warnings: what is probably a mistake in the source.
        """
        meta = dataset.meta
        first = next((target.resolve_taxonomy() for target in meta.targets.values()), meta.resolve_taxonomy())
        asked = (meta.judgements.construct,) if meta.judgements else ()
        judgements = dataset.judgements
        return cls(
            name=dataset.name,
            out=out or dataset.root,
            construct=", ".join(meta.constructs or asked),
            images=len(dataset.images),
            taxonomy=first.name if first else "",
            labels=first.labels if first else (),
            targets={name: target.kind for name, target in meta.targets.items()},
            people=people,
            judgements=None if judgements is None else len(judgements),
            splits=_splits(dataset.images),
            skipped=skipped or {},
            notes=tuple(meta.notes),
            warnings=warnings,
            files=int(dataset.images["file"].notna().sum()) if "file" in dataset.images else 0,
        )

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a two-column table."""
        out = [
            ("data set", str(self.out)),
            *([("construct", self.construct)] if self.construct else []),
            ("images", f"{self.images:,}"),
            ("labels", f"{len(self.labels)} of {self.taxonomy}: {', '.join(self.labels)}" if self.labels else "none"),
            ("targets", ", ".join(f"{name} ({kind})" for name, kind in self.targets.items()) or self._none_yet()),
        ]
        out += [("added", what) for what in self.added]
        if self.splits:
            out.append(("splits", ", ".join(f"{name} {count:,}" for name, count in self.splits.items())))
        if self.judgements is not None:
            people = "" if self.people is None else f" by {self.people:,} {'person' if self.people == 1 else 'people'}"
            out.append(("judgements", f"{self.judgements:,}{people}"))
        for reason, names in self.skipped.items():
            out.append(("skipped", f"{len(names):,} {reason}: {few(names, SHOWN)}"))
        out += [("warning", warning) for warning in self.warnings]
        out += [("note", note) for note in self.notes]
        return out

    def _none_yet(self) -> str:
        where = shlex.quote(str(self.out))
        if not self.files:
            return f"none yet; to join a table of labels: affectml import table LABELS.csv {where}"
        labels = "" if self.labels else " --taxonomy NAME"
        return f"none yet; to label the images: affectml relabel {where}{labels}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; absent where unknown."""
        known = {key: value for key, value in vars(self).items() if value is not None and (value or key != "added")}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in known.items()}
        return plain | {"out": str(self.out)}


def _splits(table: "pd.DataFrame") -> dict[str, int]:
    counts = Counter(table.get("split", ()))
    return {name: counts[name] for name in ("train", "val", "test") if counts[name]}
