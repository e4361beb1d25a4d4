"""dataset.json as pydantic dataclasses: an unknown key or value is an error that names the file."""

from dataclasses import field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from affectml._files import read_json
from affectml.errors import AffectmlError, BadDataset
from affectml.taxonomies import Taxonomy, get_taxonomy

Construct = Literal["evoked", "expressed", "intended", "query"]
Kind = Literal["single", "sets", "rates", "distribution"]
VoteRule = Literal["one_choice", "set_split", "normalised", "moments", "unknown"]
Values = Literal["votes", "shares", "indicator"]

SCHEMA: Final = 2
# How our importers begin a `question` that nobody was asked in these words.
_REMARKS = ("In our words:", "Nobody was asked:")
_STRICT = ConfigDict(extra="forbid")


def _resolved(taxonomy: str | dict[str, Any]) -> Taxonomy:
    if isinstance(taxonomy, str):
        return get_taxonomy(taxonomy)
    return Taxonomy.from_dict(taxonomy, where="inline taxonomy")


def was_asked(question: str) -> bool:
    """Whether `question` is what people were asked, and not empty or an importer's remark in its place."""
    return bool(question) and not question.startswith(_REMARKS)


@dataclass(frozen=True, config=_STRICT)
class TargetMeta:
    """One entry of dataset.json's `targets`: what the labels are about, and what the columns of its table mean.

    construct: what the labels are about. question: what people were asked, word for word where it is known.
    taxonomy: a built-in name or the content of a taxonomy file. vote_rule: how votes became a distribution, or
    `moments` where rates were made from a mean and an SD. source: where the target comes from, if it was joined to
    the data set later. decisions: a file beside the table with labels that somebody decided on after the vote.
    """

    kind: Kind
    construct: Construct
    taxonomy: str | dict[str, Any]
    values: Values
    file: str
    question: str = ""
    vote_rule: VoteRule | None = None
    made_by: str = ""
    source: str = ""
    decisions: str | None = None

    @model_validator(mode="after")
    def _values_fit_the_kind(self) -> "TargetMeta":
        allowed = ("indicator",) if self.kind in ("single", "sets") else ("votes", "shares")
        if self.values not in allowed:
            raise ValueError(f"kind {self.kind!r} takes values {' or '.join(allowed)}, got {self.values!r}")
        if self.kind == "distribution" and self.vote_rule is None:
            raise ValueError(f"a distribution needs its vote_rule, one of {get_args(VoteRule)}")
        return self

    def resolve_taxonomy(self) -> Taxonomy:
        """The Taxonomy named or spelled out inline."""
        return _resolved(self.taxonomy)


@dataclass(frozen=True, config=_STRICT)
class Asked:
    """What people were asked, and what it is about."""

    construct: Construct
    question: str = ""


@dataclass(frozen=True, config=_STRICT)
class Selection:
    """Images picked under a name: `file` is a Parquet table with a column image_id."""

    file: str
    made_by: str = ""


@dataclass(frozen=True, config=_STRICT)
class DatasetMeta:
    """dataset.json. What labels are about is said by each target.

    judgements: what the people in annotations.parquet were asked, or are to be asked where there is none yet.
    taxonomy: the labels that people are to choose among, else those of the targets: a built-in name or the content of a
    taxonomy file. stopping: how images of the judgements stopped early, in a folder from when they could.
    """

    name: str
    targets: dict[str, TargetMeta] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    notes: list[str] = field(default_factory=list)
    judgements: Asked | None = None
    taxonomy: str | dict[str, Any] | None = None
    selections: dict[str, Selection] = field(default_factory=dict)
    stopping: dict[str, Any] | None = None
    schema: Literal[2] = SCHEMA

    @property
    def constructs(self) -> tuple[Construct, ...]:
        """What the targets' labels are about, each once, in the targets' order; empty without targets."""
        return tuple(dict.fromkeys(entry.construct for entry in self.targets.values()))

    def resolve_taxonomy(self) -> Taxonomy | None:
        """The data set's own Taxonomy, None where it names none."""
        return None if self.taxonomy is None else _resolved(self.taxonomy)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `write_json`; `read_meta` reads them back."""
        content = _ADAPTER.dump_python(self, mode="json", exclude_none=True)
        for entry in content["targets"].values():
            if not entry["source"]:
                del entry["source"]
        if not self.selections:
            del content["selections"]
        return {"schema": content.pop("schema"), **content}


_ADAPTER = TypeAdapter(DatasetMeta)


def read_meta(path: Path) -> DatasetMeta:
    """Read and check dataset.json; raises BadDataset with the first problem and where it is."""
    try:
        content = read_json(path, BadDataset)
    except (FileNotFoundError, NotADirectoryError):
        if (path.parent / "run.json").is_file():
            raise BadDataset(f"{path.parent} is a run, where a data set is wanted: name the folder of one") from None
        raise BadDataset(
            f"{path.parent}: no dataset.json there, so it is not an affectml data set; "
            "`affectml import --help` turns folders and tables into one, and `affectml label --images PHOTOS` shows "
            "photographs without labels to label"
        ) from None
    if isinstance(content, dict) and (schema := content.get("schema", SCHEMA)) != SCHEMA:
        raise BadDataset(
            f"{path}: schema {schema!r}, but this affectml reads {SCHEMA}: use the version that wrote it, or import "
            "the data set again"
        )
    try:
        meta = _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        said = first["msg"] if first["loc"] else f"expected an object, got {type(content).__name__}"
        raise BadDataset(f"{path}: {where}{said}; mend it, or import the data set again") from None
    said_of = {"": meta.taxonomy, **{f"targets.{name}.": one.taxonomy for name, one in meta.targets.items()}}
    for where, given in said_of.items():
        if isinstance(given, dict):
            try:
                _resolved(given)
            except AffectmlError as error:
                raise BadDataset(f"{path}: {where}taxonomy: {error}") from None
    return meta
