"""What lies between reading a source and writing a data set: a `Draft`, made by an importer of its `Source`.

And what an importer says at the end: what came in, what did not and why.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from affectml.data.schema import Construct
from affectml.errors import few
from affectml.importers.find import Box, file_in_dataset
from affectml.importers.labels import taxonomy_entry
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.encoders import EncoderIdentity

__all__ = ["NOT_STATED", "draft", "image_table", "label_table", "vote_table"]

NOT_STATED = "not stated by the source"
SHOWN = 3  # names shown per reason; --json has them all


@dataclass(frozen=True)
class About:
    """What no file of a data set says: its name, what its labels are about, and where and under what terms it is had.

    construct: None where each target says its own. licence: the terms as the source states them; `NOT_STATED` where it
    states none. notes: kept in dataset.json.

    Args:
        name: The data set's name. Default: the source folder's, or of a file OUT's.
        construct: What the labels are about: evoked, expressed, intended, or query (the search word). Default:
            query for a label, evoked for people's answers.
        question: The question people were asked, word for word.
        source: Where the data come from.
        licence: The licence they are under.
    """

    name: str = ""
    construct: Construct | None = "query"
    question: str = ""
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """What an importer reads. images: how they come in; with "none", no image needs to be there.

    out: where the data set will lie. onto: the data set that exists there and gets what is read; its images are there
    already, and the source's names need only tell which is which.
    """

    path: Path
    about: About
    images: str
    out: Path = Path()
    onto: "Dataset | None" = None

    @property
    def taxonomy(self) -> Taxonomy | None:
        """The labels that people choose among in the data set that is joined to, where it names them."""
        return None if self.onto is None else self.onto.meta.resolve_taxonomy()


@dataclass
class Labels:
    """Targets, each with what dataset.json says of it, but for what the user says of all of them, and its table.

    annotations: as annotations.parquet. notes: what was inferred, kept in dataset.json. skipped: for each reason, what
    was left out. warnings: what is probably a mistake in the source.
    """

    targets: dict[str, tuple[dict[str, Any], pd.DataFrame]] = field(default_factory=dict)
    annotations: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Any, content: pd.DataFrame, taxonomy: Taxonomy, **entry: Any) -> None:
        """Add a target.

        Args:
            name: what it is called.
            kind: single, sets, rates or distribution.
            content: image_id, n where known, and a column per label; an image that nobody was asked about has no row.
            taxonomy: its labels, in the order of the columns.
            entry: the other keys that dataset.json has of a target: values, vote_rule, made_by; construct and question,
                where they are not those of all.
        """
        entry |= {"kind": kind, "taxonomy": taxonomy_entry(taxonomy), "file": f"targets-{name}.parquet"}
        self.targets[name] = (entry, content.reset_index(drop=True))

    def take(self, other: "Labels") -> None:
        """Add everything that another found."""
        self.targets.update(other.targets)
        self.annotations = other.annotations if self.annotations is None else self.annotations
        self.notes += other.notes
        self.skipped.update(other.skipped)
        self.warnings += other.warnings


@dataclass
class Embedded:
    """Embeddings that a source brings along: a row [D] for each of these images, what made them, and its specs."""

    ids: list[str]
    rows: NDArray[Any]
    identity: "EncoderIdentity"
    specs: tuple[str, ...] = ()


@dataclass
class Draft(Labels):
    """A data set in memory, its images still where the user has them.

    images: as images.parquet. sources: for each of its rows the image's path, None for a row without a file. boxes:
    the part of each row's image to keep, None for all of it. people_named: whether annotator_id tells people apart.
    url_suffices: an image whose file cannot be used is kept where its url is known. where: what error messages call
    the source. way_out: what to do if none of the images can be used. taxonomy: the labels to choose among where
    there is no target to name them. spool: a folder of images that had no file of their own; they are linked into the
    data set, and it goes once that is written.
    """

    about: About = field(kw_only=True)
    images: pd.DataFrame = field(kw_only=True)
    sources: list[Path | None] = field(kw_only=True)
    where: str = field(kw_only=True)
    boxes: list[Box | None] | None = None
    people_named: bool = True
    embedded: Embedded | None = None
    url_suffices: bool = False
    way_out: str = "put them there"
    taxonomy: Taxonomy | None = None
    spool: "TemporaryDirectory[str] | None" = None


def draft(source: Source, images: pd.DataFrame, sources: Sequence[Path | None], where: Path | None = None) -> Draft:
    """A draft without targets, which its method `add` brings.

    Args:
        source: what the importer was given.
        images: as images.parquet: image_id, file and any further columns.
        sources: the path of each row's image, None for a row without a file.
        where: what error messages call the source, where that is not its path.
    """
    return Draft(about=source.about, images=images, sources=list(sources), where=str(where or source.path))


def image_table(ids: Sequence[str], files: Sequence[str | None], **columns: Any) -> pd.DataFrame:
    """The images as images.parquet has them.

    Args:
        ids: what each image is called, unlike any other.
        files: its path below the data set's folder `images`, None without a file.
        columns: further columns, one value for each image.

    Returns:
        image_id, file where any image has one, and the columns given.
    """
    table: dict[str, Any] = {"image_id": list(ids)}
    if any(file is not None for file in files):
        table["file"] = [None if file is None else file_in_dataset(file) for file in files]
    return pd.DataFrame({**table, **columns})


def label_table(ids: Iterable[str], values: ArrayLike, taxonomy: Taxonomy) -> pd.DataFrame:
    """A target's table.

    Args:
        ids: the image of each row.
        values: 0 or 1, votes or shares, [N, C].
        taxonomy: its C labels.

    Returns:
        image_id and a column per label.
    """
    table = pd.DataFrame(np.asarray(values), columns=list(taxonomy.labels))
    table.insert(0, "image_id", list(ids))
    return table


def vote_table(ids: Sequence[str], votes: ArrayLike, taxonomy: Taxonomy) -> pd.DataFrame:
    """A target's table of votes, where everybody chose one label.

    Args:
        ids: the image of each row.
        votes: whole numbers [N, C].
        taxonomy: its C labels.

    Returns:
        image_id, n (the sum of the votes) and a column per label.
    """
    table = label_table(ids, np.asarray(votes).astype(np.int64), taxonomy)
    table.insert(1, "n", table[list(taxonomy.labels)].sum(axis=1))
    return table


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
        skipped: dict[str, list[str]] | None = None,
        people: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> "ImportSummary":
        """What a written data set holds.

        Args:
            dataset: the data set.
            skipped: for each reason, what was left out.
            people: how many people judged, where they can be told apart.
            warnings: what is probably a mistake in the source.
        """
        meta = dataset.meta
        first = next((target.resolve_taxonomy() for target in meta.targets.values()), meta.resolve_taxonomy())
        asked = (meta.judgements.construct,) if meta.judgements else ()
        judgements, parts = dataset.judgements, Counter(dataset.images.get("split", ()))
        return cls(
            name=dataset.name,
            out=dataset.root,
            construct=", ".join(meta.constructs or asked),
            images=len(dataset.images),
            taxonomy=first.name if first else "",
            labels=first.labels if first else (),
            targets={name: target.kind for name, target in meta.targets.items()},
            people=people,
            judgements=None if judgements is None else len(judgements),
            splits={name: parts[name] for name in ("train", "val", "test") if parts[name]},
            skipped=skipped or {},
            notes=tuple(meta.notes),
            warnings=warnings,
            files=int(dataset.images["file"].notna().sum()) if "file" in dataset.images else 0,
        )

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a two-column table."""
        people = "" if self.people is None else f" by {self.people:,} {'person' if self.people == 1 else 'people'}"
        labels = f"{len(self.labels)} of {self.taxonomy}: {', '.join(self.labels)}" if self.labels else "none"
        out = [
            ("data set", str(self.out)),
            ("construct", self.construct),
            ("images", f"{self.images:,}"),
            ("labels", labels),
            ("targets", ", ".join(f"{name} ({kind})" for name, kind in self.targets.items()) or self._none_yet()),
            *(("added", what) for what in self.added),
            ("splits", ", ".join(f"{name} {count:,}" for name, count in self.splits.items())),
            ("judgements", "" if self.judgements is None else f"{self.judgements:,}{people}"),
            *(("skipped", f"{why}: {len(names):,} ({few(names, SHOWN)})") for why, names in self.skipped.items()),
            *(("warning", warning) for warning in self.warnings),
            *(("note", note) for note in self.notes),
        ]
        return [(what, value) for what, value in out if value]

    def _none_yet(self) -> str:
        where = shlex.quote(str(self.out))
        if not self.files:
            return f"none yet; to join a table of labels: affectml import table LABELS.csv {where}"
        labels = "" if self.labels else " --taxonomy NAME"
        return f"none yet; to label the images: affectml label --on {where}{labels}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; absent where unknown."""
        known = {key: value for key, value in vars(self).items() if value is not None and (value or key != "added")}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in known.items()}
        return plain | {"out": str(self.out)}
